/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Agreement: before the first payload, ranks prove that they were asked for the same thing. Each
 * writes what it was asked for, a line per field; rank 0 compares; everyone hears the verdict. */
#include "collectives/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *bytes;
    size_t length, capacity;
    bool failed;
};

static void append(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (t->length + (size_t)n + 1 > t->capacity) {
        size_t capacity = 2 * (t->length + (size_t)n + 1);
        char *bytes = realloc(t->bytes, capacity);
        t->failed |= !bytes;
        if (bytes) {
            t->bytes = bytes;
            t->capacity = capacity;
        }
    }
    if (!t->failed) {
        vsnprintf(t->bytes + t->length, t->capacity - t->length, format, again);
        t->length += (size_t)n;
    }
    va_end(again);
}

static const char *collective_name(enum gw_collective collective)
{
    switch (collective) {
    case GW_ALLREDUCE:
        return "allreduce";
    case GW_REDUCE_SCATTER:
        return "reduce_scatter";
    case GW_ALLGATHER:
        return "allgather";
    default:
        return "broadcast";
    }
}

/* "key value" lines; a first line that starts with '!' says that the rank failed on its own. */
static void describe(struct text *t, const struct gw_plan *plan, gw_status local,
                     const struct gw_error *error)
{
    static const char *const types[] = { "f32", "f64", "f16", "bf16", "i32" };
    static const char *const operations[] = { "sum", "mean", "min", "max" };
    static const char *const nonfinites[] = { "refuse", "zero", "pass" };
    static const char *const gates[] = { "default", "auto", "off", "live" };
    if (local) {
        append(t, "!%s", error->text);
        return;
    }
    append(t, "version %s\ncollective %s\ntype %s\noperation %s\nroot %d\nseed %llu\n",
           gw_version(), collective_name(plan->collective), types[plan->type],
           operations[plan->operation], plan->root, (unsigned long long)plan->seed);
    append(t, "algorithm %s\npieces %d\nnonfinite %s\none_sided_ef %d\nchannel %u\n",
           plan->algorithm->info.name, plan->problem.pieces, nonfinites[plan->nonfinite],
           plan->one_sided_ef, plan->channel);
    append(t, "gate %s every %u\npins %s\n", gates[plan->gate_mode], plan->gate_every,
           plan->pins ? "asked for" : "none");
    append(t, "trace %s\ntensors %d\n", plan->comm->attached ? "on" : "off", plan->tensors_count);
    for (int i = 0; i < plan->tensors_count; i++)
        append(t, "tensor %d: '%s' of %zu elements by %s\n", i, plan->tensors[i].name,
               plan->tensors[i].count, plan->tensors[i].spec);
}

/* The first line in which two descriptions differ, on both sides. */
static void first_difference(const char *a, const char *b, char *out, size_t capacity, int rank)
{
    size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
    while (*a && *b && n == m && memcmp(a, b, n) == 0) {
        a += n + (a[n] == '\n');
        b += m + (b[m] == '\n');
        n = strcspn(a, "\n");
        m = strcspn(b, "\n");
    }
    snprintf(out, capacity, "rank 0 has %.*s, rank %d has %.*s", n ? (int)n : 7, n ? a : "nothing",
             rank, m ? (int)m : 7, m ? b : "nothing");
}

/* Rank 0's verdict: "" for good, 'P' + words (a rank failed), 'M' + words (they differ). */
static void judge(char **texts, int size, char *out, size_t capacity)
{
    *out = '\0';
    for (int r = 0; r < size; r++) {
        if (texts[r][0] == '!') {
            snprintf(out, capacity, "Prank %d: %s", r, texts[r] + 1);
            return;
        }
    }
    for (int r = 1; r < size; r++) {
        if (strcmp(texts[0], texts[r]) != 0) {
            out[0] = 'M';
            first_difference(texts[0], texts[r], out + 1, capacity - 1, r);
            return;
        }
    }
}

static gw_status exchange(struct gw_plan *plan, const char *mine, char *verdict, size_t capacity,
                          struct gw_error *error)
{
    int size = plan->comm->size;
    char **texts = calloc((size_t)size, sizeof *texts), *heard = NULL;
    if (!texts)
        return gw_fail(error, GW_ENOMEM, "not enough memory to compare plans");
    gw_status s = gw_control_gather_text(plan->comm, mine, texts, error);
    *verdict = '\0';
    if (!s && plan->comm->rank == 0)
        judge(texts, size, verdict, capacity);
    if (!s)
        s = gw_control_broadcast_text(plan->comm, verdict, &heard, error);
    if (!s)
        snprintf(verdict, capacity, "%s", heard);
    for (int r = 0; r < size; r++)
        free(texts[r]);
    free(texts);
    free(heard);
    return s;
}

gw_status gw_plan_agree(struct gw_plan *plan, gw_status local, struct gw_error *error)
{
    struct text mine = { 0 };
    char verdict[GW_ERROR_TEXT];
    describe(&mine, plan, local, error);
    if (mine.failed && !local)
        local = gw_fail(error, GW_ENOMEM, "not enough memory to describe the plan");
    /* The own error stays the caller's; the exchange must not overwrite it. */
    struct gw_error own = *error;
    gw_status s =
        exchange(plan, mine.failed ? "!out of memory" : mine.bytes, verdict, sizeof verdict, error);
    free(mine.bytes);
    if (local) {
        *error = own;
        return local;
    }
    if (s)
        return s;
    if (verdict[0] == 'P')
        return gw_fail(error, GW_EPEER, "%s", verdict + 1);
    if (verdict[0] == 'M')
        return gw_fail(error, GW_EMISMATCH, "ranks disagree: %s", verdict + 1);
    return GW_OK;
}
