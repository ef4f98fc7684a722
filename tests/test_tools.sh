#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# The program as its users meet it: every flag is in --help, manual and completion; info lists every
# row; bench gives the documented rows and exit statuses. Run in the build folder.
. "${srcdir:-.}/tests/tool_lib.sh"

# The flags that --help tells, one per line.
flags_of() {
    timeout 60 "$program" "$@" --help |
        grep -oE '^ +(-[a-zA-Z?]|--[a-z-]+)(, --[a-z-]+)?' | grep -oE -- '--?[a-zA-Z?][a-z-]*' | sort -u
}

commands=$(timeout 60 "$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$commands" = $'info\nbench\nserve\nkey\ntop\nrun' ] || wrong "--help lists the commands '$commands'"

# check_page PAGE ARGUMENT...: a flag is \-x in a page, at a word's start.
check_page() {
    local page=$srcdir/doc/man/$1 flag
    shift
    for flag in $(flags_of "$@"); do
        sed 's/\\-/-/g' "$page" | grep -qE -- "(^|[ ,])\"?${flag//\?/\\?}([ =,|]|\$)" ||
            wrong "$page does not tell of $flag"
    done
}
check_page gradwire.1
for command in $commands; do
    check_page "gradwire-$command.1" "$command"
    grep -q "gradwire\\\\-$command (1)" "$srcdir/doc/man/gradwire.1" ||
        wrong "gradwire.1 does not name the page of $command"
done
for flag in $(flags_of bench); do
    case $flag in -\? | --help | --usage | -V | --version) continue ;; esac
    grep -qE -- "^ *\{ (NULL|\"${flag#--}\"), ('${flag#-}'|KEY_)" "$srcdir/tools/bench_options.c" ||
        wrong "$flag is in bench --help but not in the table of flags"
done
[ "$(flags_of bench | wc -l)" -ge 20 ] || wrong "too few flags found in bench --help"

# complete WORD...: what the completion offers for the last one.
# shellcheck source=tools/gradwire.bash-completion
. "$srcdir/tools/gradwire.bash-completion"
complete_words() {
    COMP_WORDS=("$program" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _gradwire
    printf '%s\n' "${COMPREPLY[@]}"
}
offers() {
    local wanted=$1
    shift
    complete_words "$@" | grep -qxF -- "$wanted" || wrong "completion of '$*' does not offer $wanted"
}
for command in $commands; do
    offers "$command" ''
    for flag in $(flags_of "$command"); do
        case $flag in -\? | -V | --version) continue ;; esac
        offers "$flag" "$command" -
    done
done

# info: every row of the text is in the JSON and can be shown alone.
expect 0 info
text=$(cat "$scratch/out")
expect 0 info --json
json=$(cat "$scratch/out")
names=$(sed -n 's/^      "name": "\(.*\)",$/\1/p' <<<"$json")
rows=$(grep -c '^ *&gw_row_' "$srcdir/compress/codecs.c")
codecs=$(complete_words bench --codec '' | wc -l)
[ "$codecs" -eq "$rows" ] ||
    wrong "compress/codecs.c has $rows rows, info lists $codecs codecs"
for name in raw direct local GRADWIRE_SEED $names; do
    grep -qE "^  $name( |\$)" <<<"$text" || wrong "info does not list $name"
    [ "$name" = "${name#GRADWIRE}" ] && ! grep -q "\"$name\"" <<<"$json" &&
        wrong "info --json does not list $name"
done
for name in $(complete_words bench --codec '') direct local GRADWIRE_SEED; do
    expect 0 info "$name"
    grep -q "^  $name " "$scratch/out" || wrong "info $name does not show it"
done
expect 0 info raw
[ "$(grep -c '^  [a-z]' "$scratch/out")" -eq 1 ] || wrong "info raw shows more than raw"
while read -r trait; do
    grep -q "{ $trait, " "$srcdir/tools/info.c" || wrong "info has no words for $trait"
done < <(sed -n '/enum gw_codec_traits/,/}/s/^ *\(GW_[A-Z_]*\) = .*/\1/p' \
    "$srcdir/include/gradwire/info.h")
expect 0 info --man
for name in $(complete_words bench --codec ''); do
    grep -qE "^\.SS .fB$name\+?.fR\$" "$scratch/out" || wrong "the page of codecs lacks $name"
done
if command -v man >/dev/null; then
    for page in "$srcdir"/doc/man/*.1 "$scratch/out"; do
        MANWIDTH=100 man -l --warnings "$page" 2>"$scratch/err" >/dev/null
        [ ! -s "$scratch/err" ] || wrong "man finds in $page: $(cat "$scratch/err")"
    done
fi
expect 1 info nothing
expect 1 info raw raw
GRADWIRE_SED=1 expect 1 info
grep -q GRADWIRE_SEED "$scratch/err" || wrong "info does not tell the nearest setting"
GRADWIRE_SEED=5 expect 0 info GRADWIRE_SEED
grep -q '5 (environment)' "$scratch/out" || wrong "info does not tell a setting's origin"

# info --costs: what was measured, and a prediction for each algorithm that applies.
GRADWIRE_LINK=1gbit,50us expect 0 info --costs --ranks 2 --codec qsgd:bits=4 --codec raw
for words in 'within a node *1\.000 Gbit/s *latency *50\.00 us' 'qsgd:bits=4  *direct  *[0-9.]* ' \
    'raw  *ring  *[0-9.]* ' 'qsgd:bits=4  *[0-9.]*  *[0-9.]*  *[0-9.]*  *- '; do
    grep -q "^  $words" "$scratch/out" || wrong "info --costs does not tell: $words"
done
grep -q 'qsgd:bits=4 *ring' "$scratch/out" && wrong "info --costs predicts what does not apply"
GRADWIRE_COSTS=$scratch/costs expect 0 info --costs --ranks 2 --codec raw --json
grep -q '"predicted_ms": {' "$scratch/out" || wrong "info --costs --json predicts nothing"
grep -q '^link local:2:1:' "$scratch/costs" || wrong "info --costs keeps no links in GRADWIRE_COSTS"
expect 0 info --costs --comm self: --codec vote
expect 1 info --costs --codec nothing
expect 1 info --costs --ranks 0
expect 1 info --costs raw
expect 1 info --ranks 2

# Bad use.
expect 0 --version
grep -qE '^gradwire [0-9]+\.[0-9]+\.[0-9]+$' "$scratch/out" || wrong "--version: $(cat "$scratch/out")"
expect 1
expect 1 nothing
expect 1 --nothing
expect 1 bench -b 4X
expect 1 bench -b 2K -e 1K
expect 1 bench -n 0
expect 1 bench -f 1
expect 1 bench --op reduce
expect 1 bench --dist file:/nowhere/x
expect 1 bench --link 1gbit
expect 1 bench --timeout 0
expect 1 bench --progress nobody
expect 1 bench --threads 0
expect 1 bench --piece 0
expect 1 bench --codec " "
expect 1 bench --gate maybe
expect 1 bench --op pushpull --workers 1,,2
expect 1 bench --op pushpull --workers 0
expect 1 bench --op pushpull --overlap
expect 1 bench --workers 2
expect 1 bench --unix
OMPI_COMM_WORLD_SIZE=2 expect 1 bench --op pushpull --workers 2
expect 1 bench --codec nothing:bits=3
grep -q nothing "$scratch/err" || wrong "bench does not name the codec that there is not"
expect 1 bench -b 4K -e 4K --json /nowhere/x
expect 1 bench argument
expect 1 info --man raw
OMPI_COMM_WORLD_SIZE=2 expect 1 bench --ranks 2
GRADWIRE_LAUNCH=self: expect 1 bench --ranks 2
expect 1 run
expect 1 run -n 0 true
expect 1 run -n 2 --link 1gbit true
expect 1 run --timeout 0 true
expect 1 run --nothing true

# The rows of bench.
keys=$(sed -n '/^\.SH OUTPUT/,/^nmse, cosine/p' "$srcdir/doc/man/gradwire-bench.1" |
    sed -n 's/^\.IR\{0,1\} //p' | tr -d '",' | tr ' ' '\n' | sed '/^$/d' | sort | tr '\n' ' ')
design='algbw_gbs algorithm bias busbw_gbs codec cosine count decode_gbs encode_gbs nmse op ranks '
design=$design'ratio reason sent_codec size_bytes time_us_avg time_us_max time_us_min time_us_p50 time_us_p99 '
design=$design'transport vs_fp16 vs_raw wire_bytes wrong '
[ "$keys" = "$design" ] || wrong "the manual documents the keys $keys, expected $design"
python=$(command -v python3) || echo "test_tools: no python3, JSON is looked at with grep alone"
# check_rows FILE COUNT: that many lines, each an object with these keys and nothing wrong.
check_rows() {
    local lines key
    lines=$(wc -l <"$1")
    [ "$lines" -eq "$2" ] || wrong "$1 has $lines rows, expected $2: $(cat "$1")"
    for key in $design; do
        [ "$(grep -c "\"$key\":" "$1")" -eq "$2" ] || wrong "not all rows have $key: $(cat "$1")"
    done
    [ -z "$python" ] || "$python" - "$1" "$design" <<'END' || wrong "rows are not as documented"
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    if sorted(row) != sys.argv[2].split():
        sys.exit("keys " + " ".join(sorted(row)))
    if row["wrong"] != 0 or row["count"] * 4 != row["size_bytes"] or row["time_us_min"] <= 0:
        sys.exit(line)
    if not row["time_us_min"] <= row["time_us_p50"] <= row["time_us_p99"] <= row["time_us_max"]:
        sys.exit(line)
END
}
rows=$scratch/rows.json
quick="-b 4K -e 64K -f 16 -n 3 -w 1"
# shellcheck disable=SC2086 # words
{
    expect 0 bench $quick -c --codec raw --json "$rows"
    check_rows "$rows" 2
    [ "$(grep -cv '^#' "$scratch/out")" -eq 2 ] || wrong "bench printed: $(cat "$scratch/out")"
    [ ! -s "$scratch/err" ] || wrong "bench wrote to standard error: $(cat "$scratch/err")"
    expect 0 bench $quick --ranks 4 -c --codec 'raw ef+raw' --codec clip+raw --json -
    cp "$scratch/out" "$rows"
    check_rows "$rows" 6
    grep -q '"nmse":[0-9]' "$rows" || wrong "-c gives no nmse"
    expect 0 bench $quick --ranks 2 --codec raw --json -
    cp "$scratch/out" "$rows"
    check_rows "$rows" 2
    grep -q '"nmse":null,"cosine":null,"bias":null' "$rows" || wrong "nmse without -c"
    for op in allreduce reduce_scatter allgather broadcast; do
        expect 0 bench $quick --ranks 3 --op $op -c --codec raw --json "$rows"
        check_rows "$rows" 2
        grep -q "\"op\":\"$op\"" "$rows" || wrong "op is not $op"
    done
    for dist in laplace sparse "file:$program"; do
        GRADWIRE_NONFINITE=zero expect 0 bench $quick --ranks 2 --dist "$dist" --codec raw
    done
    expect 0 bench $quick --ranks 2 -c --codec raw --link 1gbit,50us --json "$rows"
    check_rows "$rows" 2
    grep -q '"transport":"shaped:' "$rows" || wrong "--link does not show"
    expect 0 bench $quick --ranks 2 --codec raw --algorithm gather --json "$rows"
    grep -q '"algorithm":"gather"' "$rows" || wrong "--algorithm does not show"
    GRADWIRE_ALGORITHM=ring expect 0 bench $quick --ranks 2 --codec raw --json "$rows"
    grep -q '"algorithm":"ring"' "$rows" || wrong "GRADWIRE_ALGORITHM does not show"
    slow="-b 64K -e 64K -n 2 -w 1 --ranks 2 --link 10mbit,10us"
    expect 0 bench $slow --codec 'qsgd:bits=4' --gate auto --json "$rows"
    grep -q '"sent_codec":"qsgd:bits=4.*"reason":"sends codes' "$rows" || wrong "gate: $(cat "$rows")"
    expect 0 bench $quick --ranks 1 -c --codec 'ef+qsgd' --json "$rows"
    grep -q '"sent_codec":"raw".*"reason":"sends raw' "$rows" || wrong "gate: $(cat "$rows")"
    GRADWIRE_GATE=off expect 0 bench $quick --ranks 1 -c --codec 'ef+qsgd' --json "$rows"
    grep -q '"sent_codec":"ef+qsgd' "$rows" || wrong "GRADWIRE_GATE does not show"
    for unix in '' --unix; do
        expect 0 bench $quick --op pushpull --workers 1,3 $unix -c --codec 'raw ef+topk' --json "$rows"
        [ "$(grep -c '"op":"pushpull".*"wrong":0,.*"vs_echo":[0-9.]*,"vs_mpi":null,"pull":"raw"' "$rows")" -eq 8 ] ||
            wrong "--op pushpull $unix: $(cat "$rows")"
        [ "$(grep -c '"ranks":3,' "$rows")" -eq 4 ] || wrong "--workers 1,3: $(cat "$rows")"
    done
    expect 0 bench $quick --op pushpull --ranks 2 --codec fp16 --pull qsgd --json "$rows"
    [ "$(grep -c '"ranks":2,.*"pull":"qsgd"' "$rows")" -eq 2 ] || wrong "--pull: $(cat "$rows")"
    for progress in caller thread; do
        expect 0 bench $quick --ranks 2 --codec 'raw ef+qsgd' --overlap --json "$rows" \
            --progress $progress --threads 2 --piece 4096
        [ "$(grep -c "\"progress\":\"$progress\".*\"overlap_pct\":[0-9]" "$rows")" -eq 4 ] ||
            wrong "--overlap with progress by $progress: $(cat "$rows")"
        grep -q '"time_us_p50"' "$rows" && wrong "--overlap gives times that it did not measure"
        grep -q 'pure_us  compute_us  overall_us' "$scratch/out" || wrong "--overlap has no title"
    done
    tune="-b 4K -e 256K -f 8 -n 2 -w 1 --ranks 2"
    expect 0 bench $tune --codec qsgd:bits=4 --tune "$scratch/tuning"
    [ -s "$scratch/tuning" ] || wrong "no tuning file"
    [ "$(grep -c '^time local:2:1:[0-9a-f]* allreduce raw ring' "$scratch/tuning")" -eq 3 ] ||
        wrong "tuning: $(cat "$scratch/tuning")"
    # As fast as nothing is: direct is taken, whatever the model says.
    sed 's/\(direct [0-9]*\) .*/\1 1e-9/' "$scratch/tuning" >"$scratch/direct"
    for size in 4K 16K; do
        GRADWIRE_TUNING=$scratch/direct expect 0 bench -b $size -e $size -n 2 --ranks 2 \
            --codec qsgd:bits=4 --gate off --json "$rows"
        grep -q '"algorithm":"direct".*as tuned' "$rows" || wrong "tuned: $(cat "$rows")"
    done
    GRADWIRE_TUNING=$scratch/direct expect 0 bench -b 16M -e 16M -n 2 --ranks 2 \
        --codec qsgd:bits=4 --gate off --json "$rows"
    grep -q 'as tuned' "$rows" && wrong "a size that is far away is tuned: $(cat "$rows")"
    echo 'time local:2 allreduce raw ring 4096' >>"$scratch/tuning"
    GRADWIRE_TUNING=$scratch/tuning expect 1 bench $quick --ranks 2
    grep -q "tuning:[0-9]*: expected" "$scratch/err" || wrong "a damaged file: $(cat "$scratch/err")"
    GRADWIRE_TUNING=/nowhere/x expect 1 bench $quick --ranks 2
    expect 1 bench $tune --tune /nowhere/x
    expect 4 bench $quick --ranks 2 --codec raw --min-busbw 1000000
    expect 3 bench -b 1M -n 1 --ranks 2 --codec raw --link 1mbit,1ms --timeout 0.1
}

# Under the program's own launcher (tests/test_run.sh has more of it).
# shellcheck disable=SC2086 # words
expect 0 run -n 2 --no-prefix "$program" bench $quick -c --codec raw --json "$rows"
check_rows "$rows" 2
grep -q '"transport":"tcp:.*"ranks":2' "$rows" || wrong "run: $(cat "$rows")"
grep -q '^# vs_raw is against the raw plan' "$scratch/out" || wrong "run: $(cat "$scratch/out")"

# Under mpirun, if this build and machine can.
if ! command -v mpirun >/dev/null || ! grep -q '^#define GW_WITH_MPI' config.h; then
    echo "test_tools: no mpirun or built without MPI: bench was not run under it"
else
    # shellcheck disable=SC2086 # words
    timeout 120 "$srcdir/scripts/mpirun" 2 "$program" bench $quick -c --codec raw --json "$rows" \
        >"$scratch/out" 2>&1 || wrong "bench under mpirun: $(cat "$scratch/out")"
    check_rows "$rows" 2
    grep -q '"ranks":2.*"algorithm":"shared"' "$rows" || wrong "mpirun: $(cat "$rows")"
    grep -q '"transport":"mpi:"' "$rows" || wrong "mpirun: $(cat "$rows")"
fi
[ $bad -eq 0 ]
