/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What tests of shards share. */
#include "tests/shards.h"

#include "base/random.h"
#include "compress/codec.h"

#include <pthread.h>
#include <stdlib.h>

static const gw_tensor tensors[SHARD_TENSORS] = { { "a", 2000 }, { "b", 700 }, { "c", 5 } };

/* ---- shards ---------------------------------------------------------------------------------- */

gw_status shard_job(struct gw_job **out, const struct shard_terms *terms, struct gw_error *error)
{
    struct gw_job *job;
    gw_status s = gw_job_open(&job, "test", error);
    if (s)
        return s;
    job->part_count = terms->part_count ? terms->part_count : 800;
    s = gw_job_set(job, GW_TERM_AGGREGATOR, terms->aggregator, error);
    if (!s)
        s = gw_job_set(job, GW_TERM_OPTIMIZER, terms->optimizer, error);
    if (!s)
        s = gw_job_set(job, GW_TERM_PULL, terms->pull, error);
    if (!s)
        s = gw_job_set(job, GW_TERM_FEEDBACK, terms->feedback, error);
    if (!s)
        s = gw_job_set_layout(job, tensors, SHARD_TENSORS, terms->push ? terms->push : "raw", NULL,
                              0, error);
    if (s)
        gw_job_close(job);
    else
        *out = job;
    return s;
}

gw_status shard_open(struct gw_shard **out, const struct shard_terms *terms, struct gw_error *error)
{
    struct gw_job *job;
    gw_status s = shard_job(&job, terms, error);
    if (s)
        return s;
    s = gw_shard_open(out, job, error);
    gw_job_close(job);
    return s;
}

static size_t part_count(const struct gw_shard *shard, size_t part)
{
    return gw_shard_part(shard, part)->count;
}

void shard_read(struct gw_shard *shard, float *out)
{
    for (size_t p = 0; p < gw_shard_parts(shard); out += part_count(shard, p), p++)
        memcpy(out, gw_shard_values(shard, p), part_count(shard, p) * sizeof *out);
}

void shard_write(struct gw_shard *shard, const float *x)
{
    for (size_t p = 0; p < gw_shard_parts(shard); x += part_count(shard, p), p++)
        memcpy(gw_shard_values(shard, p), x, part_count(shard, p) * sizeof *x);
}

/* ---- work ------------------------------------------------------------------------------------ */

struct crew {
    struct gw_work *work;
    int phase;
    size_t order[SHARD_PARTS_MAX], parts;
    atomic_size_t next;
};

struct hand {
    struct crew *crew;
    int thread;
};

static void *work_off(void *user)
{
    struct hand *hand = user;
    struct crew *crew = hand->crew;
    for (size_t i; (i = atomic_fetch_add(&crew->next, 1)) < crew->parts;)
        gw_work_part(crew->work, crew->phase, crew->order[i], hand->thread);
    return NULL;
}

static void shuffle(struct crew *crew, uint64_t seed)
{
    for (size_t i = 0; i < crew->parts; i++)
        crew->order[i] = i;
    for (size_t i = crew->parts; i > 1; i--) {
        size_t j = gw_mix64(seed * 31 + i) % i, kept = crew->order[i - 1];
        crew->order[i - 1] = crew->order[j];
        crew->order[j] = kept;
    }
}

gw_status shard_work(struct gw_work *work, int threads, uint64_t seed, struct gw_error *error)
{
    enum { THREADS_MAX = 8 };
    struct crew crew = { .work = work, .parts = gw_min_size(gw_work_parts(work), SHARD_PARTS_MAX) };
    for (crew.phase = 0; crew.phase < gw_work_phases(work); crew.phase++) {
        pthread_t thread[THREADS_MAX];
        struct hand hand[THREADS_MAX];
        shuffle(&crew, seed + (uint64_t)crew.phase);
        atomic_store(&crew.next, 0);
        for (int t = 0; t < threads; t++)
            hand[t] = (struct hand){ &crew, t };
        for (int t = 1; t < threads; t++)
            if (pthread_create(&thread[t], NULL, work_off, &hand[t]))
                abort();
        work_off(&hand[0]);
        for (int t = 1; t < threads; t++)
            pthread_join(thread[t], NULL);
    }
    return gw_work_end(work, error);
}

/* ---- workers --------------------------------------------------------------------------------- */

gw_status pusher_open(struct pusher *pusher, const struct gw_shard *shard, const char *push,
                      int worker, struct gw_error *error)
{
    *pusher = (struct pusher){ .parts = gw_shard_parts(shard) };
    gw_status s = GW_OK;
    for (size_t p = 0; p < pusher->parts && !s; p++) {
        const struct gw_part *part = gw_shard_part(shard, p);
        const char *name = tensors[part->tensor].name;
        const struct gw_codec_site site = { .tensor = name,
                                            .tensor_key = gw_hash_text(name),
                                            .seed = 1,
                                            .first = part->first,
                                            .count = part->count,
                                            .rank = worker,
                                            .ranks = 1 };
        s = gw_codec_open_site(&pusher->codec[p], push, &site, error);
    }
    return s;
}

void pusher_close(struct pusher *pusher)
{
    for (size_t p = 0; p < pusher->parts; p++)
        gw_codec_close(pusher->codec[p]);
}

static gw_status encode(gw_codec *c, const float *x, struct gw_blob **out)
{
    size_t count = c->site.count, bound = gw_payload_bound(c, 0, count);
    struct gw_blob *blob = gw_blob_new(bound);
    gw_status s = blob ? gw_codec_prepare(c, x, NULL) : GW_ENOMEM;
    if (!s)
        s = gw_payload_encode(c, 0, count, blob->data, bound, &blob->bytes, NULL);
    if (s) {
        gw_blob_drop(blob);
        return s;
    }
    gw_codec_commit(c);
    gw_blob_seal(blob);
    *out = blob;
    return GW_OK;
}

static gw_status encode_raw(const struct gw_codec_site *site, const float *x, struct gw_blob **out)
{
    gw_codec *raw;
    gw_status s = gw_codec_open_site(&raw, "raw", site, NULL);
    if (s)
        return s;
    s = encode(raw, x, out);
    gw_codec_close(raw);
    return s;
}

gw_status pusher_encode(struct pusher *pusher, const float *x, bool raw, struct gw_blob **out)
{
    gw_status s = GW_OK;
    memset(out, 0, pusher->parts * sizeof *out);
    for (size_t p = 0; p < pusher->parts && !s; p++) {
        const struct gw_codec_site *site = &pusher->codec[p]->site;
        s = raw ? encode_raw(site, x, &out[p]) : encode(pusher->codec[p], x, &out[p]);
        x += site->count;
    }
    return s;
}

void blobs_drop(struct gw_blob **blobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gw_blob_drop(blobs[i]);
}

static gw_status take(const struct gw_shard *shard, const char *spec, bool difference,
                      const struct gw_pull_item *item, float *held, struct gw_error *error)
{
    const struct gw_part *part = gw_shard_part(shard, item->part);
    const struct gw_codec_site site = { .tensor = "w",
                                        .first = part->first,
                                        .count = part->count,
                                        .rank = -1,
                                        .ranks = 1,
                                        .stage = 1 };
    gw_codec *c;
    gw_status s = gw_codec_open_site(&c, item->raw ? "raw" : spec, &site, error);
    if (s)
        return s;
    for (uint32_t p = 0; p < item->part; p++)
        held += part_count(shard, p);
    const struct gw_blob *blob = item->payload;
    s = gw_payload_check(c, 0, part->count, blob->data, blob->bytes, error);
    if (!s && item->whole)
        gw_payload_decode(c, 0, part->count, blob->data, blob->bytes, held);
    else if (!s && difference)
        gw_payload_decode_add(c, 0, part->count, blob->data, blob->bytes, 1.0f, held);
    else if (!s)
        s = gw_fail(error, GW_ESTATE, "an item that is not whole of a codec that says values");
    gw_codec_close(c);
    return s;
}

gw_status items_take(const struct gw_shard *shard, const char *pull, struct gw_pull_item *items,
                     size_t count, float *held, struct gw_error *error)
{
    char spec[1024];
    bool difference;
    gw_status s = gw_pull_codec(pull, spec, sizeof spec, &difference, error);
    for (size_t i = 0; i < count; i++) {
        if (!s)
            s = take(shard, spec, difference, &items[i], held, error);
        gw_blob_drop(items[i].payload);
    }
    free(items);
    return s;
}
