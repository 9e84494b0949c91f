# SPDX-License-Identifier: BSD-2-Clause
# bash completion for hitless: the program itself knows what may come next.
# shellcheck shell=bash
_hitless() {
  local -a found
  mapfile -t found < <("$1" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [ "${found[0]-}" = :files ]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$2")
  else
    COMPREPLY=("${found[@]%%$'\t'*}")
  fi
}
complete -F _hitless hitless
