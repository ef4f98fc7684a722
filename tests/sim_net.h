/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A network in which time is a number: nodes, connections between them with a session at each end,
 * and everything that goes wrong with bytes, machines and cables. All that happens follows from the
 * seed of `random` and from what the nodes do, so a run is repeated by its seed.
 *
 * Bytes of one direction arrive in order, in pieces of random lengths, after random delays; pieces
 * of different connections overtake each other. */
#ifndef GW_TESTS_SIM_NET_H
#define GW_TESTS_SIM_NET_H

#include "session/session.h"

enum { SIM_NODES = 48, SIM_NOTES = 64, SIM_NOTE_TEXT = 200 };
#define SIM_MS INT64_C(1000000)

/* Above 0 while the simulation works on its own account: tests that let allocations fail spare it
 * then. */
extern volatile int sim_own; /* volatile: compilers know that malloc reads no such thing */

struct sim_random {
    uint64_t state;
};

uint64_t sim_number(struct sim_random *random);
uint64_t sim_below(struct sim_random *random, uint64_t end); /* 0 to end - 1 */
int64_t sim_between(struct sim_random *random, int64_t least, int64_t most);
bool sim_chance(struct sim_random *random, unsigned per_million);

struct sim_net;
struct sim_end;

/* What a node does; any of them may use the network, but kills come as events of their own. */
struct sim_node_calls {
    /* A connection that this node was asked for; false: it wants none. Sets end->session, ->user.
     */
    bool (*accepted)(void *node, struct sim_end *end);
    /* One that it asked for, under `tag`, stands or failed. */
    bool (*opened)(void *node, int tag, struct sim_end *end);
    void (*failed)(void *node, int tag, const struct gw_error *why);
    void (*event)(struct sim_end *end, struct gw_event *event); /* takes or releases it */
    void (*gone)(struct sim_end *end); /* the session is closed after this */
    void (*settled)(void *node);       /* after all that may have changed its deadline */
};

struct sim_node {
    const struct sim_node_calls *calls;
    void *user;
    bool up;
    uint64_t life;        /* events of earlier lives do not happen */
    int64_t frozen_until; /* it does nothing before */
    int64_t cut_until[SIM_NODES];
};

struct sim_piece;

/* One side of a connection. */
struct sim_end {
    struct sim_net *net;
    struct sim_end *other, *next; /* next: of all ends of the network */
    int node;
    struct gw_session *session;
    void *user;
    bool open;    /* not gone */
    bool ended;   /* its session told so */
    bool closing; /* and what is left of its output is under way */
    bool dark;    /* what it says from now on reaches nobody */
    bool dirty;   /* its session may have output or events */
    struct sim_end *dirty_next;
    int64_t armed_ns; /* when its session is ticked */
    /* What is under way to it. */
    struct sim_piece *first, **last;
    size_t under_way;
    int64_t last_at;
    bool coming; /* an event for the first piece is planned */
};

/* How bytes travel. */
struct sim_weather {
    int64_t delay_least, delay_most;
    size_t piece_most;
    size_t window; /* bytes under way in one direction; 0: no limit */
    /* Of a million pieces: so many have a bit changed, come twice, lack some bytes (fewer than a
     * frame has: a stream that left out whole frames would be believed), lose the connection. */
    unsigned flips, repeats, drops, cuts;
};

struct sim_note {
    int64_t at;
    const char *what;
    long a, b, c;
    char text[SIM_NOTE_TEXT];
};

struct sim_event;

struct sim_net {
    int64_t now;
    struct sim_random random;
    struct sim_weather weather;
    int64_t handshake_ns; /* until a connection that nobody answers has failed */
    struct sim_node nodes[SIM_NODES];
    struct sim_event *events; /* a heap */
    size_t events_count, events_room;
    uint64_t serial;
    struct sim_end *ends, *dirty;
    struct sim_note notes[SIM_NOTES]; /* the last ones, in a circle */
    uint64_t notes_count;
    bool failed;
};

void sim_net_open(struct sim_net *net, uint64_t seed);
void sim_net_close(struct sim_net *net); /* nodes are down */

/* For the words of a failure. */
void sim_note(struct sim_net *net, const char *what, long a, long b, long c);
void sim_note_text(struct sim_net *net, const char *what, const char *text);
void sim_print_notes(const struct sim_net *net);

/* ---- time ------------------------------------------------------------------------------------ */

/* Later, `what(user, number)` happens, unless the node is down by then, or was in between; while it
 * is frozen it waits. Node -1: always. */
typedef void sim_act(void *user, uint64_t number);
void sim_at(struct sim_net *net, int64_t when, int node, sim_act *what, void *user,
            uint64_t number);
/* The next event; false: there is none until `until`. */
bool sim_step(struct sim_net *net, int64_t until);

/* ---- nodes ----------------------------------------------------------------------------------- */

void sim_node_start(struct sim_net *net, int node, const struct sim_node_calls *calls, void *user);
/* Its sessions are closed, without calls to it. `quiet`: the peers hear nothing of it. */
void sim_node_kill(struct sim_net *net, int node, bool quiet);
void sim_node_freeze(struct sim_net *net, int node, int64_t until);
void sim_partition(struct sim_net *net, int a, int b, int64_t until);

/* ---- connections ----------------------------------------------------------------------------- */

void sim_connect(struct sim_net *net, int from, int to, int tag);
/* The session has output, or may have events. */
void sim_flush(struct sim_end *end);
/* The connection is lost. A side that does not notice finds out by its deadlines. */
void sim_cut(struct sim_end *end, bool notices, bool other_notices);
/* A connection of this number, counted modulo those that stand; NULL: there is none. */
struct sim_end *sim_any_end(struct sim_net *net, uint64_t number);

/* ---- between sim_net.c and sim_wire.c -------------------------------------------------------- */

void sim_settle(struct sim_net *net); /* all ends that were flushed */
void sim_drop_ends(struct sim_net *net, int node, bool quiet);
void sim_free_ends(struct sim_net *net);

#endif
