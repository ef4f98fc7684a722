/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker's push codecs, one instance per part: gradients to payloads, and the state (residuals,
 * momenta) that belongs to them. One thread at a time. */
#ifndef GW_SERVER_ENCODER_H
#define GW_SERVER_ENCODER_H

#include "server/job.h"
#include "session/blob.h"

#include <stdbool.h>

struct gw_encoder;

/* `parts` and the job's names must stay. Random numbers are keyed by the seed, the tensor's name,
 * the worker and the number of the push. */
gw_status gw_encoder_open(struct gw_encoder **out, const struct gw_job *job,
                          const struct gw_part *parts, size_t count, uint32_t worker,
                          gw_nonfinite nonfinite, struct gw_error *error);
void gw_encoder_close(struct gw_encoder *encoder); /* NULL is fine */

/* The seed of random numbers, once the terms are known. */
void gw_encoder_set_seed(struct gw_encoder *encoder, uint64_t seed);

/* Hash of a part's spec in full: frames carry it. */
uint64_t gw_encoder_spec(const struct gw_encoder *encoder, size_t part);

/* One payload per part of the gradients (a pointer per tensor), as push `number`. On an error
 * nothing changed: no residual, no blob. Errors: GW_ENONFINITE, GW_ENOMEM. */
gw_status gw_encoder_encode(struct gw_encoder *encoder, const void *const *gradients,
                            uint64_t number, struct gw_blob **payloads, struct gw_error *error);

/* Raw payloads of tensors; of the residuals (zeros where nothing is kept). */
gw_status gw_encoder_raw(const struct gw_encoder *encoder, const void *const *tensors,
                         struct gw_blob **payloads, struct gw_error *error);
gw_status gw_encoder_residuals(const struct gw_encoder *encoder, struct gw_blob **payloads,
                               struct gw_error *error);
void gw_encoder_clear_residuals(struct gw_encoder *encoder); /* they were handed in */
bool gw_encoder_has_residuals(const struct gw_encoder *encoder);
double gw_encoder_norm(const struct gw_encoder *encoder); /* L2, of the residuals */

size_t gw_encoder_state_bytes(const struct gw_encoder *encoder);
void gw_encoder_save(const struct gw_encoder *encoder, void *out);
/* Any bytes. GW_EMISMATCH (another worker or layout: the words say what differs), GW_EPAYLOAD;
 * nothing changed. */
gw_status gw_encoder_load(struct gw_encoder *encoder, const void *state, size_t bytes,
                          struct gw_error *error);

#endif
