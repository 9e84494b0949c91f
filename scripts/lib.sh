# SPDX-License-Identifier: BSD-2-Clause
# Shared by the scripts beside it: where we are, and what must be installed first.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }

build_packages=(
  g++ cmake ninja-build ccache pkg-config clang-14 llvm-14 bpftool git ca-certificates
  libbpf-dev libxdp-dev libmnl-dev libfmt-dev libcli11-dev nlohmann-json3-dev libtomlplusplus-dev
  prometheus-cpp-dev libsmartcols-dev libsystemd-dev scdoc python3 iproute2
)
test_packages=(
  libgtest-dev librapidcheck-dev libtins-dev libbenchmark-dev clang-format-14 clang-tidy-14
  abigail-tools prometheus libclang-rt-14-dev shellcheck ethtool iputils-ping util-linux procps
  fish zsh mandoc systemd xdp-tools nftables
)

# Installs what is missing of the Debian packages named, and says so; silent when nothing is.
need() {
  local missing=()
  mapfile -t missing < <(
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
      awk '$2 == "installed" {print $1}' | sort -u | comm -13 - <(printf '%s\n' "$@" | sort -u)
  )
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    say "missing: ${missing[*]}; run as root, or: sudo apt-get install ${missing[*]}"
    exit 77
  fi
  say "installing: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
  rm -f "$log"
}

# build PRESET [TARGET...]: configures once, builds what changed; prints only what it had to do.
build() {
  local preset=$1 log
  shift
  log=$(mktemp)
  if { [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset"; } >"$log" 2>&1 &&
    cmake --build --preset "$preset" ${1:+--target "$@"} >>"$log" 2>&1; then
    grep -q 'ninja: no work to do' "$log" || say "built build/$preset"
    rm -f "$log"
  else
    cat "$log" >&2
    exit 1
  fi
}
