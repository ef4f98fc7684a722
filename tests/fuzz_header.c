/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any bytes as a payload, as they are and, because no fuzzer guesses a checksum, once
 * more with length and checksum made right. */
#include "compress/codec.h"

#include <stdlib.h>

enum { COUNT = 64 };

static void look(const uint8_t *payload, size_t bytes)
{
    size_t size = 0;
    gw_status status = GW_OK;
    char words[GW_ERROR_TEXT];
    struct gw_error error = { 0 };
    if (gw_payload_size(payload, bytes, &size, &error) == GW_OK &&
        (size > bytes || size < GW_HEADER_BYTES))
        abort();
    if (gw_payload_is_abort(payload, bytes, &status, words) &&
        (status >= GW_OK || strlen(words) >= GW_ERROR_TEXT))
        abort();
    for (int i = 0; gw_codec_rows[i]; i++) {
        const struct gw_codec_row *row = gw_codec_rows[i];
        const struct gw_codec_site site = { .tensor = "t", .count = COUNT, .ranks = 2 };
        gw_codec *c = NULL;
        float out[COUNT];
        if (row->info.traits & GW_WRAPPER || (bytes > 3 && payload[3] != row->wire_id))
            continue;
        if (gw_codec_open_site(&c, row->info.name, &site, &error) != GW_OK)
            abort();
        if (gw_payload_check(c, 0, COUNT, payload, bytes, &error) == GW_OK)
            gw_payload_decode(c, 0, COUNT, payload, bytes, out);
        gw_codec_close(c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look(data, size);
    if (size < GW_HEADER_BYTES)
        return 0;
    uint8_t *copy = malloc(size);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    gw_payload_seal(copy, data[3], gw_get_u16(data + 4), gw_get_u64(data + 8),
                    size - GW_HEADER_BYTES);
    look(copy, size);
    free(copy);
    return 0;
}
