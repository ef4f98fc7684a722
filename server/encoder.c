/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Gradients to payloads, part by part. A part is a codec unit of its own: scales and residuals do
 * not cross its borders, so that it can be encoded, sent and applied alone.
 *
 * State:   "gwworker", version u32, worker u32, parts u64, floats u64, then per part: spec hash
 * u64, count u64, floats u64; then all floats; then XXH3-64 of all before. Little-endian. */
#include "server/encoder.h"

#include "base/digest.h"
#include "compress/codec.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_VERSION = 1, STATE_HEAD = 32, STATE_ENTRY = 24, STATE_TAIL = 8 };

static const char state_magic[8] = { 'g', 'w', 'w', 'o', 'r', 'k', 'e', 'r' };

struct gw_encoder {
    const struct gw_part *parts;
    size_t count;
    uint32_t worker;
    struct gw_codec **codec;
    uint64_t *spec;
    const char **name; /* of each part's tensor */
    struct gw_blob_pool *payloads;
};

static struct gw_codec_site site_of(const struct gw_encoder *e, size_t part)
{
    return (struct gw_codec_site){ .tensor = e->name[part],
                                   .tensor_key = gw_hash_text(e->name[part]),
                                   .seed = 1,
                                   .first = e->parts[part].first,
                                   .count = e->parts[part].count,
                                   .rank = (int)e->worker,
                                   .ranks = 1 };
}

void gw_encoder_close(struct gw_encoder *encoder)
{
    if (!encoder)
        return;
    for (size_t i = 0; encoder->codec && i < encoder->count; i++)
        gw_codec_close(encoder->codec[i]);
    gw_blob_pool_close(encoder->payloads);
    free(encoder->codec);
    free(encoder->spec);
    free(encoder->name);
    free(encoder);
}

gw_status gw_encoder_open(struct gw_encoder **out, const struct gw_job *job,
                          const struct gw_part *parts, size_t count, uint32_t worker,
                          gw_nonfinite nonfinite, struct gw_error *error)
{
    struct gw_encoder *e = calloc(1, sizeof *e);
    if (!e)
        return gw_fail(error, GW_ENOMEM, "out of memory for the codecs of %zu parts", count);
    e->parts = parts;
    e->count = count;
    e->worker = worker;
    e->codec = calloc(count, sizeof(struct gw_codec *));
    e->spec = calloc(count, sizeof *e->spec);
    e->name = calloc(count, sizeof *e->name);
    e->payloads = gw_blob_pool_open();
    gw_status s =
        e->codec && e->spec && e->name && e->payloads
            ? GW_OK
            : gw_fail(error, GW_ENOMEM, "out of memory for the codecs of %zu parts", count);
    for (size_t i = 0; i < count && !s; i++) {
        const struct gw_job_tensor *tensor = &job->tensor[parts[i].tensor];
        e->name[i] = tensor->name;
        e->spec[i] = gw_hash_text(tensor->push);
        struct gw_codec_site site = site_of(e, i);
        site.nonfinite = nonfinite;
        s = gw_codec_open_site(&e->codec[i], tensor->push, &site, error);
    }
    if (s)
        gw_encoder_close(e);
    else
        *out = e;
    return s;
}

void gw_encoder_set_seed(struct gw_encoder *encoder, uint64_t seed)
{
    for (size_t i = 0; i < encoder->count; i++)
        for (struct gw_codec *c = encoder->codec[i]; c; c = c->inner)
            c->site.seed = seed;
}

uint64_t gw_encoder_spec(const struct gw_encoder *encoder, size_t part)
{
    return encoder->spec[part];
}

/* ---- payloads -------------------------------------------------------------------------------- */

static void drop(struct gw_blob **payloads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gw_blob_drop(payloads[i]);
        payloads[i] = NULL;
    }
}

/* Payload of the part's whole unit, prepared. */
static gw_status encode_unit(struct gw_codec *c, struct gw_blob_pool *pool,
                             struct gw_blob **payload, struct gw_error *error)
{
    size_t count = c->site.count;
    struct gw_blob *blob = gw_blob_take(pool, gw_payload_bound(c, 0, count));
    if (!blob)
        return gw_fail(error, GW_ENOMEM, "tensor '%s': out of memory for a payload",
                       c->site.tensor);
    size_t written;
    gw_status s = gw_payload_encode(c, 0, count, blob->data, blob->bytes, &written, error);
    if (s) {
        gw_blob_drop(blob);
        return s;
    }
    blob->bytes = written;
    gw_blob_seal(blob);
    *payload = blob;
    return GW_OK;
}

static const void *part_of(const struct gw_encoder *e, const void *const *tensors, size_t part)
{
    const gw_f32 *tensor = tensors[e->parts[part].tensor];
    return tensor + e->parts[part].first;
}

/* All parts are encoded before the first one's state changes. */
gw_status gw_encoder_encode(struct gw_encoder *encoder, const void *const *gradients,
                            uint64_t number, struct gw_blob **payloads, struct gw_error *error)
{
    gw_status s = GW_OK;
    size_t prepared = 0;
    memset(payloads, 0, encoder->count * sizeof(struct gw_blob *));
    for (; prepared < encoder->count && !s; prepared++) {
        struct gw_codec *c = encoder->codec[prepared];
        c->run = number - 1;
        s = gw_codec_prepare(c, part_of(encoder, gradients, prepared), error);
        if (!s)
            s = encode_unit(c, encoder->payloads, &payloads[prepared], error);
    }
    for (size_t i = 0; i < prepared; i++) {
        if (s)
            gw_codec_rollback(encoder->codec[i]);
        else
            gw_codec_commit(encoder->codec[i]);
    }
    if (s)
        drop(payloads, encoder->count);
    return s;
}

/* `tensors`, or the residuals if NULL. */
static gw_status raw_part(const struct gw_encoder *e, const void *const *tensors, size_t part,
                          struct gw_blob **payload, struct gw_error *error)
{
    struct gw_codec *raw;
    struct gw_codec_site site = site_of(e, part);
    gw_status s = gw_codec_open_site(&raw, "raw", &site, error);
    if (s)
        return s;
    const void *from = tensors ? part_of(e, tensors, part) : gw_codec_residual(e->codec[part]);
    void *zeros = from ? NULL : calloc(site.count, sizeof(float));
    if (!from && !zeros)
        s = gw_fail(error, GW_ENOMEM, "tensor '%s': out of memory", site.tensor);
    if (!s)
        s = gw_codec_prepare(raw, from ? from : zeros, error);
    if (!s)
        s = encode_unit(raw, NULL, payload, error);
    free(zeros);
    gw_codec_close(raw);
    return s;
}

static gw_status raw_parts(const struct gw_encoder *e, const void *const *tensors,
                           struct gw_blob **payloads, struct gw_error *error)
{
    gw_status s = GW_OK;
    memset(payloads, 0, e->count * sizeof(struct gw_blob *));
    for (size_t i = 0; i < e->count && !s; i++)
        s = raw_part(e, tensors, i, &payloads[i], error);
    if (s)
        drop(payloads, e->count);
    return s;
}

gw_status gw_encoder_raw(const struct gw_encoder *encoder, const void *const *tensors,
                         struct gw_blob **payloads, struct gw_error *error)
{
    return raw_parts(encoder, tensors, payloads, error);
}

gw_status gw_encoder_residuals(const struct gw_encoder *encoder, struct gw_blob **payloads,
                               struct gw_error *error)
{
    return raw_parts(encoder, NULL, payloads, error);
}

void gw_encoder_clear_residuals(struct gw_encoder *encoder)
{
    for (size_t i = 0; i < encoder->count; i++)
        gw_codec_clear_residual(encoder->codec[i]);
}

bool gw_encoder_has_residuals(const struct gw_encoder *encoder)
{
    for (size_t i = 0; i < encoder->count; i++)
        if (gw_codec_residual(encoder->codec[i]))
            return true;
    return false;
}

double gw_encoder_norm(const struct gw_encoder *encoder)
{
    double energy = 0;
    for (size_t i = 0; i < encoder->count; i++)
        energy += gw_codec_residual_energy(encoder->codec[i]);
    return sqrt(energy);
}

/* ---- state ----------------------------------------------------------------------------------- */

static size_t all_floats(const struct gw_encoder *e)
{
    size_t floats = 0;
    for (size_t i = 0; i < e->count; i++)
        floats += gw_codec_state_count(e->codec[i]);
    return floats;
}

size_t gw_encoder_state_bytes(const struct gw_encoder *encoder)
{
    return STATE_HEAD + encoder->count * STATE_ENTRY + all_floats(encoder) * sizeof(float) +
           STATE_TAIL;
}

/* What a state for this encoder begins with. */
static void write_head(const struct gw_encoder *e, uint8_t *out)
{
    memcpy(out, state_magic, sizeof state_magic);
    gw_put_u32(out + 8, STATE_VERSION);
    gw_put_u32(out + 12, e->worker);
    gw_put_u64(out + 16, e->count);
    gw_put_u64(out + 24, all_floats(e));
}

static void write_entry(const struct gw_encoder *e, size_t part, uint8_t out[STATE_ENTRY])
{
    gw_put_u64(out, e->spec[part]);
    gw_put_u64(out + 8, e->parts[part].count);
    gw_put_u64(out + 16, gw_codec_state_count(e->codec[part]));
}

/* Saved floats are little-endian words; the codec hands them out and takes them as floats. */
static void swap_floats(uint8_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float v;
        memcpy(&v, at + i * sizeof v, sizeof v);
        gw_put_f32(at + i * sizeof v, v);
    }
}

void gw_encoder_save(const struct gw_encoder *encoder, void *out)
{
    uint8_t *p = out, *at = p + STATE_HEAD;
    size_t before = gw_encoder_state_bytes(encoder) - STATE_TAIL;
    write_head(encoder, p);
    for (size_t i = 0; i < encoder->count; i++, at += STATE_ENTRY)
        write_entry(encoder, i, at);
    for (size_t i = 0; i < encoder->count; i++) {
        size_t floats = gw_codec_state_count(encoder->codec[i]);
        gw_codec_state_save(encoder->codec[i], (float *)(void *)at);
        swap_floats(at, floats);
        at += floats * sizeof(float);
    }
    gw_put_u64(p + before, gw_digest(p, before, 0));
}

static gw_status check_state(const struct gw_encoder *e, const uint8_t *p, size_t bytes,
                             struct gw_error *error)
{
    size_t wanted = gw_encoder_state_bytes(e);
    if (bytes < STATE_HEAD + STATE_TAIL || memcmp(p, state_magic, sizeof state_magic) != 0)
        return gw_fail(error, GW_EPAYLOAD, "these %zu bytes are not the state of a worker", bytes);
    if (gw_get_u64(p + bytes - STATE_TAIL) != gw_digest(p, bytes - STATE_TAIL, 0))
        return gw_fail(error, GW_EPAYLOAD, "the state's checksum is wrong: bytes changed");
    if (gw_get_u32(p + 8) != STATE_VERSION)
        return gw_fail(error, GW_EPAYLOAD, "the state has version %" PRIu32 ", expected %d",
                       gw_get_u32(p + 8), STATE_VERSION);
    if (gw_get_u32(p + 12) != e->worker)
        return gw_fail(error, GW_EMISMATCH,
                       "the state is of worker %" PRIu32 ", this is worker %" PRIu32,
                       gw_get_u32(p + 12), e->worker);
    if (gw_get_u64(p + 16) != e->count || bytes != wanted)
        return gw_fail(error, GW_EMISMATCH,
                       "the state has %" PRIu64 " parts and %zu bytes, expected %zu and %zu",
                       gw_get_u64(p + 16), bytes, e->count, wanted);
    for (size_t i = 0; i < e->count; i++) {
        uint8_t entry[STATE_ENTRY];
        write_entry(e, i, entry);
        if (memcmp(entry, p + STATE_HEAD + i * STATE_ENTRY, STATE_ENTRY) != 0)
            return gw_fail(error, GW_EMISMATCH,
                           "part %zu of the state (tensor '%s') has another codec or size", i,
                           e->name[i]);
    }
    const uint8_t *at = p + STATE_HEAD + e->count * STATE_ENTRY;
    for (size_t i = 0, floats = all_floats(e); i < floats; i++)
        if (!gw_is_finite(gw_get_f32(at + i * sizeof(float))))
            return gw_fail(error, GW_EPAYLOAD, "float %zu of the state is NaN or infinite", i);
    return GW_OK;
}

gw_status gw_encoder_load(struct gw_encoder *encoder, const void *state, size_t bytes,
                          struct gw_error *error)
{
    const uint8_t *p = state, *at = p + STATE_HEAD + encoder->count * STATE_ENTRY;
    gw_status s = check_state(encoder, p, bytes, error);
    size_t floats = all_floats(encoder);
    float *copy = s ? NULL : malloc(floats * sizeof *copy + 1);
    if (!s && !copy)
        return gw_fail(error, GW_ENOMEM, "out of memory for a state of %zu bytes", bytes);
    for (size_t i = 0; i < floats && !s; i++)
        copy[i] = gw_get_f32(at + i * sizeof *copy);
    const float *from = copy;
    for (size_t i = 0; i < encoder->count && !s; i++) {
        gw_codec_state_load(encoder->codec[i], from);
        from += gw_codec_state_count(encoder->codec[i]);
    }
    free(copy);
    return s;
}
