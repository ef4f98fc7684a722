/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What lies under keys.c: secret text in files, random bytes, names. Of this room only. */
#ifndef GW_SESSION_KEY_FILE_H
#define GW_SESSION_KEY_FILE_H

#include "session/keys.h"

#include <stdbool.h>

enum { GW_KEY_JOB_MAX = 64 };

struct gw_key_text {
    char *bytes; /* malloced; wiped by gw_key_text_free */
    size_t length, capacity;
};

/* A regular file of this user that nobody else can read or write. */
gw_status gw_key_text_load(struct gw_key_text *out, const char *path, struct gw_error *error);
/* To a new file of mode 0600, synced; none is left where that fails. */
gw_status gw_key_text_save(const struct gw_key_text *text, const char *path,
                           struct gw_error *error);
void gw_key_text_free(struct gw_key_text *text);

gw_status gw_key_random(uint8_t key[GW_KEY_BYTES], struct gw_error *error);

/* The name goes into a TLS identity and into lines of words: no blanks, nothing odd. */
bool gw_key_job_is_valid(const char *job, size_t length);

#endif
