/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The table of codecs and wrappers. A new one needs its file, its row here, a golden file under
 * tests/golden and a paragraph in doc/codecs.md. */
#include "compress/packed.h"
#include "compress/rows.h"

#include <string.h>

const struct gw_codec_row *const gw_codec_rows[] = {
    /* cores */
    &gw_row_raw,
    &gw_row_fp16,
    &gw_row_bf16,
    &gw_row_qsgd,
    &gw_row_terngrad,
    &gw_row_sign,
    &gw_row_vote,
    &gw_row_onebit,
    &gw_row_topk,
    &gw_row_randomk,
    &gw_row_int,
    /* wrappers */
    &gw_row_ef,
    &gw_row_clip,
    &gw_row_momentum,
    NULL,
};

const struct gw_codec_row *gw_codec_find(const char *name, size_t length)
{
    for (const struct gw_codec_row *const *row = gw_codec_rows; *row; row++)
        if (strlen((*row)->info.name) == length && memcmp((*row)->info.name, name, length) == 0)
            return *row;
    return NULL;
}

const gw_codec_info *gw_info_codec(size_t index)
{
    size_t rows = sizeof gw_codec_rows / sizeof *gw_codec_rows - 1;
    return index < rows ? &gw_codec_rows[index]->info : NULL;
}
