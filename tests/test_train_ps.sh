#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# The trainer learns through parameter servers among its ranks: with raw, mean and sync it ends with
# the bits of the allreduce, and so on one server, on two, over TLS; compressed both ways it learns
# in every mode; killed and resumed it ends with the bits of a run that was not. Run in the build
# folder.
srcdir=${srcdir:-.}
. "$srcdir/tests/train_lib.sh"

# A server is an allreduce that keeps the parameters. Ranks behind a simulated link share no memory,
# so their servers are on TCP, with keys.
# shellcheck disable=SC2086 # $small holds words
equals() {
    train 0 2 $small --algorithm direct
    digest=$(value digest)
    train 0 3 $small --serve 1 --verify
    same "one server"
    train 0 4 $small --serve 2 --verify
    same "two servers"
    train 0 3 $small --serve 1 --comm shaped:rate=10gbit,latency=1us/mpi:
    same "over TLS"
    echo "raw: the bits of the allreduce"
}

# shellcheck disable=SC2086
learns() {
    train 0 3 $small --serve 1 --codec ef+qsgd:bits=4 --pull fp16 --eval-every 20 \
        --curve "$dir/curve"
    digest=$(value digest)
    holds heldout_loss '<' 3.1
    holds ratio '>' 6
    holds pull_ratio '>' 1.8
    awk '!/^#/ { if (NR > 2 && $5 >= last) exit 1; last = $5 } END { exit NR != 5 }' "$dir/curve" || {
        cat "$dir/curve"
        fail "the held-out loss does not fall"
    }
    train 0 3 $small --serve 1 --codec ef+qsgd:bits=4 --pull fp16
    same "the same once more"
    echo "sync: held-out loss $(value heldout_loss)"
    for mode in ssp:s=2 async quorum:k=1; do
        train 0 3 $small --lr 0.3 --serve 1 --codec ef+qsgd:bits=4 --pull fp16 --mode $mode
        holds heldout_loss '<' 4
        echo "$mode: held-out loss $(value heldout_loss)"
    done
    train 0 3 $small --serve 1 --codec ef+sign --pull qsgd:bits=4 --feedback worker
    holds heldout_loss '<' 3.1
    train 0 4 $small --serve 1 --optimizer adam --lr 0.01 --aggregator median --pull bf16
    holds heldout_loss '<' 3.4
    train 0 4 $small --serve 1 --codec momentum+vote --lr 0.01
    holds heldout_loss '<' 3.4
    echo "other codecs: learned"
}

# shellcheck disable=SC2086
resumes() {
    set -- --serve 1 --codec ef+qsgd:bits=4 --pull fp16
    train 0 3 $small "$@"
    digest=$(value digest)
    set -- "$@" --checkpoint "$dir/run" --checkpoint-every 10
    train killed 3 $small "$@" --die-at 36
    train 1 3 $small "$@" --resume --pull bf16
    grep -q 'bf16' "$dir/said" || fail "the error does not name the term that differs"
    train 0 3 $small "$@" --resume
    [ "$(value resumed)" = true ] || fail "the run began anew"
    same "resumed"
    # As if rank 0 had lost its files: the servers know how far the run is.
    train killed 3 $small "$@" --die-at 36
    rm -f "$dir"/run.0 "$dir"/run.0.previous
    train 0 3 $small "$@" --resume
    grep -q 'the servers stand at round 30' "$dir/said" || fail "it does not say what was lost"
    holds heldout_loss '<' 3.1
    # A run that is not to be resumed finds nothing of the last one.
    train 0 3 $small "$@"
    same "begun anew"
    # Where nobody waits for all, each goes on from its own step, however far another one is.
    set -- --serve 1 --mode ssp:s=2 --lr 0.3 --checkpoint "$dir/own" --checkpoint-every 10
    train killed 3 $small "$@" --die-at 36
    rm -f "$dir"/own.1 "$dir"/own.1.previous
    train 0 3 $small "$@" --resume
    [ "$(value resumed)" = true ] || fail "worker 0 began anew, as worker 1 had to"
    echo "resumed: the same bits"
}

# Workers that were started one by one, and come to the end by themselves. Runs in this shell's
# background, where the tool for a server is there.
# shellcheck disable=SC2086
alone() {
    ./gradwire serve --help >/dev/null 2>&1 || {
        echo "no gradwire serve: workers one by one are not tried"
        return
    }
    again="gradwire serve and two times train --ps"
    train 0 2 $small --algorithm direct
    digest=$(value digest)
    ./gradwire serve --listen "unix:$dir/socket" >"$dir/server" 2>&1 &
    server=$!
    set -- $small --comm self: --ps "unix:$dir/socket" --workers 2 --timeout 60
    timeout 100 examples/train "$@" --worker 1 --json "$dir/json1" >"$dir/said1" 2>&1 &
    worker=$!
    timeout 100 examples/train "$@" --worker 0 --json "$dir/json" >"$dir/said" 2>&1
    got=$?
    wait $worker || got=$?
    kill $server
    wait $server || got=$?
    [ $got -eq 0 ] || {
        cat "$dir/said" "$dir/said1" "$dir/server"
        fail "status $got, expected 0"
    }
    same "one by one"
    cp "$dir/json1" "$dir/json"
    same "one by one, the other worker"
    again="gradwire run -n 3 examples/train $small --serve 1"
    timeout 100 ./gradwire run -n 3 examples/train $small --serve 1 --json "$dir/json" \
        >"$dir/said" 2>&1 || {
        cat "$dir/said"
        fail "status $?, expected 0"
    }
    same "without MPI"
    echo "without MPI, and one by one: the bits of the allreduce"
}

# shellcheck disable=SC2086
refuses() {
    train 1 2 $small --serve 2
    train 1 2 $small --serve 1 --mode nosuch
    grep -q nosuch "$dir/said" || fail "the error does not name the mode"
    train 1 1 $small --mode sync
    train 1 1 $small --serve 1 --ps unix:/nowhere
    train 1 1 $small --ps unix:/nowhere --algorithm ring
    train 1 1 $small --ps tcp:192.0.2.1:4500
    grep -q 'gradwire key' "$dir/said" || fail "the error does not say how to make keys"
    train 3 1 $small --ps "unix:$dir/nobody" --timeout 0.5
    grep -q "$dir/nobody" "$dir/said" || fail "the error does not name the server"
}

equals
learns
resumes
alone
refuses
