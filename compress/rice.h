/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Rice codes in a stream of bits, least significant bit first: value v with parameter r is v >> r
 * one bits, a zero bit, then the r low bits of v. */
#ifndef GW_COMPRESS_RICE_H
#define GW_COMPRESS_RICE_H

#include <stddef.h>
#include <stdint.h>

enum { GW_RICE_MOST = 40 }; /* largest parameter */

struct gw_rice_writer {
    uint8_t *at;
    uint64_t bits; /* not written yet, `held` of them (fewer than 64) */
    unsigned held;
};

void gw_rice_write(struct gw_rice_writer *w, uint64_t value, unsigned parameter);

/* Write what is held, filled up with zero bits; returns the end. */
uint8_t *gw_rice_finish(struct gw_rice_writer *w);

struct gw_rice_reader {
    const uint8_t *bytes;
    size_t length;
    uint64_t bit; /* the next one */
};

/* 0 if the stream ends before the value does, or the value exceeds `most`. */
int gw_rice_read(struct gw_rice_reader *r, uint64_t *value, unsigned parameter, uint64_t most);

/* All bytes were used and the bits left in the last one are zero. */
int gw_rice_at_end(const struct gw_rice_reader *r);

#endif
