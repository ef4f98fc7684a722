/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* An allocator that counts, and fails where it is told to. */
#include "tests/scarce_memory.h"

#include <stdatomic.h>
#include <stdlib.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
char *__real_strdup(const char *text);
void __real_free(void *old);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
char *__wrap_strdup(const char *text);
void __wrap_free(void *old);

static atomic_long alive, asked, failed;
static atomic_long first = -1; /* the number in `asked` that fails; below 0: none */
static atomic_bool onward;     /* and all that follow it */
static bool (*spared)(void);

static void start(long site, bool all)
{
    atomic_store(&failed, 0);
    atomic_store(&onward, all);
    atomic_store(&first, atomic_load(&asked) + site);
}

void scarce_at(long site)
{
    start(site, false);
}

void scarce_from(long site)
{
    start(site, true);
}

long scarce_end(void)
{
    atomic_store(&first, -1);
    return atomic_load(&failed);
}

void scarce_spare(bool (*spares)(void))
{
    spared = spares;
}

long scarce_alive(void)
{
    return atomic_load(&alive);
}

long scarce_asked(void)
{
    return atomic_load(&asked);
}

static bool fails(void)
{
    if (spared && spared())
        return false;
    long number = atomic_fetch_add(&asked, 1), at = atomic_load(&first);
    bool now = at >= 0 && (number == at || (number > at && atomic_load(&onward)));
    if (now)
        atomic_fetch_add(&failed, 1);
    return now;
}

static void *counted(void *memory)
{
    if (memory)
        atomic_fetch_add(&alive, 1);
    return memory;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : counted(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : counted(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *old, size_t bytes)
{
    if (fails())
        return NULL;
    void *grown = __real_realloc(old, bytes);
    return old ? grown : counted(grown);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : counted(__real_strdup(text));
}

void __wrap_free(void *old)
{
    if (old)
        atomic_fetch_sub(&alive, 1);
    __real_free(old);
}
