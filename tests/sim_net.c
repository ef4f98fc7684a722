/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The simulated network's time: random numbers, notes, the heap of events, nodes. */
#include "tests/sim_net.h"

#include "base/types.h"
#include "tests/next_random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_event {
    int64_t at;
    uint64_t serial;
    int node;
    uint64_t life;
    sim_act *what;
    void *user;
    uint64_t number;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

volatile int sim_own;

/* ---- random numbers -------------------------------------------------------------------------- */

uint64_t sim_number(struct sim_random *random)
{
    return next_random(&random->state);
}

uint64_t sim_below(struct sim_random *random, uint64_t end)
{
    return sim_number(random) % end;
}

int64_t sim_between(struct sim_random *random, int64_t least, int64_t most)
{
    return least + (int64_t)sim_below(random, (uint64_t)(most - least) + 1);
}

bool sim_chance(struct sim_random *random, unsigned per_million)
{
    return per_million > 0 && sim_below(random, 1000000) < per_million;
}

/* ---- notes ----------------------------------------------------------------------------------- */

static struct sim_note *new_note(struct sim_net *net, const char *what)
{
    struct sim_note *note = &net->notes[net->notes_count++ % SIM_NOTES];
    note->at = net->now;
    note->what = what;
    note->text[0] = '\0';
    note->a = note->b = note->c = 0;
    return note;
}

void sim_note(struct sim_net *net, const char *what, long a, long b, long c)
{
    struct sim_note *note = new_note(net, what);
    note->a = a;
    note->b = b;
    note->c = c;
}

void sim_note_text(struct sim_net *net, const char *what, const char *text)
{
    struct sim_note *note = new_note(net, what);
    strncpy(note->text, text, sizeof note->text - 1);
    note->text[sizeof note->text - 1] = '\0';
}

void sim_print_notes(const struct sim_net *net)
{
    uint64_t first = net->notes_count > SIM_NOTES ? net->notes_count - SIM_NOTES : 0;
    for (uint64_t i = first; i < net->notes_count; i++) {
        const struct sim_note *n = &net->notes[i % SIM_NOTES];
        if (n->text[0])
            fprintf(stderr, "  %10.3f ms  %s %s\n", (double)n->at / 1e6, n->what, n->text);
        else
            fprintf(stderr, "  %10.3f ms  %s %ld %ld %ld\n", (double)n->at / 1e6, n->what, n->a,
                    n->b, n->c);
    }
}

/* ---- the heap -------------------------------------------------------------------------------- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at < b->at || (a->at == b->at && a->serial < b->serial);
}

static void put_event(struct sim_net *net, struct sim_event event)
{
    if (net->events_count == net->events_room) {
        net->events_room = net->events_room ? 2 * net->events_room : 256;
        sim_own++;
        net->events = must(realloc(net->events, net->events_room * sizeof event));
        sim_own--;
    }
    size_t i = net->events_count++;
    event.serial = net->serial++;
    for (; i > 0 && before(&event, &net->events[(i - 1) / 2]); i = (i - 1) / 2)
        net->events[i] = net->events[(i - 1) / 2];
    net->events[i] = event;
}

static struct sim_event take_event(struct sim_net *net)
{
    struct sim_event first = net->events[0], last = net->events[--net->events_count];
    size_t i = 0, count = net->events_count;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < count && before(&net->events[child + 1], &net->events[child]))
            child++;
        if (child >= count || !before(&net->events[child], &last))
            break;
        net->events[i] = net->events[child];
        i = child;
    }
    if (count > 0)
        net->events[i] = last;
    return first;
}

void sim_at(struct sim_net *net, int64_t when, int node, sim_act *what, void *user, uint64_t number)
{
    put_event(net, (struct sim_event){ .at = when > net->now ? when : net->now,
                                       .node = node,
                                       .life = node >= 0 ? net->nodes[node].life : 0,
                                       .what = what,
                                       .user = user,
                                       .number = number });
}

bool sim_step(struct sim_net *net, int64_t until)
{
    if (net->events_count == 0 || net->events[0].at > until)
        return false;
    struct sim_event event = take_event(net);
    net->now = event.at;
    if (event.node >= 0) {
        const struct sim_node *node = &net->nodes[event.node];
        if (event.life != node->life)
            return true;
        if (node->frozen_until > net->now) {
            event.at = node->frozen_until;
            put_event(net, event);
            return true;
        }
    }
    event.what(event.user, event.number);
    sim_settle(net);
    return true;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

void sim_net_open(struct sim_net *net, uint64_t seed)
{
    memset(net, 0, sizeof *net);
    net->random.state = seed;
    net->handshake_ns = 3000 * SIM_MS;
    net->weather =
        (struct sim_weather){ .delay_least = 10000, .delay_most = SIM_MS, .piece_most = 65536 };
}

void sim_net_close(struct sim_net *net)
{
    for (int i = 0; i < SIM_NODES; i++)
        if (net->nodes[i].up)
            sim_node_kill(net, i, true);
    sim_free_ends(net);
    free(net->events);
    net->events = NULL;
    net->events_count = net->events_room = 0;
}

void sim_node_start(struct sim_net *net, int node, const struct sim_node_calls *calls, void *user)
{
    struct sim_node *n = &net->nodes[node];
    n->calls = calls;
    n->user = user;
    n->up = true;
    n->frozen_until = 0;
}

void sim_node_kill(struct sim_net *net, int node, bool quiet)
{
    net->nodes[node].up = false;
    net->nodes[node].life++;
    net->nodes[node].frozen_until = 0;
    sim_drop_ends(net, node, quiet);
}

void sim_node_freeze(struct sim_net *net, int node, int64_t until)
{
    net->nodes[node].frozen_until = until;
}

void sim_partition(struct sim_net *net, int a, int b, int64_t until)
{
    net->nodes[a].cut_until[b] = net->nodes[b].cut_until[a] = until;
}
