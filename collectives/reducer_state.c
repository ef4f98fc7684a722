/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A reducer's state, by tensor, whatever travels together at the moment: saving it, and carrying it
 * over to buckets of another size. */
#include "collectives/reducer.h"

#include <stdlib.h>
#include <string.h>

#include "collectives/records.h"

/* ---- units ------------------------------------------------------------------------------------*/

static gw_plan *plan_of(const struct gw_reducer *r, size_t t)
{
    return r->set.buckets[r->set.of[t]].plan;
}

struct gw_codec *gw_reducer_codec(const struct gw_reducer *r, size_t t)
{
    return plan_of(r, t)->tensors[t - r->set.buckets[r->set.of[t]].range.first].codec;
}

/* The next owner of a part of the tensor here, from segment `*at` on; NULL if there is none. */
struct gw_codec *gw_reducer_owner(const struct gw_reducer *r, size_t t, int *at)
{
    const gw_plan *plan = plan_of(r, t);
    int place = (int)(t - r->set.buckets[r->set.of[t]].range.first);
    for (; *at < plan->layout.segments_count; ++*at)
        if (plan->layout.segments[*at].tensor == place && plan->owners[*at])
            return plan->owners[(*at)++];
    return NULL;
}

void gw_reducer_set_run(const struct gw_reducer *r, size_t t, uint64_t run)
{
    const gw_plan *plan = plan_of(r, t);
    int place = (int)(t - r->set.buckets[r->set.of[t]].range.first);
    gw_record_set_run(plan->tensors[place].codec, run);
    for (int i = 0; i < plan->owners_count; i++)
        if (plan->layout.segments[i % plan->layout.segments_count].tensor == place)
            gw_record_set_run(plan->owners[i], run);
}

/* ---- saving -----------------------------------------------------------------------------------*/

size_t gw_reducer_state_bytes(const gw_reducer *r)
{
    size_t bytes = GW_STATE_HEADER;
    for (size_t t = 0; r && t < r->count; t++) {
        struct gw_codec *owner;
        int at = 0;
        bytes += gw_record_bytes(gw_reducer_codec(r, t));
        while ((owner = gw_reducer_owner(r, t, &at)))
            bytes += gw_record_bytes(owner);
    }
    return bytes;
}

gw_status gw_reducer_save(const gw_reducer *r, void *buffer, size_t capacity, size_t *written)
{
    if (!r || !buffer || !written)
        return GW_EINVAL;
    if (r->running)
        return GW_ESTATE;
    if (capacity < gw_reducer_state_bytes(r))
        return GW_ECAPACITY;
    uint8_t *out = buffer;
    size_t at = GW_STATE_HEADER;
    uint64_t records = r->count;
    for (size_t t = 0; t < r->count; t++) {
        struct gw_codec *owner;
        int segment = 0;
        at += gw_record_put(out + at, gw_reducer_codec(r, t), r->specs[t]);
        for (; (owner = gw_reducer_owner(r, t, &segment)); records++)
            at += gw_record_put(out + at, owner, r->owner_specs[t]);
    }
    gw_state_seal(out, at, r->comm->size, r->comm->rank, records);
    *written = at;
    return GW_OK;
}

/* ---- another size -----------------------------------------------------------------------------*/

gw_status gw_reducer_set_bucket_bytes(gw_reducer *r, size_t bucket_bytes)
{
    if (!r)
        return GW_EINVAL;
    gw_error_clear(&r->error);
    size_t bytes = gw_reducer_state_bytes(r), written = 0;
    void *state = malloc(bytes);
    gw_status s = GW_OK;
    if (r->running)
        s = gw_fail(&r->error, GW_ESTATE, "a step is under way: gw_reducer_wait first");
    else if (!state)
        s = gw_fail(&r->error, GW_ENOMEM, "not enough memory to move %zu bytes of state", bytes);
    else
        s = gw_reducer_save(r, state, bytes, &written);
    struct gw_bucket_set before = r->set, set;
    s = gw_reducer_agree(r, s, 0, "", &r->error);
    if (!s)
        s = gw_bucket_set_open(&set, r, bucket_bytes ? bucket_bytes : gw_reducer_bucket_default(),
                               &r->error);
    if (!s) {
        r->set = set;
        s = gw_reducer_load(r, state, written);
        gw_bucket_set_close(s ? &set : &before);
        if (s)
            r->set = before;
    }
    free(state);
    return s;
}
