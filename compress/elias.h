/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Elias omega codes of quantized levels, most significant bit first. */
#ifndef GW_COMPRESS_ELIAS_H
#define GW_COMPRESS_ELIAS_H

#include "base/types.h"

enum gw_elias_form {
    GW_ELIAS_SPARSE, /* of non-zeros: omega(gap), sign, omega(|level|); first gap is 1-based */
    GW_ELIAS_DENSE,  /* of all: sign, omega(|level| + 1) */
    GW_ELIAS_COMPACT /* of all: omega(|level| + 1), then a sign if it is not zero */
};

/* A stream of levels that is written or read in parts. Zero it, then set form, bytes, and to read
 * also `bits` and, sparse, `nonzeros`. */
struct gw_elias {
    enum gw_elias_form form;
    uint8_t *bytes;       /* writing */
    const uint8_t *input; /* reading */
    uint64_t bits;        /* reading: bits there are */
    uint64_t at;          /* bits written or read */
    uint64_t nonzeros;    /* writing: so far; reading: yet to come */
    uint64_t gap;         /* writing: zeros since the last non-zero; reading: zeros to give */
    int pending;          /* reading: a gap was read whose level was not */
    int broken;           /* reading: the bits are no such stream */
};

/* Bits of omega(k), k >= 1. */
unsigned gw_omega_bits(uint64_t k);

/* Append levels. The bytes after the last bit's byte stay untouched; its unused bits are 0. */
void gw_elias_put(struct gw_elias *e, const int32_t *levels, size_t count);

/* Read levels whose magnitude is at most `most`; zeros and `broken` if the stream does not hold
 * them. */
void gw_elias_get(struct gw_elias *e, int32_t *levels, size_t count, int32_t most);

/* True if a stream of `bytes` bytes was read to its end: all non-zeros, no spare byte, and the
 * unused bits 0. */
int gw_elias_ended(const struct gw_elias *e);

/* Most bytes of `count` levels of magnitude at most `most`. */
size_t gw_elias_bound(enum gw_elias_form form, size_t count, int32_t most);

#endif
