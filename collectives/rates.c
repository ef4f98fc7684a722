/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Measuring a codec: the plan's own calls on a sample of normally distributed floats, once with a
 * few elements per payload and once with many. The shortest of a few passes counts: whatever
 * interrupts a pass only makes it longer. */
#include "collectives/rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "compress/codec.h"
#include "compress/elements.h"

enum { SMALL = 256, PIECE = 1 << 15, PIECES = 4, PIECE_MIN = 1 << 12, PASSES = 3, MERGED = 4 };

/* A pass over the pieces of a slow codec shall not take longer. */
static const double PASS_S = 1e-3;

const struct gw_rates gw_rates_assumed = {
    .work = { [GW_WORK_PREPARE] = { 5e-7, 4e-10 },
              [GW_WORK_ENCODE] = { 5e-7, 2e-9 },
              [GW_WORK_CHECK] = { 2e-7, 2e-10 },
              [GW_WORK_DECODE] = { 3e-7, 1e-9 },
              [GW_WORK_ADD] = { 3e-7, 1e-9 },
              [GW_WORK_MERGE] = { 3e-7, 1e-9 },
              [GW_WORK_COPY] = { 1e-7, 8e-10 },
              [GW_WORK_DIVIDE] = { 1e-7, 8e-10 },
              [GW_WORK_SUM] = { 1e-7, 8e-10 } },
    .coded_bytes = 4,
    .merged_bytes = 4,
};

const struct gw_memory_rates gw_memory_assumed = { 1e-10, 2e-10 };

struct sample {
    struct gw_codec *codec;
    int pieces, merged; /* payloads; how many of them are merged */
    size_t piece, capacity;
    float *in, *out;
    uint8_t *payloads, *merge_out;
    size_t *bytes;
    size_t merged_bytes;
    double seconds[GW_WORKS]; /* of one payload; PREPARE: of the whole sample */
};

static void fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) { /* a sum of four: near enough to normal */
        uint64_t bits = gw_mix64(i + 1);
        double sum = 0;
        for (int j = 0; j < 4; j++)
            sum += (double)(bits >> (16 * j) & 0xffff) / 65536 - 0.5;
        x[i] = (float)sum;
    }
}

static void close_sample(struct sample *s)
{
    gw_codec_close(s->codec);
    free(s->in);
    free(s->out);
    free(s->payloads);
    free(s->merge_out);
    free(s->bytes);
}

static gw_status open_sample(struct sample *s, const char *spec, int ranks, size_t piece,
                             int pieces, struct gw_error *error)
{
    size_t count = piece * (size_t)pieces;
    struct gw_codec_site site = {
        .tensor = "sample", .seed = 1, .count = count, .ranks = ranks, .operation = GW_SUM
    };
    *s = (struct sample){ .piece = piece,
                          .pieces = pieces,
                          .merged = ranks < MERGED ? ranks : MERGED };
    gw_status status = gw_codec_open_site(&s->codec, spec, &site, error);
    if (status)
        return status;
    for (int w = 0; w < GW_WORKS; w++)
        s->seconds[w] = INFINITY;
    for (int p = 0; p < pieces; p++)
        s->capacity =
            gw_max_size(s->capacity, gw_payload_bound(s->codec, piece * (size_t)p, piece));
    s->capacity = gw_round_up(s->capacity, 64);
    s->in = malloc(count * sizeof *s->in);
    s->out = calloc(count, sizeof *s->out);
    s->payloads = calloc((size_t)pieces, s->capacity);
    s->merge_out = malloc(gw_payload_merged_bound(s->codec, 0, piece));
    s->bytes = calloc((size_t)pieces, sizeof *s->bytes);
    if (!s->in || !s->out || !s->payloads || !s->merge_out || !s->bytes)
        return gw_fail(error, GW_ENOMEM, "not enough memory to measure '%s'", spec);
    fill(s->in, count);
    return GW_OK;
}

/* ---- one pass ---------------------------------------------------------------------------------
 */

static gw_status merge(struct sample *s, int p, struct gw_error *error)
{
    const void *from[MERGED];
    size_t bytes[MERGED];
    if (!s->codec->core->row->merge ||
        p > 0) /* one is enough: they are as many bytes as n pieces */
        return GW_OK;
    for (int r = 0; r < s->merged; r++) {
        from[r] = s->payloads;
        bytes[r] = s->bytes[0];
    }
    return gw_payload_merge(s->codec, 0, s->piece, from, bytes, s->merged, s->merge_out,
                            gw_payload_merged_bound(s->codec, 0, s->piece), &s->merged_bytes,
                            error);
}

static gw_status do_piece(struct sample *s, enum gw_work work, int p, struct gw_error *error)
{
    size_t first = s->piece * (size_t)p;
    uint8_t *payload = s->payloads + s->capacity * (size_t)p;
    switch (work) {
    case GW_WORK_ENCODE:
        return gw_payload_encode(s->codec, first, s->piece, payload, s->capacity, &s->bytes[p],
                                 error);
    case GW_WORK_CHECK:
        return gw_payload_check(s->codec, first, s->piece, payload, s->bytes[p], error);
    case GW_WORK_DECODE:
        gw_payload_decode(s->codec, first, s->piece, payload, s->bytes[p], s->out + first);
        return GW_OK;
    case GW_WORK_ADD:
        gw_payload_decode_add(s->codec, first, s->piece, payload, s->bytes[p], 1.0f,
                              s->out + first);
        return GW_OK;
    case GW_WORK_MERGE:
        return merge(s, p, error);
    case GW_WORK_COPY:
        memcpy(s->out + first, s->in + first, s->piece * sizeof *s->in);
        return GW_OK;
    case GW_WORK_DIVIDE:
        gw_elements_divide(GW_F32, s->out + first, s->piece, 3);
        return GW_OK;
    case GW_WORK_SUM:
        gw_elements_combine(s->codec->kernels, GW_F32, GW_SUM, s->out + first, s->in + first,
                            s->piece, 1.0f);
        return GW_OK;
    default:
        return GW_OK;
    }
}

static void note(struct sample *s, enum gw_work work, int64_t since, int parts)
{
    double seconds = (double)(gw_now_ns() - since) * 1e-9 / parts;
    if (seconds < s->seconds[work])
        s->seconds[work] = seconds;
}

static gw_status prepare(struct sample *s, struct gw_error *error)
{
    int64_t since = gw_now_ns();
    gw_status status = gw_codec_prepare(s->codec, s->in, error);
    note(s, GW_WORK_PREPARE, since, 1);
    size_t side = gw_codec_side_count(s->codec);
    if (status || side == 0)
        return status;
    float *floats = calloc(side, sizeof *floats);
    if (!floats)
        return gw_fail(error, GW_ENOMEM, "not enough memory to measure a codec");
    gw_codec_propose(s->codec, floats);
    status = gw_codec_adopt(s->codec, floats, error);
    free(floats);
    return status;
}

static gw_status pass(struct sample *s, struct gw_error *error)
{
    gw_status status = prepare(s, error);
    for (int w = GW_WORK_ENCODE; w < GW_WORKS && !status; w++) {
        int64_t since = gw_now_ns();
        for (int p = 0; p < s->pieces && !status; p++)
            status = do_piece(s, (enum gw_work)w, p, error);
        note(s, (enum gw_work)w, since, w == GW_WORK_MERGE ? s->merged : s->pieces);
    }
    if (status)
        gw_codec_rollback(s->codec);
    else
        gw_codec_commit(s->codec);
    return status;
}

static gw_status run_sample(struct sample *s, const char *spec, int ranks, size_t piece, int pieces,
                            struct gw_error *error)
{
    gw_status status = open_sample(s, spec, ranks, piece, pieces, error);
    for (int i = 0; i < PASSES && !status; i++)
        status = pass(s, error);
    return status;
}

/* ---- the line through two points ---------------------------------------------------------------
 */

static struct gw_line line_through(double count_a, double seconds_a, double count_b,
                                   double seconds_b)
{
    struct gw_line line = { 0, seconds_b / count_b };
    double slope = (seconds_b - seconds_a) / (count_b - count_a);
    if (slope > 0 && seconds_a - slope * count_a > 0)
        line = (struct gw_line){ seconds_a - slope * count_a, slope };
    return line;
}

static void fit(struct gw_rates *out, const struct sample *small, const struct sample *large)
{
    for (int w = 0; w < GW_WORKS; w++) {
        double parts = w == GW_WORK_PREPARE ? large->pieces : 1;
        out->work[w] =
            line_through(SMALL, small->seconds[w], (double)large->piece * parts, large->seconds[w]);
    }
    double count = (double)large->piece, coded = 0;
    out->state_floats = (double)gw_codec_state_count(large->codec) / (count * large->pieces);
    for (int p = 0; p < large->pieces; p++)
        coded += (double)(large->bytes[p] - GW_HEADER_BYTES);
    out->coded_bytes = coded / large->pieces / count;
    out->merged_bytes =
        large->merged_bytes ? (double)(large->merged_bytes - GW_HEADER_BYTES) / count : 4;
}

gw_status gw_rates_measure(struct gw_rates *out, const char *spec, int ranks,
                           struct gw_error *error)
{
    struct sample small, large;
    gw_status s = run_sample(&small, spec, ranks, SMALL, 1, error);
    size_t piece = PIECE;
    while (!s && piece > PIECE_MIN &&
           small.seconds[GW_WORK_ENCODE] / SMALL * (double)piece * PIECES > PASS_S)
        piece /= 2;
    if (!s) {
        s = run_sample(&large, spec, ranks, piece, PIECES, error);
        if (!s)
            fit(out, &small, &large);
        close_sample(&large);
    }
    close_sample(&small);
    return s;
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static double processor_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void gw_memory_measure(struct gw_memory_rates *out, void *room, size_t bytes)
{
    size_t half = bytes / 2;
    double set_s = 0, copy_s = 0;
    uint8_t *a = room, *b = a + half;
    memset(a, 1, bytes); /* pages come on the first touch */
    for (int i = 0; i < 2; i++) {
        double start = processor_s();
        memcpy(a, b, half);
        double middle = processor_s();
        memset(b, i, half);
        double end = processor_s();
        copy_s += (middle - start) / 2;
        set_s += (end - middle) / 2;
    }
    out->write_s = set_s / (double)half;
    out->read_s = fmax(copy_s - set_s, copy_s / 3) / (double)half;
}
