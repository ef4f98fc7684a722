/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What memory alone can do: the references that loops are compared with. */
#ifndef GW_TESTS_MEMORY_RATES_H
#define GW_TESTS_MEMORY_RATES_H

#include <stddef.h>
#include <stdint.h>

/* A sum of all words, so that each is read. */
uint64_t memory_read(const float *x, size_t count);

/* a[i] += b[i] */
void memory_add(float *a, const float *b, size_t count);

/* a[i] = 0 past the cache, as a decode that overwrites a large output can at best do. */
void memory_fill(float *a, size_t count);

#endif
