/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Loading a reducer's state into buckets that may have changed.
 *
 * What a rank keeps of the tensors it sends stays with it. What owners keep (stage 1) is of the
 * elements they own, and who owns what depends on the cut of the bucket: where that has changed,
 * residuals move with their elements. Every element has one owner, so the sum over ranks of the
 * residuals' bit patterns, as integers, is each pattern itself: an exact move, by an allreduce.
 *
 * Loading is in two parts: one that can fail and changes nothing, then one that cannot. */
#include "collectives/reducer.h"

#include <stdlib.h>
#include <string.h>

#include "collectives/records.h"

/* Notes of a rank on a tensor. */
enum { OWNS = 1, MOVES = 2 };

struct loading {
    struct gw_reducer *r;
    const uint8_t *const *buffers; /* by old rank; NULL: not at hand */
    const size_t *bytes;
    int old_ranks;
    bool drop;
    uint8_t *notes;   /* by tensor, of all ranks together */
    size_t *owned_at; /* by tensor: what its owners here get, in `owned` */
    float *owned, *scratch;
};

static bool find_tensor(const struct gw_reducer *r, uint64_t key, size_t *t)
{
    for (*t = 0; *t < r->count; ++*t)
        if (r->keys[*t] == key)
            return true;
    return false;
}

/* ---- checking what was saved ------------------------------------------------------------------*/

static gw_status check_own(const struct gw_reducer *r, size_t t, const struct gw_record *record,
                           struct gw_error *error)
{
    const struct gw_codec *c = gw_reducer_codec(r, t);
    if (record->first != 0 || record->count != r->tensors[t].count)
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state has elements %llu to %llu of tensor '%s', which has %zu",
                       (unsigned long long)record->first,
                       (unsigned long long)(record->first + record->count), r->tensors[t].name,
                       r->tensors[t].count);
    size_t floats = gw_codec_state_count(c);
    if (record->spec != r->specs[t] || record->floats != floats)
        return gw_fail(error, GW_EMISMATCH,
                       "the saved state of tensor '%s' is of another codec than '%s'",
                       r->tensors[t].name, c->spec);
    return GW_OK;
}

static gw_status check_owner(const struct gw_reducer *r, size_t t, const struct gw_record *record,
                             struct gw_error *error)
{
    size_t count = r->tensors[t].count;
    if (record->first > count || record->count > count - record->first ||
        (record->floats && record->floats != record->count))
        return gw_fail(error, GW_EMISMATCH,
                       "an owner's saved state of tensor '%s' does not fit its %zu elements",
                       r->tensors[t].name, count);
    if (record->spec != r->owner_specs[t])
        return gw_fail(error, GW_EMISMATCH,
                       "an owner's saved state of tensor '%s' is of another codec",
                       r->tensors[t].name);
    return GW_OK;
}

static gw_status check_record(struct loading *l, const struct gw_record *record, uint8_t *seen)
{
    struct gw_reducer *r = l->r;
    size_t t;
    if (!find_tensor(r, record->tensor, &t))
        return gw_fail(&r->error, GW_EMISMATCH,
                       "the saved state is of a tensor that the reducer does not have");
    if (record->stage > 1)
        return gw_fail(&r->error, GW_EPAYLOAD, "a saved record of stage %llu",
                       (unsigned long long)record->stage);
    seen[t] |= record->stage == 0;
    gw_status s =
        record->stage ? check_owner(r, t, record, &r->error) : check_own(r, t, record, &r->error);
    return s ? s : gw_record_check_values(record, &r->error);
}

static gw_status check_buffer(struct loading *l, int old, uint8_t *seen)
{
    struct gw_reducer *r = l->r;
    struct gw_state_header header;
    const uint8_t *in = l->buffers[old];
    gw_status s = gw_state_open(&header, in, l->bytes[old], &r->error);
    if (!s && (header.ranks != (uint32_t)l->old_ranks || header.rank != (uint32_t)old))
        s = gw_fail(&r->error, GW_EMISMATCH,
                    "the state was saved by rank %u of %u, expected rank %d of %d (see "
                    "gw_reducer_load_folded)",
                    header.rank, header.ranks, old, l->old_ranks);
    memset(seen, 0, r->count);
    for (size_t at = GW_STATE_HEADER; !s && at < l->bytes[old];) {
        struct gw_record record;
        s = gw_record_read(&record, in, l->bytes[old], &at, &r->error);
        if (!s)
            s = check_record(l, &record, seen);
    }
    for (size_t t = 0; !s && t < r->count; t++)
        if (!seen[t])
            s = gw_fail(&r->error, GW_EMISMATCH, "the saved state has nothing of tensor '%s'",
                        r->tensors[t].name);
    return s;
}

/* ---- what comes to this rank ------------------------------------------------------------------*/

struct cursor {
    int old;
    size_t at;
};

/* The next record of tensor t and this stage, among those of all old ranks at hand. They were
 * checked. */
static bool next_record(const struct loading *l, struct cursor *c, size_t t, uint64_t stage,
                        struct gw_record *record)
{
    for (; c->old < l->old_ranks; c->old++, c->at = 0) {
        if (!l->buffers[c->old])
            continue;
        if (c->at == 0)
            c->at = GW_STATE_HEADER;
        while (c->at < l->bytes[c->old]) {
            if (gw_record_read(record, l->buffers[c->old], l->bytes[c->old], &c->at, NULL))
                return false;
            if (record->tensor == l->r->keys[t] && record->stage == stage)
                return true;
        }
    }
    return false;
}

/* Is what old rank `old` left for this rank to carry on? */
static bool is_mine(const struct loading *l, int old)
{
    return old % l->r->comm->size == l->r->comm->rank;
}

static bool next_owned(const struct loading *l, struct cursor *c, size_t t,
                       struct gw_record *record)
{
    while (next_record(l, c, t, 1, record))
        if (is_mine(l, c->old) && record->floats > 0)
            return true;
    return false;
}

/* Does an owner here take exactly these elements? */
static bool stays(const struct gw_reducer *r, size_t t, const struct gw_record *record)
{
    const struct gw_codec *owner;
    int at = 0;
    while ((owner = gw_reducer_owner(r, t, &at)))
        if (owner->site.first == record->first && owner->site.count == record->count)
            return true;
    return false;
}

static uint8_t note(const struct loading *l, size_t t)
{
    const struct gw_codec *owner;
    struct gw_record record;
    struct cursor c = { 0 };
    int at = 0;
    uint8_t notes = 0;
    while ((owner = gw_reducer_owner(l->r, t, &at)))
        if (gw_codec_state_count(owner) > 0)
            notes |= OWNS;
    while (next_owned(l, &c, t, &record))
        if (!stays(l->r, t, &record))
            notes |= MOVES;
    return notes;
}

/* ---- the part that can fail -------------------------------------------------------------------*/

static size_t owned_floats(const struct gw_reducer *r, size_t t)
{
    const struct gw_codec *owner;
    int at = 0;
    size_t floats = 0;
    while ((owner = gw_reducer_owner(r, t, &at)))
        floats += gw_codec_state_count(owner);
    return floats;
}

static gw_status allocate(struct loading *l)
{
    struct gw_reducer *r = l->r;
    size_t owned = 0, most = 0;
    l->notes = calloc(r->count + 1, 1);
    l->owned_at = calloc(r->count + 1, sizeof *l->owned_at);
    for (size_t t = 0; t < r->count; t++) {
        if (l->owned_at)
            l->owned_at[t] = owned;
        owned += owned_floats(r, t);
        most = gw_max_size(most, r->tensors[t].count);
        most = gw_max_size(most, gw_codec_state_count(gw_reducer_codec(r, t)));
    }
    l->owned = calloc(owned + 1, sizeof *l->owned);
    l->scratch = calloc(most + 1, sizeof *l->scratch);
    if (l->notes && l->owned_at && l->owned && l->scratch)
        return GW_OK;
    return gw_fail(&r->error, GW_ENOMEM, "not enough memory to load a state");
}

static void release(struct loading *l)
{
    free(l->notes);
    free(l->owned_at);
    free(l->owned);
    free(l->scratch);
}

/* All owners' residuals of tensor t to those who own its elements now. Collective. */
static gw_status exchange(struct loading *l, size_t t)
{
    struct gw_reducer *r = l->r;
    const gw_options exact = { .codec = "raw", .algorithm = "direct", .name = r->tensors[t].name };
    const struct gw_codec *owner;
    struct gw_record record;
    struct cursor c = { 0 };
    size_t count = r->tensors[t].count;
    float *to = l->owned + l->owned_at[t];
    int at = 0;
    memset(l->scratch, 0, count * sizeof *l->scratch);
    while (next_owned(l, &c, t, &record))
        for (size_t i = 0; i < record.floats; i++)
            l->scratch[record.first + i] = gw_get_f32(record.values + 4 * i);
    gw_status s = gw_allreduce(r->comm, l->scratch, l->scratch, count, GW_I32, GW_SUM, &exact);
    if (s)
        return gw_fail(&r->error, s, "moving owners' residuals: %s", gw_comm_error(r->comm));
    for (size_t i = 0; i < count; i++)
        if (!gw_is_finite(l->scratch[i]))
            return gw_fail(&r->error, GW_EPAYLOAD,
                           "ranks' saved states overlap: several owned element %zu of tensor '%s'",
                           i, r->tensors[t].name);
    while ((owner = gw_reducer_owner(r, t, &at))) {
        size_t floats = gw_codec_state_count(owner);
        memcpy(to, l->scratch + owner->site.first, floats * sizeof *to);
        to += floats;
    }
    return GW_OK;
}

/* Owners' residuals that are where they belong. */
static void take_local(struct loading *l, size_t t)
{
    const struct gw_codec *owner;
    float *to = l->owned + l->owned_at[t];
    int at = 0;
    while ((owner = gw_reducer_owner(l->r, t, &at))) {
        struct gw_record record;
        struct cursor c = { 0 };
        size_t floats = gw_codec_state_count(owner);
        while (next_owned(l, &c, t, &record))
            for (size_t i = 0; record.first == owner->site.first && i < floats; i++)
                to[i] = gw_get_f32(record.values + 4 * i);
        to += floats;
    }
}

/* What every rank noted, put together; a failure anywhere is everyone's. */
static gw_status share_notes(struct loading *l, gw_status local)
{
    struct gw_reducer *r = l->r;
    size_t each = r->count + 1;
    uint8_t *mine = r->notes, *all = r->notes + each;
    struct gw_error own = r->error;
    mine[0] = (uint8_t)-local;
    for (size_t t = 0; t < r->count; t++)
        mine[1 + t] = local || l->drop ? 0 : note(l, t);
    gw_status s = gw_control_allgather(r->comm, mine, each, all, &r->error);
    if (local) {
        r->error = own;
        return local;
    }
    for (int k = 0; !s && k < r->comm->size; k++) {
        if (all[(size_t)k * each])
            s = gw_fail(&r->error, GW_EPEER, "rank %d: %s", k,
                        gw_status_text((gw_status) - (int)all[(size_t)k * each]));
        for (size_t t = 0; t < r->count; t++)
            l->notes[t] |= all[(size_t)k * each + 1 + t];
    }
    return s;
}

static gw_status gather(struct loading *l, gw_status local)
{
    struct gw_reducer *r = l->r;
    gw_status s = share_notes(l, local);
    if (s || l->drop)
        return s;
    for (size_t t = 0; t < r->count; t++)
        if (l->notes[t] == OWNS)
            take_local(l, t);
    for (size_t t = 0; !s && t < r->count; t++)
        if ((l->notes[t] & OWNS) && (l->notes[t] & MOVES))
            s = exchange(l, t);
    return s;
}

/* ---- the part that cannot ---------------------------------------------------------------------*/

/* Owners' residuals where there are no owners any more: this rank sends them next time. */
static void fold_owned(const struct loading *l, size_t t, const struct gw_codec *c)
{
    struct gw_record record;
    struct cursor cursor = { 0 };
    float scale = l->r->operation == GW_MEAN ? (float)l->r->comm->size : 1;
    size_t residual;
    if ((l->notes[t] & OWNS) || !gw_record_residual(c, &residual))
        return;
    while (next_owned(l, &cursor, t, &record))
        for (size_t i = 0; i < record.floats; i++)
            l->scratch[residual + record.first + i] += scale * gw_get_f32(record.values + 4 * i);
}

static void load_tensor(struct loading *l, size_t t)
{
    struct gw_codec *c = gw_reducer_codec(l->r, t), *owner;
    size_t floats = gw_codec_state_count(c);
    const float *from = l->owned + l->owned_at[t];
    struct gw_record record;
    struct cursor cursor = { 0 };
    uint64_t run = 0;
    int at = 0;
    memset(l->scratch, 0, floats * sizeof *l->scratch);
    while (!l->drop && next_record(l, &cursor, t, 0, &record)) {
        run = record.run > run ? record.run : run;
        if (l->old_ranks != l->r->comm->size)
            gw_record_fold(c, &record, cursor.old, l->old_ranks, l->scratch);
        else
            for (size_t i = 0; i < floats; i++)
                l->scratch[i] = gw_get_f32(record.values + 4 * i);
    }
    if (!l->drop)
        fold_owned(l, t, c);
    gw_codec_state_load(c, l->scratch);
    while ((owner = gw_reducer_owner(l->r, t, &at))) {
        gw_codec_state_load(owner, from);
        from += gw_codec_state_count(owner);
    }
    gw_reducer_set_run(l->r, t, run);
}

static gw_status load(struct loading *l, gw_status local)
{
    struct gw_reducer *r = l->r;
    if (!local && r->running)
        local = gw_fail(&r->error, GW_ESTATE, "a step is under way: gw_reducer_wait first");
    for (int old = 0; !local && old < l->old_ranks; old++)
        if (l->buffers[old])
            local = check_buffer(l, old, r->notes);
    if (!local)
        local = allocate(l);
    gw_status s = gather(l, local);
    for (size_t t = 0; !s && t < r->count; t++)
        load_tensor(l, t);
    release(l);
    return s;
}

/* ---- public -----------------------------------------------------------------------------------*/

gw_status gw_reducer_load(gw_reducer *r, const void *buffer, size_t bytes)
{
    if (!r)
        return GW_EINVAL;
    gw_error_clear(&r->error);
    size_t ranks = (size_t)r->comm->size, me = (size_t)r->comm->rank;
    const uint8_t **buffers = calloc(ranks, sizeof *buffers);
    size_t *sizes = calloc(ranks, sizeof *sizes);
    gw_status s = GW_OK;
    if (!buffer)
        s = gw_fail(&r->error, GW_EINVAL, "gw_reducer_load: the buffer is NULL");
    else if (!buffers || !sizes)
        s = gw_fail(&r->error, GW_ENOMEM, "not enough memory to load a state");
    if (!s) {
        buffers[me] = buffer;
        sizes[me] = bytes;
    }
    struct loading l = { .r = r, .buffers = buffers, .bytes = sizes, .old_ranks = (int)ranks };
    s = load(&l, s);
    free(buffers);
    free(sizes);
    return s;
}

gw_status gw_reducer_load_folded(gw_reducer *r, const void *const *buffers, const size_t *bytes,
                                 int count, gw_fold fold)
{
    if (!r)
        return GW_EINVAL;
    if (buffers && bytes && count == r->comm->size)
        return gw_reducer_load(r, buffers[r->comm->rank], bytes[r->comm->rank]);
    gw_error_clear(&r->error);
    gw_status s = GW_OK;
    if (!buffers || !bytes || count < 1)
        s = gw_fail(&r->error, GW_EINVAL, "gw_reducer_load_folded: no buffers");
    else if (fold == GW_FOLD_REFUSE)
        s = gw_fail(&r->error, GW_EMISMATCH,
                    "the state was saved by %d ranks, the reducer has %d: ask to drop or fold it",
                    count, r->comm->size);
    for (int old = 0; !s && old < count; old++)
        if (!buffers[old])
            s = gw_fail(&r->error, GW_EINVAL, "gw_reducer_load_folded: buffer %d is NULL", old);
    struct loading l = { .r = r,
                         .buffers = (const uint8_t *const *)buffers,
                         .bytes = bytes,
                         .old_ranks = count,
                         .drop = fold == GW_FOLD_DROP };
    return load(&l, s);
}
