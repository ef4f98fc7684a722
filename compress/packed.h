/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The codecs with a few bits per element, for the table of codecs, and their wire numbers. */
#ifndef GW_COMPRESS_PACKED_H
#define GW_COMPRESS_PACKED_H

#include "compress/codec.h"

enum {
    GW_WIRE_FP16 = 16,
    GW_WIRE_BF16 = 17,
    GW_WIRE_QSGD = 18,
    GW_WIRE_TERNGRAD = 19,
    GW_WIRE_SIGN = 20,
    GW_WIRE_ONEBIT = 21
};

extern const struct gw_codec_row gw_row_fp16, gw_row_bf16, gw_row_qsgd, gw_row_terngrad,
    gw_row_sign, gw_row_onebit;

#endif
