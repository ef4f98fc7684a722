/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a worker of the simulated world pushes, and the account of it: what it was given has to be
 * what it sent and what it still has. */
#include "tests/sim_world.h"

#include "compress/codec.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const void **sim_tensors(const struct sim_worker *w, const float *all,
                         const void *tensors[SIM_TENSORS])
{
    for (int t = 0; t < w->world->config.tensors; t++)
        tensors[t] = all + w->world->starts[t];
    return tensors;
}

/* Kept for the ledger: what the payloads say. */
static void record_push(struct sim_worker *w, struct gw_blob *const *parts, uint64_t number,
                        bool raw)
{
    struct sim_world *world = w->world;
    size_t elements = world->config.elements;
    sim_own++;
    struct sim_push *p = calloc(1, sizeof *p + elements * sizeof(float));
    sim_own--;
    if (!p)
        abort();
    p->worker = w->id;
    p->instance = w->instance;
    p->number = number;
    p->raw = raw;
    for (size_t i = 0; i < w->parts_count; i++) {
        const struct gw_part *part = &w->parts[i];
        float *said = p->said + world->starts[part->tensor] + part->first;
        if (raw)
            memcpy(said, parts[i]->data + GW_HEADER_BYTES, part->count * sizeof *said);
        else
            gw_payload_decode(world->codecs[i], 0, part->count, parts[i]->data, parts[i]->bytes,
                              said);
    }
    for (size_t e = 0; e < elements; e++)
        w->sent[e] += (double)p->said[e];
    p->next = world->pushes[w->id];
    world->pushes[w->id] = p;
    w->last_number = number;
}

static void push(struct sim_worker *w, struct gw_blob **parts, bool leaving)
{
    const struct gw_worker_push how = {
        .rate = NAN, .norm = gw_encoder_norm(w->encoder), .raw = leaving, .leaving = leaving
    };
    uint64_t number = gw_worker_next_push(w->core);
    sim_note(&w->world->net, leaving ? "last push of worker, number" : "push of worker, number",
             w->id, (long)number, 0);
    record_push(w, parts, number, leaving);
    if (gw_worker_push(w->core, parts, &how, w->world->net.now) == GW_OK)
        return;
    gw_error_set(&w->why, GW_ENOMEM, "no memory for a push");
    w->broke = true;
    w->again = true; /* which ends it */
}

void sim_push_step(struct sim_worker *w)
{
    const struct sim_config *config = &w->world->config;
    struct gw_blob *parts[SIM_PARTS];
    const void *tensors[SIM_TENSORS];
    struct gw_error error;
    for (size_t e = 0; e < config->elements; e++) {
        w->gradient[e] = sim_gradient(config, w->id, w->step, e);
        w->given[e] += (double)w->gradient[e];
    }
    gw_status s;
    do /* what failed has changed nothing */
        s = gw_encoder_encode(w->encoder, sim_tensors(w, w->gradient, tensors),
                              gw_worker_next_push(w->core), parts, &error);
    while (s == GW_ENOMEM && w->world->config.walks);
    if (s)
        sim_fail(w->world, "worker %" PRIu32 ": %s", w->id, error.text);
    else
        push(w, parts, false);
    w->step++;
}

void sim_hand_in(struct sim_worker *w)
{
    struct gw_blob *parts[SIM_PARTS];
    struct gw_error error;
    gw_status s;
    do
        s = gw_encoder_residuals(w->encoder, parts, &error);
    while (s == GW_ENOMEM && w->world->config.walks);
    if (s) {
        sim_fail(w->world, "worker %" PRIu32 ": %s", w->id, error.text);
        return;
    }
    gw_encoder_clear_residuals(w->encoder);
    push(w, parts, true);
}

/* Given = sent + residual, bit for bit, where the codec is exact. */
void sim_check_conservation(struct sim_worker *w)
{
    struct sim_world *world = w->world;
    struct gw_blob *parts[SIM_PARTS];
    sim_own++;
    bool kept = world->config.exact && gw_encoder_residuals(w->encoder, parts, NULL) == GW_OK;
    sim_own--;
    if (!kept)
        return;
    for (size_t i = 0; i < w->parts_count; i++) {
        const struct gw_part *part = &w->parts[i];
        size_t at = world->starts[part->tensor] + part->first;
        for (size_t k = 0; k < part->count && !world->failed; k++) {
            float left;
            memcpy(&left, parts[i]->data + GW_HEADER_BYTES + k * sizeof left, sizeof left);
            if (w->given[at + k] != w->sent[at + k] + (double)left)
                sim_fail(world,
                         "worker %" PRIu32 ", element %zu: given %.17g, sent %.17g and kept %.9g",
                         w->id, at + k, w->given[at + k], w->sent[at + k], (double)left);
        }
        gw_blob_drop(parts[i]);
    }
}
