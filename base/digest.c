/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Which row hashes: looked up each time, which is a load and a test (the compiler's runtime has
 * asked the CPU once). */
#include "base/digest.h"

uint64_t gw_digest(const void *data, size_t bytes, uint64_t seed)
{
    const void *from = bytes > 0 ? data : "";
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return gw_digest_avx512(from, bytes, seed);
    if (__builtin_cpu_supports("avx2"))
        return gw_digest_avx2(from, bytes, seed);
#endif
    return gw_digest_any(from, bytes, seed);
}
