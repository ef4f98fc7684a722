/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Bytes with a count of users: a payload that waits in many queues at once is there once. */
#ifndef GW_SESSION_BLOB_H
#define GW_SESSION_BLOB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct gw_blob {
    atomic_int users;
    size_t bytes;      /* in use; may be lowered after filling */
    uint64_t checksum; /* gw_blob_seal sets it */
    uint8_t data[];
};

/* One user. NULL: out of memory. */
struct gw_blob *gw_blob_new(size_t bytes);
struct gw_blob *gw_blob_copy(const void *data, size_t bytes); /* sealed */
void gw_blob_seal(struct gw_blob *blob);                      /* after the last write to it */
struct gw_blob *gw_blob_share(struct gw_blob *blob);          /* one more user; NULL gives NULL */
void gw_blob_drop(struct gw_blob *blob); /* one less, the last frees; NULL is fine */

#endif
