/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* From disk to a server and back. A snapshot's image holds the terms, who was in the job, pushes
 * that were accepted and not yet applied, and the shard; the log's records are what happened since,
 * and applying them again gives the same bits, because rounds say which pushes they took.
 *
 *     image:   "gwstate1", round, arrivals, started u64, members u64, length u64 and text of terms,
 *              members, length u64 and bytes of the shard
 *     member:  worker u32, epoch u32, instance, accepted, clock u64, member u32, waiting u32,
 *              then its pushes: arrival u64, length u64, push
 *     push:    worker u32, flags u32, sequence, meant u64, rate f64, parts, clock u64,
 *              then the parts' lengths u32, then the parts
 *
 * Checksums are the store's; here any bytes must be harmless all the same. */
#include "server/core_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char image_magic[8] = { 'g', 'w', 's', 't', 'a', 't', 'e', '1' };

enum { PUSH_RAW = 1, PUSH_LEAVING = 2 };

/* ---- writing: the first pass counts, the second has room ------------------------------------- */

struct writer {
    uint8_t *at; /* NULL: count only */
    size_t used;
};

static void put_bytes(struct writer *w, const void *data, size_t bytes)
{
    if (w->at && bytes > 0)
        memcpy(w->at + w->used, data, bytes);
    w->used += bytes;
}

static void put_u32(struct writer *w, uint32_t v)
{
    uint8_t b[4];
    gw_put_u32(b, v);
    put_bytes(w, b, sizeof b);
}

static void put_u64(struct writer *w, uint64_t v)
{
    uint8_t b[8];
    gw_put_u64(b, v);
    put_bytes(w, b, sizeof b);
}

void gw_core_write_push_head(uint8_t out[GW_PUSH_HEAD], const struct push *push, size_t parts)
{
    gw_put_u32(out, push->worker);
    gw_put_u32(out + 4, (push->raw ? PUSH_RAW : 0) | (push->leaving ? PUSH_LEAVING : 0));
    gw_put_u64(out + 8, push->sequence);
    gw_put_u64(out + 16, push->meant);
    gw_put_f64(out + 24, push->rate);
    gw_put_u64(out + 32, parts);
    gw_put_u64(out + 40, push->clock);
}

static void put_push(struct writer *w, const struct push *push, size_t parts)
{
    uint8_t head[GW_PUSH_HEAD];
    uint64_t length = GW_PUSH_HEAD + 4 * parts;
    for (size_t i = 0; i < parts; i++)
        length += push->part[i]->bytes;
    put_u64(w, push->arrival);
    put_u64(w, length);
    gw_core_write_push_head(head, push, parts);
    put_bytes(w, head, sizeof head);
    for (size_t i = 0; i < parts; i++)
        put_u32(w, (uint32_t)push->part[i]->bytes);
    for (size_t i = 0; i < parts; i++)
        put_bytes(w, push->part[i]->data, push->part[i]->bytes);
}

static void put_member(struct writer *w, const struct member *member, size_t parts)
{
    put_u32(w, member->worker);
    put_u32(w, member->epoch);
    put_u64(w, member->instance);
    put_u64(w, member->accepted);
    put_u64(w, member->clock);
    put_u32(w, member->member);
    put_u32(w, member->waiting);
    for (const struct push *p = member->first; p; p = p->next)
        put_push(w, p, parts);
}

static void put_image(struct writer *w, const struct gw_core *core, const char *text)
{
    size_t parts = gw_shard_parts(core->shard);
    put_bytes(w, image_magic, sizeof image_magic);
    put_u64(w, core->policy.round);
    put_u64(w, core->arrivals);
    put_u64(w, core->policy.started);
    put_u64(w, core->members_count);
    put_u64(w, strlen(text));
    put_bytes(w, text, strlen(text));
    for (size_t i = 0; i < core->members_count; i++)
        put_member(w, core->members[i], parts);
    size_t bytes = gw_shard_state_bytes(core->shard);
    put_u64(w, bytes);
    if (w->at)
        gw_shard_save(core->shard, w->at + w->used);
    w->used += bytes;
}

gw_status gw_core_write_image(const struct gw_core *core, uint8_t **image, size_t *bytes,
                              struct gw_error *error)
{
    char *text = gw_job_write(core->job);
    struct writer w = { 0 };
    if (text)
        put_image(&w, core, text);
    size_t room = w.used;
    w = (struct writer){ .at = text ? malloc(room) : NULL };
    if (!w.at) {
        free(text);
        return gw_fail(error, GW_ENOMEM, "out of memory for a snapshot of %zu bytes", room);
    }
    put_image(&w, core, text);
    free(text);
    *image = w.at;
    *bytes = w.used;
    return GW_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *at;
    size_t left;
    bool bad; /* something did not fit: all that is read from then on is zero */
};

static const uint8_t *get_bytes(struct reader *r, uint64_t bytes)
{
    if (r->bad || bytes > r->left) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *at = r->at;
    r->at += bytes;
    r->left -= (size_t)bytes;
    return at;
}

static uint32_t get_u32(struct reader *r)
{
    const uint8_t *at = get_bytes(r, 4);
    return at ? gw_get_u32(at) : 0;
}

static uint64_t get_u64(struct reader *r)
{
    const uint8_t *at = get_bytes(r, 8);
    return at ? gw_get_u64(at) : 0;
}

static double get_f64(struct reader *r)
{
    const uint8_t *at = get_bytes(r, 8);
    return at ? gw_get_f64(at) : 0;
}

static gw_status damaged(struct gw_error *error, const char *what)
{
    return gw_fail(error, GW_EPAYLOAD, "what was stored does not fit: %s", what);
}

static gw_status no_memory(struct gw_error *error)
{
    return gw_fail(error, GW_ENOMEM, "out of memory for a member that was stored");
}

static gw_status get_parts(struct gw_core *core, struct reader *r, struct push *push, size_t parts,
                           struct gw_error *error)
{
    struct reader sizes = { get_bytes(r, 4 * (uint64_t)parts), 4 * parts, false };
    for (size_t i = 0; i < parts && !r->bad; i++) {
        uint32_t bytes = get_u32(&sizes);
        const uint8_t *payload = get_bytes(r, bytes);
        if (!payload)
            break;
        gw_status s = gw_shard_check(core->shard, i, push->raw, payload, bytes, error);
        if (s)
            return s;
        push->part[i] = gw_blob_copy(payload, bytes);
        if (!push->part[i])
            return gw_fail(error, GW_ENOMEM, "out of memory for a push that was stored");
    }
    return r->bad ? damaged(error, "a push ends too early") : GW_OK;
}

/* The push in `r`, onto its member's queue; it must be newer than what counts already. */
static gw_status get_push(struct gw_core *core, struct reader *r, uint64_t arrival,
                          struct gw_error *error)
{
    size_t parts = gw_shard_parts(core->shard);
    struct push *push = gw_core_new_push(core);
    if (!push)
        return gw_fail(error, GW_ENOMEM, "out of memory for a push that was stored");
    push->worker = get_u32(r);
    uint32_t flags = get_u32(r);
    push->raw = (flags & PUSH_RAW) != 0;
    push->leaving = (flags & PUSH_LEAVING) != 0;
    push->sequence = get_u64(r);
    push->meant = get_u64(r);
    push->rate = get_f64(r);
    bool fits = get_u64(r) == parts;
    push->clock = get_u64(r);
    fits = fits && !r->bad;
    struct member *member = fits ? gw_core_member(core, push->worker, true) : NULL;
    gw_status s = member ? get_parts(core, r, push, parts, error)
                  : fits ? no_memory(error)
                         : damaged(error, "a push of other parts");
    if (s) {
        gw_core_free_push(core, push);
        return s;
    }
    gw_core_queue_push(core, member, push);
    if (arrival > 0)
        push->arrival = arrival;
    if (member->accepted < push->sequence)
        member->accepted = push->sequence;
    gw_core_set_clock(member, push->clock);
    return GW_OK;
}

static gw_status get_member(struct gw_core *core, struct reader *r, struct gw_error *error)
{
    uint32_t worker = get_u32(r);
    bool rises =
        core->members_count == 0 || core->members[core->members_count - 1]->worker < worker;
    if (r->bad || !rises)
        return damaged(error, "members");
    struct member *member = gw_core_member(core, worker, true);
    if (!member)
        return no_memory(error);
    member->epoch = get_u32(r);
    member->instance = get_u64(r);
    member->accepted = get_u64(r);
    member->clock = get_u64(r);
    member->member = get_u32(r) != 0;
    uint32_t waiting = get_u32(r);
    for (uint32_t i = 0; i < waiting && !r->bad; i++) {
        uint64_t arrival = get_u64(r), length = get_u64(r);
        struct reader one = { get_bytes(r, length), (size_t)length, r->bad };
        gw_status s = one.bad ? damaged(error, "a push ends too early")
                              : get_push(core, &one, arrival, error);
        if (!s && member->waiting != i + 1)
            s = damaged(error, "a push under another worker");
        if (s)
            return s;
    }
    return r->bad ? damaged(error, "members end too early") : GW_OK;
}

static gw_status get_job(struct gw_core *core, struct reader *r, struct gw_error *error)
{
    struct gw_job *theirs;
    struct gw_error why = { 0 };
    uint64_t length = get_u64(r);
    const uint8_t *text = get_bytes(r, length);
    gw_status s = text ? gw_job_read(&theirs, (const char *)text, (size_t)length, error)
                       : damaged(error, "terms end too early");
    if (s)
        return s;
    s = theirs->tensors == 0 ? damaged(error, "terms without tensors")
                             : gw_job_agree(core->job, theirs, 0, &why);
    gw_job_close(theirs);
    if (why.status)
        return gw_fail(error, why.status, "the folder belongs to another job: %.500s", why.text);
    return s ? s : gw_core_open_shard(core, error);
}

static gw_status take_image(void *user, const uint8_t *image, size_t bytes, struct gw_error *error)
{
    struct gw_core *core = user;
    struct reader r = { image, bytes, false };
    const uint8_t *magic = get_bytes(&r, sizeof image_magic);
    if (!magic || memcmp(magic, image_magic, sizeof image_magic) != 0)
        return damaged(error, "not the state of a server");
    core->policy.round = get_u64(&r);
    uint64_t arrivals = get_u64(&r);
    bool started = get_u64(&r) != 0;
    uint64_t members = get_u64(&r);
    gw_status s = get_job(core, &r, error);
    for (uint64_t i = 0; i < members && !s; i++)
        s = get_member(core, &r, error);
    if (s)
        return s;
    uint64_t length = get_u64(&r);
    if (r.bad || length != r.left)
        return damaged(error, "the shard's length");
    s = gw_shard_load(core->shard, r.at, r.left, error);
    core->arrivals = arrivals;
    core->policy.started = started;
    core->has_values = core->based = s == GW_OK;
    core->snapshot_round = core->policy.round;
    return s;
}

/* ---- records --------------------------------------------------------------------------------- */

static gw_status replay_member(struct gw_core *core, struct reader *r, bool joins,
                               struct gw_error *error)
{
    struct member *member = gw_core_member(core, get_u32(r), true);
    if (!member)
        return no_memory(error);
    member->epoch = get_u32(r);
    member->instance = get_u64(r);
    member->clock = get_u64(r);
    member->member = joins;
    gw_core_count_joined(core);
    return r->bad ? damaged(error, "a record of a member") : GW_OK;
}

static gw_status replay_push(struct gw_core *core, struct reader *r, struct gw_error *error)
{
    struct member *member = r->left >= 4 ? gw_core_member(core, gw_get_u32(r->at), false) : NULL;
    if (!member)
        return damaged(error, "a push of a worker that never joined");
    uint64_t before = member->accepted;
    gw_status s = get_push(core, r, 0, error);
    if (!s && member->accepted == before)
        return damaged(error, "a push comes twice");
    return s;
}

static gw_status replay_late(struct gw_core *core, struct reader *r, struct gw_error *error)
{
    struct member *member = gw_core_member(core, get_u32(r), false);
    (void)get_u32(r);
    uint64_t sequence = get_u64(r), clock = get_u64(r);
    if (r->bad || !member || sequence <= member->accepted)
        return damaged(error, "a late push");
    member->accepted = sequence;
    gw_core_set_clock(member, clock);
    return GW_OK;
}

/* core->take from a record; each push must be the next of its worker's queue. */
static gw_status read_takes(struct gw_core *core, struct reader *r, uint64_t count,
                            struct gw_error *error)
{
    for (size_t i = 0; i < core->members_count; i++)
        core->take[i] = 0;
    for (uint64_t i = 0; i < count && !r->bad; i++) {
        uint32_t worker = get_u32(r);
        (void)get_u32(r);
        uint64_t sequence = get_u64(r);
        size_t at = gw_core_place(core, worker);
        if (at == core->members_count || core->members[at]->worker != worker)
            return damaged(error, "a round with an unknown worker");
        const struct push *push = core->members[at]->first;
        for (uint32_t k = 0; push && k < core->take[at]; k++)
            push = push->next;
        if (!push || push->sequence != sequence)
            return damaged(error, "a round with a push that does not wait");
        core->take[at]++;
    }
    return r->bad ? damaged(error, "a round ends too early") : GW_OK;
}

static gw_status replay_round(struct gw_core *core, struct reader *r, struct gw_error *error)
{
    uint64_t round = get_u64(r), count = get_u64(r);
    if (r->bad || round != core->policy.round + 1 || count == 0 || count > r->left / 16)
        return damaged(error, "a round out of order");
    gw_status s = read_takes(core, r, count, error);
    if (s)
        return s;
    struct gw_work *work = NULL;
    if (gw_core_take_pushes(core, (size_t)count) == GW_OK)
        work = gw_shard_apply(core->shard, core->views, (size_t)count, core->taken->rate, round);
    if (!work)
        return gw_fail(error, GW_ENOMEM, "out of memory for round %" PRIu64, round);
    gw_work_run(work);
    (void)gw_work_end(work, NULL);
    core->policy.started = true;
    gw_core_end_round(core, (size_t)count);
    return GW_OK;
}

/* Records of a folder that never had a snapshot were never acknowledged. */
static gw_status take_record(void *user, uint32_t type, const uint8_t *body, size_t bytes,
                             struct gw_error *error)
{
    struct gw_core *core = user;
    struct reader r = { body, bytes, false };
    if (!core->has_values)
        return GW_OK;
    core->snapshot_wanted = true; /* so that the next start has less to do */
    switch (type) {
    case GW_RECORD_JOIN:
    case GW_RECORD_LEAVE:
        return replay_member(core, &r, type == GW_RECORD_JOIN, error);
    case GW_RECORD_PUSH:
        return replay_push(core, &r, error);
    case GW_RECORD_LATE:
        return replay_late(core, &r, error);
    case GW_RECORD_ROUND:
        return replay_round(core, &r, error);
    default:
        return damaged(error, "a record of an unknown type");
    }
}

gw_status gw_core_recover(struct gw_core *core, const char *folder, const struct gw_files *files,
                          struct gw_error *error)
{
    char said[GW_ERROR_TEXT] = "";
    const struct gw_recovery recovery = { core, take_image, take_record };
    gw_status s = gw_store_open(&core->store, folder, core->durability.kind == GW_DURABLE_LOG,
                                files, &recovery, said, error);
    if (s)
        return s;
    for (size_t i = 0; i < core->members_count; i++) {
        struct member *m = core->members[i];
        m->durable = m->accepted;
        m->live = m->member;
        m->lost_at = core->now;
        m->wait_ns = core->back_ns;
    }
    if (*said)
        gw_core_say(core, "level=warn event=recovery why=\"%s\"", said);
    if (core->has_values)
        gw_core_say(core, "level=info event=recovered round=%" PRIu64 " members=%" PRIu32,
                    core->policy.round, gw_core_count_members(core));
    return GW_OK;
}
