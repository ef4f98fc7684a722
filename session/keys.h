/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Key files: one pre-shared key of 32 random bytes for each worker of a job. Text, made by
 * `gradwire key`:
 *
 *     # gradwire keys. Keep this file secret: mode 0600.
 *     job mnist
 *     worker 0 6f1d...64 hex digits...
 *     worker 1 ...
 *
 * A server has the whole file; a worker needs its own line only (`gradwire key --split`). */
#ifndef GW_SESSION_KEYS_H
#define GW_SESSION_KEYS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { GW_KEY_BYTES = 32, GW_KEYS_MAX = 65536 };

struct gw_keys;

/* Read a file. Errors: GW_EIO (cannot be read; others than its owner may read or write it: the
 * words give the chmod; owned by another user), GW_EPAYLOAD (line number and what is wrong),
 * GW_ENOMEM. */
gw_status gw_keys_load(struct gw_keys **out, const char *path, struct gw_error *error);
void gw_keys_close(struct gw_keys *keys); /* wipes them; NULL is fine */

/* Any bytes, for load and for fuzzing. */
gw_status gw_keys_parse(struct gw_keys **out, const char *text, size_t length,
                        struct gw_error *error);

const char *gw_keys_job(const struct gw_keys *keys);
/* NULL: there is none for this worker. */
const uint8_t *gw_keys_find(const struct gw_keys *keys, uint32_t worker);
size_t gw_keys_count(const struct gw_keys *keys);
/* The i-th worker that has one, in ascending order. */
uint32_t gw_keys_worker(const struct gw_keys *keys, size_t i);

/* Make keys for workers [first, first + count) of a job in a new file of mode 0600. Errors: GW_EIO
 * (the file exists already, ...), GW_EINVAL. */
gw_status gw_keys_make(const char *path, const char *job, uint32_t first, uint32_t count,
                       struct gw_error *error);
/* Write one worker's key to a new file of its own, for that worker's machine (`gradwire key
 * --split`). Errors as above; GW_EINVAL: there is none for this worker. */
gw_status gw_keys_save_one(const struct gw_keys *keys, uint32_t worker, const char *path,
                           struct gw_error *error);

#endif
