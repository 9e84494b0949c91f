# SPDX-License-Identifier: BSD-2-Clause
# What is installed for other programs: the C ABI as a shared and a static library, its headers, and
# what finds them (pkg-config, CMake). docs/embedding.md shows both ways.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB capi CONFIGURE_DEPENDS capi/*.cpp)
add_library(hitless_capi OBJECT ${capi})
target_link_libraries(hitless_capi PUBLIC hitless_core)
target_compile_options(hitless_capi PRIVATE -Os)
target_precompile_headers(hitless_capi REUSE_FROM hitless_core)
target_compile_definitions(hitless_capi PRIVATE HITLESS_VERSION="${PROJECT_VERSION}")
set(objects $<TARGET_OBJECTS:hitless_capi> $<TARGET_OBJECTS:hitless_loader> $<TARGET_OBJECTS:hitless_core>)

set(exports ${CMAKE_CURRENT_SOURCE_DIR}/capi/exports.map)
if(HITLESS_LTO)
  # Objects of the shared library's own, so that nobody else pays: the command is not compiled twice for it.
  add_library(hitless_whole OBJECT ${core} ${kernel} ${engine} ${capi})
  target_compile_options(hitless_whole PRIVATE -Os -ffunction-sections -fdata-sections -flto=auto)
  target_compile_definitions(hitless_whole PRIVATE HITLESS_VERSION="${PROJECT_VERSION}")
  target_precompile_headers(hitless_whole PRIVATE ${HITLESS_HEADERS})
  target_link_libraries(hitless_whole PRIVATE hitless_maps ${kernel_needs})
  add_library(hitless_shared SHARED $<TARGET_OBJECTS:hitless_whole>)
  target_link_options(hitless_shared PRIVATE -flto=auto -Os)
else()
  add_library(hitless_shared SHARED ${objects})
endif()
target_link_libraries(hitless_shared PRIVATE PkgConfig::LIBXDP PkgConfig::LIBBPF PkgConfig::LIBMNL)
target_link_options(hitless_shared PRIVATE LINKER:--version-script=${exports} LINKER:--gc-sections
  LINKER:--no-undefined LINKER:--as-needed)
# Segments share pages and relocations are packed (glibc 2.36): 8 kB.
target_link_options(hitless_shared PRIVATE LINKER:-z,noseparate-code LINKER:-z,pack-relative-relocs)
set_target_properties(hitless_shared PROPERTIES SOVERSION 1 VERSION 1.${PROJECT_VERSION} LINK_DEPENDS ${exports})

add_library(hitless_static STATIC ${objects})
target_link_libraries(hitless_static INTERFACE xdp bpf mnl)

foreach(library hitless_shared hitless_static)
  string(REPLACE hitless_ "" kind ${library})
  set_target_properties(${library} PROPERTIES OUTPUT_NAME hitless EXPORT_NAME ${kind} LINKER_LANGUAGE CXX)
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

install(TARGETS hitless_shared hitless_static EXPORT hitless
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(FILES include/hitless.h include/hitless.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/hitless)
install(EXPORT hitless NAMESPACE hitless:: FILE hitless-config.cmake DESTINATION ${package} COMPONENT development)
write_basic_package_version_file(hitless-config-version.cmake COMPATIBILITY SameMajorVersion)
file(RELATIVE_PATH HITLESS_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" HITLESS_PC_TO_PREFIX ${HITLESS_PC_TO_PREFIX})
configure_file(hitless.pc.in hitless.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hitless-config-version.cmake DESTINATION ${package} COMPONENT development)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hitless.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
