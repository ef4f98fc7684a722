# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# What the tests of examples/train share: a small model, and a run of it looked at. Sourced, in the
# build folder.
# shellcheck disable=SC2034,SC2154 # what whoever sources this uses, or sets
set -u
command -v mpirun >/dev/null 2>&1 || {
    echo "SKIP: mpirun is not installed"
    exit 77
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
small="--context 8 --embed 8 --hidden 48 --batch 32 --steps 60 --eval-every 0 --eval-count 1000"
OPENBLAS_NUM_THREADS=1
# Measured rates choose algorithm and pieces: fixed where bits are compared.
GRADWIRE_PIECE=1000000
export OPENBLAS_NUM_THREADS GRADWIRE_PIECE

# train STATUS RANKS ARGUMENT...: the object goes to $dir/json, what is said to $dir/said. One rank
# needs no mpirun.
train() {
    want=$1 ranks=$2
    shift 2
    rm -f "$dir/json"
    start=$srcdir/scripts/mpirun
    [ "$ranks" -gt 1 ] || start=
    again="${start:+$start $ranks }examples/train $*"
    timeout 120 ${start:+"$start" "$ranks"} examples/train "$@" --json "$dir/json" \
        >"$dir/said" 2>&1
    got=$?
    case $want in
    "$got") return ;;
    killed) [ $got -ne 0 ] && [ $got -ne 124 ] && return ;;
    esac
    cat "$dir/said"
    fail "status $got, expected $want"
}

fail() {
    echo "FAIL: $*"
    echo "Again: $again"
    exit 1
}

# The value of a key of the object.
value() {
    sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$dir/json"
}

# holds KEY OPERATOR NUMBER
holds() {
    awk -v a="$(value "$1")" -v b="$3" "BEGIN { exit !(a != \"\" && a + 0 $2 b + 0) }" ||
        fail "$1 is $(value "$1"), expected $2 $3"
}

# same WHAT: this run's digest is $digest
same() {
    [ "$(value digest)" = "$digest" ] || fail "$1: digest $(value digest), expected $digest"
}
