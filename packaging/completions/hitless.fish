# SPDX-License-Identifier: BSD-2-Clause
# fish completion for hitless: the program itself knows what may come next.
function __hitless_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] complete -- $words[2..] 2>/dev/null)
    if test "$found" = :files
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $found
    end
end
complete -c hitless -f -a '(__hitless_complete)'
