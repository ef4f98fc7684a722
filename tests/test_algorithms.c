/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Every algorithm's step lists, without a network: each send meets a receive for the same piece,
 * the lists of all ranks run to their end whatever is ready first, and every element of the result
 * holds every rank's input exactly once, in the order that the algorithm's row states. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectives/algorithms.h"
#include "collectives/graph.h"

enum { RANKS_MAX = 17, TERMS = 64 };

/* A sum as the sequence of ranks that were added, with brackets for trees. */
struct term {
    int ranks[TERMS];
    int count;
};

struct message {
    struct term term;
    int piece;
    enum gw_slot_kind kind;
};

struct queue {
    struct message *items;
    int head, tail;
};

struct rank {
    struct gw_problem problem;
    struct gw_step_list list;
    struct gw_graph graph;
    struct term *slots, *sums, *outs;
    char *shared; /* by piece: this rank's copy is in shared memory */
    int raised;   /* meetings that it came to */
    int at_meeting;
    int *waits;
    char *done;
    int left, committed;
};

struct world {
    int size, pieces;
    int members[RANKS_MAX]; /* of node 0, node 1, ... */
    struct rank ranks[RANKS_MAX];
    struct queue queues[RANKS_MAX][RANKS_MAX]; /* from, to */
};

static void add_term(struct term *to, const struct term *from)
{
    for (int i = 0; i < from->count; i++) {
        ck_assert_int_lt(to->count, TERMS);
        to->ranks[to->count++] = from->ranks[i];
    }
}

/* Nodes of equal size; ranks one after the other, or dealt out in turns. */
static void place(struct gw_problem *p, int *members, int dealt)
{
    p->node_ranks = p->size / p->nodes;
    for (int r = 0; r < p->size; r++) {
        int node = dealt ? r % p->nodes : r / p->node_ranks;
        int local = dealt ? r / p->nodes : r % p->node_ranks;
        members[node * p->node_ranks + local] = r;
        if (r == p->rank) {
            p->node = node;
            p->node_rank = local;
        }
    }
    p->members = members;
}

static void open_world(struct world *w, const struct gw_algorithm_row *row, struct gw_problem p,
                       int size, int dealt)
{
    memset(w, 0, sizeof *w);
    w->size = size;
    w->pieces = row->whole ? p.pieces : p.pieces * size;
    for (int r = 0; r < size; r++) {
        struct rank *k = &w->ranks[r];
        k->problem = p;
        k->problem.rank = r;
        k->problem.size = size;
        place(&k->problem, w->members, dealt);
        row->write(&k->list, &k->problem);
        ck_assert_int_eq(k->list.status, GW_OK);
        ck_assert_int_eq(gw_graph_build(&k->graph, &k->list, w->pieces, size), GW_OK);
        k->slots = calloc((size_t)k->list.slots_count + 1, sizeof *k->slots);
        k->sums = calloc((size_t)w->pieces, sizeof *k->sums);
        k->outs = calloc((size_t)w->pieces, sizeof *k->outs);
        k->shared = calloc((size_t)w->pieces, 1);
        k->waits = malloc(((size_t)k->list.count + 1) * sizeof *k->waits);
        memcpy(k->waits, k->graph.waits, (size_t)k->list.count * sizeof *k->waits);
        k->done = calloc((size_t)k->list.count + 1, 1);
        k->left = k->list.count;
        for (int q = 0; q < size; q++)
            w->queues[r][q].items = malloc(4096 * sizeof(struct message));
    }
}

static void close_world(struct world *w)
{
    for (int r = 0; r < w->size; r++) {
        struct rank *k = &w->ranks[r];
        gw_steps_free(&k->list);
        gw_graph_free(&k->graph);
        free(k->slots);
        free(k->sums);
        free(k->outs);
        free(k->shared);
        free(k->waits);
        free(k->done);
        for (int q = 0; q < w->size; q++)
            free(w->queues[r][q].items);
    }
}

static int receive(struct world *w, int me, const struct gw_step *s)
{
    struct rank *k = &w->ranks[me];
    struct queue *q = &w->queues[s->peer][me];
    if (q->head == q->tail)
        return 0;
    struct message m = q->items[q->head++];
    ck_assert_msg(m.piece == k->list.slots[s->slot].piece && m.kind == k->list.slots[s->slot].kind,
                  "rank %d expected piece %d from rank %d, got piece %d", me,
                  k->list.slots[s->slot].piece, s->peer, m.piece);
    k->slots[s->slot] = m.term;
    return 1;
}

static void send(struct world *w, int me, const struct gw_step *s)
{
    struct rank *k = &w->ranks[me];
    struct queue *q = &w->queues[me][s->peer];
    ck_assert_int_lt(q->tail, 4096);
    q->items[q->tail++] = (struct message){ k->slots[s->slot], k->list.slots[s->slot].piece,
                                            k->list.slots[s->slot].kind };
}

/* ---- shared memory --------------------------------------------------------------------------- */

static struct rank *beside(struct world *w, int me, int i)
{
    const struct gw_problem *p = &w->ranks[me].problem;
    return &w->ranks[p->members[p->node * p->node_ranks + i]];
}

/* All ranks of the node have come to the meeting at which this rank is. */
static int met(struct world *w, int me)
{
    for (int i = 0; i < w->ranks[me].problem.node_ranks; i++)
        if (beside(w, me, i)->raised < w->ranks[me].raised)
            return 0;
    return 1;
}

static int meet(struct world *w, int me, int step)
{
    struct rank *k = &w->ranks[me];
    if (k->at_meeting != step + 1)
        k->raised++;
    k->at_meeting = step + 1;
    return met(w, me);
}

/* The copies of the node's ranks, in their order. */
static struct term copies(struct world *w, int me, int piece)
{
    struct term sum = { .count = 0 };
    for (int i = 0; i < w->ranks[me].problem.node_ranks; i++) {
        struct rank *from = beside(w, me, i);
        ck_assert_msg(from->shared[piece],
                      "rank %d adds a copy of piece %d that rank %d has not "
                      "made",
                      me, piece, from->problem.rank);
        add_term(&sum, &(struct term){ { from->problem.rank }, 1 });
    }
    return sum;
}

static void hand_out(struct world *w, int me, const struct gw_step *s)
{
    struct rank *k = &w->ranks[me];
    int first = s->piece < 0 ? 0 : s->piece, end = s->piece < 0 ? w->pieces : s->piece + 1;
    ck_assert_msg(k->committed, "rank %d hands out before it commits", me);
    for (int i = first; i < end; i++) {
        if (s->kind == GW_STEP_COMBINE) {
            k->outs[i] = copies(w, me, i);
        } else if (s->kind == GW_STEP_TAKE) {
            k->outs[i] = w->ranks[s->peer].sums[i];
        } else {
            ck_assert_msg(w->ranks[s->peer].shared[i], "rank %d fetches piece %d too early", me, i);
            k->outs[i] = (struct term){ { s->peer }, 1 };
        }
    }
}

static void share(struct world *w, int me, int piece)
{
    for (int i = 0; i < w->pieces; i++)
        w->ranks[me].shared[i] |= piece < 0 || i == piece;
}

/* One step on symbols; 0 if it is a receive whose message has not come, or a meeting. */
static int run_step(struct world *w, int me, int i)
{
    struct rank *k = &w->ranks[me];
    const struct gw_step *s = &k->list.steps[i];
    struct term own = { { me }, 1 };
    switch (s->kind) {
    case GW_STEP_RECV:
        return receive(w, me, s);
    case GW_STEP_MEET:
        return meet(w, me, i);
    case GW_STEP_SHARE:
        share(w, me, s->piece);
        break;
    case GW_STEP_REDUCE:
        k->sums[s->piece] = copies(w, me, s->piece);
        break;
    case GW_STEP_COMBINE:
    case GW_STEP_FETCH:
    case GW_STEP_TAKE:
        hand_out(w, me, s);
        break;
    case GW_STEP_SEND:
        send(w, me, s);
        break;
    case GW_STEP_ENCODE:
        k->slots[s->slot] = own;
        break;
    case GW_STEP_REENCODE:
    case GW_STEP_CARRY:
        k->slots[s->slot] = k->sums[s->piece];
        break;
    case GW_STEP_MERGE:
        k->slots[s->slot].count = 0;
        for (int r = 0; r < w->size; r++)
            add_term(&k->slots[s->slot], &k->slots[s->from + r]);
        break;
    case GW_STEP_LOAD:
        k->sums[s->piece] = own;
        break;
    case GW_STEP_NATIVE:
        k->sums[s->piece].count = 0;
        for (int r = 0; r < w->size; r++)
            add_term(&k->sums[s->piece], &(struct term){ { r }, 1 });
        break;
    case GW_STEP_DECODE:
        k->sums[s->piece] = k->slots[s->slot];
        break;
    case GW_STEP_ADD:
        add_term(&k->sums[s->piece], &k->slots[s->slot]);
        break;
    case GW_STEP_COMMIT:
        k->committed++;
        break;
    case GW_STEP_DELIVER:
        ck_assert_msg(k->committed, "rank %d delivers before it commits", me);
        k->outs[s->piece] = k->slots[s->slot];
        break;
    case GW_STEP_COPY:
        ck_assert_msg(k->committed, "rank %d copies before it commits", me);
        k->outs[s->piece] = k->sums[s->piece];
        break;
    default:
        break;
    }
    return 1;
}

static int can_run(struct world *w, int r, int i)
{
    const struct rank *k = &w->ranks[r];
    const struct gw_step *s = &k->list.steps[i];
    if (k->done[i] || k->waits[i] > 0)
        return 0;
    if (s->kind == GW_STEP_RECV)
        return w->queues[s->peer][r].head < w->queues[s->peer][r].tail;
    return s->kind != GW_STEP_MEET || k->at_meeting != i + 1 || met(w, r);
}

/* Run what is ready, in an order drawn from `seed`, until nothing is. */
static void run_world(struct world *w, unsigned seed)
{
    for (int moved = 1; moved;) {
        moved = 0;
        for (int turn = 0; turn < w->size; turn++) {
            seed = seed * 1664525u + 1013904223u;
            struct rank *k = &w->ranks[(seed >> 8) % (unsigned)w->size];
            int me = (int)(k - w->ranks);
            for (int j = 0; j < k->list.count; j++) {
                int i = seed & 1 ? k->list.count - 1 - j : j;
                if (k->done[i] || k->waits[i] > 0 || !run_step(w, me, i))
                    continue;
                k->done[i] = 1;
                k->left--;
                moved = 1;
                for (int f = k->graph.start[i]; f < k->graph.start[i + 1]; f++)
                    k->waits[k->graph.follower[f]]--;
                if (k->graph.next_send[i] >= 0)
                    k->waits[k->graph.next_send[i]]--;
            }
        }
        for (int r = 0; r < w->size; r++)
            moved |= w->ranks[r].left > 0 && w->ranks[r].done[0] == 0;
        if (!moved) /* the draw may have passed a rank over: one full sweep decides */
            for (int r = 0; r < w->size; r++)
                for (int i = 0; i < w->ranks[r].list.count; i++)
                    moved |= can_run(w, r, i);
    }
}

static int same_ranks(const struct term *t, int size)
{
    int seen[RANKS_MAX] = { 0 };
    for (int i = 0; i < t->count; i++)
        seen[t->ranks[i]]++;
    for (int r = 0; r < size; r++)
        if (seen[r] != 1)
            return 0;
    return t->count == size;
}

static int in_order(const struct term *t, int first, int size)
{
    for (int i = 0; i < t->count; i++)
        if (t->ranks[i] != (first + i) % size)
            return 0;
    return 1;
}

/* Ring sums arrive from the left neighbour and are added to the own input: as a set of additions
 * b+1, b+2, ... in turn; symbolically the own rank stands first and the partial sum behind it. */
static int in_ring_order(const struct term *t, int block, int size)
{
    int n = t->count;
    for (int i = 0; i < n; i++)
        if (t->ranks[i] != (block + size - i) % size)
            return 0;
    return 1;
}

static void check_result(const struct world *w, const struct gw_algorithm_row *row,
                         const struct gw_problem *p, int rank, int piece)
{
    const struct term *t = &w->ranks[rank].outs[piece];
    int block = row->whole ? 0 : piece / p->pieces;
    if (p->collective == GW_REDUCE_SCATTER && block != rank)
        return;
    if (p->collective == GW_ALLGATHER || p->collective == GW_BROADCAST) {
        int from = p->collective == GW_BROADCAST ? p->root : block;
        ck_assert_msg(t->count == 1 && t->ranks[0] == from,
                      "%s n=%d: rank %d piece %d is not rank %d's", row->info.name, w->size, rank,
                      piece, from);
        return;
    }
    ck_assert_msg(same_ranks(t, w->size), "%s n=%d rank %d piece %d: not every rank exactly once",
                  row->info.name, w->size, rank, piece);
    if (strcmp(row->info.order, "rank order") == 0)
        ck_assert_msg(in_order(t, 0, w->size), "%s n=%d: not in rank order", row->info.name,
                      w->size);
    for (int i = 0; row == &gw_hierarchy && i < w->size; i++)
        ck_assert_msg(t->ranks[i] == w->members[i],
                      "hierarchy n=%d on %d nodes: term %d is rank %d's, expected rank %d's",
                      w->size, p->nodes, i, t->ranks[i], w->members[i]);
    if (row == &gw_ring)
        ck_assert_msg(in_ring_order(t, block, w->size), "ring n=%d block %d: order", w->size,
                      block);
}

static void check_row(const struct gw_algorithm_row *row, struct gw_problem p, int size,
                      unsigned seed, int dealt)
{
    static struct world w;
    open_world(&w, row, p, size, dealt);
    run_world(&w, seed);
    for (int r = 0; r < size; r++) {
        ck_assert_msg(w.ranks[r].left == 0, "%s n=%d pieces=%d seed=%u: rank %d has %d steps left",
                      row->info.name, size, p.pieces, seed, r, w.ranks[r].left);
        for (int q = 0; q < size; q++)
            ck_assert_msg(w.queues[r][q].head == w.queues[r][q].tail,
                          "%s n=%d: messages from %d to %d that nobody receives", row->info.name,
                          size, r, q);
        for (int i = 0; i < w.pieces; i++)
            check_result(&w, row, &p, r, i);
    }
    close_world(&w);
}

/* On one node, and on as many as divide the ranks. */
static void check_shapes(const struct gw_algorithm_row *row, struct gw_problem p, int size,
                         unsigned seed)
{
    for (p.nodes = 1; p.nodes <= size; p.nodes++) {
        if (p.nodes > 1 && row != &gw_hierarchy)
            break; /* the others know nothing of nodes */
        if (size % p.nodes)
            continue;
        for (int dealt = 0; dealt < 2; dealt++)
            check_row(row, p, size, seed, dealt);
    }
}

/* All up to 9, then every fourth; sanitizers, which take a minute for these, see fewer of each
 * kind. */
static int size_after(int size)
{
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
    return size + (size < 3 ? 1 : size < 9 ? 2 : 8);
#else
    return size + (size < 9 ? 1 : 4);
#endif
}

START_TEST(every_list_runs)
{
    const struct gw_algorithm_row *row = gw_algorithm_rows[_i];
    static const enum gw_collective all[] = { GW_ALLREDUCE, GW_REDUCE_SCATTER, GW_ALLGATHER,
                                              GW_BROADCAST };
    for (int c = 0; c < 4; c++) {
        if (!(row->collectives & all[c]))
            continue;
        for (int size = 1; size <= RANKS_MAX; size = size_after(size)) {
            for (int pieces = 1; pieces <= 3; pieces++) {
                struct gw_problem p = { .collective = all[c],
                                        .pieces = pieces,
                                        .root = (size - 1) / 2,
                                        .divides = true,
                                        .checks = true };
                for (int merges = 0; merges < 2; merges++) {
                    p.merges = merges;
                    p.agrees = merges;
                    p.raw_bytes = merges ? 1e6 : 1;
                    check_shapes(row, p, size, (unsigned)(size * 7 + pieces));
                }
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("algorithms");
    TCase *tests = tcase_create("steps");
    int rows = 0;
    while (gw_algorithm_rows[rows])
        rows++;
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, every_list_runs, 0, rows);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
