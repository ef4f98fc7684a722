/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Plans: from arguments to a plan and back to nothing. */
#include "collectives/memory.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "collectives/gate.h"
#include "collectives/pins.h"
#include "collectives/trace.h"

enum { THREADS_MAX = 1024 };

void gw_plan_owner_spec(const char *spec, bool one_sided, char *out, size_t capacity)
{
    bool feedback = false;
    const char *core = spec;
    for (const char *plus = strchr(core, '+'); plus; plus = strchr(core, '+')) {
        feedback |= (strncmp(core, "ef", 2) == 0 && (core[2] == '+' || core[2] == ':'));
        core = plus + 1;
    }
    snprintf(out, capacity, "%s%s", feedback && !one_sided ? "ef+" : "", core);
}

const char *gw_plan_spec_of(const gw_options *options, const char *name)
{
    for (size_t i = 0; i < options->rules_count; i++)
        if (fnmatch(options->rules[i].glob, name, 0) == 0)
            return options->rules[i].codec;
    return options->codec ? options->codec : gw_setting_text(GW_SET_CODEC);
}

static bool f32_only(const struct gw_plan *plan)
{
    return plan->type == GW_F32 && plan->operation != GW_MIN && plan->operation != GW_MAX;
}

static gw_status fill_tensor(struct gw_plan *plan, struct gw_plan_tensor *out,
                             const gw_tensor *tensor, const char *asked, struct gw_error *error)
{
    const struct gw_codec_row *core;
    char spec[GW_SPEC_TEXT], owner[GW_SPEC_TEXT];
    gw_status s = gw_codec_canonical(asked, spec, sizeof spec, &core, error);
    if (s)
        return s;
    bool plain = (core->info.traits & GW_ANY_TYPE) && !strchr(spec, '+');
    if (!f32_only(plan) && !plain)
        return gw_fail(error, GW_ENOTSUP,
                       "codec '%s' of tensor '%s' sums and averages f32 only; other types, min "
                       "and max need raw",
                       spec, tensor->name);
    out->count = tensor->count;
    out->name = strdup(tensor->name);
    out->spec = strdup(spec);
    gw_plan_owner_spec(spec, plan->one_sided_ef, owner, sizeof owner);
    out->owner_spec = strdup(owner);
    if (!out->name || !out->spec || !out->owner_spec)
        return gw_fail(error, GW_ENOMEM, "not enough memory for tensor '%s'", tensor->name);
    return GW_OK;
}

static gw_status check_names(const struct gw_plan *plan, struct gw_error *error)
{
    for (int i = 0; i < plan->tensors_count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(plan->tensors[i].name, plan->tensors[j].name) == 0)
                return gw_fail(error, GW_EINVAL, "tensors %d and %d are both named '%s'", j, i,
                               plan->tensors[i].name);
    return GW_OK;
}

static gw_status fill_tensors(struct gw_plan *plan, const struct gw_request *request,
                              const gw_options *options, struct gw_error *error)
{
    if (request->tensors_count > INT32_MAX || (request->tensors_count && !request->tensors))
        return gw_fail(error, GW_EINVAL, "the list of tensors is NULL or too long");
    plan->tensors = calloc(request->tensors_count + 1, sizeof *plan->tensors);
    if (!plan->tensors)
        return gw_fail(error, GW_ENOMEM, "not enough memory for %zu tensors",
                       request->tensors_count);
    for (size_t t = 0; t < request->tensors_count; t++) {
        const gw_tensor *tensor = &request->tensors[t];
        plan->tensors_count = (int)t + 1;
        if (!tensor->name)
            return gw_fail(error, GW_EINVAL, "a tensor has no name");
        const char *asked =
            request->specs ? request->specs[t] : gw_plan_spec_of(options, tensor->name);
        gw_status s = fill_tensor(plan, &plan->tensors[t], tensor, asked, error);
        if (s)
            return s;
    }
    return check_names(plan, error);
}

static gw_status fill_options(struct gw_plan *plan, const gw_options *options,
                              struct gw_error *error)
{
    if ((int)options->progress < 0 || options->progress > GW_PROGRESS_THREAD)
        return gw_fail(error, GW_EINVAL, "options: unknown progress %d", (int)options->progress);
    if (options->threads < 0 || options->threads > THREADS_MAX)
        return gw_fail(error, GW_EINVAL, "options: threads %d, expected 0 to %d", options->threads,
                       THREADS_MAX);
    if (options->timeout_s < 0 || options->root < 0 || options->root >= plan->comm->size ||
        (int)options->nonfinite < 0 || options->nonfinite > GW_NONFINITE_PASS)
        return gw_fail(error, GW_EINVAL,
                       "options: timeout_s %g (not below 0), root %d (0 to %d) or nonfinite %d is "
                       "out of range",
                       options->timeout_s, options->root, plan->comm->size - 1,
                       (int)options->nonfinite);
    plan->root = options->root;
    plan->seed = options->seed ? options->seed : (uint64_t)gw_setting_number(GW_SET_SEED);
    plan->piece_count =
        options->piece_count ? options->piece_count : (size_t)gw_setting_number(GW_SET_PIECE);
    plan->nonfinite =
        options->nonfinite ? options->nonfinite : (gw_nonfinite)gw_setting_number(GW_SET_NONFINITE);
    plan->one_sided_ef = options->one_sided_ef != 0;
    if ((int)options->gate < 0 || options->gate > GW_GATE_LIVE)
        return gw_fail(error, GW_EINVAL, "options: gate %d, expected a GW_GATE_ value",
                       (int)options->gate);
    plan->gate_mode =
        options->gate ? options->gate : (gw_gate)(GW_GATE_AUTO + gw_setting_number(GW_SET_GATE));
    plan->gate_every =
        options->gate_every ? options->gate_every : (unsigned)gw_setting_number(GW_SET_GATE_EVERY);
    plan->timeout_ns =
        options->timeout_s > 0 ? (int64_t)(options->timeout_s * 1e9) : plan->comm->timeout_ns;
    plan->threads = options->threads ? options->threads : (int)gw_setting_number(GW_SET_THREADS);
    gw_progress progress = options->progress
                               ? options->progress
                               : (gw_progress)((int)gw_setting_number(GW_SET_PROGRESS) + 1);
    plan->threaded = progress == GW_PROGRESS_THREAD;
    if (plan->threads == 0) /* where a thread communicates, the caller has a core to compute on */
        plan->threads = (int)gw_max_size((size_t)(plan->comm->share_cores - plan->threaded), 1);
    return GW_OK;
}

static gw_status check_stateless(const struct gw_plan *plan, struct gw_error *error)
{
    for (int t = 0; t < plan->tensors_count; t++)
        if (gw_codec_has_state(plan->tensors[t].codec))
            return gw_fail(error, GW_ENOTSUP,
                           "codec '%s' keeps state between runs, a one-call collective cannot: "
                           "make a plan",
                           plan->tensors[t].spec);
    return GW_OK;
}

/* Everything that needs no other rank. */
static gw_status prepare(struct gw_plan *plan, const struct gw_request *request,
                         struct gw_error *error)
{
    static const gw_options none;
    const gw_options *options = request->options ? request->options : &none;
    plan->collective = request->collective;
    plan->type = request->type;
    plan->operation = request->operation;
    plan->block_count = request->block_count;
    plan->wrapped = request->wrapped;
    plan->by_tensor = request->by_tensor;
    if ((int)plan->type < 0 || plan->type > GW_I32 || (int)plan->operation < 0 ||
        plan->operation > GW_MAX)
        return gw_fail(error, GW_EINVAL, "unknown type %d or operation %d", (int)plan->type,
                       (int)plan->operation);
    if (plan->type == GW_I32 && plan->operation == GW_MEAN)
        return gw_fail(error, GW_ENOTSUP, "the mean of i32 is not an i32: sum, then divide");
    gw_status s = fill_options(plan, options, error);
    plan->threaded &= !request->once;
    if (!s)
        s = fill_tensors(plan, request, options, error);
    if (!s)
        s = gw_plan_open(plan, error);
    if (!s && request->once)
        s = check_stateless(plan, error);
    if (!s)
        s = gw_gate_prepare(plan, request, error);
    if (!s && !request->pinned)
        s = gw_pins_prepare(plan, request, error);
    return s;
}

static const char *algorithm_of(const struct gw_request *request)
{
    const char *asked = request->options ? request->options->algorithm : NULL;
    return asked ? asked : gw_setting_text(GW_SET_ALGORITHM);
}

/* What an algorithm needs besides the agreement of all ranks. */
static gw_status equip(struct gw_plan *plan)
{
    gw_status s = gw_trace_meet(plan, &plan->comm->error);
    if (!s)
        s = gw_memory_open(plan, &plan->comm->error);
    if (!s && plan->algorithm == &gw_native)
        s = gw_comm_split(&plan->native, plan->comm, 0, plan->comm->rank);
    return s;
}

static gw_status create(gw_plan **out, gw_comm *comm, const struct gw_request *request,
                        bool unshared)
{
    unsigned channel = comm->next_channel++;
    struct gw_plan nothing = { .comm = comm, .channel = channel, .unshared = unshared };
    gw_status s;
    struct gw_plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        s = gw_fail(&comm->error, GW_ENOMEM, "not enough memory for a plan");
        s = gw_plan_measure(&nothing, "", NULL, s, &comm->error);
        return gw_plan_agree(&nothing, s, &comm->error);
    }
    *plan = nothing;
    plan->runnable.progress = gw_plan_progress;
    plan->job.step = gw_plan_pool_step;
    s = gw_settings_check(&comm->error);
    if (!s)
        s = prepare(plan, request, &comm->error);
    s = gw_plan_measure(plan, algorithm_of(request), plan->gate ? "raw" : NULL, s, &comm->error);
    if (!s)
        s = gw_plan_build(plan, algorithm_of(request), &comm->error);
    if (!s)
        s = gw_trace_open(plan, &comm->error);
    s = gw_plan_agree(plan, s, &comm->error);
    if (s) {
        gw_plan_close(plan);
        return s;
    }
    s = equip(plan);
    if (s) {
        /* All ranks are here; where one has no memory to share, another algorithm may do. */
        bool again = gw_memory_needed(plan) && !plan->shared && !comm->broken.status &&
                     strstr(plan->reason, "asked for") == NULL;
        gw_plan_close(plan);
        return again ? create(out, comm, request, true) : s;
    }
    *out = plan;
    return GW_OK;
}

gw_status gw_plan_create_plain(gw_plan **out, gw_comm *comm, const struct gw_request *request)
{
    if (!comm)
        return GW_EINVAL;
    if (!out)
        return gw_fail(&comm->error, GW_EINVAL, "gw_plan_*: out is NULL");
    gw_error_clear(&comm->error);
    gw_comm_enter(comm);
    gw_status s = gw_comm_check(comm, &comm->error);
    if (!s)
        s = create(out, comm, request, false);
    gw_comm_leave(comm);
    return s;
}

/* Make the plan again as its pins say. */
static gw_status repeat(gw_plan **plan, const struct gw_request *request, struct gw_error *error)
{
    struct gw_pins *pins = (*plan)->pins;
    gw_comm *comm = (*plan)->comm;
    const char *forced = algorithm_of(request);
    struct gw_request again = *request;
    gw_options options = request->options ? *request->options : (gw_options){ 0 };
    if (*forced && strcmp(forced, pins->codec.algorithm) != 0)
        return gw_fail(error, GW_ESPEC, "algorithm %s is asked for, pins %.300s say %s", forced,
                       pins->path, pins->codec.algorithm);
    if (pins->sends_raw && !(*plan)->gate)
        return gw_fail(error, GW_ESPEC, "pins %.300s say that raw was sent, the plan has no gate",
                       pins->path);
    options.algorithm = pins->codec.algorithm;
    options.piece_count = pins->codec.piece_count;
    again.options = &options;
    again.pinned = true;
    (*plan)->pins = NULL;
    gw_plan_close(*plan);
    *plan = NULL;
    gw_status s = gw_plan_create_plain(plan, comm, &again);
    if (s) {
        gw_fail(error, s, "pins %.200s no longer apply: %.400s", pins->path, comm->error.text);
        gw_pins_close(pins);
        return s;
    }
    (*plan)->pins = pins;
    return GW_OK;
}

/* Decide what the ranks decide together. */
static gw_status settle(gw_plan **plan, const struct gw_request *request, struct gw_error *error)
{
    gw_status s = (*plan)->pins ? gw_pins_read(*plan, error) : GW_OK;
    bool repeats = !s && (*plan)->pins && (*plan)->pins->repeats;
    if (repeats)
        s = repeat(plan, request, error);
    if (!s && (*plan)->gate)
        s = gw_gate_settle(*plan, request, error);
    if (!s && (*plan)->pins && !repeats)
        s = gw_pins_write(*plan, error);
    return s;
}

gw_status gw_plan_create(gw_plan **out, gw_comm *comm, const struct gw_request *request)
{
    gw_plan *plan;
    gw_status s = gw_plan_create_plain(out ? &plan : NULL, comm, request);
    if (s)
        return s;
    if (plan->gate || plan->pins) {
        struct gw_error error = { 0 };
        s = settle(&plan, request, &error);
        comm->error = error;
    }
    if (s) {
        gw_plan_close(plan);
        return s;
    }
    if (plan->no_gate && *plan->no_gate) {
        size_t used = strlen(plan->reason);
        snprintf(plan->reason + used, sizeof plan->reason - used, "; %s", plan->no_gate);
    }
    *out = plan;
    return GW_OK;
}

gw_status gw_plan_create_one(gw_plan **out, gw_comm *comm, struct gw_request request, size_t count)
{
    const char *name = request.options ? request.options->name : NULL;
    gw_tensor tensor = { name ? name : "tensor", count };
    request.tensors = &tensor;
    request.tensors_count = 1;
    return gw_plan_create(out, comm, &request);
}

static void close_tensors(gw_plan *plan)
{
    for (int t = 0; t < plan->tensors_count; t++) {
        gw_codec_close(plan->tensors[t].codec);
        free(plan->tensors[t].name);
        free(plan->tensors[t].spec);
        free(plan->tensors[t].owner_spec);
    }
    free(plan->tensors);
}

void gw_plan_close(gw_plan *plan)
{
    if (!plan)
        return;
    gw_comm *comm = plan->comm;
    gw_gate_close(plan);
    gw_comm_enter(comm);
    gw_plan_give_up(plan);
    gw_comm_close(plan->native); /* its op, if any, was given up above */
    for (int i = 0; plan->owners && i < plan->owners_count; i++)
        gw_codec_close(plan->owners[i]);
    gw_trace_close(plan);
    gw_pins_close(plan->pins);
    close_tensors(plan);
    gw_steps_free(&plan->list);
    gw_graph_free(&plan->graph);
    gw_layout_free(&plan->layout);
    free(plan->owners);
    free(plan->slots);
    free(plan->arena);
    if (!plan->shared)
        free(plan->sum);
    gw_shared_close(plan->shared);
    free(plan->members);
    gw_plan_close_run(plan);
    gw_comm_leave(comm);
    free(plan);
}
