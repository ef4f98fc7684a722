/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * A codec alone: floats to payload and back, without any communication. Plans (plan.h) do all of
 * this inside; use this header to store, send or study payloads yourself.
 *
 * A spec string names a codec, its parameters and wrappers around it: "qsgd:bits=4,bucket=512",
 * "ef+sign", "clip:sigma=2.5+terngrad". `gradwire info` lists what there is. The payload format
 * is doc/wire-format.md.
 *
 * Buffers of floats may stand at any address. Threads: one codec, one thread at a time.
 */
#ifndef GRADWIRE_CODEC_H
#define GRADWIRE_CODEC_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gw_codec gw_codec;

/* What becomes of NaN and infinity in the input. */
typedef enum gw_nonfinite {
    GW_NONFINITE_REFUSE = 0, /* GW_ENONFINITE, with tensor, index and count; nothing changes */
    GW_NONFINITE_ZERO,       /* encoded as 0 */
    GW_NONFINITE_PASS        /* not looked at; a codec unit that holds one may decode to NaN */
} gw_nonfinite;

/* Zero in any field means the default. */
typedef struct gw_codec_options {
    const char *tensor; /* name for messages; its hash keys the random numbers */
    uint64_t seed;      /* of the random numbers; all ranks the same */
    int rank;           /* who encodes: keys the random numbers of unshared codecs */
    int ranks;          /* how many payloads may be summed (integer codecs); default 1 */
    gw_nonfinite nonfinite;
    uint64_t reserved[8];
} gw_codec_options;

/* Open a codec for tensors of `count` elements. `options` may be NULL. Close with gw_codec_close.
 * Errors: GW_ESPEC (the words name the valid keys, names or range), GW_ENOTSUP, GW_ENOMEM. */
GW_API GW_MUST_CHECK gw_status gw_codec_open(gw_codec **out, const char *spec, size_t count,
                                             const gw_codec_options *options);

/* Close; NULL is fine. */
GW_API void gw_codec_close(gw_codec *codec);

/* The spec in full, every parameter written out; lives as long as the codec. */
GW_API const char *gw_codec_spec(const gw_codec *codec);

/* The most bytes that encoding `count` elements from `first` on can take, header included. */
GW_API size_t gw_encode_bound(const gw_codec *codec, size_t first, size_t count);

/* Encode a whole tensor, update the codec's state (residual, momentum) and count the run.
 * `capacity` is at least gw_encode_bound(codec, 0, count); `*written` gets the bytes used.
 * Errors: GW_ENONFINITE, GW_ECAPACITY: nothing changed. */
GW_API GW_MUST_CHECK gw_status gw_encode(gw_codec *codec, const void *tensor, void *payload,
                                         size_t capacity, size_t *written);

/* The same in parts. gw_encode_begin looks at the whole tensor, which must stay as it is until
 * gw_encode_end; gw_encode_range encodes elements [first, first + count), in any order, each
 * element once: the code of an element depends on seed, tensor, run, rank and element only.
 * gw_encode_end keeps the new state if `keep` is not 0, which needs that every element was
 * encoded, else forgets it as if the run had never begun. Values that are refused make the begin
 * fail or, with a codec that meets them only then, the range that holds them: GW_ENONFINITE. */
GW_API GW_MUST_CHECK gw_status gw_encode_begin(gw_codec *codec, const void *tensor);
GW_API GW_MUST_CHECK gw_status gw_encode_range(gw_codec *codec, size_t first, size_t count,
                                               void *payload, size_t capacity, size_t *written);
GW_API GW_MUST_CHECK gw_status gw_encode_end(gw_codec *codec, int keep);

/* Decode a payload of elements [first, first + count) to `count` floats at `out`, or add weight
 * times them to `sum`. The payload is checked in full first: any bytes give an error or finite
 * floats. Errors: GW_EPAYLOAD: nothing written. */
GW_API GW_MUST_CHECK gw_status gw_decode(gw_codec *codec, size_t first, size_t count,
                                         const void *payload, size_t bytes, void *out);
GW_API GW_MUST_CHECK gw_status gw_decode_add(gw_codec *codec, size_t first, size_t count,
                                             const void *payload, size_t bytes, float weight,
                                             void *sum);

/* The last error of this codec in words; NULL gives that of the thread's last failed open. */
GW_API const char *gw_codec_error(const gw_codec *codec);

#ifdef __cplusplus
}
#endif

#endif
