/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Two small functions that every part of the trainer uses: a digest of bytes (64-bit FNV-1a), and
 * random bits as a function of a few numbers, so that no random state has to be saved: the examples
 * of step 900 are the same whether the run began at step 0 or at step 899.
 */
#ifndef TRAIN_DIGEST_H
#define TRAIN_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_START 0xcbf29ce484222325u

static inline uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t count)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < count; i++)
        digest = (digest ^ p[i]) * 0x100000001b3u;
    return digest;
}

/* The finalizer of splitmix64. */
static inline uint64_t mix_bits(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t random_bits(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    return mix_bits(mix_bits(mix_bits(mix_bits(seed) ^ a) ^ b) ^ c);
}

#endif
