/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A run of the wrappers without their core: the collectives send raw where a codec would not pay,
 * and clipping, momentum and error feedback stay what they mean. Error feedback then gives up its
 * whole residual, since nothing is rounded away. */
#include "compress/rows.h"

static bool is_ef(const struct gw_codec *c)
{
    return c->row == &gw_row_ef;
}

bool gw_codec_can_wrap(const struct gw_codec *c)
{
    if (c->core->row->info.traits & GW_VOTE)
        return false;
    for (; c->inner; c = c->inner)
        if (is_ef(c) && c->inner != c->core)
            return false;
    return true;
}

/* Do the wrappers hand on what they get? */
static bool is_bare(const struct gw_codec *c)
{
    for (; c->inner; c = c->inner)
        if (!is_ef(c) || c->filled)
            return false;
    return true;
}

gw_status gw_codec_wrap(struct gw_codec *c, const void *x, const void **y, struct gw_error *error)
{
    c->core->bypassed = true;
    if (is_bare(c)) {
        *y = x;
        return GW_OK;
    }
    gw_status s = gw_codec_prepare(c, x, error);
    if (!s)
        *y = c->core->input;
    return s;
}

static struct gw_codec *find_ef(struct gw_codec *c)
{
    while (c && !is_ef(c))
        c = c->inner;
    return c;
}

void gw_codec_take_residual(struct gw_codec *c, struct gw_codec *owner, float factor)
{
    struct gw_codec *to = find_ef(c), *from = find_ef(owner);
    if (!to || !from || !from->filled)
        return;
    gw_f32 *at = to->state + (from->site.first - to->site.first);
    for (size_t i = 0; i < from->site.count; i++) {
        at[i] += factor * from->state[i];
        from->state[i] = 0;
    }
    to->filled = true;
    from->filled = false;
}

void gw_codec_skip_run(struct gw_codec *c)
{
    c->run++;
    for (struct gw_codec *l = c; l; l = l->inner)
        l->run = c->run;
}
