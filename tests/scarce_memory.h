/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Memory that is counted and runs out where a test says. A program that uses it links
 * libscarcememory.la with $(scarce_flags): the linker then sends malloc, calloc, realloc, strdup
 * and free of the test and the rooms through it, and those of Check if that is a static library:
 * what is walked or counted does not assert. Any thread may allocate. */
#ifndef GW_TESTS_SCARCE_MEMORY_H
#define GW_TESTS_SCARCE_MEMORY_H

#include <stdbool.h>

/* Of the allocations from now on, the one with this number fails, the first being 0: it alone, or
 * with all that follow. */
void scarce_at(long site);
void scarce_from(long site);

/* Nothing fails any more. Returns how many allocations failed: 0 if there were too few. */
long scarce_end(void);

/* While this says so, allocations have no number and do not fail. It is asked on the thread that
 * allocates. */
void scarce_spare(bool (*spares)(void));

/* Blocks that are not freed yet, and allocations that were asked for, since the program began. */
long scarce_alive(void);
long scarce_asked(void);

#endif
