/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a worker pulls: payloads to parameters. Where the pull codec speaks of differences, the copy
 * that they are added to is here; it has the bits of the server's. */
#ifndef GW_SERVER_DECODER_H
#define GW_SERVER_DECODER_H

#include "server/worker.h"

struct gw_decoder;

/* For the terms in force. `parts` must stay. */
gw_status gw_decoder_open(struct gw_decoder **out, const struct gw_job *terms,
                          const struct gw_part *parts, size_t count, struct gw_error *error);
void gw_decoder_close(struct gw_decoder *decoder); /* NULL is fine */

/* True if pulls build on what was pulled before. */
bool gw_decoder_remembers(const struct gw_decoder *decoder);

size_t gw_decoder_bound(const struct gw_decoder *decoder, size_t part, bool raw);
/* Any bytes; may run beside gw_decoder_apply. */
gw_status gw_decoder_check(const struct gw_decoder *decoder, size_t part, bool raw,
                           const void *payload, size_t bytes, struct gw_error *error);

/* Write the parameters to `values` (a pointer per tensor), from checked items. Cannot fail. */
void gw_decoder_apply(struct gw_decoder *decoder, const struct gw_worker_item *items,
                      void *const *values);

#endif
