/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server and a worker compare their jobs, line by line, and the server takes what it left open.
 * All that is to be taken is copied first: what fails half way has changed nothing. */
#include "server/job_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ----------------------------------------------------------------------------------- */

/* Of long values the part from shortly before the first difference: both have to fit an error. */
enum { SHOWN = 200, BEFORE = 40 };

static const char *show(char *out, const char *text, const char *other)
{
    size_t same = 0, length = strlen(text);
    while (text[same] && text[same] == other[same])
        same++;
    size_t from = length > SHOWN && same > BEFORE ? same - BEFORE : 0;
    (void)snprintf(out, SHOWN + 8, "%s%.*s%s", from ? "..." : "", SHOWN, text + from,
                   length - from > SHOWN ? "..." : "");
    return out;
}

static gw_status differ(const char *line, const char *ours, const char *theirs, uint32_t worker,
                        struct gw_error *error)
{
    char a[SHOWN + 8], b[SHOWN + 8];
    return gw_fail(error, GW_EMISMATCH, "the server says %s: %s, worker %" PRIu32 " says %s: %s",
                   line, show(a, ours, theirs), worker, line, show(b, theirs, ours));
}

static gw_status compare_numbers(const char *line, uint64_t ours, uint64_t theirs, uint32_t worker,
                                 struct gw_error *error)
{
    char a[24], b[24];
    if (ours == theirs)
        return GW_OK;
    (void)snprintf(a, sizeof a, "%" PRIu64, ours);
    (void)snprintf(b, sizeof b, "%" PRIu64, theirs);
    return differ(line, a, b, worker, error);
}

/* ---- compare --------------------------------------------------------------------------------- */

static gw_status compare_terms(const struct gw_job *ours, const struct gw_job *theirs,
                               uint32_t worker, struct gw_error *error)
{
    for (int i = 0; i < GW_TERMS; i++) {
        const char *a = ours->term[i], *b = theirs->term[i];
        if (a && b && strcmp(a, b) != 0)
            return differ(gw_term_name((enum gw_term)i), a, b, worker, error);
    }
    return GW_OK;
}

enum { TENSOR_TEXT = GW_JOB_SPEC_MAX + GW_TENSOR_NAME_MAX + 32 };

static void tensor_text(char *out, const struct gw_job *job, size_t i)
{
    if (i < job->tensors)
        (void)snprintf(out, TENSOR_TEXT, "%zu %s %s", job->tensor[i].count, job->tensor[i].push,
                       job->tensor[i].name);
    else
        (void)snprintf(out, TENSOR_TEXT, "none");
}

static bool same_tensor(const struct gw_job_tensor *a, const struct gw_job_tensor *b)
{
    return a->count == b->count && strcmp(a->push, b->push) == 0 && strcmp(a->name, b->name) == 0;
}

static gw_status compare_layouts(const struct gw_job *ours, const struct gw_job *theirs,
                                 uint32_t worker, struct gw_error *error)
{
    if (ours->tensors == 0 || theirs->tensors == 0)
        return GW_OK;
    size_t i = 0;
    while (i < ours->tensors && i < theirs->tensors &&
           same_tensor(&ours->tensor[i], &theirs->tensor[i]))
        i++;
    if (i == ours->tensors && i == theirs->tensors)
        return GW_OK;
    char line[40], a[TENSOR_TEXT], b[TENSOR_TEXT];
    (void)snprintf(line, sizeof line, "tensor %zu", i + 1);
    tensor_text(a, ours, i);
    tensor_text(b, theirs, i);
    return differ(line, a, b, worker, error);
}

/* Into how many servers and parts a layout is cut, and which of them this is. */
static gw_status compare_cuts(const struct gw_job *ours, const struct gw_job *theirs,
                              uint32_t worker, struct gw_error *error)
{
    if (ours->tensors == 0 || theirs->tensors == 0)
        return GW_OK;
    gw_status s = compare_numbers("servers", (uint64_t)ours->servers, (uint64_t)theirs->servers,
                                  worker, error);
    if (!s)
        s = compare_numbers("server", (uint64_t)ours->server, (uint64_t)theirs->server, worker,
                            error);
    return s ? s : compare_numbers("part", ours->part_count, theirs->part_count, worker, error);
}

static gw_status compare(const struct gw_job *ours, const struct gw_job *theirs, uint32_t worker,
                         struct gw_error *error)
{
    if (strcmp(ours->name, theirs->name) != 0)
        return differ("job", ours->name, theirs->name, worker, error);
    gw_status s = compare_cuts(ours, theirs, worker, error);
    if (!s)
        s = compare_terms(ours, theirs, worker, error);
    return s ? s : compare_layouts(ours, theirs, worker, error);
}

/* ---- take ------------------------------------------------------------------------------------ */

static gw_status copy_layout(struct gw_layout *layout, const struct gw_job *job,
                             struct gw_error *error)
{
    for (size_t i = 0; i < job->tensors; i++) {
        const struct gw_job_tensor *t = &job->tensor[i];
        gw_status s = gw_layout_add(layout, t->name, strlen(t->name), t->count, t->push, error);
        if (s)
            return s;
    }
    return GW_OK;
}

static gw_status take(struct gw_job *ours, const struct gw_job *theirs, struct gw_error *error)
{
    char *terms[GW_TERMS] = { NULL };
    struct gw_layout layout = { 0 };
    gw_status s = ours->tensors == 0 ? copy_layout(&layout, theirs, error) : GW_OK;
    for (int i = 0; i < GW_TERMS && !s; i++) {
        if (ours->term[i] || !theirs->term[i])
            continue;
        terms[i] = strdup(theirs->term[i]);
        if (!terms[i])
            s = gw_fail(error, GW_ENOMEM, "out of memory for a job's %s",
                        gw_term_name((enum gw_term)i));
    }
    if (s) {
        for (int i = 0; i < GW_TERMS; i++)
            free(terms[i]);
        gw_layout_clear(&layout);
        return s;
    }
    for (int i = 0; i < GW_TERMS; i++)
        if (terms[i])
            ours->term[i] = terms[i];
    if (layout.count > 0) {
        ours->servers = theirs->servers;
        ours->server = theirs->server;
        ours->part_count = theirs->part_count;
        gw_layout_give(&layout, ours);
    }
    return GW_OK;
}

gw_status gw_job_agree(struct gw_job *ours, const struct gw_job *theirs, uint32_t worker,
                       struct gw_error *error)
{
    gw_status s = compare(ours, theirs, worker, error);
    return s ? s : take(ours, theirs, error);
}
