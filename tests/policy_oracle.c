/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The modes by their definitions (server/policy.h), over the list of what happened. */
#include "tests/policy_oracle.h"

#include <string.h>

/* The last thing that befell a worker's membership before event `end`; LEAVES if nothing did. */
static enum happening fate_at(const struct story *story, int worker, int end)
{
    for (int e = end - 1; e >= 0; e--)
        if (story->events[e].worker == worker && story->events[e].what != PUSHES)
            return story->events[e].what;
    return LEAVES;
}

static bool lives_at(const struct story *story, int worker, int end)
{
    enum happening fate = fate_at(story, worker, end);
    return fate == JOINS || fate == RETURNS;
}

bool oracle_is_live(const struct story *story, int worker)
{
    return lives_at(story, worker, story->count);
}

static bool has_started(const struct story *story)
{
    int members = 0, most = 0;
    for (int e = 0; e < story->count; e++) {
        members += story->events[e].what == JOINS;
        members -= story->events[e].what == LEAVES;
        most = members > most ? members : most;
    }
    return most >= story->expected;
}

static bool waits(const struct event *event)
{
    return event->what == PUSHES && event->round == 0;
}

bool oracle_has_waiting(const struct story *story, int worker)
{
    for (int e = 0; e < story->count; e++)
        if (waits(&story->events[e]) && story->events[e].worker == worker)
            return true;
    return false;
}

/* Events stand in the order of arrival, so the first is the oldest. */
static int first_waiting(const struct story *story)
{
    int e = 0;
    while (e < story->count && !waits(&story->events[e]))
        e++;
    return e;
}

static int take_sync(const struct story *story, bool *taken)
{
    bool had[STORY_WORKERS] = { false };
    int total = 0;
    for (int w = 0; w < story->workers; w++)
        if (oracle_is_live(story, w) && !oracle_has_waiting(story, w))
            return 0;
    for (int e = 0; e < story->count; e++) {
        const struct event *event = &story->events[e];
        taken[e] = waits(event) && !had[event->worker];
        had[event->worker] |= taken[e];
        total += taken[e];
    }
    return total;
}

static int take_quorum(const struct story *story, bool *taken, int64_t *wake)
{
    int live = 0, pushed = 0, total = 0, oldest = first_waiting(story);
    bool has_grace = story->mode.grace_ns > 0;
    if (oldest == story->count)
        return 0;
    for (int w = 0; w < story->workers; w++) {
        live += oracle_is_live(story, w);
        pushed += oracle_is_live(story, w) && oracle_has_waiting(story, w);
    }
    bool enough = pushed >= story->mode.quorum || pushed == live;
    bool late = has_grace && story->now - story->events[oldest].when >= story->mode.grace_ns;
    if (!enough && !late) {
        if (has_grace)
            *wake = story->events[oldest].when + story->mode.grace_ns;
        return 0;
    }
    for (int e = 0; e < story->count; e++) {
        taken[e] = waits(&story->events[e]);
        total += taken[e];
    }
    return total;
}

int oracle_take(const struct story *story, bool *taken, int64_t *wake)
{
    memset(taken, 0, (size_t)story->count * sizeof *taken);
    *wake = INT64_MAX;
    if (!has_started(story))
        return 0;
    if (story->mode.kind == GW_MODE_SYNC)
        return take_sync(story, taken);
    if (story->mode.kind == GW_MODE_QUORUM)
        return take_quorum(story, taken, wake);
    int oldest = first_waiting(story);
    if (oldest == story->count)
        return 0;
    taken[oldest] = true;
    return 1;
}

static bool has_ended(const struct story *story, uint64_t round)
{
    for (int e = 0; e < story->count; e++)
        if (story->events[e].what == PUSHES && story->events[e].round == round)
            return true;
    return false;
}

bool oracle_drops(const struct story *story, uint64_t meant)
{
    return story->mode.kind == GW_MODE_QUORUM && story->mode.drop_late && has_ended(story, meant);
}

/* The clock that a worker has before event `end`: its pushes since it joined, on top of what the
 * slowest had then. */
static uint64_t clock_at(const struct story *story, int worker, int end)
{
    uint64_t pushes = 0;
    for (int e = end - 1; e >= 0; e--) {
        const struct event *event = &story->events[e];
        if (event->worker == worker && event->what == JOINS) {
            uint64_t slowest = UINT64_MAX;
            for (int w = 0; w < story->workers; w++) {
                uint64_t clock = lives_at(story, w, e) ? clock_at(story, w, e) : UINT64_MAX;
                slowest = clock < slowest ? clock : slowest;
            }
            return pushes + (slowest == UINT64_MAX ? 0 : slowest);
        }
        pushes += event->worker == worker && event->what == PUSHES;
    }
    return pushes;
}

uint64_t oracle_lead(const struct story *story, int worker)
{
    uint64_t mine = clock_at(story, worker, story->count), lead = 0;
    for (int w = 0; w < story->workers; w++) {
        if (!oracle_is_live(story, w))
            continue;
        uint64_t other = clock_at(story, w, story->count);
        if (mine > other && mine - other > lead)
            lead = mine - other;
    }
    return lead;
}

bool oracle_may_pull(const struct story *story, int worker, uint64_t wanted)
{
    if (story->mode.kind == GW_MODE_ASYNC)
        return true;
    if (story->mode.kind == GW_MODE_SSP)
        return oracle_lead(story, worker) <= story->mode.staleness;
    return wanted == 0 || has_ended(story, wanted);
}
