#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# The lints themselves: each must fail on a tree with the fault that it is there for.
srcdir=$(cd "${srcdir:-.}" && pwd)
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
bad=0
mkdir "$tree/base" "$tree/compress" "$tree/comm" "$tree/tools" "$tree/tests"
spdx='/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */'

# expect STATUS WHAT LINT: run LINT on the tree
expect() {
    sh "$srcdir/tests/$3" "$tree" >"$tree/out" 2>&1
    got=$?
    [ "$got" -eq 77 ] && [ "$1" -eq 0 ] && got=0
    [ "$got" -eq "$1" ] || {
        echo "$3 on $2: expected status $1, got $got"
        cat "$tree/out"
        bad=1
    }
}
# fault FILE LINE WHAT LINT: with LINT on a tree where FILE holds LINE
fault() {
    printf '%s\n%s\n' "$spdx" "$2" >"$tree/$1"
    expect 1 "$3" "$4"
    rm "$tree/$1"
}
cp "$srcdir/.clang-format" "$tree/"
printf '%s\n#include "base/b.h"\n' "$spdx" >"$tree/compress/good.c"
expect 0 "a good tree" lint_includes.sh
expect 0 "a good tree" lint_style.sh
fault base/a.c '#include "compress/codec.h"' "base including compress" lint_includes.sh
fault compress/a.c '#include "comm/comm.h"' "compress including comm" lint_includes.sh
fault comm/a.c '# include "compress/codec.h"' "comm including compress" lint_includes.sh
fault comm/a.h '#include "../base/b.h"' "a path upward" lint_includes.sh
fault tools/a.c '#include "base/b.h"' "tools including a room" lint_includes.sh
fault tools/a.c '#include <base/b.h>' "a room in angle brackets" lint_includes.sh
fault compress/a.c '#include <mpi.h>' "compress including MPI" lint_includes.sh
spdx_kept=$spdx spdx='/* nothing */'
fault base/a.c '' "a file without SPDX lines" lint_style.sh
spdx=$spdx_kept
fault base/a.c "$(yes '' | head -n 600 | sed 's/^/\/\* *\//')" "a file of 600 lines" lint_style.sh
exit $bad
