#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# The collectives' bodies over MPI give the same bits as on threads. Run in the build folder.
srcdir=${srcdir:-.}
command -v mpirun >/dev/null || {
    echo "skipped: mpirun is not installed"
    exit 77
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
for n in 2 4; do
    tests/test_collectives "$n" >"$dir/local" || exit 1
    "$srcdir/scripts/mpirun" "$n" tests/mpi_collectives >"$dir/mpi" || exit 1
    diff "$dir/local" "$dir/mpi" || {
        echo "n=$n: threads (<) and MPI (>) give other bits; repeat:" \
            "scripts/mpirun $n tests/mpi_collectives"
        exit 1
    }
    echo "n=$n: $(wc -l <"$dir/mpi") bodies, the same bits"
done
# The progress thread moves all runs.
tests/test_collectives 2 >"$dir/local" &&
    GRADWIRE_PROGRESS=thread "$srcdir/scripts/mpirun" 2 tests/mpi_collectives >"$dir/mpi" || exit 1
diff "$dir/local" "$dir/mpi" || {
    echo "threads (<) and MPI by the progress thread (>) give other bits; repeat:" \
        "GRADWIRE_PROGRESS=thread scripts/mpirun 2 tests/mpi_collectives"
    exit 1
}
"$srcdir/scripts/mpirun" 2 tests/mpi_progress
