/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A shard's training state as bytes, little-endian: a head, the parts' places and sizes, then for
 * each part its values and the optimizer's arrays. Nothing of it is believed: everything in the
 * head must be what this shard has, and every float finite, before the first is taken. */
#include "server/shard_inside.h"

#include "compress/kernels/table.h"

enum {
    MAGIC = 0x53534757, /* "GWSS" */
    FORMAT = 1,
    OFFSET_FORMAT = 4,
    OFFSET_STEPS = 8,
    OFFSET_OPTIMIZER = 16,
    OFFSET_PARTS = 24,
    HEAD_BYTES = 32,
    PART_BYTES = 24 /* hash of the tensor's name, first, count */
};

static size_t arrays_of(const struct gw_shard *shard)
{
    return 1 + (size_t)shard->optimizer->state_count;
}

static gw_f32 *array_of(const struct gw_shard_part *p, size_t k)
{
    return k == 0 ? p->values : p->state[k - 1];
}

size_t gw_shard_state_bytes(const struct gw_shard *shard)
{
    return HEAD_BYTES + shard->parts * PART_BYTES +
           shard->elements * arrays_of(shard) * sizeof(float);
}

void gw_shard_save(const struct gw_shard *shard, void *out)
{
    uint8_t *at = out;
    gw_put_u32(at, MAGIC);
    gw_put_u32(at + OFFSET_FORMAT, FORMAT);
    gw_put_u64(at + OFFSET_STEPS, shard->steps);
    gw_put_u64(at + OFFSET_OPTIMIZER, shard->optimizer_spec);
    gw_put_u64(at + OFFSET_PARTS, shard->parts);
    at += HEAD_BYTES;
    for (size_t i = 0; i < shard->parts; i++, at += PART_BYTES) {
        gw_put_u64(at, shard->part[i].pull->site.tensor_key);
        gw_put_u64(at + 8, shard->part[i].part.first);
        gw_put_u64(at + 16, shard->part[i].part.count);
    }
    for (size_t i = 0; i < shard->parts; i++)
        for (size_t k = 0; k < arrays_of(shard); k++) {
            size_t bytes = shard->part[i].part.count * sizeof(float);
            memcpy(at, array_of(&shard->part[i], k), bytes);
            at += bytes;
        }
}

static gw_status check_head(const struct gw_shard *shard, const uint8_t *bytes, size_t count,
                            struct gw_error *error)
{
    size_t expected = gw_shard_state_bytes(shard);
    if (count < HEAD_BYTES || gw_get_u32(bytes) != MAGIC ||
        gw_get_u32(bytes + OFFSET_FORMAT) != FORMAT)
        return gw_fail(error, GW_EPAYLOAD,
                       "%zu bytes do not begin as a server's state of format %d does", count,
                       FORMAT);
    if (gw_get_u64(bytes + OFFSET_OPTIMIZER) != shard->optimizer_spec)
        return gw_fail(error, GW_EPAYLOAD,
                       "the state is of another optimizer than this server's %s, or of other "
                       "parameters",
                       shard->optimizer->name);
    if (gw_get_u64(bytes + OFFSET_PARTS) != shard->parts || count != expected)
        return gw_fail(error, GW_EPAYLOAD,
                       "the state is of %llu parts in %zu bytes, this server has %zu in %zu",
                       (unsigned long long)gw_get_u64(bytes + OFFSET_PARTS), count, shard->parts,
                       expected);
    return GW_OK;
}

static gw_status check_parts(const struct gw_shard *shard, const uint8_t *at,
                             struct gw_error *error)
{
    for (size_t i = 0; i < shard->parts; i++, at += PART_BYTES) {
        const struct gw_codec_site *site = &shard->part[i].pull->site;
        if (gw_get_u64(at) != site->tensor_key || gw_get_u64(at + 8) != site->first ||
            gw_get_u64(at + 16) != site->count)
            return gw_fail(error, GW_EPAYLOAD,
                           "part %zu of the state is not elements %zu to %zu of tensor '%s'", i,
                           site->first, site->first + site->count, site->tensor);
    }
    return GW_OK;
}

static gw_status check_floats(const struct gw_shard *shard, const uint8_t *at,
                              struct gw_error *error)
{
    for (size_t i = 0; i < shard->parts; i++) {
        const struct gw_codec *c = shard->part[i].pull;
        size_t count = c->site.count * arrays_of(shard), first = 0;
        if (c->kernels->count_nonfinite((const gw_f32 *)at, count, &first) > 0)
            return gw_fail(error, GW_EPAYLOAD,
                           "the state of part %zu (tensor '%s') has NaN or infinity at float %zu",
                           i, c->site.tensor, first);
        at += count * sizeof(float);
    }
    return GW_OK;
}

gw_status gw_shard_load(struct gw_shard *shard, const void *bytes, size_t count,
                        struct gw_error *error)
{
    const uint8_t *head = bytes;
    gw_status s = check_head(shard, head, count, error);
    if (!s)
        s = check_parts(shard, head + HEAD_BYTES, error);
    if (s)
        return s;
    const uint8_t *at = head + HEAD_BYTES + shard->parts * PART_BYTES;
    s = check_floats(shard, at, error);
    if (s)
        return s;
    for (size_t i = 0; i < shard->parts; i++)
        for (size_t k = 0; k < arrays_of(shard); k++) {
            size_t floats = shard->part[i].part.count;
            memcpy(array_of(&shard->part[i], k), at, floats * sizeof(float));
            at += floats * sizeof(float);
        }
    shard->steps = gw_get_u64(head + OFFSET_STEPS);
    shard->changes++;
    gw_holders_forget(shard);
    return GW_OK;
}
