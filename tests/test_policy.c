/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The policy against its oracle, over random schedules of workers that join, leave, die, return,
 * push and pull; and what every mode promises whatever the schedule: what was accepted is applied,
 * the dead keep nobody waiting, nobody gets further ahead than allowed. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/next_random.h"
#include "tests/policy_oracle.h"

#if defined __SANITIZE_ADDRESS__
enum { SCHEDULES = 6250 };
#else
enum { SCHEDULES = 62500 };
#endif
enum { SHARES = 16, DAMAGE_TEXT = 8192 };

/* The server's side as its core keeps it, beside the story that the oracle reads. */
struct game {
    uint64_t seed, random;
    struct story story;
    struct gw_policy policy;
    struct gw_clock clocks[STORY_WORKERS];
    uint64_t arrivals;
};

static uint64_t draw(struct game *g, uint64_t below)
{
    return (next_random(&g->random) >> 16) % below;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void damage(const struct game *g, const char *what, int64_t expected, int64_t got)
{
    static const char *const verbs[] = { "joins", "leaves", "dies", "returns", "pushes" };
    static const char *const modes[] = { "sync", "quorum", "async", "ssp" };
    char text[DAMAGE_TEXT];
    const struct gw_mode *m = &g->story.mode;
    size_t used = (size_t)snprintf(
        text, sizeof text, "%s k=%d grace=%" PRId64 "ns drop=%d s=%" PRIu64 ", expected members %d",
        modes[m->kind], m->quorum, m->grace_ns, m->drop_late, m->staleness, g->story.expected);
    for (int e = 0; e < g->story.count && used + 64 < sizeof text; e++) {
        const struct event *event = &g->story.events[e];
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "\n  %4" PRId64 ": %d %s (round %" PRIu64 ")", event->when,
                                 event->worker, verbs[event->what], event->round);
    }
    ck_abort_msg("%s: expected %" PRId64 ", got %" PRId64 ", at time %" PRId64 " of\n%s\n"
                 "repeat: GW_TEST_SEED=%" PRIu64 " tests/test_policy",
                 what, expected, got, g->story.now, text, g->seed);
}

static void expect(const struct game *g, const char *what, int64_t expected, int64_t got)
{
    if (expected != got)
        damage(g, what, expected, got);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static bool may_happen(const struct game *g, enum happening what, int w)
{
    const struct gw_clock *c = &g->clocks[w];
    switch (what) {
    case JOINS:
        return !c->member;
    case LEAVES:
        return c->member;
    case RETURNS:
        return c->member && !c->live;
    default:
        return c->member && c->live;
    }
}

/* The core's bookkeeping, and a line in the story. */
static void happen(struct game *g, enum happening what, int w)
{
    struct gw_clock *c = &g->clocks[w];
    int members = 0;
    if (what == JOINS)
        c->clock = gw_policy_join_clock(g->clocks, (size_t)g->story.workers);
    if (what == PUSHES) {
        bool first = true;
        for (int i = 0; i < g->story.workers; i++)
            first &= g->clocks[i].waiting == 0;
        if (first)
            g->policy.first_push_ns = g->story.now;
        if (c->waiting++ == 0)
            c->arrival = g->arrivals;
        g->arrivals++;
        c->clock++;
    } else {
        c->member = what != LEAVES;
        if (what != LEAVES) /* one who leaves may still be heard for a while */
            c->live = what != DIES;
    }
    g->story.events[g->story.count++] = (struct event){ what, w, g->story.now, 0 };
    for (int i = 0; i < g->story.workers; i++)
        members += g->clocks[i].member;
    g->policy.started |= members >= g->story.expected;
}

/* After a round: who waits since when, from the story. */
static void recount(struct game *g)
{
    uint64_t serial = 0;
    bool any = false;
    for (int w = 0; w < g->story.workers; w++)
        g->clocks[w].waiting = 0;
    for (int e = 0; e < g->story.count; e++) {
        const struct event *event = &g->story.events[e];
        if (event->what != PUSHES)
            continue;
        if (event->round == 0) {
            if (!any)
                g->policy.first_push_ns = event->when;
            any = true;
            if (g->clocks[event->worker].waiting++ == 0)
                g->clocks[event->worker].arrival = serial;
        }
        serial++;
    }
}

/* ---- what is checked ------------------------------------------------------------------------- */

static size_t ask(const struct game *g, uint32_t *take, int64_t *wake)
{
    return gw_policy_take(&g->policy, g->clocks, (size_t)g->story.workers, take, wake);
}

/* Does a round end with these clocks, other than the game's? */
static bool would_end(const struct game *g, const struct gw_clock *clocks)
{
    uint32_t take[STORY_WORKERS];
    int64_t wake;
    return gw_policy_take(&g->policy, clocks, (size_t)g->story.workers, take, &wake) > 0;
}

/* Wakes exactly when the grace ends, not a nanosecond earlier. */
static void check_wake(const struct game *g, int64_t wake)
{
    struct gw_policy later = g->policy;
    uint32_t take[STORY_WORKERS];
    size_t count = (size_t)g->story.workers;
    int64_t again;
    if (wake == INT64_MAX)
        return;
    later.now_ns = wake - 1;
    expect(g, "taken before the wake-up time", 0,
           (int64_t)gw_policy_take(&later, g->clocks, count, take, &again));
    later.now_ns = wake;
    expect(g, "taken at the wake-up time", 1,
           gw_policy_take(&later, g->clocks, count, take, &again) > 0);
}

/* If all who are awaited push, the round ends; if one of them does not, a sync round does not. */
static void check_awaited(const struct game *g, size_t total)
{
    struct gw_clock then[STORY_WORKERS];
    memcpy(then, g->clocks, sizeof then);
    int awaited = 0, live = 0, last = 0;
    const struct gw_tally tally = gw_policy_tally(g->clocks, (size_t)g->story.workers);
    for (int w = 0; w < g->story.workers; w++) {
        bool is = gw_policy_is_awaited(&g->policy, &tally, &g->clocks[w]);
        live += oracle_is_live(&g->story, w);
        expect(g, "the dead are awaited", 0, is && !oracle_is_live(&g->story, w));
        expect(g, "who has pushed is awaited", 0, is && oracle_has_waiting(&g->story, w));
        if (!is)
            continue;
        awaited++;
        last = w;
        then[w].waiting++;
    }
    if (total == 0 && g->policy.started && live > 0)
        expect(g, "somebody is awaited", 1, awaited > 0);
    if (awaited > 0 && g->policy.started)
        expect(g, "taken when all awaited have pushed", 1, would_end(g, then));
    then[last].waiting -= awaited > 0;
    if (awaited > 0 && g->story.mode.kind == GW_MODE_SYNC)
        expect(g, "taken while one is awaited", 0, would_end(g, then));
}

/* Under ssp: somebody is awaited if and only if a live worker may not pull. */
static void check_ssp_awaited(const struct game *g)
{
    bool awaited = false, kept = false;
    const struct gw_tally tally = gw_policy_tally(g->clocks, (size_t)g->story.workers);
    for (int w = 0; w < g->story.workers; w++) {
        awaited |= gw_policy_is_awaited(&g->policy, &tally, &g->clocks[w]);
        kept |= oracle_is_live(&g->story, w) && !oracle_may_pull(&g->story, w, 0);
    }
    expect(g, "somebody is awaited", kept, awaited);
}

static void check_pulls(struct game *g)
{
    bool any = false, live = false;
    const struct gw_tally tally = gw_policy_tally(g->clocks, (size_t)g->story.workers);
    for (int w = 0; w < g->story.workers; w++) {
        uint64_t wanted = draw(g, g->policy.round + 3);
        bool may = gw_policy_may_pull(&g->policy, &tally, &g->clocks[w], wanted);
        expect(g, "may pull", oracle_may_pull(&g->story, w, wanted), may);
        live |= oracle_is_live(&g->story, w);
        any |= may && oracle_is_live(&g->story, w);
        if (may && g->story.mode.kind == GW_MODE_SSP)
            expect(g, "ahead by at most s", 1,
                   oracle_lead(&g->story, w) <= g->story.mode.staleness);
    }
    if (live && g->story.mode.kind == GW_MODE_SSP)
        expect(g, "the slowest may pull", 1, any);
}

/* The dead keep nobody waiting: with all others gone as well, what waits is taken. */
static void check_dead(const struct game *g)
{
    struct gw_clock gone[STORY_WORKERS];
    memcpy(gone, g->clocks, sizeof gone);
    bool waiting = false;
    for (int w = 0; w < g->story.workers; w++) {
        gone[w].live = false;
        waiting |= oracle_has_waiting(&g->story, w);
    }
    expect(g, "taken when everybody is dead", waiting && g->policy.started, would_end(g, gone));
}

/* One question to both; if the round ends and `apply`, it is applied. */
static bool check_take(struct game *g, bool apply)
{
    uint32_t take[STORY_WORKERS], left[STORY_WORKERS];
    bool taken[STORY_EVENTS];
    int64_t wake, oracle_wake;
    size_t total = ask(g, take, &wake);
    int count = oracle_take(&g->story, taken, &oracle_wake);
    expect(g, "pushes taken", count, (int64_t)total);
    expect(g, "when to ask again", oracle_wake, wake);
    memcpy(left, take, sizeof left);
    for (int e = 0; e < g->story.count; e++) {
        struct event *event = &g->story.events[e];
        if (event->what != PUSHES || event->round != 0)
            continue;
        expect(g, "a worker's oldest pushes are taken", taken[e], left[event->worker] > 0);
        left[event->worker] -= left[event->worker] > 0;
    }
    for (int w = 0; w < g->story.workers; w++)
        expect(g, "taken beyond what waits", 0, left[w]);
    check_wake(g, wake);
    if (g->story.mode.kind == GW_MODE_SSP)
        check_ssp_awaited(g);
    else if (g->story.mode.kind != GW_MODE_ASYNC)
        check_awaited(g, total);
    if (total == 0 || !apply)
        return false;
    g->policy.round++;
    for (int e = 0; e < g->story.count; e++)
        if (taken[e])
            g->story.events[e].round = g->policy.round;
    recount(g);
    return true;
}

/* ---- schedules ------------------------------------------------------------------------------- */

static void open_game(struct game *g, uint64_t seed)
{
    *g = (struct game){ .seed = seed, .random = seed };
    g->story.workers = 1 + (int)draw(g, STORY_WORKERS);
    g->story.expected = 1 + (int)draw(g, (uint64_t)g->story.workers);
    g->story.mode = (struct gw_mode){ .kind = (enum gw_mode_kind)draw(g, 4),
                                      .quorum = 1 + (int)draw(g, 4),
                                      .grace_ns = draw(g, 2) ? (int64_t)draw(g, 20) : 0,
                                      .drop_late = draw(g, 2) != 0,
                                      .staleness = draw(g, 4) };
    g->policy.mode = g->story.mode;
    g->policy.expected = g->story.expected;
    if (draw(g, 2))
        for (int w = 0; w < g->story.expected; w++)
            happen(g, JOINS, w);
}

static void step(struct game *g)
{
    static const enum happening chances[] = { JOINS,  JOINS,  JOINS,   PUSHES,  PUSHES,
                                              PUSHES, PUSHES, PUSHES,  PUSHES,  LEAVES,
                                              DIES,   DIES,   RETURNS, RETURNS, RETURNS };
    enum happening what = chances[draw(g, sizeof chances / sizeof *chances)];
    int w = (int)draw(g, (uint64_t)g->story.workers);
    g->story.now += (int64_t)draw(g, 6);
    g->policy.now_ns = g->story.now;
    uint64_t meant = 1 + draw(g, g->policy.round + 2);
    bool drops = gw_policy_drops(&g->policy, meant);
    expect(g, "dropped", oracle_drops(&g->story, meant), drops);
    if (may_happen(g, what, w) && !(what == PUSHES && drops))
        happen(g, what, w);
}

/* Nothing accepted is left over once the live go on pushing. */
static void drain(struct game *g)
{
    int accepted = g->story.count, n = g->story.workers;
    for (int w = 0; w < n && !g->policy.started; w++)
        if (may_happen(g, JOINS, w))
            happen(g, JOINS, w);
    for (int turn = 0; turn < accepted; turn++) {
        bool left = false;
        for (int e = 0; e < accepted; e++)
            left |= g->story.events[e].what == PUSHES && g->story.events[e].round == 0;
        if (!left)
            return;
        for (int w = 0; w < n; w++)
            if (may_happen(g, PUSHES, w) && g->clocks[w].waiting == 0 &&
                g->story.count < STORY_EVENTS)
                happen(g, PUSHES, w);
        while (check_take(g, true))
            ;
    }
    for (int e = 0; e < accepted; e++)
        expect(g, "accepted and never applied", 0,
               g->story.events[e].what == PUSHES && g->story.events[e].round == 0);
}

static void play(uint64_t seed)
{
    struct game g;
    open_game(&g, seed);
    for (int left = 4 + (int)draw(&g, 14); left > 0; left--) {
        step(&g);
        bool apply = draw(&g, 4) != 0;
        while (check_take(&g, apply))
            ;
        if (left % 4 == 0) {
            check_pulls(&g);
            check_dead(&g);
        }
    }
    drain(&g);
}

START_TEST(schedules)
{
    const char *only = getenv("GW_TEST_SEED");
    if (only) {
        play(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t i = 0; i < SCHEDULES; i++)
        play((uint64_t)_i * SCHEDULES + i);
}
END_TEST

/* Clocks that no single server's schedule would make, as they are after kills and partitions. */
static void open_any(struct game *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->seed = g->random = seed;
    g->story.workers = 1 + (int)draw(g, STORY_WORKERS);
    g->policy.mode.kind = draw(g, 2) ? GW_MODE_SYNC : GW_MODE_QUORUM;
    g->policy.mode.quorum = 1 + (int)draw(g, 4);
    g->policy.started = true;
    g->policy.round = draw(g, 5);
    for (int w = 0; w < g->story.workers; w++) {
        struct gw_clock *c = &g->clocks[w];
        c->member = c->live = draw(g, 5) > 0;
        c->waiting = (uint32_t)draw(g, 4);
        c->due = (uint32_t)draw(g, c->waiting + 1);
        c->clock = draw(g, 5);
    }
}

/* Whatever has happened: the live worker that is the furthest behind has its pull, or a round comes
 * at once, so that workers of several servers never wait for each other in a circle. Who waits for
 * somebody that is behind does so; and a round takes what waits, at least one of each. */
START_TEST(the_last_waits_for_nobody)
{
    for (uint64_t seed = 0; seed < 100000; seed++) {
        struct game g;
        uint32_t take[STORY_WORKERS];
        int64_t wake;
        open_any(&g, seed);
        size_t n = (size_t)g.story.workers, last = n;
        const struct gw_tally tally = gw_policy_tally(g.clocks, n);
        bool comes = gw_policy_take(&g.policy, g.clocks, n, take, &wake) > 0;
        for (size_t w = 0; w < n; w++) {
            if (g.clocks[w].live && (last == n || g.clocks[w].clock < g.clocks[last].clock))
                last = w;
            bool fits = take[w] <= g.clocks[w].waiting && (take[w] > 0 || !g.clocks[w].waiting);
            expect(&g, "takes of what waits", 1, !comes || fits);
        }
        if (last < n)
            expect(&g, "the last one goes on", 1,
                   comes || gw_policy_may_pull(&g.policy, &tally, &g.clocks[last], 9) ||
                       gw_policy_waits_in_vain(&g.policy, &tally, &g.clocks[last]));
        for (size_t w = 0; w < n; w++) {
            bool behind = false;
            for (size_t v = 0; v < n; v++)
                behind |= g.clocks[v].live && g.clocks[v].waiting == 0 &&
                          g.clocks[v].clock < g.clocks[w].clock;
            if (behind && g.clocks[w].waiting > 0)
                expect(&g, "in vain", 0, gw_policy_waits_in_vain(&g.policy, &tally, &g.clocks[w]));
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy");
    TCase *t = tcase_create("random");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, schedules, 0, SHARES);
    tcase_add_test(t, the_last_waits_for_nobody);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
