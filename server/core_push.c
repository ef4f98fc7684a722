/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Pushes: parts are kept until their COMMIT, then all of them count, once, or none.
 *
 * Exactly once: a worker numbers its pushes and sends each again, under the same number, until it
 * is acknowledged. The highest number that counts is kept for each worker, whoever it is at the
 * moment, and what is not above it is acknowledged and thrown away. */
#include "server/core_inside.h"

#include "compress/codec.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t parts_of(const struct gw_core *core)
{
    return core->shard ? gw_shard_parts(core->shard) : 0;
}

struct push *gw_core_new_push(const struct gw_core *core)
{
    return calloc(1, sizeof(struct push) + parts_of(core) * sizeof(struct gw_blob *));
}

void gw_core_free_push(struct gw_core *core, struct push *push)
{
    for (size_t i = 0; push && i < parts_of(core); i++)
        gw_blob_drop(push->part[i]);
    free(push);
}

void gw_core_free_pushes(struct gw_core *core, struct push **first)
{
    while (*first) {
        struct push *push = *first;
        *first = push->next;
        gw_core_free_push(core, push);
    }
}

void gw_core_drop_stage(struct gw_core *core, struct member *member)
{
    gw_core_free_push(core, member->stage);
    member->stage = NULL;
    member->staged = 0;
    gw_error_clear(&member->stage_error);
}

/* ---- initial values -------------------------------------------------------------------------- */

static void strike(struct gw_core_peer *peer, const struct gw_error *error)
{
    struct gw_core *core = peer->core;
    core->strikes++;
    if (peer->member)
        peer->member->strikes++;
    gw_core_say(core, "level=warn event=strike peer=\"%s\" why=\"%s\"", peer->name, error->text);
    if (++peer->strikes >= GW_STRIKES)
        gw_session_refuse(peer->session, error->status, error->text, core->now);
}

static void values_stand(struct gw_core *core)
{
    core->has_values = true;
    core->init_peer = NULL;
    core->snapshot_wanted = core->durability.kind != GW_DURABLE_NONE;
    gw_core_say(core, "level=info event=values parts=%zu bytes=%" PRIu64, parts_of(core),
                gw_core_part_bytes(core));
}

/* A checked payload of codec raw: its floats stand behind the header. */
static void set_values(struct gw_core *core, size_t part, const uint8_t *payload)
{
    gw_f32 *values = gw_shard_values(core->shard, part);
    size_t count = gw_shard_part(core->shard, part)->count;
    for (size_t i = 0; i < count; i++)
        values[i] = gw_get_f32(payload + GW_HEADER_BYTES + sizeof(float) * i);
}

/* From the first worker that sends them; whoever comes second is not heard. Its parts come in
 * order, so that a count says which are there. */
void gw_core_take_init(struct gw_core_peer *peer, struct gw_event *event)
{
    struct gw_core *core = peer->core;
    struct gw_error error = { 0 };
    size_t part = event->frame.tensor;
    peer->unheard = core->init_peer && core->init_peer != peer;
    if (core->has_values || peer->unheard)
        return;
    core->init_peer = peer;
    gw_status s =
        gw_shard_check(core->shard, part, true, event->payload, event->frame.length, &error);
    if (!s && part != core->inits)
        s = gw_fail(&error, GW_EPAYLOAD, "initial values of part %zu, expected part %zu", part,
                    core->inits);
    if (s) {
        gw_session_refuse(peer->session, s, error.text, core->now);
        return;
    }
    set_values(core, part, event->payload);
    if (++core->inits == parts_of(core))
        values_stand(core);
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* The push that this part belongs to: the one under way, or a new one in its place. */
static struct push *stage_of(struct gw_core *core, struct member *member, uint64_t sequence)
{
    if (member->stage && member->stage->sequence == sequence)
        return member->stage;
    gw_core_drop_stage(core, member);
    member->stage = gw_core_new_push(core);
    if (!member->stage)
        return NULL;
    member->stage->worker = member->worker;
    member->stage->sequence = sequence;
    return member->stage;
}

/* The payload stands in peer->incoming, where admit had it put. */
static gw_status keep_part(struct gw_core_peer *peer, const struct gw_frame *frame,
                           struct gw_error *error)
{
    struct gw_core *core = peer->core;
    struct member *member = peer->member;
    struct gw_blob *payload = peer->incoming;
    bool raw = (frame->flags & GW_PS_RAW) != 0;
    struct push *stage = stage_of(core, member, frame->sequence);
    if (!stage)
        return gw_fail(error, GW_ENOMEM, "the server is out of memory");
    if (stage->part[frame->tensor])
        return gw_fail(error, GW_EPAYLOAD, "part %" PRIu32 " of push %" PRIu64 " comes twice",
                       frame->tensor, frame->sequence);
    if (member->staged > 0 && stage->raw != raw)
        return gw_fail(error, GW_EPAYLOAD, "push %" PRIu64 " is raw in some parts only",
                       frame->sequence);
    gw_status s =
        gw_shard_check(core->shard, frame->tensor, raw, payload->data, payload->bytes, error);
    if (s)
        return s;
    stage->raw = raw;
    stage->part[frame->tensor] = payload;
    peer->incoming = NULL;
    member->staged++;
    return GW_OK;
}

void gw_core_take_part(struct gw_core_peer *peer, const struct gw_frame *frame)
{
    struct member *member = peer->member;
    /* What counts already, or will not, waits for its COMMIT, which says so. */
    if (member && frame->sequence > member->accepted && !member->stage_error.status)
        (void)keep_part(peer, frame, &member->stage_error);
    gw_blob_drop(peer->incoming);
    peer->incoming = NULL;
}

/* ---- commit ---------------------------------------------------------------------------------- */

static void send_nak(struct gw_core_peer *peer, uint64_t sequence, const struct gw_error *error)
{
    uint8_t body[GW_ERROR_TEXT + 4];
    size_t bytes = gw_nak_write(body, sizeof body, error->status, error->text);
    struct gw_blob *blob = gw_blob_copy(body, bytes);
    if (blob)
        gw_core_send(peer, &(struct gw_frame){ .type = GW_PS_NAK, .sequence = sequence }, blob);
    else
        gw_session_refuse(peer->session, error->status, error->text, peer->core->now);
    gw_blob_drop(blob);
}

static void refuse_push(struct gw_core_peer *peer, uint64_t sequence)
{
    struct member *member = peer->member;
    struct gw_error error = member->stage_error;
    gw_core_drop_stage(peer->core, member);
    send_nak(peer, sequence, &error);
    if (error.status == GW_EPAYLOAD || error.status == GW_EMISMATCH)
        strike(peer, &error);
}

static bool owes_ack(const struct member *member, uint64_t sequence)
{
    const struct ack *ack = member->acks;
    while (ack && ack->sequence < sequence)
        ack = ack->next;
    return ack != NULL;
}

/* Acknowledge as soon as nothing is in the way; once, however often it is asked for meanwhile. */
static void owe_ack(struct gw_core_peer *peer, uint64_t sequence, bool late)
{
    struct gw_core *core = peer->core;
    struct member *member = peer->member;
    if (owes_ack(member, sequence))
        return;
    struct ack *ack = calloc(1, sizeof *ack);
    if (!ack) { /* it asks again over its next session */
        gw_session_refuse(peer->session, GW_ENOMEM, "the server is out of memory", core->now);
        return;
    }
    *ack = (struct ack){ .sequence = sequence, .serial = core->appended, .late = late };
    *member->acks_end = ack;
    member->acks_end = &ack->next;
    gw_core_release_acks(core, member);
}

static gw_status check_commit(const struct gw_core *core, const struct member *member,
                              uint64_t sequence, const struct gw_commit_body *body,
                              struct gw_error *error)
{
    if (core->stopping && !gw_core_drains(core))
        return gw_fail(error, GW_ETRANSPORT, "the server is shutting down");
    if (!core->has_values)
        return gw_fail(error, GW_ESTATE, "a push before there are initial values");
    if (!member->stage || member->stage->sequence != sequence || member->staged != parts_of(core) ||
        body->parts != member->staged)
        return gw_fail(error, GW_EPAYLOAD,
                       "push %" PRIu64 " has %zu of %zu parts, its worker says %" PRIu32, sequence,
                       member->staged, parts_of(core), body->parts);
    if (isinf(body->rate))
        return gw_fail(error, GW_ENONFINITE, "push %" PRIu64 " has an infinite learning rate",
                       sequence);
    if (member->waiting >= GW_WAITING_MAX)
        return gw_fail(error, GW_ESTATE,
                       "%" PRIu32 " pushes of this worker wait to be applied already",
                       member->waiting);
    return GW_OK;
}

void gw_core_queue_push(struct gw_core *core, struct member *member, struct push *push)
{
    push->next = NULL;
    push->arrival = ++core->arrivals;
    push->arrived_ns = core->now;
    *member->last = push;
    member->last = &push->next;
    member->waiting++;
}

/* From here on it counts. */
static void accept_push(struct gw_core_peer *peer, uint64_t sequence,
                        const struct gw_commit_body *body)
{
    struct gw_core *core = peer->core;
    struct member *member = peer->member;
    struct push *push = member->stage;
    bool late = gw_policy_drops(&core->policy, body->meant) && !body->leaving;
    push->rate = body->rate;
    push->meant = body->meant;
    push->clock = body->clock;
    push->leaving = body->leaving;
    member->stage = NULL;
    member->staged = 0;
    member->accepted = sequence;
    gw_core_set_clock(member, body->clock);
    member->pushes++;
    member->norm = body->norm;
    member->raw_in_bytes += gw_core_part_bytes(core);
    core->accepted_pushes++;
    if (late) {
        member->late++;
        core->late_pushes++;
        gw_core_log_late(core, member);
        gw_core_free_push(core, push);
    } else {
        gw_core_log_push(core, push);
        gw_core_queue_push(core, member, push);
    }
    owe_ack(peer, sequence, late);
    if (body->leaving)
        gw_core_leave(core, member);
}

void gw_core_take_commit(struct gw_core_peer *peer, const struct gw_event *event)
{
    struct gw_core *core = peer->core;
    struct member *member = peer->member;
    struct gw_commit_body body;
    uint64_t sequence = event->frame.sequence;
    if (!member)
        return;
    gw_commit_read(&body, event->payload);
    if (sequence <= member->accepted) {
        gw_core_drop_stage(core, member);
        owe_ack(peer, sequence, false);
        return;
    }
    if (!member->stage_error.status)
        (void)check_commit(core, member, sequence, &body, &member->stage_error);
    if (member->stage_error.status)
        refuse_push(peer, sequence);
    else
        accept_push(peer, sequence, &body);
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

static void send_ack(struct gw_core_peer *peer, const struct gw_frame *frame,
                     const uint8_t round[GW_ACK_BYTES])
{
    gw_core_send_body(peer, frame, round, GW_ACK_BYTES);
    peer->core->world.flush(peer->core->world.user, peer->link);
}

/* Too many of its pushes wait: it is to stop for a while, unless others wait for it elsewhere. */
static bool is_held(struct gw_core *core, const struct member *member)
{
    if (member->waiting <= GW_WAITING_ACKED)
        return false;
    gw_core_clocks(core);
    const struct gw_tally tally = gw_policy_tally(core->clocks, core->members_count);
    const struct gw_clock *own = &core->clocks[gw_core_place(core, member->worker)];
    bool held = !gw_policy_waits_in_vain(&core->policy, &tally, own);
    core->holds_acks |= held;
    return held;
}

void gw_core_release_acks(struct gw_core *core, struct member *member)
{
    while (member->acks && gw_core_is_safe(core, member->acks->serial) && !is_held(core, member)) {
        struct ack *ack = member->acks;
        struct gw_frame frame = { .type = GW_PS_ACK,
                                  .flags = ack->late ? GW_PS_LATE : 0,
                                  .sequence = ack->sequence };
        uint8_t round[GW_ACK_BYTES];
        if (member->durable < ack->sequence)
            member->durable = ack->sequence;
        gw_put_u64(round, core->policy.round);
        member->acks = ack->next;
        if (!member->acks)
            member->acks_end = &member->acks;
        free(ack);
        if (member->peer)
            send_ack(member->peer, &frame, round);
    }
}

void gw_core_release_all_acks(struct gw_core *core)
{
    for (size_t i = 0; i < core->members_count; i++)
        gw_core_release_acks(core, core->members[i]);
}
