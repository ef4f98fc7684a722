# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# What the tests of the program gradwire share: a scratch folder, and a run of it looked at. Sourced by
# bash, in the build folder.
# shellcheck disable=SC2034 # what whoever sources this uses
srcdir=$(cd "${srcdir:-.}" && pwd)
program=$PWD/gradwire
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
bad=0
wrong() {
    local name=${0##*/}
    echo "${name%.sh}: $*"
    bad=1
}
for variable in $(compgen -e GRADWIRE_); do
    unset "$variable"
done

# expect STATUS ARGUMENT...: what gradwire prints goes to $scratch/out and $scratch/err.
expect() {
    local status=$1 got
    shift
    timeout 60 "$program" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    got=$?
    [ "$got" -eq "$status" ] || {
        wrong "gradwire $*: exit status $got, expected $status"
        cat "$scratch/out" "$scratch/err"
    }
}
