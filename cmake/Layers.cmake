# SPDX-License-Identifier: BSD-2-Clause
# The architecture as a build rule: each layer names the layers it may include. A source file that
# includes anything else stops the configure step, with its name. tests/layers proves that it does.
#
#   layer(loader/core USES maps)
#
# Own files are always allowed. Includes are written from the top of the tree ("loader/core/x.hpp").
function(layer name)
  cmake_parse_arguments(ARG "" "" "USES;FORBIDS" ${ARGN})
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.[ch] ${CMAKE_SOURCE_DIR}/${name}/*.[ch]pp)
  foreach(file ${files})
    file(STRINGS ${file} includes REGEX "^[ \t]*#[ \t]*include")
    file(RELATIVE_PATH shown ${CMAKE_SOURCE_DIR} ${file})
    foreach(line ${includes})
      string(REGEX MATCH "[\"<]([^\">]+)" path "${line}")
      set(path ${CMAKE_MATCH_1})
      # <...> reaches our files too: the top of the tree is on the search path.
      if(line MATCHES "\"" OR EXISTS ${CMAKE_SOURCE_DIR}/${path})
        set(allowed FALSE)
        foreach(prefix ${name} ${ARG_USES})
          if(path MATCHES "^${prefix}(/|$)" AND NOT path MATCHES "\\.\\.")
            set(allowed TRUE)
          endif()
        endforeach()
        if(NOT allowed)
          message(FATAL_ERROR "layering: ${shown} includes \"${path}\"; ${name} may use only: ${ARG_USES}")
        endif()
      endif()
      foreach(bad ${ARG_FORBIDS})
        if(line MATCHES "<${bad}>")
          message(FATAL_ERROR "layering: ${shown} includes <${bad}>; ${name} must stay pure")
        endif()
      endforeach()
    endforeach()
  endforeach()
endfunction()
