/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the modes mean, told a second time: from the list of all that happened, with nothing kept
 * between questions. Slow, and of another shape than server/policy.c. */
#ifndef GW_TESTS_POLICY_ORACLE_H
#define GW_TESTS_POLICY_ORACLE_H

#include "server/policy.h"

enum { STORY_WORKERS = 5, STORY_EVENTS = 160 };

enum happening { JOINS, LEAVES, DIES, RETURNS, PUSHES };

struct event {
    enum happening what;
    int worker;
    int64_t when;
    uint64_t round; /* PUSHES: the round that took it; 0: none yet */
};

struct story {
    struct gw_mode mode;
    int expected, workers;
    int64_t now;
    int count;
    struct event events[STORY_EVENTS];
};

/* Marks in `taken` the events whose pushes the next round takes; returns how many. 0: none, and
 * `*wake` is when that may change by itself. */
int oracle_take(const struct story *story, bool *taken, int64_t *wake);

bool oracle_drops(const struct story *story, uint64_t meant);
bool oracle_may_pull(const struct story *story, int worker, uint64_t wanted);

bool oracle_is_live(const struct story *story, int worker);
bool oracle_has_waiting(const struct story *story, int worker);

/* By how many pushes a worker is ahead of the slowest live one; 0 if it is not. */
uint64_t oracle_lead(const struct story *story, int worker);

#endif
