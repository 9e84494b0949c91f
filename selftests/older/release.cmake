# SPDX-License-Identifier: BSD-2-Clause
# Stands for the top of the frozen sources: what their command needs, and no test.
cmake_minimum_required(VERSION 3.25)
project(hitless VERSION 0.1.0 LANGUAGES C CXX)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(HITLESS_TESTS OFF)

find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.1)
pkg_check_modules(LIBXDP REQUIRED IMPORTED_TARGET libxdp>=1.3)
pkg_check_modules(LIBMNL REQUIRED IMPORTED_TARGET libmnl)

list(APPEND CMAKE_MODULE_PATH ${CMAKE_SOURCE_DIR}/cmake)
include(Layers)
include(Bpf)
set(HITLESS_HEADERS <array> <chrono> <filesystem> <functional> <map> <memory> <optional> <string> <vector>
  <fmt/format.h> <fmt/ranges.h>)

add_subdirectory(maps)
add_subdirectory(bpf)
add_subdirectory(loader)
add_subdirectory(testbed)
add_subdirectory(cli)
