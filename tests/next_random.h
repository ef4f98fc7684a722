/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Random numbers of a test, which a seed repeats. */
#ifndef GW_TESTS_NEXT_RANDOM_H
#define GW_TESTS_NEXT_RANDOM_H

#include "base/random.h"

/* `*state` begins as the seed, whichever it is. */
static inline uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return gw_mix64(*state);
}

#endif
