#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# The reducer's bodies over MPI give the same bits as on threads. Run in the build folder.
srcdir=${srcdir:-.}
command -v mpirun >/dev/null || {
    echo "skipped: mpirun is not installed"
    exit 77
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
for n in 2 3; do
    tests/test_reducer "$n" >"$dir/local" || exit 1
    "$srcdir/scripts/mpirun" "$n" tests/mpi_reducer >"$dir/mpi" || exit 1
    diff "$dir/local" "$dir/mpi" || {
        echo "n=$n: threads (<) and MPI (>) give other bits; repeat:" \
            "scripts/mpirun $n tests/mpi_reducer"
        exit 1
    }
    echo "n=$n: $(wc -l <"$dir/mpi") bodies, the same bits"
done
