/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Elias omega codes of quantized levels, most significant bit first.
 *
 * Levels to write are sign and magnitude codes, the sign in their top bit; the sign of a zero is
 * not written. Levels that are read have their sign as integers have it. */
#ifndef GW_COMPRESS_ELIAS_H
#define GW_COMPRESS_ELIAS_H

#include "base/types.h"

enum gw_elias_form {
    GW_ELIAS_SPARSE, /* of non-zeros: omega(gap), sign, omega(|level|); first gap is 1-based */
    GW_ELIAS_DENSE,  /* of all: sign, omega(|level| + 1) */
    GW_ELIAS_COMPACT /* of all: omega(|level| + 1), then a sign if it is not zero */
};

/* Bits of omega(k), k >= 1. */
unsigned gw_omega_bits(uint64_t k);

/* Most bytes of `count` levels of magnitude at most `most`. */
size_t gw_elias_bound(enum gw_elias_form form, size_t count, int32_t most);

/* ---- writing ---- */

enum { GW_ELIAS_BYTE_CODES = 256 };

struct gw_elias_writer {
    enum gw_elias_form form;
    unsigned bits;     /* of a code, 2 to 16 */
    uint8_t *at;       /* whole words are stored here; never past the last bit's byte */
    uint64_t word;     /* bits not stored yet, `held` of them, in the low end */
    unsigned held;     /* fewer than 64 */
    uint64_t gap;      /* sparse: zeros since the last non-zero */
    uint64_t nonzeros; /* sparse: so far */
    uint32_t
        of_code[GW_ELIAS_BYTE_CODES]; /* what a byte's code becomes: bits << 8 | their number */
};

void gw_elias_open(struct gw_elias_writer *w, enum gw_elias_form form, unsigned bits,
                   uint8_t *bytes);

/* Append codes of at most 8 bits, or of any width. */
void gw_elias_put(struct gw_elias_writer *w, const uint8_t *codes, size_t count);
void gw_elias_put_wide(struct gw_elias_writer *w, const uint16_t *codes, size_t count);

/* Store what is held, with zeros to a whole byte; returns the end. */
uint8_t *gw_elias_finish(struct gw_elias_writer *w);

/* ---- reading ---- */

enum { GW_ELIAS_PEEK = 10, GW_ELIAS_FEW = 3 };

/* What the next 10 bits say: up to three levels; of the sparse form one, and its gap behind it.
 * Its size is that of the levels and one more, so that they are copied in one move. */
struct gw_elias_few {
    int16_t levels[GW_ELIAS_FEW];
    uint8_t count, bits; /* count 0: the bits do not hold a whole one */
};

struct gw_elias_table {
    enum gw_elias_form form;
    int32_t most; /* largest magnitude, at most 32767 */
    struct gw_elias_few of_bits[1 << GW_ELIAS_PEEK];
};

void gw_elias_fill(struct gw_elias_table *table, enum gw_elias_form form, int32_t most);

/* Set table, input and bits; the rest is zero at first. */
struct gw_elias_reader {
    const struct gw_elias_table *table;
    const uint8_t *input;
    uint64_t bits; /* there are; a multiple of 8 */
    uint64_t at;   /* bits read */
    int broken;    /* the bits are no such stream */
};

/* Sparse: the next non-zero and how far it is from the last one. 0 if the stream is broken. */
int gw_elias_next(struct gw_elias_reader *r, uint64_t *gap, int32_t *level);

/* Other forms: the next levels, of no meaning if the stream is broken. */
void gw_elias_get(struct gw_elias_reader *r, int16_t *levels, size_t count);

/* True if the stream was read to its end: no spare byte, and the unused bits 0. */
int gw_elias_ended(const struct gw_elias_reader *r);

#endif
