/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What people see of a server: JSON for `gradwire top`, and Prometheus' text format. Both are
 * written from the same tables of figures, so that a figure has one name. */
#include "server/core_inside.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- figures --------------------------------------------------------------------------------- */

struct figure {
    const char *name, *help;
    bool counts; /* only rises */
    double value;
};

enum { FIGURES = 14, WORKER_FIGURES = 13 };

static size_t count_live(const struct gw_core *core)
{
    size_t count = 0;
    for (size_t i = 0; i < core->members_count; i++)
        count += core->members[i]->member && core->members[i]->live;
    return count;
}

static size_t count_waiting(const struct gw_core *core)
{
    size_t count = 0;
    for (size_t i = 0; i < core->members_count; i++)
        count += core->members[i]->waiting;
    return count;
}

static size_t count_connections(const struct gw_core *core)
{
    size_t count = 0;
    for (const struct gw_core_peer *p = core->peers; p; p = p->next)
        count++;
    return count;
}

static void look_at_core(struct figure out[FIGURES], const struct gw_core *core)
{
    const struct figure all[] = {
        { "round", "rounds that have ended", true, (double)core->policy.round },
        { "members", "workers of the job", false, gw_core_count_members(core) },
        { "live", "workers that are heard", false, (double)count_live(core) },
        { "connections", "connections, strangers too", false, (double)count_connections(core) },
        { "pushes", "pushes that count", true, (double)core->accepted_pushes },
        { "waiting", "pushes that are not applied yet", false, (double)count_waiting(core) },
        { "late", "pushes thrown away because they came late", true, (double)core->late_pushes },
        { "refused", "sessions refused", true, (double)core->refused },
        { "strikes", "payloads that were no good", true, (double)core->strikes },
        { "snapshots", "snapshots written", true, (double)core->snapshots },
        { "flushes", "times the log was flushed", true, (double)core->flushes },
        { "sick", "1 while the disk cannot be written", false, core->sick },
        { "parameter_bytes", "raw size of this shard", false,
          core->shard ? (double)gw_core_part_bytes(core) : 0 },
        { "uptime_s", "seconds since the start", false,
          (double)(core->now - core->opened_ns) / 1e9 },
    };
    _Static_assert(sizeof all / sizeof *all == FIGURES, "one of each");
    memcpy(out, all, sizeof all);
}

static void look_at_worker(struct figure out[WORKER_FIGURES], const struct member *m)
{
    const struct figure all[] = {
        { "live", "1 while it is heard, or was just now", false, m->member && m->live },
        { "connected", "1 while it has a connection", false, m->peer != NULL },
        { "epoch", "its connections so far", true, m->epoch },
        { "clock", "its pushes, counted from the slowest's when it joined", true,
          (double)m->clock },
        { "waiting", "its pushes that are not applied yet", false, m->waiting },
        { "pushes", "its pushes that count", true, (double)m->pushes },
        { "pulls", "its pulls that were answered", true, (double)m->pulls },
        { "in_bytes", "bytes that came from it", true, (double)m->in_bytes },
        { "out_bytes", "bytes that went to it", true, (double)m->out_bytes },
        { "raw_in_bytes", "what its pushes would be in raw floats", true, (double)m->raw_in_bytes },
        { "raw_out_bytes", "what its pulls would be in raw floats", true,
          (double)m->raw_out_bytes },
        { "late", "its pushes that were thrown away", true, (double)m->late },
        { "residual_norm", "L2 norm of what its error feedback keeps", false,
          isfinite(m->norm) ? m->norm : 0 },
    };
    _Static_assert(sizeof all / sizeof *all == WORKER_FIGURES, "one of each");
    memcpy(out, all, sizeof all);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void print_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c > 0x7e)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void print_figures(FILE *out, const struct figure *figures, size_t count)
{
    for (size_t f = 0; f < count; f++)
        fprintf(out, ",\"%s\":%.17g", figures[f].name, figures[f].value);
}

static bool shows(const struct member *member)
{
    return member->member || member->waiting > 0;
}

static void print_worker(FILE *out, const struct gw_core *core, const struct gw_tally *tally,
                         size_t i)
{
    const struct member *m = core->members[i];
    fprintf(out, "{\"worker\":%" PRIu32 ",\"peer\":", m->worker);
    print_string(out, m->name);
    fprintf(out, ",\"awaited\":%s",
            gw_policy_is_awaited(&core->policy, tally, &core->clocks[i]) ? "true" : "false");
    struct figure figures[WORKER_FIGURES];
    look_at_worker(figures, m);
    print_figures(out, figures, WORKER_FIGURES);
    fputc('}', out);
}

static void print_terms(FILE *out, const struct gw_core *core)
{
    for (int t = 0; t < GW_TERMS; t++) {
        fprintf(out, ",\"%s\":", gw_term_name(t));
        print_string(out, gw_job_term(core->job, t));
    }
}

static void print_json(FILE *out, const struct gw_core *core)
{
    const char *separator = "";
    const struct gw_tally tally = gw_policy_tally(core->clocks, core->members_count);
    fputs("{\"job\":", out);
    print_string(out, core->job->name);
    fprintf(out, ",\"server\":%d,\"servers\":%d,\"tensors\":%zu", core->job->server,
            core->job->servers, core->job->tensors);
    fprintf(out, ",\"durability\":\"%s\"", gw_durabilities[core->durability.kind].name);
    print_terms(out, core);
    struct figure figures[FIGURES];
    look_at_core(figures, core);
    print_figures(out, figures, FIGURES);
    fputs(",\"list\":[", out);
    for (size_t i = 0; i < core->members_count; i++) {
        if (!shows(core->members[i]))
            continue;
        fputs(separator, out);
        print_worker(out, core, &tally, i);
        separator = ",";
    }
    fputs("]}\n", out);
}

/* ---- Prometheus ------------------------------------------------------------------------------ */

static void print_head(FILE *out, const char *family, const struct figure *figure)
{
    fprintf(out, "# HELP gradwire_%s%s %s\n# TYPE gradwire_%s%s %s\n", family, figure->name,
            figure->help, family, figure->name, figure->counts ? "counter" : "gauge");
}

/* The values of one figure stand together. */
static void print_metrics(FILE *out, const struct gw_core *core)
{
    struct figure figures[FIGURES], of_worker[WORKER_FIGURES];
    look_at_core(figures, core);
    for (size_t f = 0; f < FIGURES; f++) {
        print_head(out, "", &figures[f]);
        fprintf(out, "gradwire_%s{job=\"%s\"} %.17g\n", figures[f].name, core->job->name,
                figures[f].value);
    }
    for (size_t f = 0; f < WORKER_FIGURES; f++) {
        look_at_worker(of_worker, &(const struct member){ 0 });
        print_head(out, "worker_", &of_worker[f]);
        for (size_t i = 0; i < core->members_count; i++) {
            if (!shows(core->members[i]))
                continue;
            look_at_worker(of_worker, core->members[i]);
            fprintf(out, "gradwire_worker_%s{job=\"%s\",worker=\"%" PRIu32 "\"} %.17g\n",
                    of_worker[f].name, core->job->name, core->members[i]->worker,
                    of_worker[f].value);
        }
    }
}

/* ---- both ------------------------------------------------------------------------------------ */

static char *print_all(struct gw_core *core, int64_t now,
                       void (*print)(FILE *out, const struct gw_core *core))
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    core->now = now;
    gw_core_clocks(core);
    print(out, core);
    bool good = !ferror(out);
    if (fclose(out) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

char *gw_core_status(struct gw_core *core, int64_t now)
{
    return print_all(core, now, print_json);
}

char *gw_core_metrics(struct gw_core *core, int64_t now)
{
    return print_all(core, now, print_metrics);
}
