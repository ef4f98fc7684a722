/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Recording. Spans go to places of a block that is taken whole when the comm's first plan is made;
 * a place is one atomic addition, so that threads of the pool record as they are. When the block is
 * full, spans are counted and dropped, and the file says so. */
#include "collectives/trace.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "collectives/plan.h"
#include "collectives/trace_file.h"

enum {
    SPANS = 1 << 16, /* 3.5 MB, and 8 MB of text */
    PINGS = 20,
    PING_BYTES = 16
};

static const int64_t CLOSE_NS =
    10000000000; /* ranks that do not close as well are not waited for */

struct trace {                   /* of a comm */
    struct gw_attached attached; /* first: the comm knows the trace by it */
    struct gw_trace_span *spans;
    atomic_size_t used; /* may exceed SPANS: the rest was dropped */
    struct gw_trace_label *labels;
    unsigned labels_count;
    struct gw_trace_clock clock;
    bool met;
    uint8_t *ping;
    char *path; /* PREFIX.json on rank 0, else PREFIX.RANK.json */
    FILE *file; /* on rank 0 */
};

struct gw_plan_trace {
    struct trace *trace;
    const struct gw_trace_label *label;
    int64_t started_ns[]; /* by step: messages and waits */
};

/* ---- spans ----------------------------------------------------------------------------------- */

static void record(struct gw_plan *plan, struct gw_trace_span span)
{
    struct trace *trace = plan->trace->trace;
    size_t at = atomic_fetch_add_explicit(&trace->used, 1, memory_order_relaxed);
    if (at >= SPANS)
        return;
    span.label = plan->trace->label;
    trace->spans[at] = span;
}

static size_t bytes_of(const struct gw_plan *plan, const struct gw_step *step)
{
    if (step->slot >= 0)
        return plan->slots[step->slot].length;
    size_t count = step->piece >= 0 ? plan->layout.pieces[step->piece].count : plan->layout.count;
    return count * gw_type_bytes(plan->type);
}

static void record_step(struct gw_plan *plan, int i, enum gw_trace_row row, int64_t start_ns,
                        int64_t end_ns, size_t bytes)
{
    const struct gw_step *step = &plan->list.steps[i];
    record(plan, (struct gw_trace_span){ .start_ns = start_ns,
                                         .end_ns = end_ns,
                                         .bytes = bytes,
                                         .piece = step->piece,
                                         .peer = step->peer,
                                         .row = (uint8_t)row,
                                         .kind = (uint8_t)step->kind });
}

void gw_trace_work(struct gw_plan *plan, int i, int64_t start_ns, int64_t end_ns, bool pool)
{
    record_step(plan, i, pool ? GW_TRACE_POOL : GW_TRACE_EXECUTOR, start_ns, end_ns,
                bytes_of(plan, &plan->list.steps[i]));
}

void gw_trace_begin(struct gw_plan *plan, int i)
{
    plan->trace->started_ns[i] = gw_now_ns();
}

void gw_trace_end(struct gw_plan *plan, int i, size_t bytes)
{
    const struct gw_step *step = &plan->list.steps[i];
    enum gw_trace_row row = step->kind == GW_STEP_SEND   ? GW_TRACE_SEND
                            : step->kind == GW_STEP_RECV ? GW_TRACE_RECV
                                                         : GW_TRACE_WAIT;
    int64_t now = gw_now_ns();
    record_step(plan, i, row, plan->trace->started_ns[i], now,
                row == GW_TRACE_RECV ? bytes : bytes_of(plan, step));
    plan->trace->started_ns[i] = now; /* NATIVE comes several times */
}

void gw_trace_run(struct gw_plan *plan, int64_t end_ns)
{
    record(plan, (struct gw_trace_span){ .start_ns = plan->started_ns,
                                         .end_ns = end_ns,
                                         .bytes = plan->layout.count * gw_type_bytes(plan->type),
                                         .piece = -1,
                                         .peer = -1,
                                         .row = GW_TRACE_RUN,
                                         .failed = plan->failure.status != GW_OK });
}

/* ---- clocks ---------------------------------------------------------------------------------- */

/* A ping or a pong, waited for. */
static gw_status pass(struct trace *trace, gw_comm *comm, int peer, bool out,
                      struct gw_error *error)
{
    int64_t deadline = gw_now_ns() + comm->timeout_ns;
    struct gw_op *op = NULL;
    gw_status s = out ? gw_comm_send(comm, peer, GW_CHANNEL_CONTROL, trace->ping, PING_BYTES, &op)
                      : gw_comm_recv(comm, peer, GW_CHANNEL_CONTROL, trace->ping, PING_BYTES, &op);
    while (!s && (s = gw_comm_test(comm, op, NULL)) == GW_PENDING) {
        s = gw_now_ns() < deadline ? GW_OK : GW_ETIMEOUT;
        if (!s) {
            gw_comm_progress(comm);
            gw_comm_pause(comm, deadline);
        }
    }
    if (s == GW_ETIMEOUT && !gw_comm_cancel(comm, op)) {
        gw_comm_keep(comm, trace->ping);
        trace->ping = NULL;
    }
    if (s) {
        (void)gw_comm_break(comm, s, "clocks of a trace could not be compared");
        return gw_fail(error, s, "comparing clocks with rank %d: %s", peer, gw_status_text(s));
    }
    return GW_OK;
}

/* Rank 0's side: tell rank `peer` the time as often as it asks. */
static gw_status tell_time(struct trace *trace, gw_comm *comm, int peer, struct gw_error *error)
{
    gw_status s = GW_OK;
    for (int k = 0; k < PINGS && !s; k++) {
        s = pass(trace, comm, peer, false, error);
        if (s)
            return s;
        gw_put_u64(trace->ping, (uint64_t)gw_now_ns());
        gw_put_u64(trace->ping + 8, (uint64_t)trace->clock.base_ns);
        s = pass(trace, comm, peer, true, error);
    }
    return s;
}

/* The shortest way to and fro tells most (Cristian 1989): rank 0 looked at its clock within it, in
 * the middle as far as one can know. One clock for both ranks is what it means if that can be. */
static gw_status ask_time(struct trace *trace, gw_comm *comm, int moment, struct gw_error *error)
{
    int64_t least = INT64_MAX;
    for (int k = 0; k < PINGS; k++) {
        int64_t before = gw_now_ns();
        gw_status s = pass(trace, comm, 0, true, error);
        if (!s)
            s = pass(trace, comm, 0, false, error);
        if (s)
            return s;
        int64_t took = gw_now_ns() - before;
        if (took >= least)
            continue;
        least = took;
        int64_t offset = (int64_t)gw_get_u64(trace->ping) - (before + took / 2);
        trace->clock.base_ns = (int64_t)gw_get_u64(trace->ping + 8);
        trace->clock.offset_ns[moment] = llabs(offset) <= took / 2 + 1 ? 0 : offset;
        trace->clock.at_ns[moment] = before;
    }
    return GW_OK;
}

static gw_status compare_clocks(struct trace *trace, gw_comm *comm, int moment,
                                struct gw_error *error)
{
    gw_status s = gw_comm_check(comm, error);
    if (comm->rank != 0)
        return s ? s : ask_time(trace, comm, moment, error);
    if (moment == 0)
        trace->clock.base_ns = gw_now_ns();
    for (int r = 1; r < comm->size && !s; r++)
        s = tell_time(trace, comm, r, error);
    return s;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void release(struct trace *trace)
{
    while (trace->labels) {
        struct gw_trace_label *label = trace->labels;
        trace->labels = label->next;
        free(label);
    }
    if (trace->file)
        fclose(trace->file);
    free(trace->spans);
    free(trace->ping);
    free(trace->path);
    free(trace);
}

static char *own_events(struct trace *trace, const gw_comm *comm)
{
    size_t used = atomic_load(&trace->used), kept = gw_min_size(used, SPANS);
    return gw_trace_events(trace->spans, kept, used - kept, comm->rank, comm->nodes[comm->rank],
                           &trace->clock);
}

/* To rank 0. A rank without memory sends nothing, which is a text too. */
static gw_status gather(const char *mine, gw_comm *comm, char **texts, struct gw_error *error)
{
    return gw_control_gather_text(comm, mine ? mine : "", texts, error);
}

static void write_files(struct trace *trace, gw_comm *comm, char **texts, struct gw_error *error)
{
    gw_status s = compare_clocks(trace, comm, 1, error);
    char *mine = own_events(trace, comm);
    if (!s)
        s = gather(mine, comm, texts, error);
    if (comm->rank != 0 && s)
        trace->file = fopen(trace->path, "w");
    if (trace->file && s)
        (void)gw_trace_write(trace->file, &mine, 1, error->text);
    else if (trace->file)
        (void)gw_trace_write(trace->file, texts, comm->size, NULL);
    free(mine);
}

/* Called by the comm before it closes. There is nobody to tell of an error any more. */
static void close_trace(struct gw_attached *self, gw_comm *comm)
{
    struct trace *trace = (struct trace *)self;
    char **texts = trace->met ? calloc((size_t)comm->size, sizeof *texts) : NULL;
    struct gw_error error = { 0 };
    if (texts) {
        if (comm->timeout_ns > CLOSE_NS)
            comm->timeout_ns = CLOSE_NS;
        write_files(trace, comm, texts, &error);
        for (int r = 0; r < comm->size; r++)
            free(texts[r]);
        free(texts);
    }
    release(trace);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static gw_status attach(gw_comm *comm, const char *prefix, struct gw_error *error)
{
    struct trace *trace = calloc(1, sizeof *trace);
    size_t room = strlen(prefix) + sizeof comm->branch + 32;
    if (trace) {
        trace->spans = malloc(SPANS * sizeof *trace->spans);
        trace->ping = malloc(PING_BYTES);
        trace->path = malloc(room);
    }
    if (!trace || !trace->spans || !trace->ping || !trace->path) {
        if (trace)
            release(trace);
        return gw_fail(error, GW_ENOMEM, "not enough memory for a trace");
    }
    memset(trace->spans, 0, SPANS * sizeof *trace->spans); /* no page comes in during a run */
    if (comm->rank == 0) {
        snprintf(trace->path, room, "%s%s.json", prefix, comm->branch);
        trace->file = fopen(trace->path, "w");
        if (!trace->file) {
            gw_error_set(error, GW_EIO, "GRADWIRE_TRACE=%s: cannot write %s: %s", prefix,
                         trace->path, strerror(errno));
            release(trace);
            return GW_EIO;
        }
    } else {
        snprintf(trace->path, room, "%s%s.%d.json", prefix, comm->branch, comm->rank);
    }
    trace->attached.close = close_trace;
    comm->attached = &trace->attached;
    return GW_OK;
}

/* "w", or "w and 3 more": what stands in some segments. */
static size_t name_tensors(const struct gw_plan *plan, int first, int segments, char *out,
                           size_t capacity)
{
    if (segments == 0)
        return (size_t)snprintf(out, capacity, "(nothing)") + 1;
    const char *name = plan->tensors[plan->layout.segments[first].tensor].name;
    int more =
        plan->layout.segments[first + segments - 1].tensor - plan->layout.segments[first].tensor;
    int n = more ? snprintf(out, capacity, "%s and %d more", name, more)
                 : snprintf(out, capacity, "%s", name);
    return (size_t)n + 1;
}

/* All texts of a label, behind it if `label` is not NULL; returns their bytes. */
static size_t fill_label(const struct gw_plan *plan, struct gw_trace_label *label, size_t capacity)
{
    int pieces = plan->layout.pieces_count;
    char *out = label ? (char *)(label->tensors + pieces + 1) : NULL;
    char title[GW_SPEC_TEXT + 64];
    size_t used = 0;
    for (int p = 0; p <= pieces; p++) {
        const struct gw_piece all = { .segment = 0, .segments = plan->layout.segments_count };
        const struct gw_piece *piece = p < pieces ? &plan->layout.pieces[p] : &all;
        if (label)
            label->tensors[p] = out + used;
        used += name_tensors(plan, piece->segment, piece->segments, label ? out + used : NULL,
                             label ? capacity - used : 0);
    }
    int n = snprintf(title, sizeof title, "%s of %s", plan->algorithm->info.name,
                     plan->tensors_count == 1 ? plan->tensors[0].spec : "a list");
    if (label)
        label->title = memcpy(out + used, title, (size_t)n + 1);
    return used + (size_t)n + 1;
}

static const struct gw_trace_label *add_label(struct trace *trace, const struct gw_plan *plan)
{
    size_t places = (size_t)plan->layout.pieces_count + 1, bytes = fill_label(plan, NULL, 0);
    struct gw_trace_label *label = malloc(sizeof *label + places * sizeof(char *) + bytes);
    if (!label)
        return NULL;
    label->tensors = (char **)(label + 1);
    label->tensors_count = (int)places;
    label->number = trace->labels_count++;
    label->next = trace->labels;
    trace->labels = label;
    fill_label(plan, label, bytes);
    return label;
}

gw_status gw_trace_open(struct gw_plan *plan, struct gw_error *error)
{
    gw_comm *comm = plan->comm;
    const char *prefix = gw_setting_text(GW_SET_TRACE);
    if (!*prefix)
        return GW_OK;
    gw_status s = comm->attached ? GW_OK : attach(comm, prefix, error);
    if (s)
        return s;
    struct trace *trace = (struct trace *)comm->attached;
    if (atomic_load(&trace->used) >= SPANS) /* it is full: plans made from now on are not traced */
        return GW_OK;
    plan->trace =
        calloc(1, sizeof *plan->trace + (size_t)plan->list.count * sizeof *plan->trace->started_ns);
    if (plan->trace) {
        plan->trace->trace = trace;
        plan->trace->label = add_label(trace, plan);
    }
    if (!plan->trace || !plan->trace->label)
        return gw_fail(error, GW_ENOMEM, "not enough memory for the trace of a plan");
    return GW_OK;
}

gw_status gw_trace_meet(struct gw_plan *plan, struct gw_error *error)
{
    struct trace *trace = (struct trace *)plan->comm->attached;
    if (!trace || trace->met)
        return GW_OK;
    gw_status s = compare_clocks(trace, plan->comm, 0, error);
    for (int m = 0; m < 2; m++) {
        trace->clock.at_ns[m] = trace->clock.at_ns[0] + m;
        trace->clock.offset_ns[m] = trace->clock.offset_ns[0];
    }
    trace->met = s == GW_OK;
    return s;
}

void gw_trace_close(struct gw_plan *plan)
{
    free(plan->trace);
    plan->trace = NULL;
}
