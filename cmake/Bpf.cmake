# SPDX-License-Identifier: BSD-2-Clause
# bpf_skeleton(NAME SOURCE): compiles SOURCE for BPF and generates NAME.skel.h, on the include path
# of whoever links the interface target bpf_NAME.
find_program(CLANG NAMES clang-14 clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin REQUIRED)
find_program(LLVM_STRIP NAMES llvm-strip-14 llvm-strip REQUIRED)
find_program(LLVM_OBJCOPY NAMES llvm-objcopy-14 llvm-objcopy REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

function(bpf_skeleton name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(header ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  # As compiled, as linked (no relocations of debug info), and what is embedded: without line info, the
  # source text of which only the linker's second run leaves out, and without clang's labels of basic
  # blocks, which nothing refers to. Together 60 % smaller.
  set(compiled ${CMAKE_CURRENT_BINARY_DIR}/${name}.compiled.o)
  set(linked ${CMAKE_CURRENT_BINARY_DIR}/${name}.linked.o)
  set(lines ${CMAKE_CURRENT_BINARY_DIR}/${name}.btf_ext)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter
            -Wno-missing-declarations -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MT ${object} -MF ${object}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${compiled}
    COMMAND ${LLVM_STRIP} -g ${compiled}
    COMMAND ${BPFTOOL} gen object ${linked} ${compiled}
    COMMAND ${LLVM_OBJCOPY} --dump-section .BTF.ext=${lines} ${linked}
    COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/cmake/without_lines.py ${lines}
    COMMAND ${LLVM_OBJCOPY} --update-section .BTF.ext=${lines} --wildcard --strip-symbol=LBB* ${linked}
    COMMAND ${BPFTOOL} gen object ${object} ${linked}
    DEPENDS ${source} ${CMAKE_SOURCE_DIR}/cmake/without_lines.py DEPFILE ${object}.d COMMENT "BPF ${source}" VERBATIM)
  add_custom_command(OUTPUT ${header}
    COMMAND sh -c "${BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${header}.new && mv ${header}.new ${header}"
    DEPENDS ${object} COMMENT "skeleton ${name}" VERBATIM)
  add_custom_target(bpf_${name}_header DEPENDS ${header})
  add_library(bpf_${name} INTERFACE)
  add_dependencies(bpf_${name} bpf_${name}_header)
  target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(bpf_${name} INTERFACE PkgConfig::LIBBPF hitless_maps)
endfunction()
