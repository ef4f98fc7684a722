/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A job's name and terms. A term is one row of a table: what it is called, what is true of it when
 * nobody names it, and how its text is put into the one form in which it is compared. */
#include "server/job_inside.h"

#include "base/random.h"
#include "base/spec.h"
#include "compress/codec.h"
#include "server/aggregate.h"
#include "server/optimize.h"
#include "server/policy.h"
#include "server/shard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 1000000 };

bool gw_job_number(uint64_t *out, const char *text, size_t length, uint64_t min, uint64_t max)
{
    uint64_t value = 0;
    if (length == 0 || length > 20)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

/* ---- one term's canonical form --------------------------------------------------------------- */

typedef gw_status canonical_form(const char *value, char *out, size_t capacity,
                                 struct gw_error *error);

static gw_status number_form(const char *name, uint64_t min, uint64_t max, const char *value,
                             char *out, size_t capacity, struct gw_error *error)
{
    uint64_t number;
    if (!gw_job_number(&number, value, strlen(value), min, max))
        return gw_fail(error, GW_ESPEC,
                       "%s: '%.64s' is not a whole number from %" PRIu64 " to %" PRIu64, name,
                       value, min, max);
    (void)snprintf(out, capacity, "%" PRIu64, number);
    return GW_OK;
}

static gw_status workers_form(const char *value, char *out, size_t capacity, struct gw_error *error)
{
    return number_form("workers", 1, WORKERS_MAX, value, out, capacity, error);
}

static gw_status seed_form(const char *value, char *out, size_t capacity, struct gw_error *error)
{
    return number_form("seed", 0, UINT64_MAX, value, out, capacity, error);
}

static gw_status mode_form(const char *value, char *out, size_t capacity, struct gw_error *error)
{
    struct gw_mode mode;
    return gw_mode_parse(&mode, value, out, capacity, error);
}

static gw_status aggregator_form(const char *value, char *out, size_t capacity,
                                 struct gw_error *error)
{
    const struct gw_aggregator *row;
    struct gw_values values;
    return gw_aggregator_parse(&row, &values, value, out, capacity, error);
}

static gw_status optimizer_form(const char *value, char *out, size_t capacity,
                                struct gw_error *error)
{
    const struct gw_optimizer *row;
    struct gw_values values;
    return gw_optimizer_parse(&row, &values, value, out, capacity, error);
}

/* What cannot be pulled is a wrong spec here: no other term would make it right. */
static gw_status pull_form(const char *value, char *out, size_t capacity, struct gw_error *error)
{
    struct gw_error why = { GW_OK, "" };
    gw_status s = gw_pull_codec(value, out, capacity, NULL, &why);
    return s ? gw_fail(error, s == GW_ENOTSUP ? GW_ESPEC : s, "%s", why.text) : GW_OK;
}

static gw_status feedback_form(const char *value, char *out, size_t capacity,
                               struct gw_error *error)
{
    static const char *const names[] = { "shared", "worker" };
    for (int i = 0; i < 2; i++) {
        if (strcmp(value, names[i]) == 0) {
            (void)snprintf(out, capacity, "%s", names[i]);
            return GW_OK;
        }
    }
    const char *near = gw_nearest(value, strlen(value), names, 2);
    return gw_fail(error, GW_ESPEC, "feedback: '%.64s' is not valid%s%s%s; valid: shared, worker",
                   value, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static const struct term_row {
    const char *name, *standard;
    canonical_form *form;
} term_rows[GW_TERMS] = {
    [GW_TERM_WORKERS] = { "workers", "1", workers_form },
    [GW_TERM_SEED] = { "seed", "1", seed_form },
    [GW_TERM_MODE] = { "mode", "sync", mode_form },
    [GW_TERM_AGGREGATOR] = { "aggregator", "mean", aggregator_form },
    [GW_TERM_OPTIMIZER] = { "optimizer", "sgd", optimizer_form },
    [GW_TERM_PULL] = { "pull", "raw", pull_form },
    [GW_TERM_FEEDBACK] = { "feedback", "shared", feedback_form },
};

const char *gw_term_standard(enum gw_term term)
{
    return term_rows[term].standard;
}

const char *gw_term_name(enum gw_term term)
{
    return term_rows[term].name;
}

const char *gw_job_term(const struct gw_job *job, enum gw_term term)
{
    return job->term[term] ? job->term[term] : gw_term_standard(term);
}

uint64_t gw_job_term_number(const struct gw_job *job, enum gw_term term)
{
    return strtoull(gw_job_term(job, term), NULL, 10);
}

/* Nothing else fits a line of text, and words that repeat it are safe to print. */
static bool is_one_word(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

gw_status gw_job_set(struct gw_job *job, enum gw_term term, const char *value,
                     struct gw_error *error)
{
    char text[GW_JOB_SPEC_MAX + 1];
    char *copy = NULL;
    if (value && *value) {
        if (strlen(value) > GW_JOB_SPEC_MAX)
            return gw_fail(error, GW_ESPEC, "%s: %zu characters, the most are %d",
                           gw_term_name(term), strlen(value), GW_JOB_SPEC_MAX);
        if (!is_one_word(value))
            return gw_fail(
                error, GW_ESPEC,
                "%s: blanks and characters that are not printable ASCII have no place here",
                gw_term_name(term));
        gw_status s = term_rows[term].form(value, text, sizeof text, error);
        if (s)
            return s;
        copy = strdup(text);
        if (!copy)
            return gw_fail(error, GW_ENOMEM, "out of memory for a job's %s", gw_term_name(term));
    }
    free(job->term[term]);
    job->term[term] = copy;
    return GW_OK;
}

/* ---- open and close -------------------------------------------------------------------------- */

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static gw_status check_name(const char *name, struct gw_error *error)
{
    if (!name || !*name)
        return gw_fail(error, GW_EINVAL, "a job needs a name");
    size_t length = strlen(name);
    if (length > GW_JOB_NAME_MAX)
        return gw_fail(error, GW_EINVAL, "a job's name of %zu characters; the most are %d", length,
                       GW_JOB_NAME_MAX);
    for (size_t i = 0; i < length; i++)
        if (!is_name_character(name[i]))
            return gw_fail(error, GW_EINVAL,
                           "a job's name has letters, digits, '.', '_' and '-' only; character %zu "
                           "of it is none of these",
                           i + 1);
    return GW_OK;
}

const char *gw_job_name(const char *given)
{
    return given ? given : "gradwire";
}

gw_status gw_job_open(struct gw_job **out, const char *name, struct gw_error *error)
{
    gw_status s = check_name(name, error);
    if (s)
        return s;
    struct gw_job *job = calloc(1, sizeof *job);
    if (job)
        job->name = strdup(name);
    if (!job || !job->name) {
        free(job);
        return gw_fail(error, GW_ENOMEM, "out of memory for a job");
    }
    job->id = gw_hash_text(name);
    job->id += job->id == 0;
    job->servers = 1;
    job->part_count = GW_PART_STANDARD;
    *out = job;
    return GW_OK;
}

void gw_job_close(struct gw_job *job)
{
    if (!job)
        return;
    gw_layout_give(&(struct gw_layout){ 0 }, job);
    for (int i = 0; i < GW_TERMS; i++)
        free(job->term[i]);
    free(job->name);
    free(job);
}

static gw_status set_number(struct gw_job *job, enum gw_term term, uint64_t number,
                            struct gw_error *error)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return number ? gw_job_set(job, term, text, error) : GW_OK;
}

gw_status gw_job_open_with(struct gw_job **out, const char *name, int workers, uint64_t seed,
                           const char *const texts[GW_TERMS], struct gw_error *error)
{
    struct gw_job *job;
    gw_status s = gw_job_open(&job, name, error);
    if (s)
        return s;
    for (int i = 0; i < GW_TERMS && !s; i++)
        s = gw_job_set(job, (enum gw_term)i, texts[i], error);
    if (!s)
        s = set_number(job, GW_TERM_WORKERS, (uint64_t)workers, error);
    if (!s)
        s = set_number(job, GW_TERM_SEED, seed, error);
    if (s)
        gw_job_close(job);
    else
        *out = job;
    return s;
}
