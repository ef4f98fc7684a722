/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* gradwire/server.h: key files, by the paths that people give. */
#include "server/key_calls.h"

#include <gradwire/server.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/job.h"

gw_status gw_keys_open(struct gw_keys **keys, struct gw_tls_context **tls, const char *path,
                       const char *job, bool serves, uint32_t worker, struct gw_error *error)
{
    if (!path)
        return GW_OK;
    gw_status s = gw_keys_load(keys, path, error);
    if (s)
        return s;
    if (strcmp(gw_keys_job(*keys), job) != 0)
        return gw_fail(error, GW_EMISMATCH, "key file %s is for job %s, this is job %s", path,
                       gw_keys_job(*keys), job);
    return gw_tls_context_open(tls, *keys, serves, worker, error);
}

gw_status gw_key_make(const char *path, const char *job, int first, int count)
{
    struct gw_error *error = gw_open_error();
    gw_error_clear(error);
    if (!path || first < 0 || count < 1)
        return gw_fail(error, GW_EINVAL, "gw_key_make: a path, and workers from 0 on");
    return gw_keys_make(path, gw_job_name(job), (uint32_t)first, (uint32_t)count, error);
}

/* Room for a path and any worker's number behind it. */
static char *open_part(const char *path, size_t *bytes)
{
    *bytes = strlen(path) + sizeof ".4294967295";
    return malloc(*bytes);
}

static gw_status split(const struct gw_keys *keys, const char *path, char *part, size_t bytes,
                       struct gw_error *error)
{
    gw_status s = GW_OK;
    size_t made = 0;
    for (; made < gw_keys_count(keys) && !s; made++) {
        uint32_t worker = gw_keys_worker(keys, made);
        snprintf(part, bytes, "%s.%u", path, worker);
        s = gw_keys_save_one(keys, worker, part, error);
    }
    if (!s)
        return s;
    /* The last one is not ours: it was there before, or was not made. */
    for (size_t i = 0; i + 1 < made; i++) {
        snprintf(part, bytes, "%s.%u", path, gw_keys_worker(keys, i));
        unlink(part);
    }
    return s;
}

gw_status gw_key_split(const char *path)
{
    struct gw_error *error = gw_open_error();
    struct gw_keys *keys;
    size_t bytes;
    gw_error_clear(error);
    if (!path)
        return gw_fail(error, GW_EINVAL, "gw_key_split: path is NULL");
    gw_status s = gw_keys_load(&keys, path, error);
    if (s)
        return s;
    char *part = open_part(path, &bytes);
    s = part ? split(keys, path, part, bytes, error)
             : gw_fail(error, GW_ENOMEM, "out of memory for a path");
    free(part);
    gw_keys_close(keys);
    return s;
}
