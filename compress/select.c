/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The k largest magnitudes. A sample of the range gives a threshold that very likely lets a few
 * more than k elements pass; one pass lists those, and the exact threshold is found among them.
 * Where that does not work out (k is a large part of the range, ties, no memory) three histograms
 * over the bits of all magnitudes find it. Either way gives the same elements: the sample decides
 * how long it takes, not what comes out. */
#include "compress/select.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 2048, SAMPLE_LEAST = 512, SAMPLE_MOST = 8192, SAMPLE_STEP = 32, LISTED_PART = 8 };

static uint32_t magnitude(float x)
{
    return gw_float_bits(x) & 0x7fffffffu;
}

/* ---- exact: three histograms ----------------------------------------------------------------- */

/* Of the magnitudes that agree with `prefix` above bit shift + bits, find the bin that holds the
 * k-th largest; returns how many of that bin are still wanted. */
static size_t refine(const gw_f32 *x, size_t count, uint32_t *prefix, unsigned shift, unsigned bits,
                     size_t k)
{
    size_t bins[BINS] = { 0 };
    uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t m = magnitude(x[i]) >> shift;
        if (m >> bits == *prefix)
            bins[m & mask]++;
    }
    uint32_t bin = mask;
    for (; bins[bin] < k; bin--)
        k -= bins[bin];
    *prefix = *prefix << bits | bin;
    return k;
}

/* The k-th largest magnitude, 1 <= k <= count; `*equal`: how many of its kind are among the k. */
static uint32_t kth_largest(const gw_f32 *x, size_t count, size_t k, size_t *equal)
{
    uint32_t prefix = 0;
    k = refine(x, count, &prefix, 20, 11, k);
    k = refine(x, count, &prefix, 10, 10, k);
    *equal = refine(x, count, &prefix, 0, 10, k);
    return prefix;
}

/* ---- list ------------------------------------------------------------------------------------ */

struct candidates {
    uint32_t *positions; /* with the values behind them, one block */
    gw_f32 *values;
    size_t count, capacity;
};

/* A magnitude that `rank` of `sample` elements reach, drawn one from each part of the range. */
static uint32_t sampled(const gw_f32 *x, size_t count, size_t sample, size_t rank)
{
    const struct gw_random_key key = { 0x9e3779b9u, 0x7f4a7c15u };
    gw_f32 drawn[SAMPLE_MOST];
    size_t part = count / sample, equal;
    for (size_t i = 0; i < sample; i++)
        drawn[i] = x[i * part + (size_t)((uint64_t)gw_random_u32(key, i) * part >> 32)];
    return kth_largest(drawn, sample, rank, &equal);
}

/* All elements of magnitude `least` or more; 0 if there is no room for them. */
static int collect(const struct gw_selection *s, uint32_t least, struct candidates *c)
{
    c->count = 0;
    for (size_t at = 0; at < s->count; at += GW_SELECT_BLOCK) {
        size_t n = gw_min_size(GW_SELECT_BLOCK, s->count - at);
        if (c->capacity - c->count < n)
            return 0;
        c->count += s->kernels->collect(s->x + at, n, least, (uint32_t)at, c->positions + c->count,
                                        c->values + c->count);
    }
    return 1;
}

/* Leave in the list what is kept. */
static void keep(struct gw_selection *s, const struct candidates *c)
{
    size_t equal = s->equal, n = 0;
    for (size_t i = 0; i < c->count; i++) {
        uint32_t m = magnitude(c->values[i]);
        size_t tie = m == s->magnitude && equal;
        c->positions[n] = c->positions[i];
        c->values[n] = c->values[i];
        equal -= tie;
        n += m > s->magnitude || tie;
    }
    s->list = c->positions;
    s->list_values = c->values;
    s->listed = n;
}

/* One try with the sample's threshold; 1 if the selection is made. */
static int try_list(struct gw_selection *s, size_t k, size_t sample, size_t rank)
{
    struct candidates c = { .capacity = s->count / sample * (rank + rank / 4) + GW_SELECT_BLOCK };
    uint32_t least = sampled(s->x, s->count, sample, rank);
    int made = 0;
    c.positions = malloc(c.capacity * (sizeof *c.positions + sizeof *c.values));
    if (!c.positions)
        return 0;
    c.values = (gw_f32 *)(c.positions + c.capacity);
    if (collect(s, least ? least : 1, &c)) {
        if (c.count >= k) {
            s->magnitude = kth_largest(c.values, c.count, k, &s->equal);
            keep(s, &c);
            return 1;
        }
        /* All that is not zero was listed: the others are the first zeros. */
        made = least <= 1;
        s->magnitude = 0;
        s->equal = k - c.count;
    }
    free(c.positions);
    return made;
}

void gw_select(struct gw_selection *s, const struct gw_kernels *kernels, const gw_f32 *x,
               size_t count, size_t k)
{
    *s = (struct gw_selection){ .kernels = kernels, .x = x, .count = count };
    size_t sample = gw_min_size(gw_max_size(count / SAMPLE_STEP, SAMPLE_LEAST), SAMPLE_MOST);
    double expected = (double)k / (double)count * (double)sample;
    size_t rank = (size_t)(expected + 3 * sqrt(expected) + 3); /* too few one time in 1000 */
    if (count > GW_SELECT_BLOCK && count <= UINT32_MAX)
        for (; rank <= sample / LISTED_PART; rank *= 2)
            if (try_list(s, k, sample, rank))
                return;
    s->magnitude = kth_largest(x, count, k, &s->equal);
}

void gw_select_end(struct gw_selection *s)
{
    free(s->list);
    s->list = NULL;
}

/* ---- walk ------------------------------------------------------------------------------------ */

void gw_walk_start(struct gw_walk *walk, const struct gw_selection *selection)
{
    walk->selection = selection;
    walk->at = walk->equal = 0;
}

static int next_listed(struct gw_walk *walk, struct gw_kept *kept)
{
    const struct gw_selection *s = walk->selection;
    *kept = (struct gw_kept){ .positions = s->list + walk->at,
                              .values = s->list_values + walk->at,
                              .count = gw_min_size(GW_SELECT_BLOCK, s->listed - walk->at) };
    walk->at += kept->count;
    return kept->count > 0;
}

/* Of one block; ties are looked for only while some are wanted. */
static size_t next_block(struct gw_walk *walk, size_t count)
{
    const struct gw_selection *s = walk->selection;
    uint32_t least = s->magnitude + (walk->equal == s->equal);
    size_t kept = 0;
    if (least == 0) { /* zeros are wanted, which collect does not see */
        for (size_t i = 0; i < count; i++) {
            walk->positions[i] = (uint32_t)i;
            walk->values[i] = s->x[walk->at + i];
        }
    } else {
        count =
            s->kernels->collect(s->x + walk->at, count, least, 0, walk->positions, walk->values);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t m = magnitude(walk->values[i]);
        size_t tie = m == s->magnitude && walk->equal < s->equal;
        walk->positions[kept] = walk->positions[i];
        walk->values[kept] = walk->values[i];
        walk->equal += tie;
        kept += m > s->magnitude || tie;
    }
    return kept;
}

int gw_walk_next(struct gw_walk *walk, struct gw_kept *kept)
{
    const struct gw_selection *s = walk->selection;
    if (s->list)
        return next_listed(walk, kept);
    *kept = (struct gw_kept){ .positions = walk->positions, .values = walk->values };
    while (walk->at < s->count && !kept->count) {
        size_t n = gw_min_size(GW_SELECT_BLOCK, s->count - walk->at);
        kept->base = walk->at;
        kept->count = next_block(walk, n);
        walk->at += n;
    }
    return kept->count > 0;
}
