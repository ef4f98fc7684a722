/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Bytes with a count of users: a payload that waits in many queues at once is there once. Payloads
 * of megabytes that come and go every step are taken from a pool, since memory that is new to the
 * process costs a page fault for each 4 KiB, which takes longer than to fill it. */
#ifndef GW_SESSION_BLOB_H
#define GW_SESSION_BLOB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct gw_blob_pool;

struct gw_blob {
    atomic_int users;
    struct gw_blob_pool *pool; /* where it goes when nobody uses it; NULL: nowhere */
    struct gw_blob *next;      /* in the pool */
    size_t room;
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

/* ---- pools -------------------------------------------------------------------------------------
 */

/* NULL: out of memory. */
struct gw_blob_pool *gw_blob_pool_open(void);
/* Its blobs may live on; NULL is fine. */
void gw_blob_pool_close(struct gw_blob_pool *pool);

/* As gw_blob_new, from what was dropped before where it fits. The pool keeps no more bytes unused
 * than were in use at one time. `pool` NULL: as gw_blob_new. Any thread. */
struct gw_blob *gw_blob_take(struct gw_blob_pool *pool, size_t bytes);

#endif
