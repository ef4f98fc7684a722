/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Which server keeps what. All tensors stand end to end on one line, which is cut into equal
 * shares; a share's piece of a tensor is cut into parts of like size, so that no part is a crumb
 * that costs a message and a codec of its own. */
#include "server/job_inside.h"

#include "base/types.h"

#include <inttypes.h>
#include <stdlib.h>

/* Parts of four million are a table of 128 MiB; who wants more elements makes larger parts. */
enum { PARTS_MAX = 1 << 22, CACHE_LINE = 64 / sizeof(float) };

/* Where the share of server s begins: total * s / servers, which would not fit 64 bits. */
static uint64_t border(uint64_t total, int servers, int s)
{
    uint64_t n = (uint64_t)servers, i = (uint64_t)s;
    return total / n * i + total % n * i / n;
}

/* Elements per part of a run: as few parts as the limit allows, alike, on whole cache lines. */
static size_t part_size(size_t run, size_t most)
{
    size_t even = gw_divide_up(run, gw_divide_up(run, most));
    return gw_min_size(gw_round_up(even, CACHE_LINE), most);
}

/* Both passes: without `parts` it only counts. */
static uint64_t cut(struct gw_part *parts, const struct gw_job *job, uint64_t total)
{
    uint64_t used = 0, base = 0;
    int server = 0;
    for (size_t t = 0; t < job->tensors; t++) {
        size_t count = job->tensor[t].count;
        for (size_t at = 0, run; at < count; at += run) {
            while (border(total, job->servers, server + 1) <= base + at)
                server++;
            uint64_t left = border(total, job->servers, server + 1) - (base + at);
            run = left < count - at ? (size_t)left : count - at;
            size_t size = part_size(run, job->part_count);
            for (size_t i = 0; parts && i < run; i += size)
                *parts++ =
                    (struct gw_part){ (uint32_t)t, at + i, gw_min_size(size, run - i), server };
            used += gw_divide_up(run, size);
        }
        base += count;
    }
    return used;
}

static gw_status check(const struct gw_job *job, uint64_t *total, struct gw_error *error)
{
    if (job->tensors == 0)
        return gw_fail(error, GW_ESTATE, "job '%s' has no layout to cut yet", job->name);
    if (job->servers < 1 || job->part_count < 1)
        return gw_fail(error, GW_EINVAL, "%d servers with parts of %zu elements; both start at 1",
                       job->servers, job->part_count);
    *total = 0;
    for (size_t t = 0; t < job->tensors; t++) {
        if (job->tensor[t].count > SIZE_MAX / sizeof(float) - *total)
            return gw_fail(error, GW_EINVAL, "job '%s' has too many elements to count", job->name);
        *total += job->tensor[t].count;
    }
    return GW_OK;
}

gw_status gw_job_cut(struct gw_part **parts, size_t *count, const struct gw_job *job,
                     struct gw_error *error)
{
    uint64_t total;
    gw_status s = check(job, &total, error);
    if (s)
        return s;
    uint64_t needed = cut(NULL, job, total);
    if (needed == 0 || needed > PARTS_MAX)
        return gw_fail(error, GW_EINVAL,
                       "job '%s' would have %" PRIu64 " parts of up to %zu elements; it can have 1 "
                       "to %d: choose another size of parts",
                       job->name, needed, job->part_count, PARTS_MAX);
    struct gw_part *made = malloc((size_t)needed * sizeof *made);
    if (!made)
        return gw_fail(error, GW_ENOMEM, "out of memory for %" PRIu64 " parts of job '%s'", needed,
                       job->name);
    (void)cut(made, job, total);
    *parts = made;
    *count = (size_t)needed;
    return GW_OK;
}
