/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Rounds and pulls: what the policy lets happen, in the order in which it has to. Pulls that may be
 * answered go before the next round, so that those who wait for a round get its result and no
 * later one. */
#include "server/core_inside.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rounds ---------------------------------------------------------------------------------- */

static bool make_views(struct gw_core *core, size_t count)
{
    if (count <= core->views_room)
        return true;
    struct gw_push_view *views = realloc(core->views, count * sizeof *views);
    if (!views)
        return false;
    core->views = views;
    core->views_room = count;
    return true;
}

static struct push *take_first(struct member *member)
{
    struct push *push = member->first;
    member->first = push->next;
    if (!member->first)
        member->last = &member->first;
    member->waiting--;
    return push;
}

gw_status gw_core_take_pushes(struct gw_core *core, size_t count)
{
    size_t taken = 0;
    struct push **end = &core->taken;
    if (!make_views(core, count))
        return GW_ENOMEM;
    for (size_t i = 0; i < core->members_count; i++) {
        for (uint32_t k = 0; k < core->take[i]; k++) {
            struct push *push = take_first(core->members[i]);
            core->views[taken++] = (struct gw_push_view){ .worker = push->worker,
                                                          .raw = push->raw,
                                                          .parts = push->part };
            push->next = NULL;
            *end = push;
            end = &push->next;
        }
    }
    return GW_OK;
}

void gw_core_end_round(struct gw_core *core, size_t contributors)
{
    gw_core_free_pushes(core, &core->taken);
    core->contributors = (uint32_t)contributors;
    core->policy.round++;
}

static void look_at_clocks(struct gw_core *core)
{
    gw_core_clocks(core);
    core->policy.now_ns = core->now;
    core->policy.first_push_ns = INT64_MAX;
    for (size_t i = 0; i < core->members_count; i++) {
        const struct push *first = core->members[i]->first;
        if (first && first->arrived_ns < core->policy.first_push_ns)
            core->policy.first_push_ns = first->arrived_ns;
    }
}

/* What failed for want of memory is tried again in a while. */
static void later(struct gw_core *core)
{
    core->retry_ns = core->now + GW_RETRY_NS;
}

static void end_work(struct gw_core *core)
{
    struct gw_error error = { 0 };
    gw_status s = gw_work_end(core->work, &error);
    core->work = NULL;
    if (core->applying) {
        size_t contributors = 0;
        for (const struct push *p = core->taken; p; p = p->next)
            contributors++;
        gw_core_end_round(core, contributors);
        gw_core_release_all_acks(core);
    }
    if (s) {
        gw_core_say(core, "level=error event=memory why=\"%s\"", error.text);
        later(core);
    }
    gw_core_go_on(core);
}

static void start_work(struct gw_core *core, struct gw_work *work, bool applying)
{
    core->work = work;
    core->applying = applying;
    core->world.compute(core->world.user, work, end_work, core);
}

/* Back to the heads of their queues, as if nothing had been decided. */
static void put_back(struct gw_core *core)
{
    while (core->taken) {
        struct push **last = &core->taken;
        while ((*last)->next)
            last = &(*last)->next;
        struct push *push = *last;
        *last = NULL;
        struct member *member = gw_core_member(core, push->worker, false);
        push->next = member->first;
        member->first = push;
        if (!push->next)
            member->last = &push->next;
        member->waiting++;
    }
}

/* The lowest worker's learning rate is the round's. */
static bool start_round(struct gw_core *core)
{
    core->wake_ns = INT64_MAX;
    if (!core->has_values || core->retry_ns != INT64_MAX)
        return false;
    look_at_clocks(core);
    size_t count = gw_policy_take(&core->policy, core->clocks, core->members_count, core->take,
                                  &core->wake_ns);
    if (count == 0)
        return false;
    struct gw_work *work = NULL;
    if (gw_core_take_pushes(core, count) == GW_OK)
        work = gw_shard_apply(core->shard, core->views, count, core->taken->rate,
                              core->policy.round + 1);
    if (!work) {
        put_back(core);
        later(core);
        return false;
    }
    gw_core_log_round(core, count);
    start_work(core, work, true);
    return true;
}

/* ---- pulls ----------------------------------------------------------------------------------- */

static bool may_pull(struct gw_core *core, const struct gw_core_peer *peer,
                     const struct gw_tally *tally)
{
    if (!core->has_values || !gw_core_is_safe(core, core->round_serial))
        return false;
    if (!peer->member)
        return true;
    const struct gw_clock *own = &core->clocks[gw_core_place(core, peer->member->worker)];
    return gw_policy_may_pull(&core->policy, tally, own, peer->pull.wanted) ||
           gw_policy_waits_in_vain(&core->policy, tally, own);
}

static uint64_t ahead_of_slowest(struct gw_core *core, const struct member *member)
{
    uint64_t slowest = gw_policy_join_clock(core->clocks, core->members_count);
    return member && member->clock > slowest ? member->clock - slowest : 0;
}

/* Whose copy a pull is from, where each worker has one. Observers share one, whatever numbers they
 * give. */
static uint32_t holder_of(const struct gw_core_peer *peer)
{
    return peer->member ? peer->member->worker : UINT32_MAX;
}

static void send_done(struct gw_core_peer *peer, uint64_t payloads)
{
    struct gw_core *core = peer->core;
    uint32_t worker = holder_of(peer);
    uint8_t body[GW_DONE_BYTES];
    gw_done_write(body, &(struct gw_done_body){ .incarnation = core->incarnation,
                                                .version = gw_shard_version(core->shard, worker),
                                                .round = core->policy.round,
                                                .ahead = ahead_of_slowest(core, peer->member),
                                                .contributors = core->contributors,
                                                .members = gw_core_count_members(core),
                                                .payloads = payloads });
    const struct gw_frame frame = { .type = GW_PS_DONE, .sequence = peer->pull_sequence };
    gw_core_send_body(peer, &frame, body, sizeof body);
}

static void send_values(struct gw_core_peer *peer, const struct gw_pull_item *items, size_t count)
{
    struct member *member = peer->member;
    for (size_t i = 0; i < count; i++) {
        const struct gw_frame frame = { .type = GW_PS_VALUES,
                                        .flags = (uint8_t)((items[i].raw ? GW_PS_RAW : 0) |
                                                           (items[i].whole ? GW_PS_WHOLE : 0)),
                                        .sequence = peer->pull_sequence,
                                        .tensor = items[i].part };
        gw_core_send(peer, &frame, items[i].payload);
        if (member)
            member->out_bytes += GW_FRAME_HEADER + items[i].payload->bytes;
        gw_blob_drop(items[i].payload);
    }
    if (member) {
        member->pulls++;
        member->raw_out_bytes += gw_core_part_bytes(peer->core);
    }
}

/* A version is of one incarnation: what a worker got before the server was started anew may be of
 * a history that the disk does not know. */
static void answer(struct gw_core_peer *peer)
{
    struct gw_core *core = peer->core;
    struct gw_pull_item *items;
    size_t count;
    uint32_t worker = holder_of(peer);
    uint64_t has = peer->pull.incarnation == core->incarnation ? peer->pull.version : 0;
    if (gw_shard_pull(core->shard, worker, has, &items, &count, NULL)) {
        later(core);
        return;
    }
    send_values(peer, items, count);
    free(items);
    send_done(peer, count);
    peer->pulls = false;
    core->world.flush(core->world.user, peer->link);
}

/* True if values are being encoded for someone. All that wait are looked at after each event, so
 * one look has to be cheap. */
static bool answer_pulls(struct gw_core *core)
{
    struct gw_tally tally;
    bool clocked = false;
    for (struct gw_core_peer *next, *p = core->peers; p; p = next) {
        next = p->next;
        if (!p->pulls || p->closed)
            continue;
        if (!clocked) {
            look_at_clocks(core);
            tally = gw_policy_tally(core->clocks, core->members_count);
        }
        clocked = true;
        if (!may_pull(core, p, &tally) || core->retry_ns != INT64_MAX)
            continue;
        struct gw_work *work = gw_shard_advance(core->shard, holder_of(p));
        if (work) {
            start_work(core, work, false);
            return true;
        }
        answer(p);
    }
    return false;
}

/* Who left has no use for what was kept for it. */
static void forget_left(struct gw_core *core)
{
    for (size_t i = 0; i < core->members_count; i++) {
        if (core->members[i]->forget && core->shard)
            gw_shard_forget_worker(core->shard, core->members[i]->worker);
        core->members[i]->forget = false;
    }
}

/* ---- whatever can happen ----------------------------------------------------------------------*/

static void step(struct gw_core *core)
{
    if (core->work || !core->shard)
        return;
    if (core->holds_acks) {
        core->holds_acks = false; /* unless the call finds some again */
        gw_core_release_all_acks(core);
    }
    forget_left(core);
    if (gw_core_waits_for_snapshot(core) || answer_pulls(core))
        return;
    if (!gw_core_wants_snapshot(core))
        (void)start_round(core);
}

/* With compute and background done at once this comes back to itself: it then goes round, so that
 * the stack does not grow. */
void gw_core_go_on(struct gw_core *core)
{
    core->again = true;
    if (core->going)
        return;
    core->going = true;
    while (core->again) {
        core->again = false;
        step(core);
        gw_core_store(core);
    }
    core->going = false;
}

/* "round 12 waits for worker 3, 5": for those who wait with it. */
void gw_core_awaited(struct gw_core *core, char *text, size_t capacity)
{
    size_t used;
    if (core->sick) {
        snprintf(text, capacity, "the server cannot write: %.150s", core->store_error.text);
        return;
    }
    look_at_clocks(core);
    if (!core->policy.started) {
        snprintf(text, capacity, "%" PRIu32 " of %d workers have come", gw_core_count_members(core),
                 core->policy.expected);
        return;
    }
    used = (size_t)snprintf(text, capacity, "round %" PRIu64 " waits for worker",
                            core->policy.round + 1);
    size_t begin = used;
    const struct gw_tally tally = gw_policy_tally(core->clocks, core->members_count);
    for (size_t i = 0; i < core->members_count && used + 16 < capacity; i++)
        if (gw_policy_is_awaited(&core->policy, &tally, &core->clocks[i]))
            used += (size_t)snprintf(text + used, capacity - used, "%s %" PRIu32,
                                     used > begin ? "," : "", core->members[i]->worker);
    if (used == begin)
        text[0] = '\0';
}
