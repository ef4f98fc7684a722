/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The loops that speed is judged by: each encodes, decodes, adds or merges one tensor through a
 * codec, as a plan does, a piece at a time. */
#ifndef GW_TESTS_KERNEL_LOOPS_H
#define GW_TESTS_KERNEL_LOOPS_H

#include "compress/codec.h"

enum kernel_work { KERNEL_ENCODE, KERNEL_DECODE, KERNEL_ADD, KERNEL_MERGE };

struct kernel_loop {
    const char *name, *spec;
    enum kernel_work work;
    double target;    /* of the fastest row in memory; 0: none */
    char unit;        /* of the target: 'R' memory read, 'A' a[i] += b[i] */
    double read_each; /* bytes read from and written to memory for each element */
    double written_each;
};

extern const struct kernel_loop kernel_loops[]; /* ends with a NULL name */

enum { KERNEL_VOTERS = 16, KERNEL_PIECE = 1 << 18 };

/* A loop on a tensor of `count` elements, everything allocated and encoded once. */
struct kernel_case {
    const struct kernel_loop *loop;
    gw_codec *codec;
    size_t count, pieces, slot; /* slot: bytes for one payload */
    float *input, *output;
    uint8_t *payloads, *merged; /* a slot per piece; of a merge: per piece and voter */
    size_t *lengths;
    struct gw_error error;
};

/* `kernels` names the row. GW_OK, or words in `one->error`. */
gw_status kernel_case_open(struct kernel_case *one, const struct kernel_loop *loop,
                           const char *kernels, size_t count);
gw_status kernel_case_run(struct kernel_case *one);
void kernel_case_close(struct kernel_case *one);

#endif
