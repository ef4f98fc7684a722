/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The bodies. Contents of messages are functions of (sender, channel, number), so that a message
 * in the wrong place is seen. */
#include "tests/transport_bodies.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/next_random.h"

bool expect(struct body_result *result, bool good, const char *format, ...)
{
    if (!good && !result->words[0]) {
        va_list args;
        va_start(args, format);
        vsnprintf(result->words, sizeof result->words, format, args);
        va_end(args);
    }
    return good;
}

static void *run_rank(void *argument)
{
    struct body_rank *self = argument;
    gw_comm *comm = NULL;
    gw_status s = gw_comm_open(&comm, self->spec);
    if (!expect(&self->result, s == GW_OK, "open: %s", gw_comm_error(NULL)))
        return NULL;
    expect(&self->result, strcmp(gw_comm_spec(comm), self->spec) == 0, "spec '%s', expected '%s'",
           gw_comm_spec(comm), self->spec);
    self->body(comm, &self->result);
    gw_comm_close(comm);
    return NULL;
}

void run_body_ranks(struct body_rank *ranks, int size)
{
    for (int r = 0; r < size; r++)
        if (pthread_create(&ranks[r].thread, NULL, run_rank, &ranks[r]))
            abort();
    for (int r = 0; r < size; r++)
        pthread_join(ranks[r].thread, NULL);
}

gw_status finish_op(gw_comm *comm, struct gw_op *op, size_t *bytes)
{
    int64_t deadline = gw_now_ns() + 20000000000;
    gw_status s;
    while ((s = gw_comm_test(comm, op, bytes)) == GW_PENDING) {
        if (gw_now_ns() > deadline) {
            (void)gw_comm_cancel(comm, op);
            return GW_ETIMEOUT;
        }
        gw_comm_pause(comm, deadline);
    }
    return s;
}

static uint8_t byte_of(int sender, unsigned channel, int number, size_t at)
{
    return (uint8_t)(sender * 31 + (int)channel * 17 + number * 7 + (int)(at * 13 + at / 251));
}

static void fill(uint8_t *buffer, size_t bytes, int sender, unsigned channel, int number)
{
    for (size_t i = 0; i < bytes; i++)
        buffer[i] = byte_of(sender, channel, number, i);
}

static bool holds(const uint8_t *buffer, size_t bytes, int sender, unsigned channel, int number)
{
    for (size_t i = 0; i < bytes; i++)
        if (buffer[i] != byte_of(sender, channel, number, i))
            return false;
    return true;
}

/* ---- order ----------------------------------------------------------------------------------- */

enum { MESSAGES = 12, ROOM = 4096, PLENTY = 9 * MESSAGES };

static size_t length_of(int number)
{
    static const size_t lengths[] = { 0, 1, 17, 4096, 3, 1000 };
    return lengths[number % 6];
}

struct traffic {
    struct gw_op *sends[PLENTY], *receives[PLENTY];
    uint8_t out[PLENTY][ROOM], in[PLENTY][ROOM];
};

static void check_received(gw_comm *comm, struct traffic *t, int slot, int peer, unsigned channel,
                           int number, struct body_result *result)
{
    size_t bytes = 0;
    gw_status s = finish_op(comm, t->receives[slot], &bytes);
    if (!expect(result, s == GW_OK, "receive %d from %d: %s", number, peer, gw_status_name(s)))
        return;
    expect(result, bytes == length_of(number), "receive %d from %d: %zu bytes, expected %zu",
           number, peer, bytes, length_of(number));
    expect(result, holds(t->in[slot], length_of(number), peer, channel, number),
           "receive %d from %d on channel %u: wrong content", number, peer, channel);
}

static void post(gw_comm *comm, struct traffic *t, int slot, int peer, unsigned channel, int number,
                 bool send, struct body_result *result)
{
    gw_status s;
    if (send) {
        fill(t->out[slot], length_of(number), comm->rank, channel, number);
        s = gw_comm_send(comm, peer, channel, t->out[slot], length_of(number), &t->sends[slot]);
    } else {
        s = gw_comm_recv(comm, peer, channel, t->in[slot], ROOM, &t->receives[slot]);
    }
    expect(result, s == GW_OK, "%s number %d, rank %d: %s", send ? "send" : "receive", number, peer,
           gw_status_name(s));
}

/* Each pair of ranks, oneself too: messages on one channel arrive in the order sent; half of the
 * receives are posted before, half after the sends. */
static void body_order(gw_comm *comm, struct body_result *result)
{
    struct traffic *t = calloc(1, sizeof *t);
    for (int half = 0; half < 2; half++) {
        for (int k = 0; k < MESSAGES / 2; k++)
            for (int p = 0; p < comm->size; p++)
                post(comm, t, p * MESSAGES + half * MESSAGES / 2 + k, p, 5, half * MESSAGES / 2 + k,
                     false, result);
        for (int k = 0; k < MESSAGES && half == 0; k++)
            for (int p = 0; p < comm->size; p++)
                post(comm, t, p * MESSAGES + k, p, 5, k, true, result);
    }
    for (int p = comm->size - 1; p >= 0 && !result->words[0]; p--) {
        for (int k = 0; k < MESSAGES; k++) {
            check_received(comm, t, p * MESSAGES + k, p, 5, k, result);
            gw_status s = finish_op(comm, t->sends[p * MESSAGES + k], NULL);
            expect(result, s == GW_OK, "send %d to %d: %s", k, p, gw_status_name(s));
        }
    }
    free(t);
}

/* Channels are apart: receives are posted in the opposite order of the sends. */
static void body_channels(gw_comm *comm, struct body_result *result)
{
    struct traffic *t = calloc(1, sizeof *t);
    int next = (comm->rank + 1) % comm->size, before = (comm->rank + comm->size - 1) % comm->size;
    for (int c = 0; c < PLENTY; c++)
        post(comm, t, c, next, 100u + (unsigned)c * 1000, c, true, result);
    for (int c = PLENTY - 1; c >= 0; c--)
        post(comm, t, c, before, 100u + (unsigned)c * 1000, c, false, result);
    for (int c = 0; c < PLENTY && !result->words[0]; c++) {
        check_received(comm, t, c, before, 100u + (unsigned)c * 1000, c, result);
        expect(result, finish_op(comm, t->sends[c], NULL) == GW_OK, "send on channel %d", c);
    }
    free(t);
}

/* ---- storm ----------------------------------------------------------------------------------- */

/* Messages between random ranks on four channels. Every rank knows the whole list from the seed;
 * each starts its sends and its receives in the order of the list, but interleaved by chance of
 * its own, and ends them in an order of its own. */
enum { STORM = 300 };

struct drop {
    int from, to;
    unsigned channel;
    size_t bytes;
    struct gw_op *op[2]; /* send, receive */
    uint8_t *room[2];
};

static void start_drop(gw_comm *comm, struct drop *d, int number, bool send,
                       struct body_result *result)
{
    gw_status s;
    d->room[!send] = malloc(d->bytes + 1);
    if (send) {
        fill(d->room[0], d->bytes, d->from, d->channel, number);
        s = gw_comm_send(comm, d->to, d->channel, d->room[0], d->bytes, &d->op[0]);
    } else {
        s = gw_comm_recv(comm, d->from, d->channel, d->room[1], d->bytes + 1, &d->op[1]);
    }
    expect(result, s == GW_OK, "start of message %d: %s", number, gw_status_name(s));
}

static void start_storm(gw_comm *comm, struct drop *drops, uint64_t *mine,
                        struct body_result *result)
{
    int next[2] = { 0, 0 }; /* of the sends, of the receives */
    while ((next[0] < STORM || next[1] < STORM) && !result->words[0]) {
        int side = (int)(next_random(mine) & 1);
        int i = next[side];
        if (i == STORM)
            continue;
        next[side]++;
        if ((side == 0 ? drops[i].from : drops[i].to) == comm->rank)
            start_drop(comm, &drops[i], i, side == 0, result);
        if (next_random(mine) % 16 == 0)
            gw_comm_pause(comm, gw_now_ns() + 1000);
    }
}

static void end_drop(gw_comm *comm, struct drop *d, int number, int side, uint64_t seed,
                     struct body_result *result)
{
    size_t bytes = 0;
    if (!d->op[side])
        return;
    gw_status s = finish_op(comm, d->op[side], &bytes);
    expect(result, s == GW_OK, "seed %llu, message %d: %s", (unsigned long long)seed, number,
           gw_status_name(s));
    if (side == 1 && !s)
        expect(result, bytes == d->bytes && holds(d->room[1], bytes, d->from, d->channel, number),
               "seed %llu, message %d from %d: %zu bytes, expected %zu, or other content",
               (unsigned long long)seed, number, d->from, bytes, d->bytes);
}

static void body_storm(gw_comm *comm, struct body_result *result)
{
    uint64_t seed = 20261123, shared = seed, mine = seed + 1 + (uint64_t)comm->rank;
    struct drop *drops = calloc(STORM, sizeof *drops);
    for (int i = 0; i < STORM; i++) {
        drops[i].from = (int)(next_random(&shared) % (uint64_t)comm->size);
        drops[i].to = (int)(next_random(&shared) % (uint64_t)comm->size);
        drops[i].channel = 20 + (unsigned)(next_random(&shared) % 4);
        drops[i].bytes = next_random(&shared) % 3000;
    }
    start_storm(comm, drops, &mine, result);
    int offset = (int)(next_random(&mine) % STORM);
    for (int i = 0; i < 2 * STORM; i++) {
        int k = (i * 7 + offset) % STORM; /* 7 and STORM have no common factor */
        end_drop(comm, &drops[k], k, i / STORM, seed, result);
    }
    for (int i = 0; i < STORM; i++) {
        free(drops[i].room[0]);
        free(drops[i].room[1]);
    }
    free(drops);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* A message of many pages each way around the ring, at odd addresses. */
static void body_big(gw_comm *comm, struct body_result *result)
{
    size_t bytes = 3000001, got = 0;
    uint8_t *out = malloc(bytes + 1), *in = calloc(1, bytes + 3);
    struct gw_op *send, *receive;
    int next = (comm->rank + 1) % comm->size, before = (comm->rank + comm->size - 1) % comm->size;
    fill(out + 1, bytes, comm->rank, 9, 0);
    gw_status s = gw_comm_recv(comm, before, 9, in + 1, bytes + 2, &receive);
    if (expect(result, s == GW_OK, "receive: %s", gw_status_name(s))) {
        s = gw_comm_send(comm, next, 9, out + 1, bytes, &send);
        if (expect(result, s == GW_OK, "send: %s", gw_status_name(s)))
            expect(result, finish_op(comm, receive, &got) == GW_OK && got == bytes,
                   "%zu bytes, expected %zu", got, bytes);
        expect(result, finish_op(comm, send, NULL) == GW_OK, "the send failed");
    }
    expect(result, holds(in + 1, bytes, before, 9, 0) && in[0] == 0 && in[bytes + 1] == 0,
           "wrong content or written beside the buffer");
    free(out);
    free(in);
}

/* A message longer than its room is an error that harms neither the room nor the next message. */
static void body_too_long(gw_comm *comm, struct body_result *result)
{
    uint8_t out[100], in[52] = { 0 }, in2[100];
    struct gw_op *ops[4];
    size_t got = 0;
    int next = (comm->rank + 1) % comm->size, before = (comm->rank + comm->size - 1) % comm->size;
    fill(out, sizeof out, comm->rank, 3, 1);
    gw_status s = gw_comm_recv(comm, before, 3, in, 50, &ops[0]);
    s = s ? s : gw_comm_recv(comm, before, 3, in2, sizeof in2, &ops[1]);
    s = s ? s : gw_comm_send(comm, next, 3, out, sizeof out, &ops[2]);
    s = s ? s : gw_comm_send(comm, next, 3, out, sizeof out, &ops[3]);
    if (!expect(result, s == GW_OK, "start: %s", gw_status_name(s)))
        return;
    s = finish_op(comm, ops[0], &got);
    expect(result, s == GW_ECAPACITY, "expected GW_ECAPACITY, got %s", gw_status_name(s));
    expect(result, in[50] == 0 && in[51] == 0, "written past the room");
    s = finish_op(comm, ops[1], &got);
    expect(result, s == GW_OK && got == 100 && holds(in2, 100, before, 3, 1),
           "the next message: %s, %zu bytes", gw_status_name(s), got);
    expect(result, finish_op(comm, ops[2], NULL) == GW_OK, "first send");
    expect(result, finish_op(comm, ops[3], NULL) == GW_OK, "second send");
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void body_wrong_peer(gw_comm *comm, struct body_result *result)
{
    struct gw_op *op = NULL;
    uint8_t byte = 0;
    gw_status s = gw_comm_send(comm, comm->size, 1, &byte, 1, &op);
    expect(result, s == GW_EINVAL, "send to rank %d: %s", comm->size, gw_status_name(s));
    s = gw_comm_recv(comm, -1, 1, &byte, 1, &op);
    expect(result, s == GW_EINVAL, "receive from rank -1: %s", gw_status_name(s));
}

/* A receive that was given up takes nothing from those that follow. */
static void body_cancel(gw_comm *comm, struct body_result *result)
{
    struct gw_op *op;
    uint8_t first[8] = { 0 }, second[8] = { 0 }, out[8];
    size_t got = 0;
    int next = (comm->rank + 1) % comm->size, before = (comm->rank + comm->size - 1) % comm->size;
    fill(out, sizeof out, comm->rank, 4, 2);
    gw_status s = gw_comm_recv(comm, before, 4, first, sizeof first, &op);
    expect(result, s == GW_OK, "receive: %s", gw_status_name(s));
    expect(result, gw_comm_cancel(comm, op), "the room of a receive without a message is not ours");
    expect(result, gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
    struct gw_op *send;
    s = gw_comm_send(comm, next, 4, out, sizeof out, &send);
    s = s ? s : gw_comm_recv(comm, before, 4, second, sizeof second, &op);
    s = s ? s : finish_op(comm, op, &got);
    s = s ? s : finish_op(comm, send, NULL);
    expect(result, s == GW_OK && got == 8 && holds(second, 8, before, 4, 2),
           "after a cancelled receive: %s, %zu bytes", gw_status_name(s), got);
    expect(result, first[0] == 0 && first[7] == 0, "the cancelled receive was written to");
}

/* ---- exchanges ------------------------------------------------------------------------------- */

static void body_allgather(gw_comm *comm, struct body_result *result)
{
    static const size_t sizes[] = { 1, 8, 1023, 1024, 1025, 5000 };
    uint8_t *mine = malloc(5000), *all = malloc((size_t)comm->size * 5000);
    for (int i = 0; i < 6 && !result->words[0]; i++) {
        struct gw_error error = { 0 };
        fill(mine, sizes[i], comm->rank, 0, i);
        gw_status s = gw_control_allgather(comm, mine, sizes[i], all, &error);
        expect(result, s == GW_OK, "allgather of %zu bytes: %s", sizes[i], error.text);
        for (int r = 0; r < comm->size && !s; r++)
            expect(result, holds(all + (size_t)r * sizes[i], sizes[i], r, 0, i),
                   "allgather of %zu bytes: wrong content of rank %d", sizes[i], r);
    }
    free(mine);
    free(all);
}

static char *long_text(int rank, size_t length)
{
    char *text = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + (i + (size_t)rank * 3) % 26);
    text[length] = '\0';
    return text;
}

static void check_gather(gw_comm *comm, size_t length, struct body_result *result)
{
    struct gw_error error = { 0 };
    char *texts[64] = { NULL };
    char *mine = long_text(comm->rank, length + (size_t)comm->rank * 700);
    gw_status s = gw_control_gather_text(comm, mine, texts, &error);
    expect(result, s == GW_OK, "gather of texts: %s", error.text);
    for (int r = 0; r < comm->size && !s && comm->rank == 0; r++) {
        char *wanted = long_text(r, length + (size_t)r * 700);
        expect(result, strcmp(texts[r], wanted) == 0, "gather: the text of rank %d differs", r);
        free(wanted);
        free(texts[r]);
    }
    free(mine);
}

static void body_texts(gw_comm *comm, struct body_result *result)
{
    static const size_t lengths[] = { 0, 1, 1024, 3000 };
    for (int i = 0; i < 4 && !result->words[0]; i++) {
        struct gw_error error = { 0 };
        char *text = NULL, *mine = long_text(7, lengths[i]);
        check_gather(comm, lengths[i], result);
        gw_status s = gw_control_broadcast_text(comm, comm->rank == 0 ? mine : NULL, &text, &error);
        if (expect(result, s == GW_OK, "broadcast of a text: %s", error.text))
            expect(result, strcmp(text, mine) == 0, "broadcast: another text");
        free(text);
        free(mine);
    }
}

struct counter {
    struct gw_runnable base;
    int calls;
};

static bool count_progress(struct gw_runnable *self)
{
    ((struct counter *)self)->calls++;
    return false;
}

/* Nobody leaves a barrier before all have come: rank 0 comes late. Meanwhile plans progress. */
static void body_barrier(gw_comm *comm, struct body_result *result)
{
    struct counter counter = { .base = { .progress = count_progress } };
    int64_t entered = 0, *all = calloc((size_t)comm->size, sizeof *all);
    gw_comm_add_runnable(comm, &counter.base);
    for (int i = 0; i < 20; i++)
        expect(result, gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
    if (comm->rank == 0)
        gw_sleep_ns(30000000);
    entered = gw_now_ns();
    expect(result, gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
    int64_t left = gw_now_ns();
    gw_comm_remove_runnable(comm, &counter.base);
    gw_status s = gw_control_allgather(comm, &entered, sizeof entered, all, NULL);
    for (int r = 0; r < comm->size && !s; r++)
        expect(result, left >= all[r], "left before rank %d came", r);
    if (comm->rank > 0)
        expect(result, counter.calls > 0, "nothing progressed inside of a barrier");
    expect(result, comm->runnables == NULL, "the list of runnables is not empty");
    free(all);
}

/* ---- split ----------------------------------------------------------------------------------- */

static void check_part(gw_comm *part, int world_rank, int world_size, struct body_result *result)
{
    int members = (world_size - world_rank % 2 + 1) / 2;
    int place = members - 1 - world_rank / 2; /* the keys turned the order around */
    expect(result, part->size == members, "size %d, expected %d", part->size, members);
    expect(result, part->rank == place, "rank %d, expected %d", part->rank, place);
    int32_t mine = world_rank, all[64] = { 0 };
    gw_status s = gw_control_allgather(part, &mine, sizeof mine, all, NULL);
    expect(result, s == GW_OK, "exchange in the new comm: %s", gw_status_name(s));
    for (int r = 0; r < members && !s; r++)
        expect(result, all[r] == world_rank % 2 + 2 * (members - 1 - r),
               "rank %d of the new comm was %d", r, all[r]);
    expect(result, part->node_ranks >= 1 && part->node_cores >= 1, "no topology");
}

/* Even and odd ranks, in opposite order; then a split that one rank does not join. */
static void body_split(gw_comm *comm, struct body_result *result)
{
    gw_comm *part = NULL, *second = NULL, *third = comm;
    gw_status s = gw_comm_split(&part, comm, comm->rank % 2, -comm->rank);
    if (!expect(result, s == GW_OK && part, "split: %s", gw_comm_error(comm)))
        return;
    s = gw_comm_split(&second, part, 0, 0);
    expect(result, s == GW_OK, "split of a split: %s", gw_comm_error(part));
    gw_comm_close(part); /* the second part lives on */
    if (s == GW_OK)
        check_part(second, comm->rank, comm->size, result);
    gw_comm_close(second);

    s = gw_comm_split(&third, comm, comm->rank == 0 ? -1 : 1, 0);
    expect(result, s == GW_OK, "second split: %s", gw_comm_error(comm));
    expect(result, s || (third == NULL) == (comm->rank == 0), "rank %d: wrong group", comm->rank);
    if (third && third != comm)
        expect(result, gw_barrier(third) == GW_OK && third->size == comm->size - 1,
               "the comm of %d ranks: %s", third->size, gw_comm_error(third));
    gw_comm_close(third == comm ? NULL : third);
}

static void body_topology(gw_comm *comm, struct body_result *result)
{
    expect(result, gw_comm_node_cores(comm) >= 1, "%d cores", gw_comm_node_cores(comm));
    int same = 0, before = 0;
    for (int r = 0; r < comm->size; r++) {
        same += gw_comm_node(comm, r) == gw_comm_node(comm, comm->rank);
        before += r < comm->rank && gw_comm_node(comm, r) == gw_comm_node(comm, comm->rank);
    }
    expect(result, gw_comm_node_ranks(comm) == same, "%d ranks on the node, expected %d",
           gw_comm_node_ranks(comm), same);
    expect(result, gw_comm_node_rank(comm) == before, "place %d on the node, expected %d",
           gw_comm_node_rank(comm), before);
    expect(result, gw_comm_node(comm, -1) == -1 && gw_comm_node(comm, comm->size) == -1,
           "a rank that is not there has a node");
    expect(result, comm->link.bits_per_s > 0, "no estimate of the link");
}

const struct transport_case transport_cases[] = {
    { "order", body_order },
    { "channels", body_channels },
    { "storm", body_storm },
    { "big", body_big },
    { "too long", body_too_long },
    { "wrong peer", body_wrong_peer },
    { "cancel", body_cancel },
    { "allgather", body_allgather },
    { "texts", body_texts },
    { "barrier", body_barrier },
    { "split", body_split },
    { "topology", body_topology },
    { NULL, NULL },
};
