/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any bytes as a snapshot, as they are; with the header's check made right; and with
 * an image of the length that fits, and all checks right: then it has to be taken. */
#include "base/types.h"
#include "server/store_parts.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { OFFSET_CHECK = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gw_status look(const uint8_t *file, size_t bytes)
{
    const uint8_t *image = NULL;
    size_t image_bytes = 0, sum = 0;
    struct gw_error error = { .status = GW_OK };
    gw_status s = gw_snapshot_check(file, bytes, &image, &image_bytes, &error);
    if (s != GW_OK && (s != GW_EPAYLOAD || !error.text[0] || image))
        abort();
    if (s)
        return s;
    if (image != file + GW_SNAPSHOT_HEADER || image_bytes > bytes - GW_SNAPSHOT_HEADER)
        abort();
    for (size_t i = 0; i < image_bytes; i++)
        sum += image[i];
    return sum > bytes * 255 ? GW_EINVAL : GW_OK;
}

/* The largest image in a file of this size; SIZE_MAX: there is none. */
static size_t fitting(size_t bytes)
{
    if (bytes < GW_SNAPSHOT_HEADER + GW_SNAPSHOT_TRAILER)
        return SIZE_MAX;
    size_t image = bytes - GW_SNAPSHOT_HEADER - GW_SNAPSHOT_TRAILER;
    while (image > 0 && image + gw_snapshot_table_bytes(image) >
                            bytes - GW_SNAPSHOT_HEADER - GW_SNAPSHOT_TRAILER)
        image--;
    return image;
}

static void make_right(uint8_t *file, size_t bytes)
{
    if (bytes >= OFFSET_CHECK + 8) {
        gw_put_u64(file + OFFSET_CHECK, XXH3_64bits(file, OFFSET_CHECK));
        (void)look(file, bytes);
    }
    size_t image = fitting(bytes);
    if (image == SIZE_MAX)
        return;
    uint8_t *table = file + GW_SNAPSHOT_HEADER + image;
    uint8_t *trailer = table + gw_snapshot_table_bytes(image);
    struct gw_snapshot_view view = { gw_get_u64(file + 16), gw_get_u64(file + 24),
                                     file + GW_SNAPSHOT_HEADER, image };
    gw_snapshot_seal(&view, file, table, trailer);
    if (look(file, (size_t)(trailer - file) + GW_SNAPSHOT_TRAILER))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)look(data, size);
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    make_right(copy, size);
    free(copy);
    return 0;
}
