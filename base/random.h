/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Counter-based random numbers: a pure function of (key, element), so that any part of a tensor
 * can be encoded alone, in any order, on any number of threads, with the same bits.
 *
 * The mixer is a 32-bit multiply-xorshift hash in the manner of "lowbias32" (Wellons 2018) with the
 * key entering twice, so that sequences of different keys are not shifts of each other. Two 16-bit
 * numbers come out of each hash: elements 32j+l and 32j+16+l (l < 16) share the hash of counter
 * 16j+l, the first takes the low half; so 16 SIMD lanes use each hash of a vector twice.
 * A probability is met to 2^-17: the bias of a stochastic rounding is below 2^-17 steps. */
#ifndef GW_BASE_RANDOM_H
#define GW_BASE_RANDOM_H

#include <stdint.h>

struct gw_random_key {
    uint32_t first, second;
};

static inline uint64_t gw_mix64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

/* `rank` is the encoder's, or -1 for numbers that all ranks share; `stage` 0 for what ranks send,
 * 1 for what owners send back. */
struct gw_random_key gw_random_key(uint64_t seed, uint64_t tensor, uint64_t run, int rank,
                                   int stage);

static inline uint32_t gw_random_u32(struct gw_random_key key, uint64_t counter)
{
    uint32_t h = (uint32_t)counter ^ key.first ^ ((uint32_t)(counter >> 32) * 0x9e3779b9u);
    h ^= h >> 16;
    h *= 0x21f0aaadu;
    h ^= h >> 15;
    h += key.second;
    h *= 0x735a2d97u;
    h ^= h >> 15;
    return h;
}

/* The 16-bit number of an element. */
static inline uint32_t gw_random_u16(struct gw_random_key key, uint64_t element)
{
    uint32_t h = gw_random_u32(key, element / 32 * 16 + element % 16);
    return element & 16 ? h >> 16 : h & 0xffffu;
}

/* A hash of a name, for keys and digests. */
uint64_t gw_hash_text(const char *text);

#endif
