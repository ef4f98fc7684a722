#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Fails on an include that points upward or sideways among the rooms (doc/design.md):
#   base <- compress, session; session <- comm; compress, comm <- collectives;
#   compress, session <- server;   tools and examples know the installed headers only.
# lint_includes.sh [TREE]
tree=${1:-${srcdir:-.}}
cd "$tree" || exit 1

# What a file of room $1 may name in quotes, as an extended regular expression.
allowed() {
    case $1 in
    include) echo '[a-z_]+\.h|gradwire/[a-z_]+\.h' ;;
    base) echo 'config\.h|base/.*' ;;
    session) echo 'config\.h|(base|session)/.*' ;;
    compress) echo 'config\.h|(base|compress)/.*' ;;
    comm) echo 'config\.h|(base|session|comm)/.*' ;;
    collectives) echo 'config\.h|(base|compress|comm|collectives)/.*' ;;
    server) echo 'config\.h|(base|session|compress|server)/.*' ;;
    # A name without a folder is a file beside the one that names it.
    tools) echo 'config\.h|[a-z_0-9]+\.h|tools/.*' ;;
    examples) echo 'config\.h|[a-z_0-9]+\.h|examples/.*' ;;
    esac
}

bad=$(
    for room in include base session compress comm collectives server tools examples; do
        [ -d "$room" ] || continue
        words=$(allowed "$room")
        # FILE:LINE:#include "NAME"
        find "$room" -name '*.[ch]' -o -name '*.inc' | sort | xargs -r grep -nHE '^[ \t]*#[ \t]*include' |
            while IFS= read -r line; do
                name=$(printf '%s\n' "$line" | sed -E 's/^[^#]*#[ \t]*include[ \t]*//')
                case $name in
                \"*)
                    printf '%s\n' "$name" | grep -qE "^\"($words)\"" &&
                        ! printf '%s\n' "$name" | grep -qF '../' ||
                        printf '%s   (not open to the room %s)\n' "$line" "$room"
                    ;;
                '<mpi.h>'*)
                    case $line in
                    comm/mpi* | include/gradwire/mpi.h:* | examples/*) ;;
                    *) printf '%s   (only comm/mpi* and gradwire/mpi.h name MPI)\n' "$line" ;;
                    esac
                    ;;
                '<base/'* | '<session/'* | '<compress/'* | '<comm/'* | '<collectives/'* | '<server/'* | '<tools/'*)
                    printf '%s   (rooms are included in quotes)\n' "$line"
                    ;;
                esac
            done
    done
)
[ -z "$bad" ] && exit 0
printf 'Includes that point upward or sideways:\n%s\n' "$bad"
exit 1
