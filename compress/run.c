/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A run of a chain: look at the unit, agree on side information, keep or forget the new state. */
#include "compress/elements.h"
#include "compress/rows.h"

#include <stdlib.h>
#include <string.h>

/* ---- begin ----------------------------------------------------------------------------------- */

static size_t count_bad(const struct gw_codec *c, const void *x, size_t first, size_t count,
                        size_t *at)
{
    const uint8_t *from = (const uint8_t *)x + first * gw_type_bytes(c->site.type);
    return gw_elements_count_nonfinite(c->kernels, c->site.type, from, count, at);
}

static gw_status refuse(const struct gw_codec *c, size_t bad, size_t first, struct gw_error *error)
{
    return gw_fail(error, GW_ENONFINITE,
                   "tensor '%s': %zu of %zu elements are NaN or infinite, the first is element %zu",
                   c->site.tensor, bad, c->site.count, c->site.first + first);
}

gw_status gw_codec_check_range(const struct gw_codec *c, size_t first, size_t count,
                               struct gw_error *error)
{
    size_t at = 0;
    if (!c->unchecked || count == 0 || count_bad(c, c->input, first, count, &at) == 0)
        return GW_OK;
    size_t bad = count_bad(c, c->input, 0, c->site.count, &at); /* the words speak of the unit */
    return refuse(c, bad, at, error);
}

/* Point *x to a copy without the non-finite values. The copy's memory stays for later runs. */
static gw_status clean_copy(struct gw_codec *c, const void **x, struct gw_error *error)
{
    size_t bytes = c->site.count * gw_type_bytes(c->site.type);
    if (!c->clean)
        c->clean = malloc(bytes);
    if (!c->clean)
        return gw_fail(error, GW_ENOMEM,
                       "tensor '%s': out of memory for a copy without non-finite values (%zu "
                       "bytes)",
                       c->site.tensor, bytes);
    memcpy(c->clean, *x, bytes);
    gw_elements_zero_nonfinite(c->site.type, c->clean, c->site.count);
    *x = c->clean;
    return GW_OK;
}

static gw_status check_finite(struct gw_codec *c, const void **x, struct gw_error *error)
{
    if (c->site.nonfinite == GW_NONFINITE_PASS || c->site.count == 0)
        return GW_OK;
    size_t first = 0;
    size_t bad = count_bad(c, *x, 0, c->site.count, &first);
    if (bad == 0)
        return GW_OK;
    if (c->site.nonfinite == GW_NONFINITE_REFUSE)
        return refuse(c, bad, first, error);
    return clean_copy(c, x, error);
}

/* Threads that merge pieces call this while others encode: what stands already is not written. */
void gw_codec_begin_run(struct gw_codec *c)
{
    struct gw_random_key key =
        gw_random_key(c->site.seed, c->site.tensor_key, c->run, c->site.rank, c->site.stage);
    for (struct gw_codec *l = c; l; l = l->inner) {
        if (l->run == c->run && l->key.first == key.first && l->key.second == key.second)
            continue;
        l->run = c->run;
        l->key = key;
    }
}

/* May the finite check wait until the ranges are read? A bypassed chain is read by nobody who
 * would look. */
static int can_wait(const struct gw_codec *c)
{
    if (c->core->bypassed)
        return 0;
    for (const struct gw_codec *l = c; l; l = l->inner)
        if (l->reads_unit)
            return 0;
    return c->site.nonfinite == GW_NONFINITE_REFUSE;
}

gw_status gw_codec_prepare(struct gw_codec *c, const void *x, struct gw_error *error)
{
    int later = can_wait(c);
    for (struct gw_codec *l = c; l; l = l->inner)
        l->unchecked = later;
    gw_status s = later ? GW_OK : check_finite(c, &x, error);
    if (s)
        return s;
    gw_codec_begin_run(c);
    return gw_codec_prepare_inner(c, x, error);
}

gw_status gw_codec_prepare_inner(struct gw_codec *c, const gw_f32 *x, struct gw_error *error)
{
    c->input = x;
    return c->row->prepare && !c->bypassed ? c->row->prepare(c, error) : GW_OK;
}

/* ---- agree ----------------------------------------------------------------------------------- */

size_t gw_codec_side_count(const struct gw_codec *c)
{
    const struct gw_codec *core = c->core;
    return core->row->side_count ? core->row->side_count(core) : 0;
}

void gw_codec_propose(struct gw_codec *c, float *side)
{
    if (c->core->row->propose)
        c->core->row->propose(c->core, side);
}

gw_status gw_codec_adopt(struct gw_codec *c, const float *side, struct gw_error *error)
{
    return c->core->row->adopt ? c->core->row->adopt(c->core, side, error) : GW_OK;
}

/* ---- end ------------------------------------------------------------------------------------- */

static size_t link_state(const struct gw_codec *l)
{
    return l->row->state_count ? l->row->state_count(l) : 0;
}

static void keep_next(struct gw_codec *l)
{
    gw_f32 *committed = l->next;
    l->next = l->state;
    l->state = committed;
    l->filled = true;
}

/* All of it was sent. */
static void clear_state(struct gw_codec *l)
{
    if (l->filled)
        memset(l->state, 0, link_state(l) * sizeof *l->state);
    l->filled = false;
}

void gw_codec_commit(struct gw_codec *c)
{
    bool bypassed = c->core->bypassed;
    c->run++;
    for (struct gw_codec *l = c; l; l = l->inner) {
        if (bypassed && l->row == &gw_row_ef)
            clear_state(l);
        else if (!bypassed || l != c->core)
            keep_next(l);
        l->run = c->run;
        l->input = NULL;
    }
    c->core->bypassed = false;
}

void gw_codec_rollback(struct gw_codec *c)
{
    for (struct gw_codec *l = c; l; l = l->inner)
        l->input = NULL;
    c->core->bypassed = false;
}

/* ---- what a chain is ------------------------------------------------------------------------- */

size_t gw_codec_granule(const struct gw_codec *c)
{
    const struct gw_codec *core = c->core;
    return core->row->granule ? core->row->granule(core) : 1;
}

size_t gw_codec_state_count(const struct gw_codec *c)
{
    size_t count = 0;
    for (; c; c = c->inner)
        count += link_state(c);
    return count;
}

int gw_codec_has_state(const struct gw_codec *c)
{
    for (; c; c = c->inner)
        if (c->row->state_count)
            return 1;
    return 0;
}

void gw_codec_state_save(const struct gw_codec *c, float *out)
{
    for (; c; c = c->inner) {
        size_t count = link_state(c);
        if (count > 0)
            memcpy(out, c->state, count * sizeof(float));
        out += count;
    }
}

void gw_codec_state_load(struct gw_codec *c, const float *in)
{
    for (; c; c = c->inner) {
        size_t count = link_state(c);
        if (count > 0)
            memcpy(c->state, in, count * sizeof(float));
        c->filled = false;
        for (size_t i = 0; i < count && !c->filled; i++)
            c->filled = in[i] != 0;
        in += count;
    }
}

void gw_codec_scale_residual(struct gw_codec *c, float factor)
{
    for (; c; c = c->inner)
        for (size_t i = 0; c->row == &gw_row_ef && i < link_state(c); i++)
            c->state[i] *= factor;
}

double gw_codec_residual_energy(const struct gw_codec *c)
{
    double energy = 0;
    for (; c; c = c->inner)
        if (c->row == &gw_row_ef && c->state)
            energy += gw_elements_energy(c->kernels, c->state, link_state(c));
    return energy;
}

const gw_f32 *gw_codec_residual(const struct gw_codec *c)
{
    for (; c; c = c->inner)
        if (c->row == &gw_row_ef)
            return c->filled ? c->state : NULL;
    return NULL;
}

void gw_codec_clear_residual(struct gw_codec *c)
{
    for (; c; c = c->inner)
        if (c->row == &gw_row_ef)
            clear_state(c);
}
