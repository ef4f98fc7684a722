# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# What the scripts share: packages, the build folder, its programs. Sourced by bash.

set -u -o pipefail
export LC_ALL=C
# Under a make or an automake test these would leak into the builds that are made here.
unset MAKEFLAGS MFLAGS MAKELEVEL srcdir

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc)

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Each line of "$@" that is a Debian package and is not installed.
packages_missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] ||
            printf '%s\n' "$package"
    done
}

# Install what is missing, or stop with the command that would.
packages_need() {
    local missing as_root=()
    command -v dpkg-query >/dev/null 2>&1 || {
        say "Not a Debian system: going on with what is installed. Debian's names of what is needed: $*"
        return 0
    }
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || {
            say "Some Debian packages are missing and this user may not install them. Run:" >&2
            say "    sudo apt-get install --no-install-recommends ${missing[*]}" >&2
            exit 1
        }
        as_root=(sudo -n)
    fi
    say "Installing from Debian: ${missing[*]}"
    mkdir -p "$top/build"
    {
        "${as_root[@]}" apt-get update -q &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -q -y --no-install-recommends "${missing[@]}"
    } >"$top/build/apt.log" 2>&1 || {
        tail -n 20 "$top/build/apt.log" >&2
        die "apt-get failed (the whole of it: build/apt.log)"
    }
}

# Run "$@" with its output in a file; on a terminal show its last line while it runs.
# run_logged LOG COMMAND...
run_logged() {
    local log=$1 child rc start=$SECONDS columns line
    shift
    mkdir -p "$(dirname "$log")"
    if ! [ -t 1 ]; then
        "$@" >"$log" 2>&1 </dev/null
        return
    fi
    "$@" >"$log" 2>&1 </dev/null &
    child=$!
    # Ctrl-C reaches the child too: it is in the terminal's foreground group.
    columns=$(tput cols 2>/dev/null || echo 80)
    while kill -0 "$child" 2>/dev/null; do
        line=$(tail -c 2000 "$log" | tr '\r' '\n' | tail -n 1 | tr -cd '[:print:]')
        printf '\r\033[K%s' "$(printf '    %4d s  %s' $((SECONDS - start)) "$line" |
            cut -c "1-$((columns - 1))")"
        sleep 0.5
    done
    printf '\r\033[K'
    wait "$child"
    rc=$?
    return $rc
}

# Configure out of tree, once for the same arguments: configure_in FOLDER ARGUMENT...
configure_in() {
    local folder=$1 words
    shift
    words="$*"
    [ -x "$top/configure" ] && [ "$top/configure" -nt "$top/configure.ac" ] || "$top/autogen.sh" ||
        return
    mkdir -p "$folder" || return
    if [ -f "$folder/Makefile" ] && [ "$(cat "$folder/configured" 2>/dev/null)" = "$words" ]; then
        return 0
    fi
    # Objects of other flags would be kept: start anew.
    if [ -f "$folder/Makefile" ]; then
        make -s -C "$folder" clean || return
    fi
    (cd "$folder" && "$top/configure" --quiet "$@") || return
    printf '%s\n' "$words" >"$folder/configured"
}

build_in() {
    local folder=$1
    shift
    configure_in "$folder" "$@" && make -C "$folder" -j "$jobs" all
}

# The folder that BUILD names -> build. These programs have to be there: build_needs PROGRAM...
build_needs() {
    local name
    build=$(cd "${BUILD:-build}" && pwd) || die "there is no folder ${BUILD:-build}: BUILD names it"
    for name in "$@"; do
        [ -x "$build/$name" ] || die "$build/$name is missing: make $name"
    done
}

# Settings of whoever calls would be those of what is tried.
settings_clear() {
    local variable
    for variable in $(compgen -e GRADWIRE_); do
        unset "$variable"
    done
}
