/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A shard opened and closed: its parts with their codecs, memory for values and for threads. Also
 * what is asked of it between works. */
#include "server/shard_inside.h"

#include "compress/rows.h"

#include <stdlib.h>

/* ---- scratch --------------------------------------------------------------------------------- */

static void scratch_free(struct gw_scratch *scratch)
{
    free(scratch->floats);
    free(scratch->bytes);
    free(scratch->pushes);
}

/* Contents need not be kept: the old block goes when the new one stands. */
static gw_status grow(void **block, size_t *room, size_t count, size_t each)
{
    if (count <= *room)
        return GW_OK;
    void *larger = count <= SIZE_MAX / each ? malloc(count * each) : NULL;
    if (!larger)
        return GW_ENOMEM;
    free(*block);
    *block = larger;
    *room = count;
    return GW_OK;
}

gw_status gw_scratch_grow(struct gw_scratch *scratch, size_t floats, size_t bytes, size_t pushes)
{
    void *block = scratch->floats;
    gw_status s = grow(&block, &scratch->floats_room, floats, sizeof(float));
    scratch->floats = block;
    block = scratch->bytes;
    if (!s)
        s = grow(&block, &scratch->bytes_room, bytes, 1);
    scratch->bytes = block;
    if (!s)
        s = grow(&scratch->pushes, &scratch->pushes_room, pushes,
                 2 * sizeof(float *) + sizeof(struct gw_body));
    scratch->bodies = scratch->pushes;
    scratch->rows =
        scratch->pushes ? (const float **)(scratch->bodies + scratch->pushes_room) : NULL;
    scratch->at = scratch->pushes ? scratch->rows + scratch->pushes_room : NULL;
    return s;
}

static void scratches_free(struct gw_scratch *scratch, int threads)
{
    for (int t = 0; scratch && t < threads; t++)
        scratch_free(&scratch[t]);
    free(scratch);
}

gw_status gw_shard_set_threads(struct gw_shard *shard, int threads, struct gw_error *error)
{
    if (threads < 1)
        return gw_fail(error, GW_EINVAL, "a shard on %d threads, expected 1 or more", threads);
    struct gw_scratch *scratch = calloc((size_t)threads, sizeof *scratch);
    gw_status s = scratch ? GW_OK : GW_ENOMEM;
    for (int t = 0; t < threads && !s; t++)
        s = gw_scratch_grow(&scratch[t], shard->pull_floats, shard->pull_bytes, 0);
    if (s) {
        scratches_free(scratch, threads);
        return gw_fail(error, s, "out of memory for the scratch of %d threads", threads);
    }
    scratches_free(shard->scratch, shard->threads);
    shard->scratch = scratch;
    shard->threads = threads;
    return GW_OK;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static gw_status out_of_memory(struct gw_error *error)
{
    return gw_fail(error, GW_ENOMEM, "out of memory for the parameters of this server");
}

/* The codec proper, which is all that decoding needs; of votes without what ties=previous keeps. */
static gw_status open_core(struct gw_codec **out, const char *spec,
                           const struct gw_codec_site *site, struct gw_error *error)
{
    const char *plus = strrchr(spec, '+'), *core = plus ? plus + 1 : spec;
    const struct gw_codec_row *row = gw_codec_find(core, strcspn(core, ":"));
    if (row && row->info.traits & GW_VOTE)
        core = row->info.name;
    return gw_codec_open_site(out, core, site, error);
}

static gw_status open_codecs(const struct gw_shard *shard, struct gw_shard_part *p,
                             const char *push, const struct gw_codec_site *site,
                             struct gw_error *error)
{
    gw_status s = open_core(&p->push, push, site, error);
    if (!s)
        s = gw_codec_open_site(&p->raw, "raw", site, error);
    if (!s && shard->aggregator->codec)
        s = gw_codec_open_site(&p->votes, shard->aggregator->codec(&shard->aggregator_values), site,
                               error);
    if (s)
        return s;
    p->push_spec = gw_hash_text(push);
    p->push_bound = gw_max_size(gw_payload_bound(p->push, 0, p->part.count),
                                gw_payload_bound(p->raw, 0, p->part.count));
    return GW_OK;
}

static gw_status open_memory(const struct gw_shard *shard, struct gw_shard_part *p,
                             struct gw_error *error)
{
    size_t states = (size_t)shard->optimizer->state_count;
    size_t two_phases = shard->optimizer->measure ? 1 : 0;
    size_t stride = gw_round_up(p->part.count, 16), arrays = 1 + states + two_phases;
    p->memory = stride <= SIZE_MAX / arrays ? calloc(stride * arrays, sizeof(float)) : NULL;
    if (!p->memory)
        return out_of_memory(error);
    p->values = (gw_f32 *)p->memory;
    for (size_t k = 0; k < states; k++)
        p->state[k] = p->values + (1 + k) * stride;
    p->direction = two_phases ? p->memory + (1 + states) * stride : NULL;
    return GW_OK;
}

static gw_status open_part(struct gw_shard *shard, const struct gw_job *job, size_t part,
                           struct gw_codec_site *site, struct gw_error *error)
{
    struct gw_shard_part *p = &shard->part[part];
    char *name = shard->name[p->part.tensor];
    if (!name)
        name = strdup(job->tensor[p->part.tensor].name);
    if (!name)
        return out_of_memory(error);
    shard->name[p->part.tensor] = name;
    site->tensor = name;
    site->tensor_key = gw_hash_text(name);
    site->first = p->part.first;
    site->count = p->part.count;
    site->ranks = 1;
    shard->start[part] = shard->elements;
    shard->elements += p->part.count;
    shard->most = gw_max_size(shard->most, p->part.count);
    gw_status s = open_codecs(shard, p, job->tensor[p->part.tensor].push, site, error);
    return s ? s : open_memory(shard, p, error);
}

/* ---- open ------------------------------------------------------------------------------------ */

static gw_status read_terms(struct gw_shard *shard, const struct gw_job *job,
                            struct gw_error *error)
{
    char spec[GW_SPEC_TEXT];
    gw_status s = gw_aggregator_parse(&shard->aggregator, &shard->aggregator_values,
                                      gw_job_term(job, GW_TERM_AGGREGATOR), NULL, 0, error);
    if (!s)
        s = gw_optimizer_parse(&shard->optimizer, &shard->optimizer_values,
                               gw_job_term(job, GW_TERM_OPTIMIZER), spec, sizeof spec, error);
    if (s)
        return s;
    shard->optimizer_spec = gw_hash_text(spec);
    shard->per_worker = strcmp(gw_job_term(job, GW_TERM_FEEDBACK), "worker") == 0;
    return GW_OK;
}

/* The parts of this server, out of those of all. */
static gw_status take_parts(struct gw_shard *shard, const struct gw_job *job,
                            struct gw_error *error)
{
    struct gw_part *parts;
    size_t count, mine = 0;
    gw_status s = gw_job_cut(&parts, &count, job, error);
    if (s)
        return s;
    for (size_t i = 0; i < count; i++)
        shard->parts += parts[i].server == job->server;
    size_t room = gw_max_size(shard->parts, 1);
    shard->names = job->tensors;
    shard->part = calloc(room, sizeof *shard->part);
    shard->start = calloc(room, sizeof *shard->start);
    shard->name = calloc(gw_max_size(shard->names, 1), sizeof *shard->name);
    if (!shard->part || !shard->start || !shard->name) {
        free(parts);
        shard->parts = shard->part ? shard->parts : 0;
        shard->names = shard->name ? shard->names : 0;
        return out_of_memory(error);
    }
    for (size_t i = 0; i < count; i++)
        if (parts[i].server == job->server)
            shard->part[mine++].part = parts[i];
    free(parts);
    return GW_OK;
}

static gw_status open_parts(struct gw_shard *shard, const struct gw_job *job,
                            struct gw_error *error)
{
    struct gw_codec_site *sites = calloc(gw_max_size(shard->parts, 1), sizeof *sites);
    if (!sites)
        return out_of_memory(error);
    uint64_t seed = gw_job_term_number(job, GW_TERM_SEED);
    gw_status s = GW_OK;
    for (size_t i = 0; i < shard->parts && !s; i++) {
        sites[i].seed = seed;
        s = open_part(shard, job, i, &sites[i], error);
    }
    if (!s)
        s = gw_pull_open(shard, gw_job_term(job, GW_TERM_PULL), sites, error);
    free(sites);
    return s;
}

gw_status gw_shard_open(struct gw_shard **out, const struct gw_job *job, struct gw_error *error)
{
    struct gw_shard *shard = calloc(1, sizeof *shard);
    if (!shard)
        return out_of_memory(error);
    shard->changes = 1;
    shard->payloads = gw_blob_pool_open();
    gw_status s = shard->payloads ? read_terms(shard, job, error) : out_of_memory(error);
    if (!s)
        s = take_parts(shard, job, error);
    if (!s)
        s = open_parts(shard, job, error);
    if (!s)
        s = gw_shard_set_threads(shard, 1, error);
    if (s) {
        gw_shard_close(shard);
        return s;
    }
    *out = shard;
    return GW_OK;
}

void gw_shard_close(struct gw_shard *shard)
{
    if (!shard)
        return;
    gw_holders_forget(shard);
    for (size_t i = 0; i < shard->parts; i++) {
        struct gw_shard_part *p = &shard->part[i];
        gw_codec_close(p->push);
        gw_codec_close(p->raw);
        gw_codec_close(p->pull);
        gw_codec_close(p->votes);
        free(p->memory);
    }
    for (size_t i = 0; i < shard->names; i++)
        free(shard->name[i]);
    scratches_free(shard->scratch, shard->threads);
    free(shard->part);
    free(shard->start);
    free(shard->name);
    gw_blob_pool_close(shard->payloads);
    free(shard);
}

/* ---- between works --------------------------------------------------------------------------- */

size_t gw_shard_parts(const struct gw_shard *shard)
{
    return shard->parts;
}

const struct gw_part *gw_shard_part(const struct gw_shard *shard, size_t part)
{
    return &shard->part[part].part;
}

gw_f32 *gw_shard_values(struct gw_shard *shard, size_t part)
{
    return shard->part[part].values;
}

size_t gw_shard_elements(const struct gw_shard *shard)
{
    return shard->elements;
}

size_t gw_shard_push_bound(const struct gw_shard *shard, size_t part)
{
    return shard->part[part].push_bound;
}

uint64_t gw_shard_push_spec(const struct gw_shard *shard, size_t part)
{
    return shard->part[part].push_spec;
}

gw_status gw_shard_check(const struct gw_shard *shard, size_t part, bool raw, const void *payload,
                         size_t bytes, struct gw_error *error)
{
    const struct gw_shard_part *p = &shard->part[part];
    const struct gw_codec *codec = raw ? p->raw : p->push;
    size_t bound = gw_payload_bound(codec, 0, p->part.count);
    if (bytes > bound)
        return gw_fail(error, GW_EPAYLOAD,
                       "tensor '%s': a payload of %zu bytes for %zu elements, expected at most %zu",
                       codec->site.tensor, bytes, p->part.count, bound);
    return gw_payload_check(codec, 0, p->part.count, payload, bytes, error);
}

/* ---- work ------------------------------------------------------------------------------------ */

int gw_work_phases(const struct gw_work *work)
{
    if (work->kind == GW_WORK_APPLY)
        return work->shard->optimizer->measure ? 2 : 1;
    return gw_advance_phases(work->shard);
}

size_t gw_work_parts(const struct gw_work *work)
{
    return work->no_memory ? 0 : work->shard->parts;
}

void gw_work_part(struct gw_work *work, int phase, size_t part, int thread)
{
    if (work->kind == GW_WORK_APPLY)
        gw_apply_part(work, phase, part, thread);
    else
        gw_advance_part(work, phase, part, thread);
}

void gw_work_run(struct gw_work *work)
{
    for (int phase = 0; phase < gw_work_phases(work); phase++)
        for (size_t part = 0; part < gw_work_parts(work); part++)
            gw_work_part(work, phase, part, 0);
}

gw_status gw_work_end(struct gw_work *work, struct gw_error *error)
{
    gw_status s = GW_OK;
    if (work->kind == GW_WORK_APPLY)
        gw_apply_end(work);
    else
        s = gw_advance_end(work, error);
    work->kind = GW_WORK_NONE;
    return s;
}
