#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# The bodies of transport_bodies.c over MPI: our own MPI_Init, a simulated link, and a program that
# initialized MPI itself at each thread level.
set -u
srcdir=${srcdir:-.}
program=tests/mpi_transport
command -v mpirun >/dev/null 2>&1 || {
    echo "SKIP: mpirun is not installed"
    exit 77
}

run() {
    ranks=$1
    shift
    timeout 120 "$srcdir/scripts/mpirun" "$ranks" "$program" "$@" || {
        echo "FAIL (status $?). Again: $srcdir/scripts/mpirun $ranks $program $*"
        exit 1
    }
}

run 2 world
run 4 world
run 2 shaped
run 4 shaped
for level in 0 1 2 3; do
    run 2 user "$level"
done
run 4 user 0
