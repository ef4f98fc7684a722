/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Counted payloads. */
#include "session/blob.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct gw_blob *gw_blob_new(size_t bytes)
{
    struct gw_blob *blob = bytes <= SIZE_MAX - sizeof *blob ? malloc(sizeof *blob + bytes) : NULL;
    if (!blob)
        return NULL;
    atomic_init(&blob->users, 1);
    blob->bytes = bytes;
    blob->checksum = 0;
    return blob;
}

struct gw_blob *gw_blob_copy(const void *data, size_t bytes)
{
    struct gw_blob *blob = gw_blob_new(bytes);
    if (!blob)
        return NULL;
    if (bytes > 0)
        memcpy(blob->data, data, bytes);
    gw_blob_seal(blob);
    return blob;
}

void gw_blob_seal(struct gw_blob *blob)
{
    blob->checksum = XXH3_64bits(blob->data, blob->bytes);
}

struct gw_blob *gw_blob_share(struct gw_blob *blob)
{
    if (blob)
        atomic_fetch_add_explicit(&blob->users, 1, memory_order_relaxed);
    return blob;
}

void gw_blob_drop(struct gw_blob *blob)
{
    if (blob && atomic_fetch_sub_explicit(&blob->users, 1, memory_order_acq_rel) == 1)
        free(blob);
}
