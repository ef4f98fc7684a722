/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Sets of inner loops. A row of kernels.c is one set for one instruction set; `scalar` is the
 * reference, and every other row gives its bits (tests/test_kernels.c holds them to it).
 *
 * Packed codes of b bits (1..8), one layout for all sets (doc/wire-format.md): a full group of 512
 * elements takes 64 * b bytes, as sections of 8, 4, 2 and 1 bits (b = 7 is 4 + 2 + 1), the low bits
 * of the code in the widest section. A section of w bits is rows of 16 little-endian 32-bit lanes:
 * element e of the group stands in row e / (16 * 32/w), lane e % 16, at bit
 * (e / 16) % (32/w) * w. So 16 SIMD lanes pack with shifts and ors alone. The last, partial group
 * is a plain stream of b-bit codes, least significant bit first: ceil(count * b / 8) bytes.
 *
 * Reductions to a double run in 16 lanes (element i in lane i % 16), then
 * lane l += lane l + 8, + 4, + 2, + 1: one order for all sets. */
#ifndef GW_COMPRESS_KERNELS_H
#define GW_COMPRESS_KERNELS_H

#include "base/error.h"
#include "base/random.h"
#include "base/types.h"

enum { GW_GROUP = 512 };

/* Bytes of `count` packed b-bit codes. */
static inline size_t gw_packed_bytes(size_t count, unsigned bits)
{
    return count / GW_GROUP * (GW_GROUP / 8) * bits + (count % GW_GROUP * bits + 7) / 8;
}

struct gw_body { /* a payload without its header */
    const uint8_t *bytes;
    size_t length;
    unsigned flags; /* of its header */
};

struct gw_kernels; /* the table of functions: compress/kernels/table.h, for codec files */

/* The set in force: GRADWIRE_KERNELS, else the last usable row. GW_ESPEC if it is unknown or this
 * CPU cannot run it (the words list the usable ones). */
gw_status gw_kernels_choose(const struct gw_kernels **out, struct gw_error *error);

#endif
