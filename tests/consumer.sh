#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Installs into an empty folder and builds a program against what is there with the words of
# pkg-config alone. Run in the build folder.
srcdir=$(cd "${srcdir:-.}" && pwd)
unset MAKEFLAGS MFLAGS MAKELEVEL
command -v pkg-config >/dev/null || {
    echo "no pkg-config"
    exit 77
}
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
fail() {
    echo "consumer: $*"
    exit 1
}
${MAKE:-make} -s install DESTDIR="$root/image" >"$root/log" 2>&1 || {
    cat "$root/log"
    fail "make install failed"
}
pc=$(find "$root/image" -name gradwire.pc)
[ -n "$pc" ] || fail "no gradwire.pc was installed"

# The image stands elsewhere than it was configured for: move the prefix, as a package would.
prefix=$(sed -n 's/^prefix=//p' "$pc")
mkdir "$root/pc"
sed "s|=$prefix|=$root/image$prefix|" "$pc" >"$root/pc/gradwire.pc"
PKG_CONFIG_PATH=$root/pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
words=$(pkg-config --cflags --libs gradwire) || fail "pkg-config --cflags --libs gradwire failed"
libdir=$(pkg-config --variable=libdir gradwire)
LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
cd "$root" || exit 1

# The library's own sanitizers, if any, have to be in the program too.
: "${CC:=cc}" "${CXX:=c++}" "${SANITIZE:=}"
# shellcheck disable=SC2086 # words
$CC -std=c11 -Wall -Wextra -Wpedantic -Werror $SANITIZE "$srcdir/tests/consumer/consumer.c" \
    -o consumer $words || fail "the C program does not build"
./consumer || fail "the C program failed"
if [ -f "$(pkg-config --variable=includedir gradwire)/gradwire/mpi.h" ]; then
    # shellcheck disable=SC2086
    {
        echo '#include <gradwire/mpi.h>'
        echo 'int main(int argc, char **argv) { gw_comm *comm; return argc > 1 &&'
        echo 'gw_comm_from_mpi(&comm, (MPI_Comm)(void *)argv) != GW_OK; }'
    } |
        $CC -std=gnu11 $SANITIZE -x c - -o mpi_consumer $words ||
        fail "gradwire/mpi.h does not build"
fi
if command -v "$CXX" >/dev/null; then
    # shellcheck disable=SC2086
    $CXX -std=c++11 -Wall -Wextra -Werror $SANITIZE "$srcdir/tests/consumer/headers.cc" \
        -o headers $words || fail "the headers are not C++"
    ./headers || fail "the C++ program failed"
fi
