# SPDX-License-Identifier: BSD-2-Clause
# Configures small trees under the rule of cmake/Layers.cmake and looks at what it says.

# tree(LINE ...): a tree whose loader/core has one source with these include lines. OUTCOME is 0 or
# the failure; TEXT is what the configure step printed, with its line breaks taken out.
function(tree)
  file(REMOVE_RECURSE ${SCRATCH})
  string(JOIN "\n" source "// a layer's source" ${ARGN} "")
  file(WRITE ${SCRATCH}/loader/core/bad.cpp "${source}")
  file(WRITE ${SCRATCH}/loader/kernel/netlink/rtnl.hpp "")
  file(WRITE ${SCRATCH}/CMakeLists.txt "cmake_minimum_required(VERSION 3.25)
project(scratch LANGUAGES NONE)
include(${RULE})
layer(loader/core USES maps loader/api.hpp FORBIDS unistd.h sys/socket.h bpf/.*)
")
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${SCRATCH} -B ${SCRATCH}/build
                  OUTPUT_VARIABLE text ERROR_VARIABLE text RESULT_VARIABLE outcome)
  string(REGEX REPLACE "[ \n]+" " " text "${text}")
  set(OUTCOME ${outcome} PARENT_SCOPE)
  set(TEXT "${text}" PARENT_SCOPE)
endfunction()

function(accepts)
  tree(${ARGN})
  if(NOT OUTCOME EQUAL 0)
    message(SEND_ERROR "refused, though it breaks no rule: ${ARGN}: ${TEXT}")
  endif()
endfunction()

function(refuses line)
  tree("${line}")
  if(OUTCOME EQUAL 0)
    message(SEND_ERROR "accepted: ${line}")
  endif()
  foreach(part "loader/core/bad.cpp" ${ARGN})
    string(FIND "${TEXT}" "${part}" at)
    if(at LESS 0)
      message(SEND_ERROR "refusing ${line}, it does not name '${part}': ${TEXT}")
    endif()
  endforeach()
endfunction()

accepts("#include \"maps/hitless_abi.h\"" "#include \"loader/core/types.hpp\"" "#include <vector>"
        "#include \"loader/api.hpp\"" "#include <unistdio.h>")
refuses("#include \"loader/kernel/netlink/rtnl.hpp\"" "loader/kernel/netlink/rtnl.hpp" "loader/core may use only: maps")
refuses("#  include \"cli/output/json.hpp\"" "cli/output/json.hpp")
refuses("  #include \"cli/output/json.hpp\"" "cli/output/json.hpp")
refuses("#include \"loader/corecrazy/x.hpp\"" "loader/corecrazy/x.hpp")
refuses("#include \"mapsy.h\"" "mapsy.h")
refuses("#include \"loader/core/../kernel/rtnl.hpp\"" "loader/core/../kernel/rtnl.hpp")
refuses("#include <unistd.h>" "<unistd.h>" "loader/core must stay pure")
refuses("#include <bpf/libbpf.h>" "pure")
# An include in angle brackets reaches our tree just as well: the top of it is on the search path.
refuses("#include <loader/kernel/netlink/rtnl.hpp>" "loader/kernel/netlink/rtnl.hpp")
file(REMOVE_RECURSE ${SCRATCH})
