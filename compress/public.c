/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* gradwire/codec.h: one codec for a program that wants it alone. */
#include "base/settings.h"
#include "compress/codec.h"

#include <stdlib.h>
#include <string.h>

gw_status gw_codec_open(gw_codec **out, const char *spec, size_t count,
                        const gw_codec_options *options)
{
    const gw_codec_options none = { 0 };
    const gw_codec_options *o = options ? options : &none;
    struct gw_error *error = gw_open_error();
    if (!out || !spec)
        return gw_fail(error, GW_EINVAL, "gw_codec_open needs a place for the codec and a spec");
    int ranks = o->ranks ? o->ranks : 1;
    if (ranks < 1 || o->rank < 0 || o->nonfinite > GW_NONFINITE_PASS)
        return gw_fail(error, GW_EINVAL, "gw_codec_open: rank %d, ranks %d, nonfinite %d", o->rank,
                       o->ranks, (int)o->nonfinite);
    gw_status s = gw_settings_check(error);
    if (s)
        return s;
    char *tensor = strdup(o->tensor ? o->tensor : "tensor");
    if (!tensor)
        return gw_fail(error, GW_ENOMEM, "out of memory for codec %s", spec);
    const struct gw_codec_site site = {
        .tensor = tensor,
        .tensor_key = gw_hash_text(tensor),
        .seed = o->seed ? o->seed : (uint64_t)gw_setting_number(GW_SET_SEED),
        .count = count,
        .rank = o->rank,
        .ranks = ranks,
        .nonfinite = o->nonfinite,
    };
    gw_codec *c;
    s = gw_codec_open_site(&c, spec, &site, error);
    if (s) {
        free(tensor);
        return s;
    }
    c->tensor = tensor;
    *out = c;
    return GW_OK;
}

const char *gw_codec_spec(const gw_codec *codec)
{
    return codec->spec;
}

const char *gw_codec_error(const gw_codec *codec)
{
    return codec ? codec->error.text : gw_open_error()->text;
}

size_t gw_encode_bound(const gw_codec *codec, size_t first, size_t count)
{
    return gw_payload_bound(codec, first, count);
}

/* ---- encode ---------------------------------------------------------------------------------- */

gw_status gw_encode_begin(gw_codec *codec, const void *tensor)
{
    if (codec->running)
        return gw_fail(&codec->error, GW_ESTATE, "gw_encode_begin: a run has begun and not ended");
    if (!tensor && codec->site.count > 0)
        return gw_fail(&codec->error, GW_EINVAL, "gw_encode_begin: the tensor is NULL");
    gw_status s = gw_codec_prepare(codec, tensor, &codec->error);
    if (s) {
        gw_codec_rollback(codec);
        return s;
    }
    codec->running = 1;
    codec->encoded = 0;
    return GW_OK;
}

gw_status gw_encode_range(gw_codec *codec, size_t first, size_t count, void *payload,
                          size_t capacity, size_t *written)
{
    if (!codec->running)
        return gw_fail(&codec->error, GW_ESTATE, "gw_encode_range: no run has begun");
    gw_status s = gw_payload_encode(codec, first, count, payload, capacity, written, &codec->error);
    if (!s)
        codec->encoded += count;
    return s;
}

gw_status gw_encode_end(gw_codec *codec, int keep)
{
    if (!codec->running)
        return gw_fail(&codec->error, GW_ESTATE, "gw_encode_end: no run has begun");
    if (keep && codec->encoded != codec->site.count)
        return gw_fail(&codec->error, GW_ESTATE,
                       "gw_encode_end: %zu elements were encoded of %zu; encode each once, or end "
                       "without keeping",
                       codec->encoded, codec->site.count);
    codec->running = 0;
    if (keep)
        gw_codec_commit(codec);
    else
        gw_codec_rollback(codec);
    return GW_OK;
}

gw_status gw_encode(gw_codec *codec, const void *tensor, void *payload, size_t capacity,
                    size_t *written)
{
    gw_status s = gw_encode_begin(codec, tensor);
    if (s)
        return s;
    s = gw_encode_range(codec, 0, codec->site.count, payload, capacity, written);
    gw_status ended = gw_encode_end(codec, s == GW_OK);
    return s ? s : ended;
}

/* ---- decode ---------------------------------------------------------------------------------- */

gw_status gw_decode(gw_codec *codec, size_t first, size_t count, const void *payload, size_t bytes,
                    void *out)
{
    gw_status s = gw_payload_check(codec, first, count, payload, bytes, &codec->error);
    if (!s)
        gw_payload_decode(codec, first, count, payload, bytes, out);
    return s;
}

gw_status gw_decode_add(gw_codec *codec, size_t first, size_t count, const void *payload,
                        size_t bytes, float weight, void *sum)
{
    gw_status s = gw_payload_check(codec, first, count, payload, bytes, &codec->error);
    if (!s)
        gw_payload_decode_add(codec, first, count, payload, bytes, weight, sum);
    return s;
}
