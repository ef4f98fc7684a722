/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The decisions of the modes. Each first counts the workers, then compares: a server has a thousand
 * of them at most, and what is not kept cannot be out of date. */
#include "server/policy.h"

static bool is_live(const struct gw_clock *clock)
{
    return clock->member && clock->live;
}

struct gw_tally gw_policy_tally(const struct gw_clock *clocks, size_t count)
{
    struct gw_tally t = { .slowest = UINT64_MAX, .lacking = UINT64_MAX };
    for (size_t i = 0; i < count; i++) {
        t.holders += clocks[i].waiting > 0;
        if (!is_live(&clocks[i]))
            continue;
        t.live++;
        t.ready += clocks[i].waiting > 0;
        if (clocks[i].clock < t.slowest)
            t.slowest = clocks[i].clock;
        if (clocks[i].clock > t.fastest)
            t.fastest = clocks[i].clock;
        if (clocks[i].waiting == 0 && clocks[i].clock < t.lacking)
            t.lacking = clocks[i].clock;
    }
    return t;
}

/* How many live members have to have a push waiting. With nobody left alive that is none: what
 * waits was accepted, and is applied. */
static size_t needed(const struct gw_mode *mode, const struct gw_tally *t)
{
    size_t quorum = mode->quorum > 0 ? (size_t)mode->quorum : 0;
    return mode->kind == GW_MODE_QUORUM && quorum < t->live ? quorum : t->live;
}

/* When a quorum's round ends although too few have pushed. */
static int64_t grace_end(const struct gw_policy *policy)
{
    int64_t grace = policy->mode.grace_ns;
    if (policy->mode.kind != GW_MODE_QUORUM || grace <= 0)
        return INT64_MAX;
    return policy->first_push_ns > INT64_MAX - grace ? INT64_MAX : policy->first_push_ns + grace;
}

static uint32_t take_of(enum gw_mode_kind kind, const struct gw_clock *clock)
{
    uint32_t due = clock->due > 1 ? clock->due : 1;
    return kind == GW_MODE_SYNC && due < clock->waiting ? due : clock->waiting;
}

static size_t take_round(enum gw_mode_kind kind, const struct gw_clock *clocks, size_t count,
                         uint32_t *take)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += take[i] = take_of(kind, &clocks[i]);
    return total;
}

static size_t take_oldest(const struct gw_clock *clocks, size_t count, uint32_t *take)
{
    size_t oldest = count;
    for (size_t i = 0; i < count; i++)
        if (clocks[i].waiting > 0 &&
            (oldest == count || clocks[i].arrival < clocks[oldest].arrival))
            oldest = i;
    if (oldest == count)
        return 0;
    take[oldest] = 1;
    return 1;
}

size_t gw_policy_take(const struct gw_policy *policy, const struct gw_clock *clocks, size_t count,
                      uint32_t *take, int64_t *wake_ns)
{
    *wake_ns = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        take[i] = 0;
    const struct gw_tally t = gw_policy_tally(clocks, count);
    if (!policy->started || t.holders == 0)
        return 0;
    if (policy->mode.kind == GW_MODE_ASYNC || policy->mode.kind == GW_MODE_SSP)
        return take_oldest(clocks, count, take);
    int64_t end = grace_end(policy);
    if (t.ready < needed(&policy->mode, &t) && (end == INT64_MAX || policy->now_ns < end)) {
        *wake_ns = end;
        return 0;
    }
    return take_round(policy->mode.kind, clocks, count, take);
}

bool gw_policy_drops(const struct gw_policy *policy, uint64_t meant)
{
    return policy->mode.kind == GW_MODE_QUORUM && policy->mode.drop_late && meant <= policy->round;
}

bool gw_policy_may_pull(const struct gw_policy *policy, const struct gw_tally *tally,
                        const struct gw_clock *own, uint64_t wanted)
{
    if (policy->mode.kind == GW_MODE_ASYNC)
        return true;
    if (policy->mode.kind != GW_MODE_SSP)
        return wanted <= policy->round;
    return tally->live == 0 || own->clock <= tally->slowest ||
           own->clock - tally->slowest <= policy->mode.staleness;
}

bool gw_policy_waits_in_vain(const struct gw_policy *policy, const struct gw_tally *tally,
                             const struct gw_clock *own)
{
    enum gw_mode_kind kind = policy->mode.kind;
    if (kind != GW_MODE_SYNC && kind != GW_MODE_QUORUM)
        return false;
    if (own->waiting == 0)
        return true;
    if (!policy->started || grace_end(policy) != INT64_MAX ||
        tally->ready >= needed(&policy->mode, tally))
        return false;
    return tally->lacking >= own->clock;
}

bool gw_policy_is_awaited(const struct gw_policy *policy, const struct gw_tally *tally,
                          const struct gw_clock *own)
{
    if (!is_live(own) || policy->mode.kind == GW_MODE_ASYNC)
        return false;
    if (policy->mode.kind == GW_MODE_SSP)
        return tally->fastest - own->clock > policy->mode.staleness;
    return tally->ready < needed(&policy->mode, tally) && own->waiting == 0;
}

uint64_t gw_policy_join_clock(const struct gw_clock *clocks, size_t count)
{
    const struct gw_tally t = gw_policy_tally(clocks, count);
    return t.live > 0 ? t.slowest : 0;
}
