/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Traces as files: the trace-event format, JSON of complete events ("ph": "X") with times in
 * microseconds. A rank is a process, and a thread is a row: what overlaps within one kind of row
 * (messages under way, threads of the pool) goes to as many rows as it takes. Numbers are written
 * as integers, because a host program may have set a locale with another decimal point. */
#include "collectives/trace_file.h"

#include <gradwire/info.h>
#include <stdlib.h>

enum { MOST_ROWS = 10000 }; /* of a kind; what needs more overlaps in the last */

static const struct {
    const char *name, *category;
} rows[GW_TRACE_ROWS] = {
    [GW_TRACE_EXECUTOR] = { "executor", "work" }, [GW_TRACE_POOL] = { "pool", "work" },
    [GW_TRACE_SEND] = { "send", "message" },      [GW_TRACE_RECV] = { "receive", "message" },
    [GW_TRACE_WAIT] = { "wait", "wait" },         [GW_TRACE_RUN] = { "run", "run" },
};

/* When the last span of each row ends. */
struct ends {
    int64_t *of_kind[GW_TRACE_ROWS];
    int used[GW_TRACE_ROWS];
};

static int take_row(struct ends *ends, const struct gw_trace_span *span)
{
    int64_t *end = ends->of_kind[span->row];
    int *used = &ends->used[span->row], r = 0;
    while (r < *used && end[r] > span->start_ns)
        r++;
    if (r == *used && *used < MOST_ROWS)
        ++*used;
    else if (r == *used)
        r--;
    end[r] = span->end_ns;
    return span->row * MOST_ROWS + r;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f) /* beyond ASCII as Latin-1, so that it is JSON anyway */
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

/* Nanoseconds as microseconds. */
static void put_time(FILE *out, const char *key, int64_t ns)
{
    ns = ns > 0 ? ns : 0;
    fprintf(out, "\"%s\": %lld.%03d, ", key, (long long)(ns / 1000), (int)(ns % 1000));
}

static int64_t shown_time(const struct gw_trace_clock *clock, int64_t ns)
{
    double span = (double)(clock->at_ns[1] - clock->at_ns[0]);
    double part = span > 0 ? (double)(ns - clock->at_ns[0]) / span : 0;
    double drift = (double)(clock->offset_ns[1] - clock->offset_ns[0]);
    return ns + clock->offset_ns[0] + (int64_t)(part * drift) - clock->base_ns;
}

static const char *name_of(const struct gw_trace_span *span)
{
    if (span->row == GW_TRACE_RUN)
        return span->label->title;
    if (span->row == GW_TRACE_EXECUTOR && span->kind == GW_STEP_RECV)
        return "ACCEPT";
    return gw_step_name((enum gw_step_kind)span->kind);
}

static void put_span(FILE *out, const struct gw_trace_span *span, int rank, int row,
                     const struct gw_trace_clock *clock)
{
    int64_t start = shown_time(clock, span->start_ns), end = shown_time(clock, span->end_ns);
    const struct gw_trace_label *label = span->label;
    fprintf(out, ",\n{\"ph\": \"X\", \"pid\": %d, \"tid\": %d, ", rank, row);
    put_time(out, "ts", start);
    put_time(out, "dur", end - start);
    fprintf(out, "\"cat\": \"%s\", \"name\": ", rows[span->row].category);
    put_text(out, name_of(span));
    fprintf(out, ", \"args\": {\"plan\": %u, \"tensor\": ", label->number);
    put_text(out, label->tensors[span->piece >= 0 ? span->piece : label->tensors_count - 1]);
    if (span->piece >= 0)
        fprintf(out, ", \"piece\": %d", span->piece);
    if (span->peer >= 0)
        fprintf(out, ", \"peer\": %d", span->peer);
    if (span->failed)
        fprintf(out, ", \"failed\": true");
    fprintf(out, ", \"bytes\": %llu}}", (unsigned long long)span->bytes);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void put_names(FILE *out, int rank, const struct ends *ends)
{
    for (int kind = 0; kind < GW_TRACE_ROWS; kind++)
        for (int r = 0; r < ends->used[kind]; r++) {
            int row = kind * MOST_ROWS + r;
            fprintf(out,
                    ",\n{\"ph\": \"M\", \"pid\": %d, \"tid\": %d, \"name\": \"thread_name\", "
                    "\"args\": {\"name\": \"%s %d\"}}"
                    ",\n{\"ph\": \"M\", \"pid\": %d, \"tid\": %d, \"name\": \"thread_sort_index\", "
                    "\"args\": {\"sort_index\": %d}}",
                    rank, row, rows[kind].name, r, rank, row, row);
        }
}

static void put_process(FILE *out, int rank, int node, size_t dropped)
{
    fprintf(out,
            "{\"ph\": \"M\", \"pid\": %d, \"name\": \"process_name\", "
            "\"args\": {\"name\": \"rank %d (node %d)\"}}"
            ",\n{\"ph\": \"M\", \"pid\": %d, \"name\": \"process_sort_index\", "
            "\"args\": {\"sort_index\": %d}}",
            rank, rank, node, rank, rank);
    if (dropped)
        fprintf(out,
                ",\n{\"ph\": \"M\", \"pid\": %d, \"name\": \"process_labels\", "
                "\"args\": {\"labels\": \"full: %zu later spans are missing\"}}",
                rank, dropped);
}

/* By start; of those that start together the longer first, as it is around the other. */
static int by_start(const void *a, const void *b)
{
    const struct gw_trace_span *x = a, *y = b;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return (x->end_ns < y->end_ns) - (x->end_ns > y->end_ns);
}

char *gw_trace_events(struct gw_trace_span *spans, size_t count, size_t dropped, int rank, int node,
                      const struct gw_trace_clock *clock)
{
    char *text = NULL;
    size_t bytes = 0;
    struct ends ends = { 0 };
    int64_t *block = malloc(sizeof(int64_t[GW_TRACE_ROWS][MOST_ROWS]));
    FILE *out = block ? open_memstream(&text, &bytes) : NULL;
    if (!out) {
        free(block);
        return NULL;
    }
    for (int kind = 0; kind < GW_TRACE_ROWS; kind++)
        ends.of_kind[kind] = block + (size_t)kind * MOST_ROWS;
    qsort(spans, count, sizeof *spans, by_start);
    put_process(out, rank, node, dropped);
    for (size_t i = 0; i < count; i++)
        put_span(out, &spans[i], rank, take_row(&ends, &spans[i]), clock);
    put_names(out, rank, &ends);
    free(block);
    bool failed = ferror(out);
    if (fclose(out) || failed) {
        free(text);
        return NULL;
    }
    return text;
}

gw_status gw_trace_write(FILE *file, char *const *events, int ranks, const char *trouble)
{
    const char *comma = "";
    fprintf(file, "{\"displayTimeUnit\": \"ns\", \"otherData\": {\"version\": \"gradwire %s\"",
            gw_version());
    if (trouble) {
        fprintf(file, ", \"incomplete\": ");
        put_text(file, trouble);
    }
    fprintf(file, "},\n\"traceEvents\": [\n");
    for (int r = 0; r < ranks; r++) {
        if (!events[r] || !*events[r])
            continue;
        fprintf(file, "%s%s", comma, events[r]);
        comma = ",\n";
    }
    fprintf(file, "\n]}\n");
    return fflush(file) || ferror(file) ? GW_EIO : GW_OK;
}
