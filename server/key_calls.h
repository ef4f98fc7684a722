/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A key file that somebody gave, opened for the job that it has to be of. */
#ifndef GW_SERVER_KEY_CALLS_H
#define GW_SERVER_KEY_CALLS_H

#include "session/keys.h"
#include "session/tls.h"

/* `path` NULL: nothing is opened. What is set on an error is the caller's to close, too. Errors: as
 * gw_keys_load and gw_tls_context_open; GW_EMISMATCH (the file is another job's). */
gw_status gw_keys_open(struct gw_keys **keys, struct gw_tls_context **tls, const char *path,
                       const char *job, bool serves, uint32_t worker, struct gw_error *error);

#endif
