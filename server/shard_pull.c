/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Values to payloads for workers: a new version.
 *
 * Of codecs that speak of differences, what goes out is C(values - copy), and the copy, which is
 * what workers hold, takes what the payload says: error feedback, since what a payload did not
 * bring is still in the next difference. An unbiased codec whose variance factor w is 1 or more
 * would make that grow without bound; it is given difference / (1 + w), as ef+ does.
 *
 * Payloads are made in one phase, copies are changed in the next, if all payloads stand. */
#include "server/shard_inside.h"

#include "compress/kernels/table.h"
#include "compress/rows.h"
#include "server/blocks.h"

#include <stdlib.h>

static const char int8_spec[] = "qsgd:bits=8,rounding=nearest";

/* ---- which codecs ---------------------------------------------------------------------------- */

static gw_status says_values(bool *says, const char *canonical, struct gw_error *error)
{
    static const char *const specs[] = { "raw", "fp16", "bf16", int8_spec };
    *says = false;
    for (size_t i = 0; i < sizeof specs / sizeof *specs && !*says; i++) {
        char text[GW_SPEC_TEXT];
        gw_status s = gw_codec_canonical(specs[i], text, sizeof text, NULL, error);
        if (s)
            return s;
        *says = strcmp(text, canonical) == 0;
    }
    return GW_OK;
}

/* What keeps something from run to run, or only means something among others. */
static gw_status check_links(const struct gw_codec *c, struct gw_error *error)
{
    if (c->core->row->info.traits & GW_VOTE)
        return gw_fail(error, GW_ENOTSUP,
                       "vote cannot be pulled: signs alone say nothing of how far; use sign");
    for (const struct gw_codec *l = c; l; l = l->inner)
        if (l->row == &gw_row_ef || l->row == &gw_row_momentum)
            return gw_fail(error, GW_ENOTSUP,
                           "%s+ cannot be pulled: a server keeps back by itself what a payload "
                           "does not say; leave it out of '%s'",
                           l->row->info.name, c->spec);
    return GW_OK;
}

gw_status gw_pull_codec(const char *pull, char *spec, size_t capacity, bool *difference,
                        struct gw_error *error)
{
    const struct gw_codec_site site = { .tensor = "", .ranks = 1 };
    struct gw_codec *c = NULL;
    bool values = false;
    gw_status s =
        gw_codec_open_site(&c, strcmp(pull, "int8") == 0 ? int8_spec : pull, &site, error);
    if (s)
        return s;
    s = check_links(c, error);
    if (!s)
        s = says_values(&values, c->spec, error);
    if (!s && spec && strlen(c->spec) >= capacity)
        s = gw_fail(error, GW_ECAPACITY, "the spec '%s' needs %zu bytes, there are %zu", c->spec,
                    strlen(c->spec) + 1, capacity);
    if (!s && spec)
        memcpy(spec, c->spec, strlen(c->spec) + 1);
    if (!s && difference)
        *difference = !values;
    gw_codec_close(c);
    return s;
}

static float shrink_of(const struct gw_codec *c)
{
    const struct gw_codec *core = c->core;
    double w =
        core->row->info.traits & GW_UNBIASED && core->row->variance ? core->row->variance(core) : 0;
    return w >= 1 ? (float)(1 / (1 + w)) : 1.0f;
}

gw_status gw_pull_open(struct gw_shard *shard, const char *pull, const struct gw_codec_site *sites,
                       struct gw_error *error)
{
    char spec[1024];
    size_t most = 0;
    gw_status s = gw_pull_codec(pull, spec, sizeof spec, &shard->difference, error);
    shard->per_worker = shard->per_worker && shard->difference;
    for (size_t i = 0; i < shard->parts && !s; i++) {
        struct gw_shard_part *p = &shard->part[i];
        struct gw_codec_site site = sites[i];
        site.stage = 1;
        site.rank = -1;
        if (!shard->difference) /* values are finite; a difference of two may not be */
            site.nonfinite = GW_NONFINITE_PASS;
        s = gw_codec_open_site(&p->pull, spec, &site, error);
        if (s)
            return s;
        p->shrink = shrink_of(p->pull);
        most = gw_max_size(most, gw_payload_bound(p->pull, 0, p->part.count));
    }
    shard->pull_bytes = most;
    shard->pull_floats = shard->difference ? 2 * gw_round_up(shard->most, 16) : 0;
    return s;
}

/* ---- begin ----------------------------------------------------------------------------------- */

struct gw_work *gw_shard_advance(struct gw_shard *shard, uint32_t worker)
{
    struct gw_holder *holder = gw_holder_find(shard, worker);
    if (holder && holder->version > 0 && holder->changes == shard->changes)
        return NULL;
    struct gw_work *work = &shard->work;
    *work = (struct gw_work){ .shard = shard, .kind = GW_WORK_ADVANCE };
    work->holder = gw_holder_make(shard, worker);
    if (work->holder)
        work->pieces = calloc(gw_max_size(shard->parts, 1), sizeof *work->pieces);
    work->no_memory = !work->pieces;
    return work;
}

int gw_advance_phases(const struct gw_shard *shard)
{
    return shard->difference ? 2 : 1;
}

/* ---- payloads -------------------------------------------------------------------------------- */

/* Random numbers are a function of (seed, tensor, version), and of the worker if it has a copy of
 * its own. */
static void begin_run(const struct gw_work *work, struct gw_codec *c)
{
    c->site.rank = work->shard->per_worker ? (int)work->holder->worker : -1;
    c->run = work->holder->version + 1;
}

/* Straight into the blob where its size is known; else through the scratch, so that no blob is
 * longer than what is in it. */
static gw_status encode(struct gw_work *work, struct gw_shard_part *p, const gw_f32 *x,
                        uint8_t *scratch, struct gw_blob **out)
{
    struct gw_codec *c = p->pull;
    size_t count = p->part.count, bound = gw_payload_bound(c, 0, count), written = 0;
    bool fixed = (c->core->row->info.traits & GW_FIXED_SIZE) != 0;
    struct gw_blob *blob = fixed ? gw_blob_take(work->shard->payloads, bound) : NULL;
    if (fixed && !blob)
        return GW_ENOMEM;
    begin_run(work, c);
    gw_status s = gw_codec_prepare(c, x, NULL);
    if (!s)
        s = gw_payload_encode(c, 0, count, fixed ? blob->data : scratch, bound, &written, NULL);
    gw_codec_rollback(c);
    if (s) {
        gw_blob_drop(blob);
        return s;
    }
    if (!fixed)
        blob = gw_blob_copy(scratch, written);
    if (!blob)
        return GW_ENOMEM;
    blob->bytes = written;
    if (fixed)
        gw_blob_seal(blob);
    *out = blob;
    return GW_OK;
}

static void subtract(gw_f32 *out, const gw_f32 *a, const gw_f32 *b, size_t count, float shrink)
{
    gw_block x, y;
    for (size_t at = 0; at < count; at += GW_BLOCK) {
        size_t n = gw_min_size(GW_BLOCK, count - at);
        gw_block_load(x, a + at, n);
        gw_block_load(y, b + at, n);
        for (int i = 0; i < GW_BLOCK; i++)
            x[i] = gw_saturate(x[i] - y[i]) * shrink;
        gw_block_store(out + at, x, n);
    }
}

/* Would the copy overflow? Payloads may say a multiple of what they were given, so one looks where
 * numbers are large. */
static bool overflows(const struct gw_shard_part *p, const gw_f32 *copy, const struct gw_blob *blob,
                      gw_f32 *scratch)
{
    const struct gw_kernels *k = p->pull->kernels;
    const float large = FLT_MAX / 65536;
    size_t count = p->part.count, at;
    if (k->max_abs(copy, count) < large && k->max_abs(p->values, count) < large)
        return false;
    memcpy(scratch, copy, count * sizeof *copy);
    gw_payload_decode_add(p->pull, 0, count, blob->data, blob->bytes, 1.0f, scratch);
    return k->count_nonfinite(scratch, count, &at) > 0;
}

/* The values themselves where a payload would be no shorter, or would not do. */
static gw_status encode_difference(struct gw_work *work, struct gw_shard_part *p,
                                   const gw_f32 *copy, struct gw_scratch *scratch,
                                   struct gw_piece *piece)
{
    size_t count = p->part.count, raw = GW_HEADER_BYTES + count * sizeof(float);
    gw_f32 *difference = (gw_f32 *)scratch->floats, *spare = difference + count;
    subtract(difference, p->values, copy, count, p->shrink);
    gw_status s = encode(work, p, difference, scratch->bytes, &piece->payload);
    if (s)
        return s;
    if (piece->payload->bytes < raw && !overflows(p, copy, piece->payload, spare))
        return GW_OK;
    gw_blob_drop(piece->payload);
    piece->payload = gw_raw_blob(p->values, count);
    piece->raw = true;
    return piece->payload ? GW_OK : GW_ENOMEM;
}

static void make_payload(struct gw_work *work, size_t part, struct gw_scratch *scratch)
{
    struct gw_shard *shard = work->shard;
    struct gw_shard_part *p = &shard->part[part];
    struct gw_piece *piece = &work->pieces[part];
    if (!shard->difference)
        piece->status = encode(work, p, p->values, scratch->bytes, &piece->payload);
    else if (work->holder->version > 0) /* who holds nothing gets the whole */
        piece->status =
            encode_difference(work, p, work->holder->copy + shard->start[part], scratch, piece);
    if (piece->status)
        atomic_store_explicit(&work->failed, 1, memory_order_relaxed);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static void change_copy(const struct gw_work *work, size_t part)
{
    const struct gw_shard *shard = work->shard;
    const struct gw_shard_part *p = &shard->part[part];
    const struct gw_piece *piece = &work->pieces[part];
    gw_f32 *copy = work->holder->copy + shard->start[part];
    if (piece->raw || work->holder->version == 0)
        memcpy(copy, p->values, p->part.count * sizeof *copy);
    else
        gw_payload_decode_add(p->pull, 0, p->part.count, piece->payload->data,
                              piece->payload->bytes, 1.0f, copy);
}

void gw_advance_part(struct gw_work *work, int phase, size_t part, int thread)
{
    if (phase == 0)
        make_payload(work, part, &work->shard->scratch[thread]);
    else if (!atomic_load_explicit(&work->failed, memory_order_relaxed))
        change_copy(work, part);
}

static gw_status say_failure(const struct gw_work *work, struct gw_error *error)
{
    const struct gw_shard *shard = work->shard;
    for (size_t i = 0; i < gw_work_parts(work); i++)
        if (work->pieces[i].status)
            return gw_fail(error, work->pieces[i].status,
                           "tensor '%s': no payload of part %zu for workers: %s",
                           shard->part[i].pull->site.tensor, i,
                           gw_status_text(work->pieces[i].status));
    return gw_fail(error, GW_ENOMEM, "out of memory for what workers hold (%zu parts)",
                   shard->parts);
}

gw_status gw_advance_end(struct gw_work *work, struct gw_error *error)
{
    struct gw_shard *shard = work->shard;
    if (work->no_memory || atomic_load_explicit(&work->failed, memory_order_relaxed)) {
        gw_status s = say_failure(work, error);
        gw_pieces_free(work->pieces, shard->parts);
        return s;
    }
    gw_holder_keep(shard, work->holder, work->pieces);
    return GW_OK;
}
