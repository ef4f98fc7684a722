/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server's state as lines of text: a head of what holds for the job, then a line per worker,
 * columns as wide as what stands in them. */
#include "tools/top.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 24, HEAD_LINES = 2 };

struct row {
    const struct top_state *state, *before; /* before: NULL where there are no rates */
    const struct top_worker *now, *then;    /* then: NULL likewise */
    double fastest;
};

/* ---- cells ----------------------------------------------------------------------------------- */

static void put_count(char *cell, double number)
{
    snprintf(cell, CELL, fabs(number) < 1e15 ? "%.0f" : "%.3g", number);
}

/* "-" for what was not measured. */
static void put_number(char *cell, double number)
{
    if (!isfinite(number))
        snprintf(cell, CELL, "-");
    else if (fabs(number) >= 1e7)
        snprintf(cell, CELL, "%.3g", number);
    else
        snprintf(cell, CELL, number >= 1000 ? "%.0f" : number >= 100 ? "%.1f" : "%.2f", number);
}

/* NaN without a look before. A clock or counter that went back is another life's: no rate. */
static double rate_of(const struct top_state *state, const struct top_state *before, double now,
                      double then)
{
    double seconds = before ? state->uptime_s - before->uptime_s : 0;
    return seconds > 0 && now >= then ? (now - then) / seconds : NAN;
}

static double worker_rate(const struct row *row, double now, double then)
{
    return row->then ? rate_of(row->state, row->before, now, then) : NAN;
}

static void put_worker(char *cell, const struct row *row)
{
    snprintf(cell, CELL, "%s%u", row->now->awaited ? "*" : "", row->now->number);
}

static void put_state(char *cell, const struct row *row)
{
    const struct top_worker *w = row->now;
    const char *state = w->connected ? "live" : w->live ? "lost" : "dead";
    snprintf(cell, CELL, "%s", state);
}

static void put_clock(char *cell, const struct row *row)
{
    put_count(cell, row->now->clock);
}

static void put_behind(char *cell, const struct row *row)
{
    put_count(cell, row->fastest - row->now->clock);
}

#define THEN(field) (row->then ? row->then->field : 0)

static void put_pushes(char *cell, const struct row *row)
{
    put_number(cell, worker_rate(row, row->now->pushes, THEN(pushes)));
}

static void put_pulls(char *cell, const struct row *row)
{
    put_number(cell, worker_rate(row, row->now->pulls, THEN(pulls)));
}

static void put_in(char *cell, const struct row *row)
{
    put_number(cell, worker_rate(row, row->now->in_bytes, THEN(in_bytes)) / 1e6);
}

static void put_out(char *cell, const struct row *row)
{
    put_number(cell, worker_rate(row, row->now->out_bytes, THEN(out_bytes)) / 1e6);
}

#undef THEN

static double ratio(double raw, double bytes)
{
    return bytes > 0 ? raw / bytes : NAN;
}

static void put_in_ratio(char *cell, const struct row *row)
{
    put_number(cell, ratio(row->now->raw_in_bytes, row->now->in_bytes));
}

static void put_out_ratio(char *cell, const struct row *row)
{
    put_number(cell, ratio(row->now->raw_out_bytes, row->now->out_bytes));
}

static void put_residual(char *cell, const struct row *row)
{
    snprintf(cell, CELL, "%.3g", row->now->residual_norm);
}

static void put_waiting(char *cell, const struct row *row)
{
    put_count(cell, row->now->waiting);
}

static void put_late(char *cell, const struct row *row)
{
    put_count(cell, row->now->late);
}

static const struct column {
    const char *title;
    void (*put)(char *cell, const struct row *row);
} columns[] = {
    { "worker", put_worker },       { "state", put_state },       { "clock", put_clock },
    { "behind", put_behind },       { "pushes/s", put_pushes },   { "pulls/s", put_pulls },
    { "in_MB/s", put_in },          { "out_MB/s", put_out },      { "in_ratio", put_in_ratio },
    { "out_ratio", put_out_ratio }, { "residual", put_residual }, { "waiting", put_waiting },
    { "late", put_late },
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* ---- the table ------------------------------------------------------------------------------- */

static double fastest(const struct top_state *state)
{
    double most = 0;
    for (size_t i = 0; i < state->count; i++)
        if (state->workers[i].clock > most)
            most = state->workers[i].clock;
    return most;
}

static int by_clock(const void *a, const void *b)
{
    const struct top_worker *x = *(const struct top_worker *const *)a;
    const struct top_worker *y = *(const struct top_worker *const *)b;
    if (x->awaited != y->awaited)
        return y->awaited - x->awaited;
    return x->clock != y->clock ? (x->clock > y->clock) - (x->clock < y->clock)
                                : (x->number > y->number) - (x->number < y->number);
}

static void fill_row(char cells[COLUMNS][CELL], const struct row *row)
{
    for (int c = 0; c < COLUMNS; c++)
        columns[c].put(cells[c], row);
}

static void print_row(FILE *stream, char cells[COLUMNS][CELL], const int *widths)
{
    for (int c = 0; c < COLUMNS; c++)
        fprintf(stream, "%s%*s", c ? "  " : "", widths[c], cells[c]);
    fputc('\n', stream);
}

static void print_rows(FILE *stream, char (*cells)[COLUMNS][CELL], size_t rows)
{
    int widths[COLUMNS] = { 0 };
    for (size_t r = 0; r < rows; r++)
        for (int c = 0; c < COLUMNS; c++)
            if ((int)strlen(cells[r][c]) > widths[c])
                widths[c] = (int)strlen(cells[r][c]);
    for (size_t r = 0; r < rows; r++)
        print_row(stream, cells[r], widths);
}

static int print_workers(FILE *stream, const struct top_state *state,
                         const struct top_state *before, size_t shown)
{
    const struct top_worker **order = malloc((state->count + 1) * sizeof *order);
    char(*cells)[COLUMNS][CELL] = malloc((shown + 1) * sizeof *cells);
    if (!order || !cells) {
        free(order);
        free(cells);
        return -1;
    }
    for (size_t i = 0; i < state->count; i++)
        order[i] = &state->workers[i];
    if (shown < state->count)
        qsort(order, state->count, sizeof *order, by_clock);
    for (int c = 0; c < COLUMNS; c++)
        snprintf(cells[0][c], CELL, "%s", columns[c].title);
    struct row row = { .state = state, .before = before, .fastest = fastest(state) };
    for (size_t i = 0; i < shown; i++) {
        row.now = order[i];
        row.then = before ? top_state_find(before, order[i]->number) : NULL;
        fill_row(cells[i + 1], &row);
    }
    print_rows(stream, cells, shown + 1);
    free(order);
    free(cells);
    return 0;
}

static void print_head(FILE *stream, const char *address, const struct top_state *state,
                       const struct top_state *before)
{
    char rounds[CELL];
    put_number(rounds, rate_of(state, before, state->round, before ? before->round : 0));
    fprintf(stream, "job %s  round %.0f  rounds/s %s  members %.0f  live %.0f%s\n", state->job,
            state->round, rounds, state->members, state->live,
            state->sick > 0 ? "  SICK: the disk cannot be written" : "");
    fprintf(stream, "%s", address);
    if (state->servers > 1)
        fprintf(stream, "  server %d of %d", state->server + 1, state->servers);
    fprintf(stream, "  mode %s  optimizer %s  durability %s\n", state->mode, state->optimizer,
            state->durability);
}

int top_table_print(FILE *stream, const char *address, const struct top_state *state,
                    const struct top_state *before, size_t lines)
{
    size_t shown = state->count;
    /* Besides the head, the titles and the last line take one each. */
    const size_t others = HEAD_LINES + 2;
    if (lines && shown > lines - others + 1)
        shown = lines - others;
    print_head(stream, address, state, before);
    if (!state->count) {
        fputs("no workers\n", stream);
        return 0;
    }
    if (print_workers(stream, state, before, shown))
        return -1;
    if (shown < state->count)
        fprintf(stream, "and %zu more that are no further behind\n", state->count - shown);
    return 0;
}
