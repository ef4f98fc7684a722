/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Payloads of a pull to parameters. */
#include "server/decoder.h"

#include "compress/codec.h"
#include "server/shard.h"

#include <stdlib.h>
#include <string.h>

struct gw_decoder {
    const struct gw_part *parts;
    size_t count;
    bool remembers;
    struct gw_codec **codec, **raw; /* by part; raw is NULL where the pull codec is raw */
    gw_f32 **copy;                  /* by part, if it remembers */
};

void gw_decoder_close(struct gw_decoder *decoder)
{
    if (!decoder)
        return;
    for (size_t i = 0; i < decoder->count; i++) {
        if (decoder->codec)
            gw_codec_close(decoder->codec[i]);
        if (decoder->raw)
            gw_codec_close(decoder->raw[i]);
        if (decoder->copy)
            free(decoder->copy[i]);
    }
    free(decoder->codec);
    free(decoder->raw);
    free(decoder->copy);
    free(decoder);
}

static gw_status open_part(struct gw_decoder *d, const struct gw_job *terms, const char *spec,
                           size_t part, struct gw_error *error)
{
    const char *name = terms->tensor[d->parts[part].tensor].name;
    const struct gw_codec_site site = { .tensor = name,
                                        .tensor_key = gw_hash_text(name),
                                        .seed = 1,
                                        .first = d->parts[part].first,
                                        .count = d->parts[part].count,
                                        .ranks = 1,
                                        .stage = 1 };
    gw_status s = gw_codec_open_site(&d->codec[part], spec, &site, error);
    if (!s)
        s = gw_codec_open_site(&d->raw[part], "raw", &site, error);
    if (s || !d->remembers)
        return s;
    d->copy[part] = calloc(site.count, sizeof(float));
    return d->copy[part]
               ? GW_OK
               : gw_fail(error, GW_ENOMEM, "out of memory for a copy of tensor '%s'", name);
}

gw_status gw_decoder_open(struct gw_decoder **out, const struct gw_job *terms,
                          const struct gw_part *parts, size_t count, struct gw_error *error)
{
    char spec[GW_ERROR_TEXT];
    struct gw_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return gw_fail(error, GW_ENOMEM, "out of memory for the pull codec");
    d->parts = parts;
    gw_status s =
        gw_pull_codec(gw_job_term(terms, GW_TERM_PULL), spec, sizeof spec, &d->remembers, error);
    d->codec = calloc(count, sizeof(struct gw_codec *));
    d->raw = calloc(count, sizeof(struct gw_codec *));
    d->copy = calloc(count, sizeof(gw_f32 *));
    if (!s && !(d->codec && d->raw && d->copy))
        s = gw_fail(error, GW_ENOMEM, "out of memory for the pull codec");
    d->count = s ? 0 : count;
    for (size_t i = 0; i < count && !s; i++)
        s = open_part(d, terms, spec, i, error);
    if (s)
        gw_decoder_close(d);
    else
        *out = d;
    return s;
}

bool gw_decoder_remembers(const struct gw_decoder *decoder)
{
    return decoder->remembers;
}

static const struct gw_codec *codec_of(const struct gw_decoder *d, size_t part, bool raw)
{
    return raw ? d->raw[part] : d->codec[part];
}

size_t gw_decoder_bound(const struct gw_decoder *decoder, size_t part, bool raw)
{
    return gw_payload_bound(codec_of(decoder, part, raw), 0, decoder->parts[part].count);
}

gw_status gw_decoder_check(const struct gw_decoder *decoder, size_t part, bool raw,
                           const void *payload, size_t bytes, struct gw_error *error)
{
    return gw_payload_check(codec_of(decoder, part, raw), 0, decoder->parts[part].count, payload,
                            bytes, error);
}

void gw_decoder_apply(struct gw_decoder *decoder, const struct gw_worker_item *items,
                      void *const *values)
{
    const struct gw_part *parts = decoder->parts;
    for (const struct gw_worker_item *i = items; i; i = i->next) {
        const struct gw_codec *c = codec_of(decoder, i->part, i->raw);
        gw_f32 *to = decoder->remembers
                         ? decoder->copy[i->part]
                         : (gw_f32 *)values[parts[i->part].tensor] + parts[i->part].first;
        size_t count = parts[i->part].count;
        if (i->whole)
            gw_payload_decode(c, 0, count, i->payload->data, i->payload->bytes, to);
        else
            gw_payload_decode_add(c, 0, count, i->payload->data, i->payload->bytes, 1.0f, to);
    }
    for (size_t p = 0; p < decoder->count && decoder->remembers; p++)
        memcpy((gw_f32 *)values[parts[p].tensor] + parts[p].first, decoder->copy[p],
               parts[p].count * sizeof(float));
}
