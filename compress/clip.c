/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* clip: values beyond sigma standard deviations of their unit are set to that bound, so that a few
 * outliers do not stretch the scale of all others. Wen et al. 2017 (TernGrad); Hou et al. 2019. */
#include "compress/kernels/table.h"
#include "compress/rows.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { SIGMA };

struct clip {
    gw_f32 *clipped; /* one unit */
};

static gw_status clip_open(struct gw_codec *c, struct gw_error *error)
{
    struct clip *own = c->own;
    own->clipped = calloc(c->site.count ? c->site.count : 1, sizeof(float));
    if (!own->clipped)
        return gw_fail(error, GW_ENOMEM, "out of memory to clip tensor '%s' (%zu elements)",
                       c->site.tensor, c->site.count);
    return GW_OK;
}

static void clip_close(struct gw_codec *c)
{
    free(((struct clip *)c->own)->clipped);
}

/* About zero, not about the mean: gradients have next to none, and a unit of one or of equal
 * elements must not be clipped to nothing. */
static double standard_deviation(const struct gw_codec *c)
{
    return sqrt(c->kernels->sum_squares(c->input, c->site.count) / (double)c->site.count);
}

/* A block at a time in an aligned array of a fixed length, which compilers turn into vectors. */
static void limit(gw_f32 *out, const gw_f32 *x, size_t count, float most)
{
    float block[GW_GROUP] = { 0 };
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t bytes = gw_min_size(GW_GROUP, count - at) * sizeof(float);
        memcpy(block, x + at, bytes);
        for (int i = 0; i < GW_GROUP; i++) {
            float low = block[i] < -most ? -most : block[i];
            block[i] = low > most ? most : low;
        }
        memcpy(out + at, block, bytes);
    }
}

static gw_status clip_prepare(struct gw_codec *c, struct gw_error *error)
{
    gw_f32 *out = ((struct clip *)c->own)->clipped;
    size_t count = c->site.count;
    double bound = count ? c->values.number[SIGMA] * standard_deviation(c) : 0;
    float most = bound < (double)FLT_MAX ? (float)bound : FLT_MAX;
    limit(out, c->input, count, most);
    return gw_codec_prepare_inner(c->inner, out, error);
}

static gw_status clip_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                             size_t *written, struct gw_error *error)
{
    return c->inner->row->encode(c->inner, first, count, body, written, error);
}

static const gw_param params[] = {
    { "sigma", GW_PARAM_REAL, "2.5", 0.01, 1000, NULL, "standard deviations",
      "bound of the magnitudes" },
    { NULL },
};

const struct gw_codec_row gw_row_clip = {
    .info = { .name = "clip",
              .sentence = "limits magnitudes to a multiple of the standard deviation",
              .paper = "Wen et al. 2017, arXiv:1705.07878",
              .params = params,
              .traits = GW_WRAPPER },
    .own_bytes = sizeof(struct clip),
    .open = clip_open,
    .close = clip_close,
    .prepare = clip_prepare,
    .encode = clip_encode,
};
