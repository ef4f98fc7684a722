/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Rows of codecs.c and their numbers on the wire; those of the codecs with a few bits per element
 * are in packed.h (16 and up). A number is never used again, not even when its codec has gone. */
#ifndef GW_COMPRESS_ROWS_H
#define GW_COMPRESS_ROWS_H

#include "compress/codec.h"

enum gw_wire_id {
    GW_WIRE_NONE = 0, /* wrappers, abort messages */
    GW_WIRE_RAW = 1,
    GW_WIRE_VOTE = 2,
    GW_WIRE_TOPK = 3,
    GW_WIRE_RANDOMK = 4,
    GW_WIRE_INT = 5
};

extern const struct gw_codec_row gw_row_raw, gw_row_vote, gw_row_topk, gw_row_randomk, gw_row_int;

extern const struct gw_codec_row gw_row_ef, gw_row_clip, gw_row_momentum;

#endif
