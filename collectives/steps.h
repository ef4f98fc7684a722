/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A step list: what one rank does during one run. Algorithms write it, the executor runs it; the
 * same list can be printed, priced and checked without a network.
 *
 * Data stands in three kinds of places: pieces of the user's buffers, pieces of the float
 * workspace SUM, and slots (one message each). A step waits while an earlier step that touches the
 * same place, one of them writing, is not done; messages between two ranks go in list order. */
#ifndef GW_COLLECTIVES_STEPS_H
#define GW_COLLECTIVES_STEPS_H

#include <gradwire/plan.h>

#include <stdbool.h>

#include "base/error.h"

/* How the executor treats a kind of step:
 *
 *   MESSAGE  handed to the transport, then tested
 *   POLLED   begun (gw_plan_begin), then looked at very often (gw_plan_poll) until it is done
 *   UNIT     for a whole tensor, or for all steps so far: by the executor's own thread
 *   INPUT    works on a piece of input: in list order, so that the first message leaves early
 *   ARRIVED  works on what has just come or been made: at once, while it is in cache
 *
 * INPUT and ARRIVED may be done by any thread of the pool, many at a time. */
enum gw_step_class {
    GW_CLASS_MESSAGE,
    GW_CLASS_POLLED,
    GW_CLASS_UNIT,
    GW_CLASS_INPUT,
    GW_CLASS_ARRIVED
};

/* X(name, class, what it does) */
#define GW_STEP_KINDS(X)                                                                           \
    X(PREPARE, UNIT, "look at the whole input")                                                    \
    X(PROPOSE, UNIT, "write side information into slot")                                           \
    X(ADOPT, UNIT, "take the maximum of the side information in slots")                            \
    X(ENCODE, INPUT, "input piece to slot")                                                        \
    X(REENCODE, ARRIVED, "SUM piece to slot")                                                      \
    X(CARRY, ARRIVED, "SUM piece, of a node, to slot")                                             \
    X(MERGE, ARRIVED, "slots to slot, without decoding")                                           \
    X(LOAD, INPUT, "input piece to SUM piece")                                                     \
    X(DECODE, ARRIVED, "slot to SUM piece")                                                        \
    X(ADD, ARRIVED, "slot added to SUM piece")                                                     \
    X(DIVIDE, ARRIVED, "SUM piece divided by the number of ranks")                                 \
    X(NATIVE, MESSAGE, "input piece to SUM piece by the transport's allreduce")                    \
    X(SHARE, INPUT, "input piece to this rank's copy in shared memory")                            \
    X(MEET, POLLED, "tell the ranks of the node how it went, and hear from all of them")           \
    X(REDUCE, ARRIVED, "the copies of a piece, added up, to SUM piece")                            \
    X(COMBINE, INPUT, "the copies of a piece, added up, to output piece")                          \
    X(FETCH, INPUT, "a rank's copy of a piece to output piece")                                    \
    X(TAKE, INPUT, "a rank's SUM piece to output piece")                                           \
    X(SEND, MESSAGE, "slot to peer")                                                               \
    X(RECV, MESSAGE, "peer to slot")                                                               \
    X(SIGN, UNIT, "all went well so far: say so in slot")                                          \
    X(COMMIT, UNIT, "all went well everywhere: from here on nothing fails")                        \
    X(DELIVER, INPUT, "slot to output piece")                                                      \
    X(AVERAGE, ARRIVED, "output piece divided by the number of ranks")                             \
    X(COPY, ARRIVED, "SUM piece to output piece")

#define GW_STEP_ENUM(name, class, sentence) GW_STEP_##name,
enum gw_step_kind { GW_STEP_KINDS(GW_STEP_ENUM) GW_STEP_KIND_COUNT };
#undef GW_STEP_ENUM

struct gw_step {
    enum gw_step_kind kind;
    int peer;  /* SEND, RECV, FETCH, TAKE; else -1 */
    int piece; /* -1: none; of SHARE, COMBINE and FETCH: all */
    int slot;  /* -1: none */
    int from;  /* MERGE, ADOPT: first of size consecutive slots */
    int phase; /* of the algorithm: a rank that is silent in an early one holds up the later */
};

enum gw_slot_kind { GW_SLOT_CODED, GW_SLOT_MERGED, GW_SLOT_SIDE, GW_SLOT_SIGN };

struct gw_slot {
    enum gw_slot_kind kind;
    int piece;
};

struct gw_step_list {
    struct gw_step *steps;
    int count, capacity;
    struct gw_slot *slots;
    int slots_count, slots_capacity;
    int phase;
    gw_status status; /* GW_ENOMEM sticks: writers need not look after every step */
};

const char *gw_step_name(enum gw_step_kind kind);
enum gw_step_class gw_step_class(enum gw_step_kind kind);

void gw_steps_free(struct gw_step_list *list);

/* Add a slot, or `count` consecutive ones; returns the (first) index. */
int gw_steps_slots(struct gw_step_list *list, enum gw_slot_kind kind, int piece, int count);

void gw_steps_add(struct gw_step_list *list, enum gw_step_kind kind, int piece, int slot);
void gw_steps_send(struct gw_step_list *list, int peer, int slot);
void gw_steps_recv(struct gw_step_list *list, int peer, int slot);
void gw_steps_take(struct gw_step_list *list, enum gw_step_kind kind, int peer, int piece);
void gw_steps_merge(struct gw_step_list *list, int piece, int from, int slot);

/* Every rank hears from every other, directly or through others, that all went well so far
 * (dissemination barrier, Hensgen, Finkel and Manber 1988). */
void gw_steps_consult(struct gw_step_list *list, int rank, int size);

/* The same, then COMMIT: the run's point of decision. */
void gw_steps_confirm(struct gw_step_list *list, int rank, int size);

/* Ranks agree on the codecs' side information. */
void gw_steps_agree(struct gw_step_list *list, int rank, int size);

#endif
