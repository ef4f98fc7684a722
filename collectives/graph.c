/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The dependencies of a step list: last writer and readers since, per place. */
#include "collectives/graph.h"

#include <stdlib.h>

struct edges {
    int (*pairs)[2];
    int *nearest; /* by step: the first step that has an edge from it, 0: none */
    int count, capacity;
    gw_status status;
};

/* Places: slots, then SUM pieces, then output pieces, then the input as a whole. */
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
    if (e->nearest[from] == 0 || to < e->nearest[from])
        e->nearest[from] = to;
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
    int sum = p->slots + s->piece, output = sum + p->pieces, input = p->slots + 2 * p->pieces;
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
    case GW_STEP_CARRY:
    case GW_STEP_REENCODE: /* by a codec of the piece's own, one at a time */
        writes(p, sum, i);
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
        reads(p, s->slot, i);
        break;
    case GW_STEP_DELIVER:
        reads(p, s->slot, i);
        writes(p, output, i);
        break;
    case GW_STEP_AVERAGE:
        writes(p, output, i);
        break;
    case GW_STEP_COPY:
        reads(p, sum, i);
        writes(p, output, i);
        break;
    case GW_STEP_REDUCE:
        writes(p, sum, i);
        break;
    case GW_STEP_SHARE:
        reads(p, input, i);
        break;
    case GW_STEP_MEET: /* what goes through shared memory is held apart by meetings */
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
    return kind == GW_STEP_SIGN || kind == GW_STEP_COMMIT || kind == GW_STEP_MEET;
}

/* SIGN, MEET and COMMIT speak for everything before them; nothing after COMMIT or MEET starts
 * before it. A fence waits for the last one, and for those steps since that no other step before it
 * waits for. */
static void fences(struct places *p)
{
    int gate = -1, last = 0;
    for (int i = 0; i < p->list->count; i++) {
        enum gw_step_kind kind = p->list->steps[i].kind;
        for (int j = last; is_fence(kind) && j < i; j++)
            if (p->edges.nearest[j] == 0 || p->edges.nearest[j] >= i)
                edge(&p->edges, j, i);
        edge(&p->edges, gate, i);
        if (is_fence(kind))
            last = i;
        if (kind == GW_STEP_COMMIT || kind == GW_STEP_MEET)
            gate = i;
    }
}

static gw_status places_open(struct places *p, const struct gw_step_list *list, int pieces,
                             int size)
{
    int count = list->slots_count + 2 * pieces + 1;
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
    p->edges.nearest = calloc((size_t)list->count + 1, sizeof *p->edges.nearest);
    if (!p->writer || !p->reader || !p->next_reader || !p->reader_step || !p->edges.nearest)
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
    free(p->edges.nearest);
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

/* Which of the 2 * size + 1 chains of messages a step belongs to; -1: none. */
static int chain_of(const struct gw_step *s, int size)
{
    if (s->kind == GW_STEP_NATIVE)
        return 2 * size;
    if (s->kind != GW_STEP_SEND && s->kind != GW_STEP_RECV)
        return -1;
    return 2 * s->peer + (s->kind == GW_STEP_SEND);
}

static gw_status chain_messages(struct gw_graph *g, const struct gw_step_list *list, int size)
{
    int chains = 2 * size + 1;
    int *last = malloc((size_t)chains * sizeof *last);
    g->lanes = malloc((size_t)chains * sizeof *g->lanes);
    if (!last || !g->lanes) {
        free(last);
        return GW_ENOMEM;
    }
    for (int i = 0; i < chains; i++)
        last[i] = -1;
    for (int i = 0; i < list->count; i++) {
        int chain = chain_of(&list->steps[i], size);
        g->next_send[i] = -1;
        if (chain < 0)
            continue;
        if (last[chain] >= 0) {
            g->next_send[last[chain]] = i;
            g->waits[i]++;
        } else {
            g->lanes[g->lanes_count++] = i;
        }
        last[chain] = i;
    }
    free(last);
    return GW_OK;
}

static gw_status find_roots(struct gw_graph *g, int steps)
{
    g->roots = malloc((size_t)(steps + 1) * sizeof *g->roots);
    if (!g->roots)
        return GW_ENOMEM;
    for (int i = 0; i < steps; i++)
        if (g->waits[i] == 0)
            g->roots[g->roots_count++] = i;
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
        if (!status)
            status = find_roots(&g, list->count);
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
    free(graph->roots);
    free(graph->lanes);
    *graph = (struct gw_graph){ 0 };
}
