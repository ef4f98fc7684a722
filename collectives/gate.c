/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The gate's decision: the cost model's where it is sure, a short trial's elsewhere. Where both are
 * about as fast raw is taken, which is exact. */
#include "collectives/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "collectives/choice.h"
#include "collectives/costs.h"
#include "collectives/pins.h"
#include "collectives/trial.h"

/* The model is believed where it sees this factor between the two: more before codes are sent,
 * since what raw takes through a node's memory depends on who else uses it. */
static const double SURE = 1.5, SURE_OF_CODES = 3;
/* What a codec must gain in a trial. */
static const double GAIN = 1.05;

/* ---- may it? ----------------------------------------------------------------------------------*/

static bool sends_codes(const struct gw_plan *plan)
{
    for (int t = 0; t < plan->tensors_count; t++)
        if (!(plan->tensors[t].codec->core->row->info.traits & GW_ANY_TYPE))
            return true;
    return false;
}

/* NULL: it may. "": there is nothing to say about it. */
static const char *why_not(const struct gw_plan *plan, const struct gw_request *request)
{
    bool sums = plan->collective == GW_ALLREDUCE || plan->collective == GW_REDUCE_SCATTER;
    const char *algorithm = request->options ? request->options->algorithm : NULL;
    if (plan->gate_mode == GW_GATE_OFF || request->once || request->inner || !sums)
        return "";
    bool forced = !request->pinned && *(algorithm ? algorithm : gw_setting_text(GW_SET_ALGORITHM));
    if (!sends_codes(plan) || forced)
        return "";
    for (int t = 0; t < plan->tensors_count; t++) {
        const struct gw_codec *codec = plan->tensors[t].codec;
        if (codec->core->row->info.traits & GW_VOTE)
            return "no gate: a vote is not a sum, raw would be another thing";
        if (!gw_codec_can_wrap(codec))
            return "no gate: only its codec knows what a wrapper behind ef+ leaves";
    }
    return NULL;
}

gw_status gw_gate_prepare(struct gw_plan *plan, const struct gw_request *request,
                          struct gw_error *error)
{
    plan->no_gate = why_not(plan, request);
    if (plan->no_gate)
        return GW_OK;
    /* All that ranks exchange later has its room now, while a failure can still be told. */
    size_t exchanged = GW_CONTENDERS_MAX * GW_TRIAL_ROUNDS * sizeof(double);
    struct gw_gating *gate = plan->gate = calloc(1, sizeof *plan->gate);
    if (gate) {
        gate->heard = malloc((size_t)plan->comm->size * exchanged);
        gate->raw_specs = calloc((size_t)plan->tensors_count + 1, sizeof *gate->raw_specs);
    }
    if (!gate || !gate->heard || !gate->raw_specs)
        return gw_fail(error, GW_ENOMEM, "not enough memory for a gate");
    for (int t = 0; t < plan->tensors_count; t++)
        gate->raw_specs[t] = "raw";
    return GW_OK;
}

void gw_gate_close(struct gw_plan *plan)
{
    if (!plan->gate)
        return;
    gw_live_close(&plan->gate->live);
    gw_plan_close(plan->gate->twin);
    free(plan->gate->heard);
    free(plan->gate->raw_specs);
    free(plan->gate);
    plan->gate = NULL;
}

/* ---- which way? -------------------------------------------------------------------------------*/

enum way { SENDS_CODES, SENDS_RAW, UNSURE };

struct decision {
    enum way way;
    size_t elements; /* of a trial */
    int contenders_count;
    struct gw_contender contenders[GW_CONTENDERS_MAX]; /* the codec, then raw: the best first */
};

static double rank_of(const struct gw_contender *c)
{
    return gw_choice_rank(c->algorithm, c->seconds);
}

/* Sorted by rising price; what is too much falls off the end. */
static void insert(struct decision *d, struct gw_contender c)
{
    int at = d->contenders_count;
    if (at == GW_CONTENDERS_MAX && rank_of(&d->contenders[at - 1]) <= rank_of(&c))
        return;
    if (at == GW_CONTENDERS_MAX)
        at--;
    else
        d->contenders_count++;
    for (; at > 1 && rank_of(&d->contenders[at - 1]) > rank_of(&c); at--)
        d->contenders[at] = d->contenders[at - 1];
    d->contenders[at] = c;
}

/* The codec, and the ways to send raw. */
static gw_status line_up(const struct gw_plan *plan, struct decision *d, struct gw_error *error)
{
    d->contenders[0] = (struct gw_contender){ .algorithm = plan->algorithm,
                                              .seconds = plan->predicted_s,
                                              .tuned = plan->tuned };
    d->contenders_count = 1;
    for (int i = 0; gw_algorithm_rows[i]; i++) {
        const struct gw_algorithm_row *row = gw_algorithm_rows[i];
        struct gw_choice choice;
        gw_status s = gw_plan_predict(&choice, plan, "raw", row->info.name, error);
        if (s && s != GW_ENOTSUP)
            return s;
        if (!s)
            insert(d, (struct gw_contender){ .algorithm = row,
                                             .raw = true,
                                             .seconds = choice.seconds,
                                             .tuned = choice.tuned });
    }
    return GW_OK;
}

static gw_status predict(const struct gw_plan *plan, struct decision *d, struct gw_error *error)
{
    gw_status s = line_up(plan, d, error);
    if (s)
        return s;
    double codec = d->contenders[0].seconds, raw = d->contenders[1].seconds;
    bool tuned = d->contenders[0].tuned && d->contenders[1].tuned; /* measured, if not now */
    if (plan->problem.size == 1 || raw * SURE <= codec || (tuned && raw <= codec * GAIN))
        d->way = SENDS_RAW;
    else
        d->way = tuned || codec * SURE_OF_CODES <= raw ? SENDS_CODES : UNSURE;
    while (d->contenders_count > 2 && d->contenders[d->contenders_count - 1].seconds > SURE * raw)
        d->contenders_count--;
    d->elements = gw_trial_elements(plan, d->contenders, d->contenders_count);
    return GW_OK;
}

static int row_index(const struct gw_algorithm_row *row)
{
    int i = 0;
    while (gw_algorithm_rows[i] != row)
        i++;
    return i;
}

gw_status gw_gate_exchange(struct gw_plan *plan, const void *mine, size_t bytes,
                           struct gw_error *error)
{
    return gw_control_allgather(plan->comm, mine, bytes, plan->gate->heard, error);
}

enum { VERDICT_BYTES = 12 + GW_CONTENDERS_MAX };

static void write_verdict(uint8_t *out, const struct decision *d, gw_status local)
{
    memset(out, 0, VERDICT_BYTES);
    out[0] = local != GW_OK;
    out[1] = (uint8_t)d->way;
    out[2] = (uint8_t)d->contenders_count;
    gw_put_u64(out + 4, d->elements);
    for (int i = 0; i < d->contenders_count; i++)
        out[12 + i] = (uint8_t)row_index(d->contenders[i].algorithm);
}

static void read_verdict(struct decision *d, const uint8_t *in)
{
    d->way = in[1];
    d->contenders_count = in[2];
    d->elements = (size_t)gw_get_u64(in + 4);
    for (int i = 0; i < d->contenders_count; i++) {
        d->contenders[i].algorithm = gw_algorithm_rows[in[12 + i]];
        d->contenders[i].raw = i > 0;
    }
}

/* Rank 0 decides for all, unless something went wrong on a rank. */
static gw_status follow_rank_0(struct gw_plan *plan, struct decision *d, gw_status local,
                               struct gw_error *error)
{
    uint8_t mine[VERDICT_BYTES];
    struct gw_error own = *error;
    write_verdict(mine, d, local);
    gw_status s = gw_gate_exchange(plan, mine, sizeof mine, error);
    if (local) {
        *error = own;
        return local;
    }
    for (int r = 0; r < plan->problem.size && !s; r++)
        if (plan->gate->heard[r * VERDICT_BYTES])
            s = gw_fail(error, GW_EPEER, "rank %d could not predict how long a run takes", r);
    if (!s)
        read_verdict(d, plan->gate->heard);
    return s;
}

/* After a trial: the best of raw comes first, and the way is known. */
static void judge(struct decision *d)
{
    for (int i = 2; i < d->contenders_count; i++)
        if (d->contenders[i].seconds < d->contenders[1].seconds)
            d->contenders[1] = d->contenders[i];
    bool gains = d->contenders[1].seconds >= GAIN * d->contenders[0].seconds;
    d->way = gains ? SENDS_CODES : SENDS_RAW;
}

static void explain(struct gw_plan *plan, const struct decision *d, bool tried)
{
    const struct gw_contender *codec = &d->contenders[0], *raw = &d->contenders[1];
    char how[96] = "predicted";
    if (tried)
        snprintf(how, sizeof how, "in a trial of %zu elements", d->elements);
    if (plan->problem.size == 1)
        snprintf(plan->gate->reason, sizeof plan->gate->reason,
                 "sends raw by %s: alone, nothing travels", raw->algorithm->info.name);
    else
        snprintf(plan->gate->reason, sizeof plan->gate->reason,
                 "sends %s by %s: raw by %s %.4g ms, the codec by %s %.4g ms %s",
                 d->way == SENDS_RAW ? "raw" : "codes",
                 (d->way == SENDS_RAW ? raw : codec)->algorithm->info.name,
                 raw->algorithm->info.name, raw->seconds * 1e3, codec->algorithm->info.name,
                 codec->seconds * 1e3, how);
}

static gw_status open_twin(struct gw_plan *plan, const struct gw_request *request,
                           const struct gw_algorithm_row *row, size_t piece_count,
                           struct gw_error *error)
{
    struct gw_request inner = *request;
    gw_options options = request->options ? *request->options : (gw_options){ 0 };
    options.algorithm = row->info.name;
    if (piece_count)
        options.piece_count = piece_count;
    inner.options = &options;
    inner.inner = true;
    inner.wrapped = plan;
    inner.specs = plan->gate->raw_specs;
    gw_status s = gw_plan_create_plain(&plan->gate->twin, plan->comm, &inner);
    if (s && row == &gw_shared_memory && !plan->comm->broken.status) { /* no memory to share */
        options.algorithm = NULL;
        s = gw_plan_create_plain(&plan->gate->twin, plan->comm, &inner);
    }
    if (s)
        *error = plan->comm->error;
    return s;
}

static const struct gw_algorithm_row *find_row(const char *name)
{
    int i = 0;
    while (gw_algorithm_rows[i] && strcmp(gw_algorithm_rows[i]->info.name, name) != 0)
        i++;
    return gw_algorithm_rows[i];
}

/* As the file of pins says. */
static gw_status repeat(struct gw_plan *plan, const struct gw_request *request,
                        struct gw_error *error)
{
    const struct gw_pins *pins = plan->pins;
    struct gw_gating *gate = plan->gate;
    gate->raw = pins->sends_raw;
    if (*pins->raw.algorithm) {
        const struct gw_algorithm_row *row = find_row(pins->raw.algorithm);
        if (!row)
            return gw_fail(error, GW_ESPEC, "pins %.300s: there is no algorithm '%s'", pins->path,
                           pins->raw.algorithm);
        gw_status s = open_twin(plan, request, row, pins->raw.piece_count, error);
        if (s)
            return s;
    }
    snprintf(gate->reason, sizeof gate->reason, "sends %s by %s: pinned by %.300s",
             gate->raw ? "raw" : "codes", gate->raw ? pins->raw.algorithm : pins->codec.algorithm,
             pins->path);
    return GW_OK;
}

gw_status gw_gate_settle(struct gw_plan *plan, const struct gw_request *request,
                         struct gw_error *error)
{
    if (plan->pins && plan->pins->repeats)
        return repeat(plan, request, error);
    struct decision d = { 0 };
    bool tried = false;
    gw_status s = follow_rank_0(plan, &d, predict(plan, &d, error), error);
    if (!s && d.way == UNSURE) {
        tried = true;
        s = gw_trial_run(plan, request, d.contenders, d.contenders_count, d.elements, error);
        judge(&d);
    }
    if (s)
        return s;
    plan->gate->raw = d.way == SENDS_RAW;
    bool live = plan->gate_mode == GW_GATE_LIVE;
    if (live || plan->gate->raw)
        s = open_twin(plan, request, d.contenders[1].algorithm, 0, error);
    if (!s && live)
        s = gw_live_open(plan, request, plan->gate->raw, error);
    if (plan->gate->twin)
        d.contenders[1].algorithm = plan->gate->twin->algorithm;
    explain(plan, &d, tried);
    return s;
}
