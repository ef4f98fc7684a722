#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# The trainer learns, over MPI, on text and on images; a run killed and resumed ends with the bits of
# one that was not; a minority of ranks that send the opposite is outvoted. Run in the build folder.
srcdir=${srcdir:-.}
. "$srcdir/tests/train_lib.sh"

# shellcheck disable=SC2086 # $small holds words
learns() {
    for codec in raw ef+qsgd:bits=4 ef+sign; do
        train 0 2 $small --codec $codec --verify --curve "$dir/curve"
        holds heldout_loss '<' 3.1
        awk 'NR == 1 { exit !/^# step seconds bytes train_loss heldout_loss$/ }' "$dir/curve" ||
            fail "the curve has no title"
        echo "$codec: held-out loss $(value heldout_loss)"
    done
}

# shellcheck disable=SC2086
resumes() {
    codec=$1
    shift
    set -- "$@" --algorithm direct
    train 0 2 $small --codec $codec "$@"
    digest=$(value digest)
    set -- "$@" --checkpoint "$dir/checkpoint" --checkpoint-every 10
    rm -f "$dir"/checkpoint.*
    train killed 2 $small --codec $codec "$@" --die-at 36
    # As if the job had been killed while rank 1 was still saving.
    mv "$dir/checkpoint.1.previous" "$dir/checkpoint.1"
    train 0 2 $small --codec $codec "$@" --resume
    [ "$(value resumed)" = true ] || fail "the run began anew"
    same resumed
    train 1 2 $small --codec raw "$@" --resume
    grep -q 'another run' "$dir/said" || fail "a checkpoint of another codec was taken"
    echo "$codec: resumed, the same bits"
}

# Who moves bytes, and how many threads compute, changes no bit; a run goes on with other buckets.
# shellcheck disable=SC2086
overlaps() {
    set -- $small --codec ef+qsgd:bits=4 --bucket 4096 --algorithm direct
    train 0 2 "$@"
    digest=$(value digest)
    train 0 2 "$@" --progress thread --threads 2
    same "with a thread"
    rm -f "$dir"/checkpoint.*
    train killed 2 "$@" --checkpoint "$dir/checkpoint" --checkpoint-every 10 --die-at 36
    train 0 2 "$@" --checkpoint "$dir/checkpoint" --resume --bucket 65536 --verify
    [ "$(value resumed)" = true ] || fail "the run began anew"
    holds heldout_loss '<' 3.1
    echo "other buckets: held-out loss $(value heldout_loss)"
    train 1 2 "$@" --progress nobody
}

# shellcheck disable=SC2086
outvotes() {
    for inverted in 3 4; do
        train 0 7 $small --codec momentum+vote --lr 0.01 --invert-ranks $inverted
        if [ $inverted -eq 3 ]; then
            holds heldout_loss '<' 3.6
        else
            holds heldout_loss '>' 4.5
        fi
        echo "$inverted of 7 inverted: held-out loss $(value heldout_loss)"
    done
}

# COUNT images of 8 x 8, of 10 classes that differ in brightness pattern, with noise; as IDX.
images() {
    awk -v count="$1" -v seed="$2" -v what="$3" 'BEGIN {
        srand(seed)
        printf what == "images" ? "\\0000\\0000\\0010\\0003" : "\\0000\\0000\\0010\\0001"
        printf "\\0000\\0000\\0%03o\\0%03o", int(count / 256), count % 256
        if (what == "images")
            printf "\\0000\\0000\\0000\\0010\\0000\\0000\\0000\\0010"
        for (i = 0; i < count; i++) {
            if (what == "labels")
                printf "\\0%03o", i % 10
            else
                for (p = 0; p < 64; p++)
                    printf "\\0%03o", (p * (i % 10 + 3) % 17 < 8 ? 150 : 20) + int(100 * rand())
        }
    }' >"$dir/octal"
    printf '%b' "$(cat "$dir/octal")"
}

classifies() {
    mkdir "$dir/mnist"
    for set in train t10k; do
        [ $set = train ] && count=600 || count=200
        images "$count" "$count" images | gzip >"$dir/mnist/$set-images-idx3-ubyte.gz"
        images "$count" "$count" labels >"$dir/mnist/$set-labels-idx1-ubyte"
    done
    train 0 2 --images "$dir/mnist" --hidden 32 --steps 60 --batch 32 --lr 0.1 \
        --codec ef+qsgd:bits=4 --eval-every 0
    holds accuracy '>' 0.9
    echo "images: accuracy $(value accuracy)"
    : >"$dir/mnist/train-labels-idx1-ubyte"
    train 1 1 --images "$dir/mnist"
}

refuses() {
    train 1 2 --codec nosuch
    grep -q nosuch "$dir/said" || fail "the error does not name the codec"
    train 1 2 --steps 0
    train 1 1 --text "$dir/nosuch"
    train 1 1 --resume
}

learns
resumes ef+qsgd:bits=4
resumes ef+sign --momentum 0.5 --lr 1
overlaps
outvotes
classifies
refuses
