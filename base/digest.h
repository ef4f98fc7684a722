/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* XXH3-64 of large blocks, the same number as xxHash's own XXH3_64bits_withSeed, by the widest
 * vectors that this CPU has: the distribution's libxxhash is built for all CPUs and takes twice as
 * long, in or out of the cache. */
#ifndef GW_BASE_DIGEST_H
#define GW_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

uint64_t gw_digest(const void *data, size_t bytes, uint64_t seed);

/* Rows of digest.c; each is xxHash's own code under the flags of one instruction set. */
uint64_t gw_digest_any(const void *data, size_t bytes, uint64_t seed);
uint64_t gw_digest_avx2(const void *data, size_t bytes, uint64_t seed);
uint64_t gw_digest_avx512(const void *data, size_t bytes, uint64_t seed);

#endif
