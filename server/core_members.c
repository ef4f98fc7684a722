/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Who is in the job. A worker that joined is a member until it says that it leaves; it is live
 * while it is heard, and for a while after its connection broke, in which it may come back without
 * anything having happened without it. What was accepted of it stays, and so does its number of
 * the last push, whoever takes its place. */
#include "server/core_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

size_t gw_core_place(const struct gw_core *core, uint32_t worker)
{
    size_t low = 0, high = core->members_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (core->members[middle]->worker < worker)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Rooms for one member more, all of them or none. */
static bool grow(struct gw_core *core)
{
    size_t count = core->members_count + 1;
    if (count > GW_MEMBERS_MAX)
        return false;
    struct member **members = realloc(core->members, count * sizeof(struct member *));
    if (members)
        core->members = members;
    struct gw_clock *clocks = realloc(core->clocks, count * sizeof *clocks);
    if (clocks)
        core->clocks = clocks;
    uint32_t *take = realloc(core->take, count * sizeof *take);
    if (take)
        core->take = take;
    return members && clocks && take;
}

struct member *gw_core_member(struct gw_core *core, uint32_t worker, bool make)
{
    size_t at = gw_core_place(core, worker);
    if (at < core->members_count && core->members[at]->worker == worker)
        return core->members[at];
    struct member *member = make && grow(core) ? calloc(1, sizeof *member) : NULL;
    if (!member)
        return NULL;
    member->worker = worker;
    member->last = &member->first;
    member->acks_end = &member->acks;
    memmove(core->members + at + 1, core->members + at,
            (core->members_count - at) * sizeof(struct member *));
    core->members[at] = member;
    core->members_count++;
    return member;
}

void gw_core_free_member(struct member *member)
{
    while (member->acks) {
        struct ack *ack = member->acks;
        member->acks = ack->next;
        free(ack);
    }
    free(member);
}

uint32_t gw_core_count_members(const struct gw_core *core)
{
    uint32_t count = 0;
    for (size_t i = 0; i < core->members_count; i++)
        count += core->members[i]->member;
    return count;
}

/* As far as the oldest waiting push of whoever is the furthest ahead: in a job that nothing
 * disturbs that is the same clock for all. */
static void count_due(struct gw_core *core)
{
    uint64_t furthest = 0;
    for (size_t i = 0; i < core->members_count; i++) {
        const struct member *m = core->members[i];
        if (m->member && m->live && m->first && m->first->clock > furthest)
            furthest = m->first->clock;
    }
    for (size_t i = 0; i < core->members_count; i++) {
        const struct push *p = core->members[i]->first;
        for (; p && p->clock <= furthest; p = p->next)
            core->clocks[i].due++;
    }
}

void gw_core_clocks(struct gw_core *core)
{
    for (size_t i = 0; i < core->members_count; i++) {
        const struct member *m = core->members[i];
        core->clocks[i] = (struct gw_clock){ .member = m->member,
                                             .live = m->live,
                                             .waiting = m->waiting,
                                             .clock = m->clock,
                                             .arrival = m->first ? m->first->arrival : 0 };
    }
    count_due(core);
}

/* All that ever joined are still listed: who came and left has come. */
void gw_core_count_joined(struct gw_core *core)
{
    if (core->members_count >= (size_t)core->policy.expected)
        core->policy.started = true;
}

/* Where a worker begins that comes now: with the slowest, so that it does not hold up others. In
 * modes with rounds that is without the slowest's push that waits, since this worker's first one
 * goes into the same round. */
static uint64_t join_clock(struct gw_core *core)
{
    bool rounds =
        core->policy.mode.kind == GW_MODE_SYNC || core->policy.mode.kind == GW_MODE_QUORUM;
    gw_core_clocks(core);
    for (size_t i = 0; rounds && i < core->members_count; i++) {
        struct gw_clock *c = &core->clocks[i];
        c->clock = c->clock > c->waiting ? c->clock - c->waiting : 0;
    }
    return gw_policy_join_clock(core->clocks, core->members_count);
}

void gw_core_set_clock(struct member *member, uint64_t clock)
{
    if (member->clock < clock)
        member->clock = clock;
}

/* Who was away keeps its own clock if it is ahead. */
void gw_core_join(struct gw_core *core, struct member *member, struct gw_core_peer *peer)
{
    const struct gw_session_peer *who = gw_session_peer(peer->session);
    bool known = member->member, same = member->instance == who->instance;
    if (!(known && member->live))
        gw_core_set_clock(member, join_clock(core));
    member->epoch = who->epoch;
    member->instance = who->instance;
    member->member = member->live = true;
    member->peer = peer;
    snprintf(member->name, sizeof member->name, "%s", peer->name);
    peer->member = member;
    gw_core_drop_stage(core, member);
    member->forget = false;
    gw_core_count_joined(core);
    gw_core_log_member(core, GW_RECORD_JOIN, member);
    gw_core_say(core,
                "level=info event=%s worker=%" PRIu32 " epoch=%" PRIu32 " clock=%" PRIu64
                " members=%" PRIu32 " peer=\"%s\"",
                !known ? "joined"
                : same ? "back"
                       : "replaced",
                member->worker, member->epoch, member->clock, gw_core_count_members(core),
                peer->name);
}

void gw_core_lose(struct gw_core *core, struct member *member, const char *why)
{
    member->peer = NULL;
    member->lost_at = core->now;
    member->wait_ns = core->lost_ns;
    gw_core_drop_stage(core, member);
    if (member->member)
        gw_core_say(core,
                    "level=warn event=lost worker=%" PRIu32 " clock=%" PRIu64 " round=%" PRIu64
                    " why=\"%s\"",
                    member->worker, member->clock, core->policy.round, why);
}

void gw_core_leave(struct gw_core *core, struct member *member)
{
    if (!member->member)
        return;
    member->member = member->live = false;
    member->forget = true;
    gw_core_log_member(core, GW_RECORD_LEAVE, member);
    gw_core_say(core, "level=info event=left worker=%" PRIu32 " clock=%" PRIu64 " members=%" PRIu32,
                member->worker, member->clock, gw_core_count_members(core));
}

/* ---- those that were lost -------------------------------------------------------------------- */

static int64_t dead_at(const struct member *member)
{
    int64_t at;
    if (!member->live || member->peer ||
        __builtin_add_overflow(member->lost_at, member->wait_ns, &at))
        return INT64_MAX;
    return at;
}

int64_t gw_core_age_deadline(const struct gw_core *core)
{
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < core->members_count; i++)
        at = dead_at(core->members[i]) < at ? dead_at(core->members[i]) : at;
    return at;
}

void gw_core_age(struct gw_core *core)
{
    for (size_t i = 0; i < core->members_count; i++) {
        struct member *m = core->members[i];
        if (dead_at(m) == INT64_MAX || core->now < dead_at(m))
            continue;
        m->live = false;
        gw_core_say(core,
                    "level=warn event=dead worker=%" PRIu32 " clock=%" PRIu64 " round=%" PRIu64,
                    m->worker, m->clock, core->policy.round);
    }
}
