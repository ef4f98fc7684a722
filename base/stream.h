/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Copies past the cache. An ordinary store to memory that is not in the cache first reads what it
 * overwrites; for outputs larger than the cache that is a third of all traffic. */
#ifndef GW_BASE_STREAM_H
#define GW_BASE_STREAM_H

#include <stddef.h>

/* What is larger than this is worth it: an output smaller than a core's cache is better in it. */
enum { GW_STREAM_BYTES = 8 << 20 };

/* memcpy by non-temporal stores where the CPU has them. What was copied is seen by other ranks
 * after gw_stream_fence and a flag. */
void gw_stream_copy(void *to, const void *from, size_t bytes);
void gw_stream_fence(void);

#endif
