#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Fails when what the pages show is not what the tree holds: the README's program is
# examples/average.c from its first include on, and every file that a page links to or names in the
# tour is there.
cd "${srcdir:-.}" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
bad=0

awk '/<!-- examples\/average.c -->/ { wanted = 1 } /^```$/ { inside = wanted = 0 }
    inside { print } /^```c$/ && wanted { inside = 1 }' README.md >"$folder/shown"
sed -n '/^#include/,$p' examples/average.c >"$folder/held"
[ -s "$folder/shown" ] || {
    echo "README.md shows no program after <!-- examples/average.c -->"
    bad=1
}
diff "$folder/shown" "$folder/held" || {
    echo "README.md (<) does not show examples/average.c (>)"
    bad=1
}

for page in README.md CONTRIBUTING.md SECURITY.md doc/*.md; do
    here=$(dirname "$page")
    for name in $(grep -oE '\]\([^)#:]+' "$page" | sed 's/^](//'); do
        [ -e "$here/$name" ] || {
            echo "$page links to $name, which is not there"
            bad=1
        }
    done
    for name in $(grep -oE '`(include|base|session|compress|comm|collectives|server|tools|examples|tests|scripts|doc)/[a-z_0-9./-]*`' \
        "$page" | tr -d '`'); do
        # A program is a target of the build, and no file.
        [ -e "$name" ] || grep -qE "PROGRAMS.* $name( |$)" */local.mk || {
            echo "$page names $name, which is not there"
            bad=1
        }
    done
done

# The tables of doc/server.md have every row that the server's tables have.
for name in $(sed -n 's/^    \.name = "\([a-z]*\)",$/\1/p' server/optimize_*.c server/aggregate_*.c) \
    $(sed -n '/^const struct gw_mode_info/,/^};/s/^    { "\([a-z]*\)",.*/\1/p' server/modes.c) \
    $(sed -n '/^const struct gw_durability_info/,/^};/s/.*= { "\([a-z]*\)",.*/\1/p' server/durability.c); do
    grep -qE "^\| \`$name(:[a-z0-9=,.]*)?\` \|" doc/server.md || {
        echo "doc/server.md has no row for $name"
        bad=1
    }
done
exit $bad
