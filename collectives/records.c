/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Records of state, to bytes and back. */
#include "collectives/records.h"

#include <string.h>

#include "base/digest.h"

enum { STATE_VERSION = 1 };

static const char MAGIC[8] = "GWSTATE";

static size_t link_floats(const struct gw_codec *link)
{
    return link->row->state_count ? link->row->state_count(link) : 0;
}

static bool is_residual(const struct gw_codec *link)
{
    return strcmp(link->row->info.name, "ef") == 0;
}

bool gw_record_residual(const struct gw_codec *c, size_t *first)
{
    *first = 0;
    for (; c; c = c->inner) {
        if (is_residual(c))
            return true;
        *first += link_floats(c);
    }
    return false;
}

/* ---- writing ----------------------------------------------------------------------------------*/

size_t gw_record_bytes(const struct gw_codec *c)
{
    return c ? GW_RECORD_HEADER + 4 * gw_codec_state_count(c) : 0;
}

size_t gw_record_put(uint8_t *at, const struct gw_codec *c, uint64_t spec)
{
    if (!c)
        return 0;
    size_t floats = gw_codec_state_count(c);
    uint8_t *values = at + GW_RECORD_HEADER;
    gw_put_u64(at, c->site.tensor_key);
    gw_put_u64(at + 8, spec);
    gw_put_u64(at + 16, (uint64_t)c->site.stage);
    gw_put_u64(at + 24, c->site.first);
    gw_put_u64(at + 32, c->site.count);
    gw_put_u64(at + 40, c->run);
    gw_put_u64(at + 48, floats);
    for (const struct gw_codec *link = c; link; link = link->inner) {
        size_t n = link_floats(link);
        for (size_t i = 0; i < n; i++, values += 4)
            gw_put_f32(values, link->state[i]);
    }
    return GW_RECORD_HEADER + 4 * floats;
}

void gw_state_seal(uint8_t *out, size_t bytes, int ranks, int rank, uint64_t records)
{
    memcpy(out, MAGIC, sizeof MAGIC);
    gw_put_u32(out + 8, STATE_VERSION);
    gw_put_u32(out + 12, (uint32_t)ranks);
    gw_put_u64(out + 16, (uint64_t)rank);
    gw_put_u64(out + 24, records);
    gw_put_u64(out + 32, gw_digest(out + GW_STATE_HEADER, bytes - GW_STATE_HEADER, 0));
}

/* ---- reading ----------------------------------------------------------------------------------*/

gw_status gw_state_open(struct gw_state_header *h, const uint8_t *in, size_t bytes,
                        struct gw_error *error)
{
    if (bytes < GW_STATE_HEADER || memcmp(in, MAGIC, sizeof MAGIC) != 0)
        return gw_fail(error, GW_EPAYLOAD, "not a saved state of gradwire (%zu bytes)", bytes);
    if (gw_get_u32(in + 8) != STATE_VERSION)
        return gw_fail(error, GW_EPAYLOAD, "saved state of version %u, expected %u",
                       gw_get_u32(in + 8), STATE_VERSION);
    if (gw_get_u64(in + 32) != gw_digest(in + GW_STATE_HEADER, bytes - GW_STATE_HEADER, 0))
        return gw_fail(error, GW_EPAYLOAD,
                       "the saved state's checksum does not match: it is cut "
                       "short or damaged");
    *h = (struct gw_state_header){ gw_get_u32(in + 12), (uint32_t)gw_get_u64(in + 16),
                                   gw_get_u64(in + 24) };
    return GW_OK;
}

gw_status gw_record_read(struct gw_record *r, const uint8_t *in, size_t bytes, size_t *at,
                         struct gw_error *error)
{
    const uint8_t *p = in + *at;
    if (bytes - *at < GW_RECORD_HEADER || gw_get_u64(p + 48) > (bytes - *at - GW_RECORD_HEADER) / 4)
        return gw_fail(error, GW_EPAYLOAD, "the saved state ends within a record, at byte %zu",
                       *at);
    *r = (struct gw_record){ gw_get_u64(p),      gw_get_u64(p + 8),   gw_get_u64(p + 16),
                             gw_get_u64(p + 24), gw_get_u64(p + 32),  gw_get_u64(p + 40),
                             gw_get_u64(p + 48), p + GW_RECORD_HEADER };
    *at += GW_RECORD_HEADER + 4 * (size_t)r->floats;
    return GW_OK;
}

gw_status gw_record_check_values(const struct gw_record *r, struct gw_error *error)
{
    for (size_t i = 0; i < r->floats; i++)
        if (!gw_is_finite(gw_get_f32(r->values + 4 * i)))
            return gw_fail(error, GW_EPAYLOAD, "the saved state holds NaN or infinity");
    return GW_OK;
}

void gw_record_set_run(struct gw_codec *c, uint64_t run)
{
    for (struct gw_codec *link = c; link; link = link->inner)
        link->run = run;
}

void gw_record_load(struct gw_codec *c, const struct gw_record *r, float *scratch)
{
    for (size_t i = 0; i < r->floats; i++)
        scratch[i] = gw_get_f32(r->values + 4 * i);
    gw_codec_state_load(c, scratch);
    gw_record_set_run(c, r->run);
}

void gw_record_fold(const struct gw_codec *c, const struct gw_record *r, int old_rank,
                    int old_ranks, float *next)
{
    int size = c->site.ranks, rank = c->site.rank;
    float scale = c->site.operation == GW_MEAN ? (float)size / (float)old_ranks : 1;
    size_t at = 0;
    for (const struct gw_codec *link = c; link; link = link->inner) {
        size_t n = link_floats(link);
        for (size_t i = at; i < at + n; i++) {
            float v = gw_get_f32(r->values + 4 * i);
            if (is_residual(link) && old_rank % size == rank)
                gw_record_add(&next[i], scale * v);
            else if (!is_residual(link) && rank % old_ranks == old_rank)
                next[i] = v;
        }
        at += n;
    }
}
