/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The candidates' runs on scratch buffers. Each round starts with another one, behind a barrier, so
 * that whatever else the machine does meets all of them alike. Wrappers other than ef+ are left
 * out: coded or raw, they cost the same. */
#include "collectives/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "collectives/gate.h"

enum { ELEMENTS_MAX = 1 << 22, ELEMENTS_MIN = 1 << 14 };

static const double BUDGET_S = 0.1;

struct scratch {
    gw_tensor *tensors;
    const char **coded, **raw; /* specs */
    const void **in;
    void **out;
    float *floats;
    int tensors_count;
    size_t elements;
};

size_t gw_trial_elements(const struct gw_plan *plan, const struct gw_contender *c, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += c[i].seconds;
    size_t elements = gw_min_size(plan->layout.count, ELEMENTS_MAX);
    double fitting = (double)plan->layout.count * (BUDGET_S / 4) / sum;
    if (sum > 0 && fitting < (double)elements)
        elements = gw_min_size(elements, gw_max_size((size_t)fitting, ELEMENTS_MIN));
    size_t size = (size_t)plan->problem.size;
    return plan->collective == GW_REDUCE_SCATTER ? elements / size * size : elements;
}

static void close_scratch(struct scratch *s)
{
    free(s->tensors);
    free(s->coded);
    free(s->raw);
    free(s->in);
    free(s->out);
    free(s->floats);
}

/* About normal: the sum of four bytes. */
static void fill(float *x, size_t count, int rank)
{
    struct gw_random_key key = gw_random_key(1, 1, 0, rank, 0);
    for (size_t i = 0; i < count; i++) {
        uint32_t h = gw_random_u32(key, i);
        int sum = (int)((h & 255) + (h >> 8 & 255) + (h >> 16 & 255) + (h >> 24));
        x[i] = (float)(sum - 510) / 256;
    }
}

static gw_status open_scratch(struct scratch *s, const struct gw_plan *plan, size_t elements,
                              struct gw_error *error)
{
    size_t n = (size_t)plan->tensors_count + 1, left = elements;
    *s = (struct scratch){ .elements = elements };
    s->tensors = calloc(n, sizeof *s->tensors);
    s->coded = calloc(n, sizeof *s->coded);
    s->raw = calloc(n, sizeof *s->raw);
    s->in = calloc(n, sizeof *s->in);
    s->out = calloc(n, sizeof *s->out);
    s->floats = malloc(2 * elements * sizeof(float) + 1);
    if (!s->tensors || !s->coded || !s->raw || !s->in || !s->out || !s->floats)
        return gw_fail(error, GW_ENOMEM, "not enough memory for a trial of %zu elements", elements);
    fill(s->floats, elements, plan->problem.rank);
    for (int t = 0; t < plan->tensors_count && (left > 0 || t == 0); t++) {
        size_t count = gw_min_size(plan->tensors[t].count, left);
        s->tensors[t] = (gw_tensor){ plan->tensors[t].name, count };
        s->coded[t] = plan->tensors[t].owner_spec;
        s->raw[t] = "raw";
        s->in[t] = s->floats + (elements - left);
        s->out[t] = s->floats + elements + (elements - left);
        left -= count;
        s->tensors_count = t + 1;
    }
    return GW_OK;
}

static gw_status open_contender(struct gw_contender *c, const struct scratch *s,
                                struct gw_plan *plan, const struct gw_request *request,
                                struct gw_error *error)
{
    gw_options options = request->options ? *request->options : (gw_options){ 0 };
    options.algorithm = c->algorithm->info.name;
    const struct gw_request inner = { .collective = plan->collective,
                                      .tensors = s->tensors,
                                      .tensors_count = (size_t)s->tensors_count,
                                      .block_count = s->elements / (size_t)plan->problem.size,
                                      .type = plan->type,
                                      .operation = plan->operation,
                                      .options = &options,
                                      .inner = true,
                                      .specs = c->raw ? s->raw : s->coded };
    gw_status status = gw_plan_create_plain(&c->plan, plan->comm, &inner);
    if (!status || (c->raw && !plan->comm->broken.status))
        return GW_OK; /* on all ranks alike: without memory to share, say, the others remain */
    *error = plan->comm->error;
    return status;
}

static gw_status run_once(struct gw_contender *c, const struct scratch *s, double *seconds,
                          struct gw_error *error)
{
    if (!c->plan) {
        *seconds = INFINITY;
        return GW_OK;
    }
    gw_status status = gw_barrier(c->plan->comm);
    if (status) {
        *error = c->plan->comm->error;
        return status;
    }
    int64_t before = gw_now_ns();
    status = gw_start_list(c->plan, s->in, s->out);
    if (!status)
        status = gw_wait(c->plan);
    *seconds = (double)(gw_now_ns() - before) * 1e-9;
    if (status)
        *error = c->plan->error;
    return status;
}

/* Each number becomes the largest of any rank. */
static gw_status take_slowest(struct gw_plan *plan, double *values, int count,
                              struct gw_error *error)
{
    size_t bytes = (size_t)count * sizeof *values;
    gw_status status = gw_gate_exchange(plan, values, bytes, error);
    for (int r = 0; r < plan->problem.size && !status; r++) {
        for (int i = 0; i < count; i++) {
            double theirs;
            memcpy(&theirs, plan->gate->heard + (size_t)r * bytes + (size_t)i * sizeof theirs,
                   sizeof theirs);
            values[i] = theirs > values[i] ? theirs : values[i];
        }
    }
    return status;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static gw_status run_rounds(struct gw_plan *plan, struct gw_contender *c, int count,
                            const struct scratch *s, int rounds, struct gw_error *error)
{
    double seconds[GW_CONTENDERS_MAX * GW_TRIAL_ROUNDS];
    gw_status status = GW_OK;
    for (int k = 0; k < rounds; k++) {
        for (int j = 0; j < count && !status; j++) {
            int i = (j + k) % count;
            status = run_once(&c[i], s, &seconds[i * rounds + k], error);
        }
    }
    if (!status)
        status = take_slowest(plan, seconds, count * rounds, error);
    for (int i = 0; i < count && !status; i++) {
        qsort(seconds + i * rounds, (size_t)rounds, sizeof *seconds, compare);
        c[i].seconds = seconds[i * rounds + (rounds - 1) / 2];
    }
    return status;
}

/* The first runs touch new memory: they only say how many rounds there is time for. */
static gw_status run_all(struct gw_plan *plan, struct gw_contender *c, int count,
                         const struct scratch *s, struct gw_error *error)
{
    double sum = 0;
    gw_status status = run_rounds(plan, c, count, s, 1, error);
    for (int i = 0; i < count; i++)
        sum += c[i].plan ? c[i].seconds : 0;
    double rounds = sum > 0 ? BUDGET_S / sum : GW_TRIAL_ROUNDS;
    rounds = rounds < 1 ? 1 : rounds > GW_TRIAL_ROUNDS ? GW_TRIAL_ROUNDS : rounds;
    return status ? status : run_rounds(plan, c, count, s, (int)rounds, error);
}

/* Has every rank got what it needs? */
static gw_status all_good(struct gw_plan *plan, gw_status local, struct gw_error *error)
{
    struct gw_error own = *error;
    double worst = local ? 1 : 0;
    gw_status status = take_slowest(plan, &worst, 1, error);
    if (local) {
        *error = own;
        return local;
    }
    if (!status && worst > 0)
        status = gw_fail(error, GW_EPEER, "another rank has not enough memory for a trial");
    return status;
}

gw_status gw_trial_run(struct gw_plan *plan, const struct gw_request *request,
                       struct gw_contender *c, int count, size_t elements, struct gw_error *error)
{
    struct scratch scratch;
    gw_status status = all_good(plan, open_scratch(&scratch, plan, elements, error), error);
    for (int i = 0; i < count && !status; i++)
        status = open_contender(&c[i], &scratch, plan, request, error);
    if (!status)
        status = run_all(plan, c, count, &scratch, error);
    for (int i = 0; i < count; i++) {
        gw_plan_close(c[i].plan);
        c[i].plan = NULL;
    }
    close_scratch(&scratch);
    return status;
}
