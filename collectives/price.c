/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Playing a step list through without data: work takes processor time, messages take the lanes of
 * the link, and the run takes what the last of them takes, as in a discrete event simulation.
 *
 * Only one rank is played. Its peers do what it does at the same time, as they do in all these
 * algorithms: so the m-th message that it sends is, turned round the ranks, the m-th that it
 * receives. Where that cannot be (a rank past the last power of two hands its data over and sends
 * nothing else), what it waits for is taken to be sent just then. */
#include "collectives/price.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectives/cache.h"
#include "collectives/graph.h"
#include "collectives/heap.h"
#include "compress/codec.h"

/* Steps that neither move nor touch floats. */
static const double SMALL_STEP_S = 3e-7;

/* A meeting in shared memory, per rank that meets. */
static const double MEET_S = 1e-6;

/* ---- the play ----------------------------------------------------------------------------------
 */

enum state { WAITS, POSTED, COMING, WORKS, DONE };

struct play {
    const struct gw_step_list *list;
    const struct gw_problem *p;
    const struct gw_terms *terms;
    struct gw_graph graph;
    struct gw_cache cache; /* places: input, SUM and output pieces, then slots */
    int pieces;
    double piece, payloads; /* elements of a piece, payloads that it consists of */
    double now, out_free, in_free;
    int idle, left;
    uint8_t *state;
    struct gw_heap ready, events; /* by index; by time */
    int *receives;                /* steps, in list order */
    int receives_count, sent, shift;
    double *delivered; /* by ordinal of the receive; NAN: not known yet */
    int *ordinal;      /* of a receive, by step */
};

static double line_at(struct gw_line line, double payloads, double elements)
{
    return line.fixed_s * payloads + line.element_s * elements;
}

static double work_at(const struct play *play, enum gw_work work)
{
    return line_at(play->terms->rates.work[work], play->payloads, play->piece);
}

/* The same on floats, which may be all of them. */
static double floats_at(const struct play *play, enum gw_work work, const struct gw_step *step)
{
    double elements = step->piece < 0 ? play->terms->elements : play->piece;
    return line_at(play->terms->rates.work[work], 1, elements);
}

/* Ranks that sum through the same memory. */
static int sharers(const struct play *play)
{
    return play->p->node_ranks > 1 ? play->p->node_ranks : play->p->size;
}

static double prepare_s(const struct play *play)
{
    const struct gw_terms *t = play->terms;
    double elements = t->elements;
    if (play->p->collective == GW_ALLGATHER)
        elements /= play->p->size;
    return line_at(t->rates.work[GW_WORK_PREPARE], t->tensors, elements);
}

static double message_bytes(const struct play *play, int slot)
{
    const struct gw_rates *rates = &play->terms->rates;
    double header = GW_HEADER_BYTES * play->payloads;
    switch (play->list->slots[slot].kind) {
    case GW_SLOT_CODED:
        return header + rates->coded_bytes * play->piece;
    case GW_SLOT_MERGED:
        return header + rates->merged_bytes * play->piece;
    case GW_SLOT_SIDE:
        return GW_HEADER_BYTES + 4.0 * (double)play->terms->side_floats;
    default:
        return GW_HEADER_BYTES;
    }
}

/* ---- what has to come from memory --------------------------------------------------------------
 */

enum place { INPUT, SUM, OUTPUT, PLACES };

static double read_s(struct play *play, int place, double bytes)
{
    return gw_cache_touch(&play->cache, place, bytes) * play->terms->memory.read_s;
}

static double write_s(struct play *play, int place, double bytes)
{
    return gw_cache_touch(&play->cache, place, bytes) * play->terms->memory.write_s;
}

/* Floats of a piece, or of all. */
static double touch_s(struct play *play, enum place place, int piece, double rate)
{
    double seconds = 0;
    int first = piece < 0 ? 0 : piece, end = piece < 0 ? play->pieces : piece + 1;
    for (int i = first; i < end; i++)
        seconds +=
            gw_cache_touch(&play->cache, (int)place * play->pieces + i, 4 * play->piece) * rate;
    return seconds;
}

static double slot_s(struct play *play, int slot, bool writes)
{
    int place = PLACES * play->pieces + slot;
    double bytes = message_bytes(play, slot);
    return writes ? write_s(play, place, bytes) : read_s(play, place, bytes);
}

/* State stands beside what it belongs to, and is as cold. */
static double encode_s(struct play *play, enum place from, const struct gw_step *step)
{
    const struct gw_memory_rates *memory = &play->terms->memory;
    double state = play->terms->rates.state_floats;
    return touch_s(play, from, step->piece,
                   memory->read_s * (1 + state) + memory->write_s * state) +
           slot_s(play, step->slot, true);
}

/* What other ranks wrote, or will read, is in no cache of this core's whatever its size. */
static double shared_s(struct play *play, const struct gw_step *step)
{
    const double reads = play->terms->memory.read_s, writes = play->terms->memory.write_s;
    double bytes = 4 * (step->piece < 0 ? play->terms->elements : play->piece);
    double theirs = bytes * reads;
    if (step->kind == GW_STEP_SHARE)
        return touch_s(play, INPUT, step->piece, reads) + bytes * writes;
    if (step->kind == GW_STEP_REDUCE || step->kind == GW_STEP_COMBINE)
        theirs *= sharers(play); /* its own was written past the cache */
    if (step->kind == GW_STEP_REDUCE)
        return theirs + touch_s(play, SUM, step->piece, writes);
    return theirs + touch_s(play, OUTPUT, step->piece, writes);
}

static double memory_s(struct play *play, const struct gw_step *step)
{
    const double reads = play->terms->memory.read_s, writes = play->terms->memory.write_s;
    switch (step->kind) {
    case GW_STEP_PREPARE:
        /* Most codecs look at what they encode as they go: then this takes no time at all. */
        return prepare_s(play) > 1e-11 * play->terms->elements ? touch_s(play, INPUT, -1, reads)
                                                               : 0;
    case GW_STEP_ENCODE:
        return encode_s(play, INPUT, step);
    case GW_STEP_REENCODE:
    case GW_STEP_CARRY:
        return encode_s(play, SUM, step);
    case GW_STEP_LOAD:
        return touch_s(play, INPUT, step->piece, reads) + touch_s(play, SUM, step->piece, writes);
    case GW_STEP_DECODE:
    case GW_STEP_ADD:
        return slot_s(play, step->slot, false) + touch_s(play, SUM, step->piece, writes);
    case GW_STEP_SHARE:
    case GW_STEP_REDUCE:
    case GW_STEP_COMBINE:
    case GW_STEP_FETCH:
    case GW_STEP_TAKE:
        return shared_s(play, step);
    case GW_STEP_DELIVER:
        return slot_s(play, step->slot, false) + touch_s(play, OUTPUT, step->piece, writes);
    case GW_STEP_COPY:
        return touch_s(play, SUM, step->piece, reads) + touch_s(play, OUTPUT, step->piece, writes);
    case GW_STEP_AVERAGE:
        return touch_s(play, OUTPUT, step->piece, writes);
    case GW_STEP_RECV:
        return slot_s(play, step->slot, true);
    default:
        return 0;
    }
}

/* ---- what steps take ---------------------------------------------------------------------------
 */

static const struct gw_link *link_to(const struct play *play, int peer)
{
    const int *nodes = play->terms->nodes;
    bool near = !nodes || nodes[peer] == nodes[play->p->rank];
    return near ? &play->terms->near : &play->terms->far;
}

static double wire_s(const struct gw_link *link, double bytes)
{
    return bytes * 8 / link->bits_per_s;
}

/* A message that has arrived is looked through, and copied by somebody. */
static double receive_s(const struct play *play, const struct gw_step *step)
{
    const struct gw_link *link = link_to(play, step->peer);
    double bytes = message_bytes(play, step->slot);
    bool payload = play->list->slots[step->slot].kind == GW_SLOT_CODED ||
                   play->list->slots[step->slot].kind == GW_SLOT_MERGED;
    double copy = link->copied ? wire_s(link, bytes)
                               : bytes / 4 * play->terms->rates.work[GW_WORK_COPY].element_s;
    return link->message_s + copy + (payload ? work_at(play, GW_WORK_CHECK) : SMALL_STEP_S);
}

/* Processor time of a step on a core of its own, everything in its cache. */
static double cached_s(const struct play *play, const struct gw_step *step)
{
    switch (step->kind) {
    case GW_STEP_PREPARE:
        return prepare_s(play);
    case GW_STEP_ENCODE:
        return work_at(play, GW_WORK_ENCODE);
    case GW_STEP_REENCODE:
    case GW_STEP_CARRY:
        return work_at(play, GW_WORK_PREPARE) + work_at(play, GW_WORK_ENCODE);
    case GW_STEP_MERGE:
        return play->p->size * work_at(play, GW_WORK_MERGE);
    case GW_STEP_DECODE:
    case GW_STEP_DELIVER:
        return work_at(play, GW_WORK_DECODE);
    case GW_STEP_ADD:
        return work_at(play, GW_WORK_ADD);
    case GW_STEP_LOAD:
    case GW_STEP_COPY:
    case GW_STEP_FETCH:
    case GW_STEP_TAKE:
        return floats_at(play, GW_WORK_COPY, step);
    case GW_STEP_SHARE:
        return floats_at(play, GW_WORK_COPY, step) + floats_at(play, GW_WORK_PREPARE, step);
    case GW_STEP_REDUCE:
    case GW_STEP_COMBINE:
        return (sharers(play) - 1) * floats_at(play, GW_WORK_SUM, step);
    case GW_STEP_DIVIDE:
    case GW_STEP_AVERAGE:
        return work_at(play, GW_WORK_DIVIDE);
    case GW_STEP_SEND:
        return link_to(play, step->peer)->message_s;
    case GW_STEP_RECV:
        return receive_s(play, step);
    default:
        return SMALL_STEP_S;
    }
}

/* Loads and stores overlap with arithmetic: the longer of both counts. */
static double step_s(struct play *play, const struct gw_step *step)
{
    return fmax(cached_s(play, step), memory_s(play, step));
}

double gw_price_native(const struct gw_problem *p, const struct gw_terms *terms, double bytes)
{
    const struct gw_native_times *n = &terms->native;
    const struct gw_link *link = p->nodes > 1 ? &terms->far : &terms->near;
    double share = 2.0 * (p->size - 1) / p->size;
    if (n->count == 0) { /* a Rabenseifner exchange */
        double rounds = 2 * ceil(log2(p->size));
        return rounds * link->latency_s + wire_s(link, share * bytes);
    }
    int i = 0;
    while (i < n->count - 1 && bytes > n->bytes[i])
        i++;
    if (i == 0)
        return n->seconds[0];
    double slope = (n->seconds[i] - n->seconds[i - 1]) / (n->bytes[i] - n->bytes[i - 1]);
    /* What was measured may have passed a slow link in its bucket of tokens: more will not. */
    double least = p->nodes > 1 && bytes > n->bytes[i] ? wire_s(link, share) : 0;
    if (slope < least)
        slope = least;
    return n->seconds[i - 1] + slope * (bytes - n->bytes[i - 1]);
}

/* ---- events ------------------------------------------------------------------------------------
 */

static void expect(struct play *play, int step, double delivered)
{
    play->state[step] = COMING;
    gw_heap_push(&play->events, delivered > play->now ? delivered : play->now, step);
}

/* Nothing holds the step up any more. */
static void release(struct play *play, int i)
{
    const struct gw_step *step = &play->list->steps[i];
    if (step->kind == GW_STEP_MEET) {
        play->state[i] = WORKS;
        gw_heap_push(&play->events, play->now + MEET_S * sharers(play) * play->terms->crowding, i);
    } else if (step->kind == GW_STEP_NATIVE) {
        play->state[i] = WORKS;
        double bytes = play->piece * 4;
        gw_heap_push(&play->events, play->now + gw_price_native(play->p, play->terms, bytes), i);
    } else if (step->kind == GW_STEP_RECV) {
        double delivered = play->delivered[play->ordinal[i]];
        play->state[i] = POSTED;
        if (!isnan(delivered))
            expect(play, i, delivered);
        int next = play->graph.next_send[i];
        if (next >= 0 && --play->graph.waits[next] == 0)
            release(play, next);
    } else {
        gw_heap_push(&play->ready, i, i);
    }
}

/* When the peer's message like this one is here; it starts now. */
static double deliver(struct play *play, const struct gw_link *link, double bytes)
{
    if (link->copied)
        return play->now + link->latency_s;
    double wire = wire_s(link, bytes);
    double start = fmax(play->now, play->out_free);
    play->out_free = start + wire;
    play->in_free = fmax(start + link->latency_s, play->in_free) + wire;
    return play->in_free;
}

static void sent(struct play *play, const struct gw_step *step)
{
    double at = deliver(play, link_to(play, step->peer), message_bytes(play, step->slot));
    int r = play->sent++ + play->shift;
    while (r < play->receives_count && !isnan(play->delivered[r]))
        r++;
    if (r >= play->receives_count)
        return;
    play->delivered[r] = at;
    if (play->state[play->receives[r]] == POSTED)
        expect(play, play->receives[r], at);
}

static void finish(struct play *play, int i)
{
    struct gw_graph *g = &play->graph;
    const struct gw_step *step = &play->list->steps[i];
    play->state[i] = DONE;
    play->left--;
    if (step->kind == GW_STEP_SEND) {
        sent(play, step);
        if (g->next_send[i] >= 0 && --g->waits[g->next_send[i]] == 0)
            release(play, g->next_send[i]);
    }
    for (int f = g->start[i]; f < g->start[i + 1]; f++)
        if (--g->waits[g->follower[f]] == 0)
            release(play, g->follower[f]);
}

/* Everything waits for messages that no peer sends by doing the same: the first of them leaves
 * now. False if there is none. */
static bool force_message(struct play *play)
{
    for (int r = 0; r < play->receives_count; r++) {
        int i = play->receives[r];
        if (play->state[i] != POSTED)
            continue;
        const struct gw_step *step = &play->list->steps[i];
        play->delivered[r] =
            deliver(play, link_to(play, step->peer), message_bytes(play, step->slot));
        play->shift++;
        expect(play, i, play->delivered[r]);
        return true;
    }
    return false;
}

static void run(struct play *play)
{
    for (int i = 0; i < play->list->count; i++)
        if (play->graph.waits[i] == 0 && play->state[i] == WAITS)
            release(play, i);
    while (play->left > 0) {
        while (play->idle > 0 && play->ready.count > 0) {
            int i = gw_heap_pop(&play->ready).step;
            play->state[i] = WORKS;
            play->idle--;
            double seconds = step_s(play, &play->list->steps[i]) * play->terms->crowding;
            gw_heap_push(&play->events, play->now + seconds, i);
        }
        if (play->events.count == 0 && !force_message(play))
            break;
        struct gw_entry event = gw_heap_pop(&play->events);
        play->now = event.key;
        if (play->state[event.step] == COMING) {
            gw_heap_push(&play->ready, event.step, event.step);
            continue;
        }
        enum gw_step_kind kind = play->list->steps[event.step].kind;
        play->idle += kind != GW_STEP_NATIVE && kind != GW_STEP_MEET;
        finish(play, event.step);
    }
}

/* ---- a list ------------------------------------------------------------------------------------
 */

static gw_status open_play(struct play *play)
{
    size_t steps = (size_t)play->list->count + 1;
    play->state = calloc(steps, sizeof *play->state);
    play->ready.entries = malloc(steps * sizeof *play->ready.entries);
    play->events.entries = malloc(steps * sizeof *play->events.entries);
    play->receives = malloc(steps * sizeof *play->receives);
    play->delivered = malloc(steps * sizeof *play->delivered);
    play->ordinal = malloc(steps * sizeof *play->ordinal);
    /* Runs follow each other: what this one touches first, the one before touched last. */
    double around = (3 + 2 * play->terms->rates.state_floats) * 4 * (double)play->terms->count;
    if (gw_cache_open(&play->cache, PLACES * play->pieces + play->list->slots_count, around))
        return GW_ENOMEM;
    if (!play->state || !play->ready.entries || !play->events.entries || !play->receives ||
        !play->delivered || !play->ordinal)
        return GW_ENOMEM;
    for (int i = 0; i < play->list->count; i++) {
        if (play->list->steps[i].kind != GW_STEP_RECV)
            continue;
        play->ordinal[i] = play->receives_count;
        play->delivered[play->receives_count] = NAN;
        play->receives[play->receives_count++] = i;
    }
    return GW_OK;
}

static void close_play(struct play *play)
{
    gw_graph_free(&play->graph);
    free(play->state);
    free(play->ready.entries);
    free(play->events.entries);
    free(play->receives);
    free(play->delivered);
    free(play->ordinal);
    free(play->cache.last);
}

gw_status gw_price_list(double *seconds, const struct gw_step_list *list, int pieces,
                        const struct gw_problem *p, const struct gw_terms *terms)
{
    struct play play = { .list = list,
                         .p = p,
                         .terms = terms,
                         .pieces = pieces,
                         .piece = terms->elements / pieces,
                         .payloads = 1 + (terms->tensors - 1.0) / pieces,
                         .idle = terms->threads > 1 ? terms->threads : 1,
                         .left = list->count };
    gw_status s = gw_graph_build(&play.graph, list, pieces, p->size);
    if (!s)
        s = open_play(&play);
    if (!s) {
        run(&play);
        *seconds = play.now;
    }
    close_play(&play);
    return s;
}
