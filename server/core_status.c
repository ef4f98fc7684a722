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
    double (*of)(const struct gw_core *core);
};

static double rounds(const struct gw_core *core)
{
    return (double)core->policy.round;
}

static double members(const struct gw_core *core)
{
    return gw_core_count_members(core);
}

static double live(const struct gw_core *core)
{
    size_t count = 0;
    for (size_t i = 0; i < core->members_count; i++)
        count += core->members[i]->member && core->members[i]->live;
    return (double)count;
}

static double pushes(const struct gw_core *core)
{
    return (double)core->accepted_pushes;
}

static double late(const struct gw_core *core)
{
    return (double)core->late_pushes;
}

static double waiting(const struct gw_core *core)
{
    size_t count = 0;
    for (size_t i = 0; i < core->members_count; i++)
        count += core->members[i]->waiting;
    return (double)count;
}

static double connections(const struct gw_core *core)
{
    size_t count = 0;
    for (const struct gw_core_peer *p = core->peers; p; p = p->next)
        count++;
    return (double)count;
}

static double refused(const struct gw_core *core)
{
    return (double)core->refused;
}

static double strikes(const struct gw_core *core)
{
    return (double)core->strikes;
}

static double snapshots(const struct gw_core *core)
{
    return (double)core->snapshots;
}

static double flushes(const struct gw_core *core)
{
    return (double)core->flushes;
}

static double sick(const struct gw_core *core)
{
    return core->sick;
}

static double parameter_bytes(const struct gw_core *core)
{
    return core->shard ? (double)gw_core_part_bytes(core) : 0;
}

static double uptime(const struct gw_core *core)
{
    return (double)(core->now - core->opened_ns) / 1e9;
}

static const struct figure figures[] = {
    { "round", "rounds that have ended", true, rounds },
    { "members", "workers of the job", false, members },
    { "live", "workers that are heard", false, live },
    { "connections", "connections, strangers too", false, connections },
    { "pushes", "pushes that count", true, pushes },
    { "waiting", "pushes that are not applied yet", false, waiting },
    { "late", "pushes thrown away because they came late", true, late },
    { "refused", "sessions refused", true, refused },
    { "strikes", "payloads that were no good", true, strikes },
    { "snapshots", "snapshots written", true, snapshots },
    { "flushes", "times the log was flushed", true, flushes },
    { "sick", "1 while the disk cannot be written", false, sick },
    { "parameter_bytes", "raw size of this shard", false, parameter_bytes },
    { "uptime_s", "seconds since the start", false, uptime },
};

struct worker_figure {
    const char *name, *help;
    bool counts;
    double (*of)(const struct member *member);
};

static double worker_live(const struct member *m)
{
    return m->member && m->live;
}

static double worker_connected(const struct member *m)
{
    return m->peer != NULL;
}

static double worker_clock(const struct member *m)
{
    return (double)m->clock;
}

static double worker_waiting(const struct member *m)
{
    return m->waiting;
}

static double worker_pushes(const struct member *m)
{
    return (double)m->pushes;
}

static double worker_pulls(const struct member *m)
{
    return (double)m->pulls;
}

static double worker_in(const struct member *m)
{
    return (double)m->in_bytes;
}

static double worker_out(const struct member *m)
{
    return (double)m->out_bytes;
}

static double worker_raw_in(const struct member *m)
{
    return (double)m->raw_in_bytes;
}

static double worker_raw_out(const struct member *m)
{
    return (double)m->raw_out_bytes;
}

static double worker_late(const struct member *m)
{
    return (double)m->late;
}

static double worker_norm(const struct member *m)
{
    return isfinite(m->norm) ? m->norm : 0;
}

static double worker_epoch(const struct member *m)
{
    return m->epoch;
}

static const struct worker_figure worker_figures[] = {
    { "live", "1 while it is heard, or was just now", false, worker_live },
    { "connected", "1 while it has a connection", false, worker_connected },
    { "epoch", "its connections so far", true, worker_epoch },
    { "clock", "its pushes, counted from the slowest's when it joined", true, worker_clock },
    { "waiting", "its pushes that are not applied yet", false, worker_waiting },
    { "pushes", "its pushes that count", true, worker_pushes },
    { "pulls", "its pulls that were answered", true, worker_pulls },
    { "in_bytes", "bytes that came from it", true, worker_in },
    { "out_bytes", "bytes that went to it", true, worker_out },
    { "raw_in_bytes", "what its pushes would be in raw floats", true, worker_raw_in },
    { "raw_out_bytes", "what its pulls would be in raw floats", true, worker_raw_out },
    { "late", "its pushes that were thrown away", true, worker_late },
    { "residual_norm", "L2 norm of what its error feedback keeps", false, worker_norm },
};

enum {
    FIGURES = sizeof figures / sizeof figures[0],
    WORKER_FIGURES = sizeof worker_figures / sizeof worker_figures[0]
};

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
    for (size_t f = 0; f < WORKER_FIGURES; f++)
        fprintf(out, ",\"%s\":%.17g", worker_figures[f].name, worker_figures[f].of(m));
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
    for (size_t f = 0; f < FIGURES; f++)
        fprintf(out, ",\"%s\":%.17g", figures[f].name, figures[f].of(core));
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

static void print_head(FILE *out, const char *family, const char *name, const char *help,
                       bool counts)
{
    fprintf(out, "# HELP gradwire_%s%s %s\n# TYPE gradwire_%s%s %s\n", family, name, help, family,
            name, counts ? "counter" : "gauge");
}

static void print_metrics(FILE *out, const struct gw_core *core)
{
    for (size_t f = 0; f < FIGURES; f++) {
        print_head(out, "", figures[f].name, figures[f].help, figures[f].counts);
        fprintf(out, "gradwire_%s{job=\"%s\"} %.17g\n", figures[f].name, core->job->name,
                figures[f].of(core));
    }
    for (size_t f = 0; f < WORKER_FIGURES; f++) {
        print_head(out, "worker_", worker_figures[f].name, worker_figures[f].help,
                   worker_figures[f].counts);
        for (size_t i = 0; i < core->members_count; i++)
            if (shows(core->members[i]))
                fprintf(out, "gradwire_worker_%s{job=\"%s\",worker=\"%" PRIu32 "\"} %.17g\n",
                        worker_figures[f].name, core->job->name, core->members[i]->worker,
                        worker_figures[f].of(core->members[i]));
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
