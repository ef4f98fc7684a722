/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The loops that speed is judged by, and how one is run. */
#include "tests/kernel_loops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct kernel_loop kernel_loops[] = {
    { "sign encode", "sign", KERNEL_ENCODE, 0.70, 'R', 4, 0.125 },
    { "sign decode-add", "sign", KERNEL_ADD, 2.0, 'A', 4.125, 4 },
    { "sign decode", "sign", KERNEL_DECODE, 3.0, 'A', 0.125, 4 },
    { "ef+sign encode", "ef+sign:bucket=2048", KERNEL_ENCODE, 0.40, 'R', 8, 4.125 },
    { "qsgd 4 encode", "qsgd:bits=4,bucket=512", KERNEL_ENCODE, 0.55, 'R', 4, 0.51 },
    { "qsgd 8 encode", "qsgd:bits=8,bucket=512", KERNEL_ENCODE, 0.50, 'R', 4, 1.01 },
    { "ef+qsgd 4 encode", "ef+qsgd:bits=4", KERNEL_ENCODE, 0.33, 'R', 8, 4.52 },
    { "qsgd 4 decode-add", "qsgd:bits=4,bucket=512", KERNEL_ADD, 2.0, 'A', 4.51, 4 },
    { "qsgd 4 decode", "qsgd:bits=4,bucket=512", KERNEL_DECODE, 3.0, 'A', 0.51, 4 },
    { "fp16 encode", "fp16", KERNEL_ENCODE, 0.54, 'R', 4, 2 },
    { "fp16 decode-add", "fp16", KERNEL_ADD, 0, 0, 6, 4 },
    { "bf16 encode", "bf16", KERNEL_ENCODE, 0.54, 'R', 4, 2 },
    { "bf16 decode-add", "bf16", KERNEL_ADD, 0, 0, 6, 4 },
    { "majority of 16", "vote", KERNEL_MERGE, 3.0, 'R', 2, 0.125 },
    { "qsgd Elias encode", "qsgd:levels=1,norm=l2,coding=elias", KERNEL_ENCODE, 0.10, 'R', 4, 0.3 },
    { "qsgd Elias decode", "qsgd:levels=1,norm=l2,coding=elias", KERNEL_DECODE, 0, 0, 0.3, 4 },
    { "top-k 1 % encode", "topk:ratio=0.01", KERNEL_ENCODE, 0.15, 'R', 4, 0.06 },
    { "top-k 1 % add", "topk:ratio=0.01", KERNEL_ADD, 0, 0, 0.06, 0.04 },
    { "onebit encode", "onebit", KERNEL_ENCODE, 0, 0, 4, 0.13 },
    { "terngrad encode", "terngrad", KERNEL_ENCODE, 0, 0, 8, 0.25 },
    { "vote encode", "vote", KERNEL_ENCODE, 0, 0, 4, 0.125 },
    { "int 8 encode", "int:bits=8", KERNEL_ENCODE, 0, 0, 8, 1 },
    { NULL, NULL, 0, 0, 0, 0, 0 },
};

static size_t piece_count(const struct kernel_case *one, size_t piece)
{
    return gw_min_size(KERNEL_PIECE, one->count - piece * KERNEL_PIECE);
}

static uint8_t *slot_at(const struct kernel_case *one, size_t piece, size_t voter)
{
    size_t voters = one->loop->work == KERNEL_MERGE ? KERNEL_VOTERS : 1;
    return one->payloads + (piece * voters + voter) * one->slot;
}

/* About normal, of the size that gradients have. */
static void fill(float *x, size_t count, uint32_t salt)
{
    struct gw_random_key key = { salt, 2 * salt + 1 };
    for (size_t i = 0; i < count; i++) {
        uint32_t a = gw_random_u32(key, 2 * i), b = gw_random_u32(key, 2 * i + 1);
        int sum = (int)(a & 0xffff) + (int)(a >> 16) + (int)(b & 0xffff) + (int)(b >> 16);
        x[i] = (float)(sum - 2 * 65535) * 2.6e-7f;
    }
}

static gw_status encode_all(struct kernel_case *one, size_t voter)
{
    gw_status s = gw_codec_prepare(one->codec, one->input, &one->error);
    size_t side = gw_codec_side_count(one->codec);
    if (!s && side > 0) {
        float *agreed = malloc(side * sizeof *agreed);
        if (!agreed)
            return GW_ENOMEM;
        gw_codec_propose(one->codec, agreed);
        s = gw_codec_adopt(one->codec, agreed, &one->error);
        free(agreed);
    }
    for (size_t p = 0; !s && p < one->pieces; p++)
        s = gw_payload_encode(one->codec, p * KERNEL_PIECE, piece_count(one, p),
                              slot_at(one, p, voter), one->slot, &one->lengths[p], &one->error);
    if (!s)
        gw_codec_commit(one->codec);
    return s;
}

static gw_status decode_all(struct kernel_case *one)
{
    gw_status s = GW_OK;
    for (size_t p = 0; !s && p < one->pieces; p++) {
        size_t first = p * KERNEL_PIECE, n = piece_count(one, p);
        s = gw_payload_check(one->codec, first, n, slot_at(one, p, 0), one->lengths[p],
                             &one->error);
        if (s)
            break;
        if (one->loop->work == KERNEL_ADD)
            gw_payload_decode_add(one->codec, first, n, slot_at(one, p, 0), one->lengths[p], 1.0f,
                                  one->output + first);
        else
            gw_payload_decode(one->codec, first, n, slot_at(one, p, 0), one->lengths[p],
                              one->output + first);
    }
    return s;
}

static gw_status merge_all(struct kernel_case *one)
{
    gw_status s = GW_OK;
    for (size_t p = 0; !s && p < one->pieces; p++) {
        const void *payloads[KERNEL_VOTERS];
        size_t bytes[KERNEL_VOTERS], written;
        for (size_t v = 0; v < KERNEL_VOTERS; v++) {
            payloads[v] = slot_at(one, p, v);
            bytes[v] = one->lengths[p];
        }
        s = gw_payload_merge(one->codec, p * KERNEL_PIECE, piece_count(one, p), payloads, bytes,
                             KERNEL_VOTERS, one->merged + p * one->slot, one->slot, &written,
                             &one->error);
    }
    return s;
}

gw_status kernel_case_run(struct kernel_case *one)
{
    switch (one->loop->work) {
    case KERNEL_ENCODE:
        return encode_all(one, 0);
    case KERNEL_MERGE:
        return merge_all(one);
    default:
        return decode_all(one);
    }
}

static gw_status open_memory(struct kernel_case *one)
{
    size_t voters = one->loop->work == KERNEL_MERGE ? KERNEL_VOTERS : 1;
    size_t largest = gw_min_size(KERNEL_PIECE, one->count);
    one->pieces = gw_divide_up(one->count, KERNEL_PIECE);
    one->slot = gw_max_size(gw_payload_bound(one->codec, 0, largest),
                            gw_payload_merged_bound(one->codec, 0, largest));
    one->slot = gw_round_up(one->slot, 64);
    one->input = malloc(one->count * sizeof *one->input);
    one->output = calloc(one->count, sizeof *one->output);
    one->payloads = malloc(one->pieces * voters * one->slot);
    one->merged = malloc(one->pieces * one->slot);
    one->lengths = calloc(one->pieces, sizeof *one->lengths);
    if (!one->input || !one->output || !one->payloads || !one->merged || !one->lengths)
        return gw_fail(&one->error, GW_ENOMEM, "out of memory for %zu elements", one->count);
    memset(one->payloads, 0, one->pieces * voters * one->slot);
    memset(one->merged, 0, one->pieces * one->slot);
    return GW_OK;
}

gw_status kernel_case_open(struct kernel_case *one, const struct kernel_loop *loop,
                           const char *kernels, size_t count)
{
    *one = (struct kernel_case){ .loop = loop, .count = count };
    const struct gw_codec_site site = { .tensor = "t",
                                        .tensor_key = gw_hash_text("t"),
                                        .seed = 1,
                                        .count = count,
                                        .ranks = loop->work == KERNEL_MERGE ? KERNEL_VOTERS : 1 };
    setenv("GRADWIRE_KERNELS", kernels, 1);
    gw_status s = gw_codec_open_site(&one->codec, loop->spec, &site, &one->error);
    unsetenv("GRADWIRE_KERNELS");
    if (!s)
        s = open_memory(one);
    for (size_t v = 0; !s && v < (loop->work == KERNEL_MERGE ? KERNEL_VOTERS : 1); v++) {
        fill(one->input, count, (uint32_t)v + 1);
        s = encode_all(one, v);
    }
    return s;
}

void kernel_case_close(struct kernel_case *one)
{
    gw_codec_close(one->codec);
    free(one->input);
    free(one->output);
    free(one->payloads);
    free(one->merged);
    free(one->lengths);
}
