/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The dependencies of a step list: last writer and readers since, per place. */
#include "collectives/graph.h"

#include <stdlib.h>

struct edges {
    int (*pairs)[2];
    int count, capacity;
    gw_status status;
};

/* Places: slots, then SUM pieces, then the input as a whole. */
struct places {
    const struct gw_step_list *list;
    struct edges edges;
    int slots, pieces;
    int *writer;      /* by place: last step that wrote it, -1 */
    int *reader;      /* by place: head of the list of readers since, -1 */
    int *next_reader; /* links of those lists */
    int *reader_step;
    int readers, readers_capacity;
};

static void edge(struct edges *e, int from, int to)
{
    if (from < 0 || from == to)
        return;
    if (e->count == e->capacity) {
        int capacity = e->capacity ? 2 * e->capacity : 256;
        int(*pairs)[2] = realloc(e->pairs, (size_t)capacity * sizeof *pairs);
        if (!pairs) {
            e->status = GW_ENOMEM;
            return;
        }
        e->pairs = pairs;
        e->capacity = capacity;
    }
    e->pairs[e->count][0] = from;
    e->pairs[e->count++][1] = to;
}

static void reads(struct places *p, int place, int step)
{
    edge(&p->edges, p->writer[place], step);
    if (p->readers == p->readers_capacity) {
        p->edges.status = GW_ENOMEM;
        return;
    }
    p->reader_step[p->readers] = step;
    p->next_reader[p->readers] = p->reader[place];
    p->reader[place] = p->readers++;
}

static void writes(struct places *p, int place, int step)
{
    edge(&p->edges, p->writer[place], step);
    for (int r = p->reader[place]; r >= 0; r = p->next_reader[r])
        edge(&p->edges, p->reader_step[r], step);
    p->writer[place] = step;
    p->reader[place] = -1;
}

static void touch(struct places *p, int i, int size)
{
    const struct gw_step *s = &p->list->steps[i];
    int sum = p->slots + s->piece, input = p->slots + p->pieces;
    switch (s->kind) {
    case GW_STEP_PREPARE:
        writes(p, input, i);
        break;
    case GW_STEP_PROPOSE:
        reads(p, input, i);
        writes(p, s->slot, i);
        break;
    case GW_STEP_ADOPT:
        for (int r = 0; r < size; r++)
            reads(p, s->from + r, i);
        writes(p, input, i);
        break;
    case GW_STEP_ENCODE:
        reads(p, input, i);
        writes(p, s->slot, i);
        break;
    case GW_STEP_REENCODE:
        reads(p, sum, i);
        writes(p, s->slot, i);
        break;
    case GW_STEP_MERGE:
        for (int r = 0; r < size; r++)
            reads(p, s->from + r, i);
        writes(p, s->slot, i);
        break;
    case GW_STEP_LOAD:
    case GW_STEP_NATIVE:
        reads(p, input, i);
        writes(p, sum, i);
        break;
    case GW_STEP_DECODE:
    case GW_STEP_ADD:
        reads(p, s->slot, i);
        writes(p, sum, i);
        break;
    case GW_STEP_DIVIDE:
        writes(p, sum, i);
        break;
    case GW_STEP_RECV:
    case GW_STEP_SIGN:
        writes(p, s->slot, i);
        break;
    case GW_STEP_SEND:
    case GW_STEP_DELIVER:
        reads(p, s->slot, i);
        break;
    case GW_STEP_COPY:
        reads(p, sum, i);
        break;
    case GW_STEP_REDUCE:
        writes(p, sum, i);
        break;
    case GW_STEP_SHARE: /* what goes through shared memory is held apart by meetings */
    case GW_STEP_MEET:
    case GW_STEP_COMBINE:
    case GW_STEP_FETCH:
    case GW_STEP_TAKE:
    case GW_STEP_COMMIT:
    case GW_STEP_KIND_COUNT:
        break;
    }
}

static bool is_fence(enum gw_step_kind kind)
{
    return kind == GW_STEP_SIGN || kind == GW_STEP_COMMIT || kind == GW_STEP_NATIVE ||
           kind == GW_STEP_MEET;
}

/* SIGN, MEET and COMMIT speak for everything before them, NATIVE can be neither refused nor undone;
 * nothing after COMMIT or MEET starts before it. */
static void fences(struct places *p)
{
    int last = -1;
    for (int i = 0; i < p->list->count; i++) {
        enum gw_step_kind kind = p->list->steps[i].kind;
        for (int j = 0; is_fence(kind) && j < i; j++)
            edge(&p->edges, j, i);
        edge(&p->edges, last, i);
        if (kind == GW_STEP_COMMIT || kind == GW_STEP_MEET)
            last = i;
    }
}

static gw_status places_open(struct places *p, const struct gw_step_list *list, int pieces,
                             int size)
{
    int count = list->slots_count + pieces + 1;
    p->list = list;
    p->slots = list->slots_count;
    p->pieces = pieces;
    p->readers_capacity = 2 * list->count + 1;
    for (int i = 0; i < list->count; i++)
        if (list->steps[i].from >= 0)
            p->readers_capacity += size;
    p->writer = malloc((size_t)count * sizeof *p->writer);
    p->reader = malloc((size_t)count * sizeof *p->reader);
    p->next_reader = malloc((size_t)p->readers_capacity * sizeof *p->next_reader);
    p->reader_step = malloc((size_t)p->readers_capacity * sizeof *p->reader_step);
    if (!p->writer || !p->reader || !p->next_reader || !p->reader_step)
        return GW_ENOMEM;
    for (int i = 0; i < count; i++)
        p->writer[i] = p->reader[i] = -1;
    return GW_OK;
}

static void places_close(struct places *p)
{
    free(p->writer);
    free(p->reader);
    free(p->next_reader);
    free(p->reader_step);
    free(p->edges.pairs);
}

static void fill_followers(struct gw_graph *g, const struct edges *e, int steps)
{
    for (int i = 0; i < e->count; i++) {
        g->start[e->pairs[i][0] + 1]++;
        g->waits[e->pairs[i][1]]++;
    }
    for (int i = 0; i < steps; i++)
        g->start[i + 1] += g->start[i];
    /* Fill each list from its end, which moves start[i + 1] back to where list i + 1 begins. */
    for (int i = 0; i < e->count; i++)
        g->follower[g->start[e->pairs[i][0]]++] = e->pairs[i][1];
    for (int i = steps; i > 0; i--)
        g->start[i] = g->start[i - 1];
    g->start[0] = 0;
}

static gw_status chain_messages(struct gw_graph *g, const struct gw_step_list *list, int size)
{
    int *last = malloc(2 * (size_t)size * sizeof *last);
    if (!last)
        return GW_ENOMEM;
    for (int i = 0; i < 2 * size; i++)
        last[i] = -1;
    for (int i = 0; i < list->count; i++) {
        const struct gw_step *s = &list->steps[i];
        g->next_send[i] = -1;
        if (s->kind != GW_STEP_SEND && s->kind != GW_STEP_RECV)
            continue;
        int *before = &last[2 * s->peer + (s->kind == GW_STEP_SEND)];
        if (*before >= 0) {
            g->next_send[*before] = i;
            g->waits[i]++;
        }
        *before = i;
    }
    free(last);
    return GW_OK;
}

gw_status gw_graph_build(struct gw_graph *out, const struct gw_step_list *list, int pieces,
                         int size)
{
    struct places p = { 0 };
    struct gw_graph g = { 0 };
    gw_status status = places_open(&p, list, pieces, size);
    for (int i = 0; !status && i < list->count; i++)
        touch(&p, i, size);
    if (!status) {
        fences(&p);
        status = p.edges.status;
    }
    if (!status) {
        size_t n = (size_t)list->count;
        g.waits = calloc(n + 1, sizeof *g.waits);
        g.start = calloc(n + 2, sizeof *g.start);
        g.follower = calloc((size_t)p.edges.count + 1, sizeof *g.follower);
        g.next_send = calloc(n + 1, sizeof *g.next_send);
        status = g.waits && g.start && g.follower && g.next_send ? GW_OK : GW_ENOMEM;
    }
    if (!status) {
        fill_followers(&g, &p.edges, list->count);
        status = chain_messages(&g, list, size);
    }
    places_close(&p);
    if (status)
        gw_graph_free(&g);
    else
        *out = g;
    return status;
}

void gw_graph_free(struct gw_graph *graph)
{
    free(graph->waits);
    free(graph->start);
    free(graph->follower);
    free(graph->next_send);
    *graph = (struct gw_graph){ 0 };
}
