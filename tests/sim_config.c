/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A random configuration of a whole run.
 *
 * Gradients are k * 2^-12 with |k| <= 2^13, and a worker makes 12 of them at most: all sums of all
 * pushes of a run fit a float's 24 bits, so they do not depend on order. With codecs whose payloads
 * are floats of the input (raw, top-k, fp16 under error feedback) what is left behind is exact too;
 * with others the ledger repeats the server's additions in the server's order. */
#include "tests/sim_world.h"

#include "base/random.h"
#include "base/types.h"
#include "server/job_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct choice {
    const char *spec;
    bool exact;
};

static const struct choice codecs[] = {
    { "raw", true },
    { "ef+topk:ratio=0.1", true },
    { "ef+fp16", true },
    { "fp16", false },
    { "ef+sign", false },
    { "ef+sign:bucket=0", false },
    { "ef+qsgd:bits=4", false },
    { "qsgd:bits=8", false },
    { "terngrad", false },
    { "ef+randomk:ratio=0.2", false },
};

static const char *const pulls[] = { "raw",         "raw",  "fp16", "int8",
                                     "qsgd:bits=4", "sign", "bf16", "topk:ratio=0.2" };

enum { CODECS = sizeof codecs / sizeof *codecs, PULLS = sizeof pulls / sizeof *pulls };

/* Mostly small, so that a schedule takes a millisecond. */
static size_t tensor_count(struct sim_random *r)
{
    switch (sim_below(r, 8)) {
    case 0:
        return 1 + (size_t)sim_below(r, 3);
    case 1:
        return 500 + (size_t)sim_below(r, 1000);
    default:
        return 1 + (size_t)sim_below(r, 120);
    }
}

static void make_layout(struct sim_config *c, struct sim_random *r)
{
    c->servers = 1 + (int)sim_below(r, SIM_SERVERS);
    c->tensors = 1 + (int)sim_below(r, SIM_TENSORS);
    c->part_count = GW_PART_MIN;
    for (int t = 0; t < c->tensors; t++)
        c->elements += c->counts[t] = tensor_count(r);
    if (sim_below(r, 20) == 0)
        c->elements += c->counts[0] = 1000 + (size_t)sim_below(r, 2000);
    c->elements = 0;
    for (int t = 0; t < c->tensors; t++)
        c->elements += c->counts[t];
}

static void make_terms(struct sim_config *c, struct sim_random *r)
{
    const struct choice *codec = &codecs[sim_below(r, CODECS)];
    c->codec = codec->spec;
    c->exact = codec->exact;
    c->dyadic = c->judged = true;
    c->pull = pulls[sim_below(r, PULLS)];
    c->feedback = sim_below(r, 2) ? "shared" : "worker";
    c->aggregator = "sum";
    c->optimizer = "sgd:lr=1";
    switch (sim_below(r, 4)) {
    case 0:
        snprintf(c->mode, sizeof c->mode, "sync");
        break;
    case 1:
        snprintf(c->mode, sizeof c->mode, "quorum:k=%d,grace=%dms,late=%s",
                 1 + (int)sim_below(r, 4), (int)sim_below(r, 2) * (int)sim_below(r, 50),
                 sim_below(r, 2) ? "fold" : "drop");
        break;
    case 2:
        snprintf(c->mode, sizeof c->mode, "async");
        break;
    default:
        snprintf(c->mode, sizeof c->mode, "ssp:s=%d", (int)sim_below(r, 4));
    }
    int every = 1 + (int)sim_below(r, 8);
    switch (sim_below(r, 4)) {
    case 0:
        snprintf(c->durability, sizeof c->durability, "none");
        break;
    case 1:
        snprintf(c->durability, sizeof c->durability, "snapshot:every=%d", every);
        break;
    default:
        snprintf(c->durability, sizeof c->durability, "log:every=%d", every);
    }
}

static void make_faults(struct sim_config *c, struct sim_random *r)
{
    static const int64_t spans[] = { 25, 80, 250 };
    if (sim_below(r, 10) == 0)
        return;
    c->fault_every = spans[sim_below(r, 3)] * SIM_MS;
    c->fault_end = sim_between(r, 100, 1500) * SIM_MS;
    c->cuts = sim_below(r, 4) > 0;
    c->freezes = sim_below(r, 3) == 0;
    c->partitions = sim_below(r, 3) == 0;
    c->kills_servers = c->durability[0] == 'n' ? sim_below(r, 8) == 0 : sim_below(r, 3) > 0;
    if (c->kills_servers && c->durability[0] == 'n') /* it would wait for workers that are done */
        c->expected = 1;
    c->kills_workers = sim_below(r, 2) > 0;
    c->joins = sim_below(r, 2) > 0;
    c->bad_disks = c->durability[0] != 'n' && sim_below(r, 3) == 0;
    c->bad_bytes = sim_below(r, 3) == 0;
}

static void make_weather(struct sim_config *c, struct sim_random *r)
{
    static const size_t pieces[] = { 100, 1000, 65536 }, windows[] = { 0, 0, 500, 8000 };
    c->weather = (struct sim_weather){ .delay_least = sim_between(r, 10, 100) * 1000,
                                       .delay_most = sim_between(r, 100, 6000) * 1000,
                                       .piece_most = pieces[sim_below(r, 3)],
                                       .window = windows[sim_below(r, 4)] };
}

void sim_config_make(struct sim_config *config, uint64_t seed)
{
    struct sim_random random = { gw_mix64(seed + 1) }, *r = &random;
    *config = (struct sim_config){ .seed = seed };
    make_layout(config, r);
    make_terms(config, r);
    config->workers = 1 + (int)sim_below(r, 6);
    config->expected = 1 + (int)sim_below(r, (uint64_t)config->workers);
    config->steps = 1 + (int)sim_below(r, SIM_STEPS);
    config->times = (struct gw_session_times){ .handshake_ns = 1000 * SIM_MS,
                                               .frame_ns = 2000 * SIM_MS,
                                               .beat_ns = 200 * SIM_MS,
                                               .dead_ns = 700 * SIM_MS };
    config->lost_ns = sim_between(r, 0, 1500) * SIM_MS;
    config->back_ns = sim_between(r, 0, 3000) * SIM_MS;
    config->think_most = sim_between(r, 1, 40) * SIM_MS;
    config->window = 1 + (int)sim_below(r, 4);
    config->pull_every = sim_below(r, 3) ? 1 : 1 + (int)sim_below(r, 3);
    config->threads = 1 + (int)sim_below(r, 3);
    config->hands_in = sim_below(r, 2) > 0;
    config->at_once = (unsigned)(sim_below(r, 3) * 500000);
    make_faults(config, r);
    make_weather(config, r);
}

void sim_config_print(const struct sim_config *c)
{
    fprintf(stderr,
            "seed %" PRIu64 ": %d servers, %d workers (first round waits for %d), %d steps,"
            " window %d, a pull every %d, %d threads, hands in %d, work at once %u\n"
            "  mode %s, durability %s, codec %s, pull %s, feedback %s\n  tensors",
            c->seed, c->servers, c->workers, c->expected, c->steps, c->window, c->pull_every,
            c->threads, c->hands_in, c->at_once, c->mode, c->durability, c->codec, c->pull,
            c->feedback);
    for (int t = 0; t < c->tensors; t++)
        fprintf(stderr, " %zu", c->counts[t]);
    fprintf(stderr,
            "; lost %.0f ms, back %.0f ms, delay %.2f to %.2f ms, pieces %zu, window %zu\n"
            "  faults every %.0f ms for %.0f ms:%s%s%s%s%s%s%s%s\n",
            (double)c->lost_ns / 1e6, (double)c->back_ns / 1e6,
            (double)c->weather.delay_least / 1e6, (double)c->weather.delay_most / 1e6,
            c->weather.piece_most, c->weather.window, (double)c->fault_every / 1e6,
            (double)c->fault_end / 1e6, c->cuts ? " cuts" : "", c->freezes ? " freezes" : "",
            c->partitions ? " partitions" : "", c->kills_servers ? " server kills" : "",
            c->kills_workers ? " worker kills" : "", c->joins ? " joins" : "",
            c->bad_disks ? " bad disks" : "", c->bad_bytes ? " bad bytes" : "");
}

static void set(struct gw_job *job, enum gw_term term, const char *value)
{
    struct gw_error error;
    if (gw_job_set(job, term, value, &error)) {
        fprintf(stderr, "%s: %s\n", value, error.text);
        abort();
    }
}

struct gw_job *sim_config_job(const struct sim_config *c, int server)
{
    static const char *const names[SIM_TENSORS] = { "a", "b", "c", "d" };
    struct gw_job *job;
    struct gw_error error;
    gw_tensor tensors[SIM_TENSORS];
    char text[32];
    sim_own++;
    if (gw_job_open(&job, "faults", &error))
        abort();
    job->servers = c->servers;
    job->server = server;
    job->part_count = c->part_count;
    snprintf(text, sizeof text, "%d", c->expected);
    set(job, GW_TERM_WORKERS, text);
    set(job, GW_TERM_MODE, c->mode);
    set(job, GW_TERM_AGGREGATOR, c->aggregator);
    set(job, GW_TERM_OPTIMIZER, c->optimizer);
    set(job, GW_TERM_PULL, c->pull);
    set(job, GW_TERM_FEEDBACK, c->feedback);
    for (int t = 0; t < c->tensors; t++)
        tensors[t] = (gw_tensor){ .name = names[t], .count = c->counts[t] };
    if (gw_job_set_layout(job, tensors, (size_t)c->tensors, c->codec, NULL, 0, &error)) {
        fprintf(stderr, "layout: %s\n", error.text);
        abort();
    }
    sim_own--;
    return job;
}

float sim_gradient(const struct sim_config *config, uint32_t worker, int step, size_t element)
{
    uint64_t h = gw_mix64(gw_mix64(config->seed ^ (uint64_t)worker << 40 ^ (uint64_t)step << 20) +
                          element * 0x9e3779b97f4a7c15u);
    float k = (float)((int)(h % 16385) - 8192);
    return config->dyadic ? k / 4096 : k * 1.7e-4f;
}

uint64_t sim_hash(const float *x, size_t count, uint64_t hash)
{
    for (size_t i = 0; i < count; i++)
        hash = gw_mix64(hash ^ gw_float_bits(x[i])) + 0x9e3779b97f4a7c15u;
    return hash;
}
