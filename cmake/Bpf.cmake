# SPDX-License-Identifier: BSD-2-Clause
# bpf_skeleton(NAME SOURCE): compiles SOURCE for BPF and generates NAME.skel.h, on the include path
# of whoever links the interface target bpf_NAME.
find_program(CLANG NAMES clang-14 clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin REQUIRED)
find_program(LLVM_STRIP NAMES llvm-strip-14 llvm-strip REQUIRED)

function(bpf_skeleton name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(header ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter
            -Wno-missing-declarations -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${object}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
    COMMAND ${LLVM_STRIP} -g ${object}
    DEPENDS ${source} DEPFILE ${object}.d COMMENT "BPF ${source}" VERBATIM)
  add_custom_command(OUTPUT ${header}
    COMMAND sh -c "${BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${header}.new && mv ${header}.new ${header}"
    DEPENDS ${object} COMMENT "skeleton ${name}" VERBATIM)
  add_custom_target(bpf_${name}_header DEPENDS ${header})
  add_library(bpf_${name} INTERFACE)
  add_dependencies(bpf_${name} bpf_${name}_header)
  target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(bpf_${name} INTERFACE PkgConfig::LIBBPF hitless_maps)
endfunction()
