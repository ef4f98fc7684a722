/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A reducer's step: tensors fill buckets, full buckets start in order, and end in any. */
#include "collectives/reducer.h"

#include <math.h>
#include <string.h>

/* ---- buckets under way ------------------------------------------------------------------------*/

static void end_bucket(struct gw_reducer *r, struct gw_bucket *bucket, gw_status status)
{
    bucket->state = GW_BUCKET_ENDED;
    bucket->result = status;
    if (!status || r->failure.status)
        return;
    const struct gw_bucket_range *range = &bucket->range;
    const char *first = r->tensors[range->first].name;
    if (range->count == 1)
        (void)gw_fail(&r->failure, status, "bucket of '%.64s': %s", first,
                      gw_plan_error(bucket->plan));
    else
        (void)gw_fail(&r->failure, status, "bucket of '%.64s' to '%.64s': %s", first,
                      r->tensors[range->first + range->count - 1].name,
                      gw_plan_error(bucket->plan));
}

static void start_full(struct gw_reducer *r)
{
    while (r->started < r->set.count && r->set.buckets[r->started].unmarked == 0) {
        struct gw_bucket *bucket = &r->set.buckets[r->started++];
        size_t first = bucket->range.first;
        bucket->state = GW_BUCKET_RUNS;
        gw_status s = gw_start_list(bucket->plan, r->in + first, r->out + first);
        if (s)
            end_bucket(r, bucket, s);
    }
}

/* Move all buckets under way, and note those that ended, up to the first that has not: a test of
 * one makes progress in all. */
static void move(struct gw_reducer *r)
{
    for (; r->done < r->started; r->done++) {
        struct gw_bucket *bucket = &r->set.buckets[r->done];
        if (bucket->state == GW_BUCKET_ENDED)
            continue;
        gw_status s = gw_test(bucket->plan);
        if (s == GW_PENDING)
            return;
        end_bucket(r, bucket, s);
    }
}

/* ---- the end of a step ------------------------------------------------------------------------*/

static void add_stats(struct gw_stats *sum, const struct gw_bucket *bucket)
{
    struct gw_stats one;
    if (gw_plan_stats(bucket->plan, &one))
        return;
    sum->sent_bytes += one.sent_bytes;
    sum->received_bytes += one.received_bytes;
    sum->raw_bytes += one.raw_bytes;
    sum->encode_s += one.encode_s;
    sum->decode_s += one.decode_s;
    sum->encoded_bytes += one.encoded_bytes;
    sum->decoded_bytes += one.decoded_bytes;
}

static gw_status end_step(struct gw_reducer *r)
{
    struct gw_stats stats = { .runs = r->stats.runs, .failed_runs = r->stats.failed_runs };
    for (size_t b = 0; b < r->set.count; b++) {
        struct gw_bucket *bucket = &r->set.buckets[b];
        add_stats(&stats, bucket);
        for (size_t t = 0; t < bucket->range.count; t++)
            r->results[bucket->range.first + t] = bucket->result;
        bucket->state = GW_BUCKET_FILLS;
        bucket->unmarked = bucket->range.count;
        bucket->result = GW_OK;
    }
    *(r->failure.status ? &stats.failed_runs : &stats.runs) += 1;
    stats.total_s = (double)(gw_now_ns() - r->started_ns) * 1e-9;
    stats.wait_s = (double)r->waited_ns * 1e-9;
    stats.ratio = stats.sent_bytes ? (double)stats.raw_bytes / (double)stats.sent_bytes : 1;
    r->stats = stats;
    memset(r->marked, 0, r->count * sizeof *r->marked);
    r->marked_count = r->started = r->done = 0;
    r->running = false;
    r->ended = true;
    if (r->failure.status)
        return gw_fail(&r->error, r->failure.status, "%s", r->failure.text);
    return GW_OK;
}

/* ---- public -----------------------------------------------------------------------------------*/

gw_status gw_reducer_find(const gw_reducer *r, const char *name, size_t *index)
{
    if (!r || !name || !index)
        return GW_EINVAL;
    for (size_t t = 0; t < r->count; t++) {
        if (strcmp(r->tensors[t].name, name) == 0) {
            *index = t;
            return GW_OK;
        }
    }
    return GW_EINVAL;
}

gw_status gw_reducer_ready(gw_reducer *r, size_t index, const void *in, void *out)
{
    if (!r)
        return GW_EINVAL;
    gw_error_clear(&r->error);
    if (index >= r->count)
        return gw_fail(&r->error, GW_EINVAL, "gw_reducer_ready: there is no tensor %zu of %zu",
                       index, r->count);
    const gw_tensor *tensor = &r->tensors[index];
    if (r->marked[index])
        return gw_fail(&r->error, GW_ESTATE,
                       "tensor '%s' was marked ready in this step before; gw_reducer_wait ends a "
                       "step",
                       tensor->name);
    if (tensor->count > 0 && (!in || !out))
        return gw_fail(&r->error, GW_EINVAL, "gw_reducer_ready: a buffer of tensor '%s' is NULL",
                       tensor->name);
    if (!r->running) {
        r->running = true;
        r->started_ns = gw_now_ns();
        r->waited_ns = 0;
        gw_error_clear(&r->failure);
    }
    r->marked[index] = true;
    r->marked_count++;
    r->in[index] = in;
    r->out[index] = out;
    r->set.buckets[r->set.of[index]].unmarked--;
    start_full(r);
    move(r);
    return GW_OK;
}

static gw_status check_running(struct gw_reducer *r)
{
    gw_error_clear(&r->error);
    if (r->running || r->count == 0)
        return GW_OK;
    return gw_fail(&r->error, GW_ESTATE, "no step has begun: gw_reducer_ready first");
}

gw_status gw_reducer_test(gw_reducer *r)
{
    if (!r)
        return GW_EINVAL;
    gw_status s = check_running(r);
    if (s)
        return s;
    move(r);
    return r->done < r->set.count ? GW_PENDING : end_step(r);
}

gw_status gw_reducer_wait(gw_reducer *r)
{
    if (!r)
        return GW_EINVAL;
    gw_status s = check_running(r);
    if (s)
        return s;
    for (size_t t = 0; t < r->count; t++)
        if (!r->marked[t])
            return gw_fail(&r->error, GW_ESTATE,
                           "tensor '%s' was not marked ready, nor were %zu others",
                           r->tensors[t].name, r->count - r->marked_count - 1);
    int64_t entered = gw_now_ns();
    for (; r->done < r->set.count; r->done++) {
        struct gw_bucket *bucket = &r->set.buckets[r->done];
        if (bucket->state != GW_BUCKET_ENDED)
            end_bucket(r, bucket, gw_wait(bucket->plan));
    }
    r->waited_ns += gw_now_ns() - entered;
    return end_step(r);
}

gw_status gw_reducer_result(const gw_reducer *r, size_t index)
{
    if (!r || index >= r->count)
        return GW_EINVAL;
    return r->ended ? r->results[index] : GW_ESTATE;
}

const char *gw_reducer_error(const gw_reducer *r)
{
    return r ? r->error.text : "";
}

gw_status gw_reducer_rescale(gw_reducer *r, double factor)
{
    if (!r)
        return GW_EINVAL;
    gw_error_clear(&r->error);
    if (r->running)
        return gw_fail(&r->error, GW_ESTATE, "a step is under way: gw_reducer_wait first");
    for (size_t b = 0; b < r->set.count; b++) {
        gw_status s = gw_plan_rescale(r->set.buckets[b].plan, factor);
        if (s) /* of the argument: the first bucket refuses already */
            return gw_fail(&r->error, s, "%s", gw_plan_error(r->set.buckets[b].plan));
    }
    return GW_OK;
}

/* ---- looking inside ---------------------------------------------------------------------------*/

gw_status gw_reducer_stats(const gw_reducer *r, gw_stats *stats)
{
    if (!r || !stats)
        return GW_EINVAL;
    if (r->running)
        return GW_ESTATE;
    double energy = 0;
    for (size_t b = 0; b < r->set.count; b++) {
        struct gw_stats one;
        gw_status s = gw_plan_stats(r->set.buckets[b].plan, &one);
        if (s)
            return s;
        energy += one.error_norm * one.error_norm;
    }
    *stats = r->stats;
    stats->error_norm = sqrt(energy);
    return GW_OK;
}

const gw_plan *gw_reducer_plan(const gw_reducer *r, size_t bucket)
{
    return r && bucket < r->set.count ? r->set.buckets[bucket].plan : NULL;
}

gw_status gw_reducer_print(const gw_reducer *r, FILE *stream)
{
    if (!r || !stream)
        return GW_EINVAL;
    fprintf(stream, "rank %d of %d over %s\n%zu tensors in %zu buckets of up to %zu bytes\n",
            r->comm->rank, r->comm->size, r->comm->spec, r->count, r->set.count, r->set.bytes);
    for (size_t b = 0; b < r->set.count; b++) {
        const struct gw_bucket *bucket = &r->set.buckets[b];
        fprintf(stream, "bucket %zu: %s\n", b, gw_plan_reason(bucket->plan));
        for (int t = 0; t < bucket->plan->tensors_count; t++) {
            const struct gw_plan_tensor *tensor = &bucket->plan->tensors[t];
            fprintf(stream, "  tensor '%s': %zu elements by %s\n", tensor->name, tensor->count,
                    tensor->spec);
        }
    }
    return ferror(stream) ? GW_EIO : GW_OK;
}
