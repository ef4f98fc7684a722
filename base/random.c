/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Keys of the counter-based random numbers. */
#include "base/random.h"

#include <string.h>
#include <xxhash.h>

struct gw_random_key gw_random_key(uint64_t seed, uint64_t tensor, uint64_t run, int rank,
                                   int stage)
{
    uint64_t k = gw_mix64(seed + 0x9e3779b97f4a7c15u);
    k = gw_mix64(k ^ tensor);
    k = gw_mix64(k + run);
    k = gw_mix64(k ^ ((uint64_t)(uint32_t)rank << 8 | (uint32_t)stage));
    return (struct gw_random_key){ (uint32_t)k, (uint32_t)(k >> 32) };
}

uint64_t gw_hash_text(const char *text)
{
    return XXH3_64bits(text, strlen(text));
}
