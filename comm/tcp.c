/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport "tcp:": ranks that are processes, here or on other machines, without MPI. Messages
 * travel on sessions (session/session.h), one for each pair of ranks, which notice a rank that dies
 * or freezes; the comm is broken then, with its number. Sends go from the caller's buffer and are
 * done when the system has taken the last byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "comm/tcp.h"

enum { SEATS_CHANNEL = 0x7fffffff }; /* of splits; plans count from the other end */

/* ---- operations of this comm ----------------------------------------------------------------- */

static struct tcp_op *take_op(struct tcp_impl *impl, int peer)
{
    struct tcp_op *op = gw_op_take(&impl->book, sizeof *op, peer);
    if (op)
        op->peer = &impl->engine->peers[impl->ranks[peer]];
    return op;
}

static bool is_done(const struct tcp_op *op)
{
    return atomic_load_explicit(&op->done, memory_order_acquire);
}

static gw_status tcp_send(gw_comm *comm, int peer, unsigned channel, const void *buffer,
                          size_t bytes, struct gw_op **out)
{
    struct tcp_impl *impl = comm->impl;
    struct tcp_op *op = take_op(impl, peer);
    if (!op)
        return GW_ENOMEM;
    op->sends = true;
    op->buffer = (uint8_t *)(uintptr_t)buffer;
    op->bytes = bytes;
    gw_tcp_lock(impl->engine);
    gw_status s = gw_tcp_post_send(op, impl->context, channel);
    gw_tcp_unlock(impl->engine);
    if (s)
        gw_op_return(&impl->book, &op->base);
    else
        *out = &op->base;
    return s;
}

static gw_status tcp_recv(gw_comm *comm, int peer, unsigned channel, void *buffer, size_t capacity,
                          struct gw_op **out)
{
    struct tcp_impl *impl = comm->impl;
    struct tcp_op *op = take_op(impl, peer);
    struct tcp_kept *came = NULL;
    if (!op)
        return GW_ENOMEM;
    op->buffer = buffer;
    op->bytes = capacity;
    gw_tcp_lock(impl->engine);
    gw_status s = gw_tcp_post_recv(op, impl->context, channel, &came);
    gw_tcp_unlock(impl->engine);
    if (s) {
        gw_op_return(&impl->book, &op->base);
        return s;
    }
    if (came) {
        gw_tcp_kept_move(came, op);
        op->status = op->overflow ? GW_ECAPACITY : GW_OK;
        atomic_store_explicit(&op->done, 1, memory_order_relaxed); /* nobody else knows this op */
    }
    *out = &op->base;
    return GW_OK;
}

/* ---- losses ---------------------------------------------------------------------------------- */

static void break_by(gw_comm *comm, int rank)
{
    const struct tcp_impl *impl = comm->impl;
    const struct tcp_peer *peer = &impl->engine->peers[impl->ranks[rank]];
    char words[GW_ERROR_TEXT];
    gw_tcp_lock(impl->engine);
    if (peer->state == TCP_LOST)
        snprintf(words, sizeof words, "tcp: rank %d is lost: %s", rank, peer->words);
    else
        snprintf(words, sizeof words, "tcp: rank %d has closed its comm while others need it",
                 rank);
    gw_tcp_unlock(impl->engine);
    (void)gw_comm_break(comm, GW_ETRANSPORT, words);
}

/* Has this comm lost a member since it last looked? Then it is of no more use. */
static bool has_lost(gw_comm *comm)
{
    struct tcp_impl *impl = comm->impl;
    unsigned losses = atomic_load_explicit(&impl->engine->losses, memory_order_acquire);
    if (losses == impl->losses)
        return comm->broken.status == GW_ETRANSPORT;
    int lost = -1;
    gw_tcp_lock(impl->engine);
    for (int r = 0; r < comm->size && lost < 0; r++)
        if (impl->engine->peers[impl->ranks[r]].state == TCP_LOST)
            lost = r;
    gw_tcp_unlock(impl->engine);
    impl->losses = losses;
    if (lost >= 0)
        break_by(comm, lost);
    return lost >= 0;
}

/* ---- test and cancel ------------------------------------------------------------------------- */

/* Under the lock: ask for the buffer and wait for it a while. True: it is the caller's again. */
static bool ask_back(struct tcp_impl *impl, struct tcp_op *op)
{
    int64_t deadline = gw_now_ns() + (int64_t)GW_TCP_PATIENCE_MS * 1000000;
    bool ours = gw_tcp_withdraw(op);
    while (!ours && !is_done(op) && gw_now_ns() < deadline)
        (void)gw_tcp_wait(impl->engine, deadline);
    return ours || is_done(op);
}

/* False: the thread will free what is left of the operation. */
static bool tcp_cancel(gw_comm *comm, struct gw_op *base)
{
    struct tcp_impl *impl = comm->impl;
    struct tcp_op *op = (struct tcp_op *)base;
    gw_tcp_lock(impl->engine);
    bool ours = ask_back(impl, op);
    op->orphan = !ours;
    if (!ours)
        gw_op_forget(&impl->book, &op->base);
    gw_tcp_unlock(impl->engine);
    if (ours)
        gw_op_return(&impl->book, &op->base);
    return ours;
}

/* The same, if need be at the price of the connection. */
static void force_back(struct tcp_impl *impl, struct tcp_op *op)
{
    gw_tcp_lock(impl->engine);
    if (!ask_back(impl, op)) {
        op->peer->drop = true;
        gw_tcp_news(op->peer);
        while (!is_done(op))
            (void)gw_tcp_wait(impl->engine, gw_now_ns() + 1000000000);
    }
    gw_tcp_unlock(impl->engine);
    gw_op_return(&impl->book, &op->base);
}

static gw_status tcp_test(gw_comm *comm, struct gw_op *base, size_t *bytes)
{
    struct tcp_impl *impl = comm->impl;
    struct tcp_op *op = (struct tcp_op *)base;
    if (!is_done(op)) {
        if (!has_lost(comm))
            return GW_PENDING;
        force_back(impl, op);
        return GW_ETRANSPORT;
    }
    gw_status s = op->status;
    int peer = op->base.peer;
    if (s == GW_OK)
        *bytes = op->offset;
    gw_op_return(&impl->book, &op->base);
    if (s == GW_ETRANSPORT && !has_lost(comm))
        break_by(comm, peer);
    return s;
}

static void tcp_pause(gw_comm *comm, int64_t until_ns)
{
    struct tcp_impl *impl = comm->impl;
    struct tcp_engine *engine = impl->engine;
    gw_tcp_lock(engine);
    if (impl->seen == engine->events)
        (void)gw_tcp_wait(engine, until_ns);
    impl->seen = engine->events;
    gw_tcp_unlock(engine);
}

/* ---- a comm ---------------------------------------------------------------------------------- */

static void free_impl(struct tcp_impl *impl)
{
    if (!impl)
        return;
    gw_op_book_clear(&impl->book);
    free(impl->ranks);
    free(impl->seats);
    free(impl->ops);
    free(impl);
}

static struct tcp_impl *new_impl(int size)
{
    size_t count = (size_t)size;
    struct tcp_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return NULL;
    impl->ranks = calloc(count, sizeof *impl->ranks);
    impl->seats = calloc(2 * count + 2, sizeof *impl->seats);
    impl->ops = calloc(2 * count, sizeof(struct gw_op *));
    if (impl->ranks && impl->seats && impl->ops)
        return impl;
    free_impl(impl);
    return NULL;
}

/* Tell the engine of a new comm, whose members impl->ranks names. */
static void join(gw_comm *comm, struct tcp_impl *impl, struct tcp_engine *engine,
                 struct tcp_context *fresh)
{
    gw_tcp_lock(engine);
    for (int r = 0; r < comm->size; r++) {
        struct tcp_context *one = fresh;
        fresh = fresh->next;
        gw_tcp_context_open(&engine->peers[impl->ranks[r]], one, impl->context);
    }
    gw_tcp_unlock(engine);
    impl->engine = engine;
    comm->impl = impl;
}

static void tcp_close(gw_comm *comm)
{
    struct tcp_impl *impl = comm->impl;
    struct tcp_engine *engine = impl->engine;
    while (impl->book.newest)
        force_back(impl, (struct tcp_op *)impl->book.newest);
    gw_tcp_lock(engine);
    for (int r = 0; r < comm->size; r++) {
        struct tcp_peer *peer = &engine->peers[impl->ranks[r]];
        gw_tcp_lanes_purge(peer, &impl->context);
        gw_tcp_context_close(peer, impl->context);
        gw_tcp_news(peer);
    }
    gw_tcp_unlock(engine);
    gw_tcp_engine_drop(engine, comm->broken.status ? comm->broken.text : NULL);
    free_impl(impl);
}

/* ---- split ----------------------------------------------------------------------------------- */

/* End what the exchange has started. */
static void give_up_exchange(gw_comm *comm)
{
    struct tcp_impl *impl = comm->impl;
    for (int i = 0; i < 2 * comm->size; i++)
        if (impl->ops[i])
            force_back(impl, (struct tcp_op *)impl->ops[i]);
    memset(impl->ops, 0, 2 * (size_t)comm->size * sizeof(struct gw_op *));
}

static gw_status finish_exchange(gw_comm *comm, struct gw_error *error)
{
    struct tcp_impl *impl = comm->impl;
    int64_t deadline = gw_now_ns() + comm->timeout_ns;
    for (int i = 0; i < 2 * comm->size; i++) {
        gw_status s;
        size_t bytes;
        while ((s = tcp_test(comm, impl->ops[i], &bytes)) == GW_PENDING) {
            if (gw_now_ns() > deadline)
                return gw_fail(error, GW_ETIMEOUT, "tcp: no seat of rank %d within %g s",
                               i % comm->size, (double)comm->timeout_ns / 1e9);
            tcp_pause(comm, deadline);
        }
        impl->ops[i] = NULL;
        if (s)
            return gw_fail(error, s, "%s",
                           comm->broken.status ? comm->broken.text : gw_status_text(s));
    }
    return GW_OK;
}

/* Everyone's colour and place: the row is told its own only. */
static gw_status exchange_seats(gw_comm *comm, struct gw_error *error)
{
    struct tcp_impl *impl = comm->impl;
    int32_t *mine = impl->seats + 2 * (size_t)comm->size;
    size_t bytes = 2 * sizeof *mine;
    gw_status s = GW_OK;
    for (int r = 0; r < comm->size && !s; r++)
        s = tcp_recv(comm, r, SEATS_CHANNEL, impl->seats + 2 * (size_t)r, bytes, &impl->ops[r]);
    for (int r = 0; r < comm->size && !s; r++)
        s = tcp_send(comm, r, SEATS_CHANNEL, mine, bytes, &impl->ops[comm->size + r]);
    if (s)
        s = gw_fail(error, s, "tcp: out of memory for a split");
    else
        s = finish_exchange(comm, error);
    if (s) {
        give_up_exchange(comm);
        (void)gw_comm_break(comm, s, "tcp: a split failed");
    }
    return s;
}

static gw_status choose_members(struct tcp_impl *part, gw_comm *out, const gw_comm *comm,
                                struct gw_error *error)
{
    const struct tcp_impl *impl = comm->impl;
    const int32_t *mine = impl->seats + 2 * (size_t)comm->size;
    for (int r = 0; r < comm->size; r++) {
        const int32_t *seat = impl->seats + 2 * (size_t)r;
        if (seat[1] < -1 || seat[1] >= comm->size)
            return gw_fail(error, GW_ETRANSPORT, "tcp: rank %d claims place %d", r, (int)seat[1]);
        if (seat[1] == -1)
            return gw_fail(error, GW_ENOMEM, "tcp: rank %d is out of memory for a split", r);
        if (part && out->size > 0 && seat[0] == mine[0] && seat[1] < out->size)
            part->ranks[seat[1]] = impl->ranks[r];
    }
    return GW_OK;
}

static gw_status split_tcp(gw_comm *out, gw_comm *comm, int colour, unsigned serial,
                           struct gw_error *error)
{
    struct tcp_impl *impl = comm->impl;
    struct tcp_impl *part = new_impl(out->size > 0 ? out->size : 1);
    struct tcp_context *fresh = gw_tcp_contexts_new(out->size > 0 ? out->size : 1);
    impl->seats[2 * (size_t)comm->size] = colour;
    impl->seats[2 * (size_t)comm->size + 1] = part && fresh ? out->rank : -1;
    gw_status s = exchange_seats(comm, error);
    if (!s)
        s = choose_members(part, out, comm, error);
    if (s || !part || out->size == 0) { /* without a part, -1 was among the seats: s says so */
        gw_tcp_contexts_free(fresh);
        free_impl(part);
        return s;
    }
    part->context = gw_mix64(impl->context ^ gw_mix64((uint64_t)serial << 32 ^ (uint32_t)colour));
    gw_tcp_engine_share(impl->engine);
    join(out, part, impl->engine, fresh);
    return GW_OK;
}

/* ---- open ------------------------------------------------------------------------------------ */

enum { RANKS, RANK, PEERS, KEYS };

static const gw_param params[] = {
    { "ranks", GW_PARAM_INTEGER, "", 1, GW_TCP_RANKS_MAX, NULL, "", "ranks of the group" },
    { "rank", GW_PARAM_INTEGER, "", 0, GW_TCP_RANKS_MAX - 1, NULL, "", "which one this is" },
    { "peers", GW_PARAM_TEXT, "", 0, 0, NULL, "",
      "file with the address of each rank, one per line: tcp:HOST:PORT or unix:PATH" },
    { "keys", GW_PARAM_TEXT, "", 0, 0, NULL, "",
      "file of keys (gradwire key), where addresses are not of one machine" },
    { 0 }
};

static void copy_text(char *to, const struct gw_values *values, int which)
{
    memcpy(to, values->text[which], values->text_length[which]);
    to[values->text_length[which]] = '\0';
}

static gw_status read_group(struct gw_tcp_group *group, const struct gw_values *values,
                            struct gw_error *error)
{
    char path[GW_SPEC_TEXT];
    unsigned needed = 1u << RANKS | 1u << RANK | 1u << PEERS;
    if ((values->given & needed) != needed)
        return gw_fail(error, GW_ESPEC,
                       "tcp: needs ranks=, rank= and peers=, as in tcp:ranks=4,rank=0,peers=FILE");
    *group = (struct gw_tcp_group){ .ranks = (int)values->number[RANKS],
                                    .rank = (int)values->number[RANK] };
    if (group->rank >= group->ranks)
        return gw_fail(error, GW_ESPEC, "tcp: rank=%d is not below ranks=%d", group->rank,
                       group->ranks);
    copy_text(path, values, PEERS);
    return gw_tcp_group_read(group, path, error);
}

static gw_status open_tcp(gw_comm *comm, const struct gw_values *values, const char *rest,
                          struct gw_error *error)
{
    struct gw_tcp_group group;
    struct tcp_engine *engine;
    char keys[GW_SPEC_TEXT];
    (void)rest;
    gw_status s = read_group(&group, values, error);
    if (s)
        return s;
    struct tcp_impl *impl = new_impl(group.ranks);
    struct tcp_context *fresh = gw_tcp_contexts_new(group.ranks);
    if (!impl || !fresh) {
        free(group.addresses);
        s = gw_fail(error, GW_ENOMEM, "tcp: out of memory for a comm");
    } else {
        copy_text(keys, values, KEYS);
        s = gw_tcp_engine_open(&engine, &group, *keys ? keys : NULL, comm->timeout_ns, error);
    }
    if (s) {
        gw_tcp_contexts_free(fresh);
        free_impl(impl);
        return s;
    }
    comm->rank = group.rank;
    comm->size = group.ranks;
    for (int r = 0; r < group.ranks; r++)
        impl->ranks[r] = r;
    impl->context = 1;
    join(comm, impl, engine, fresh);
    return GW_OK;
}

void gw_tcp_set_kept(gw_comm *comm, size_t bytes)
{
    struct tcp_engine *engine = ((struct tcp_impl *)comm->impl)->engine;
    gw_tcp_lock(engine);
    engine->kept_max = bytes;
    gw_tcp_unlock(engine);
}

const struct gw_transport_row gw_tcp_row = {
    .info = { "tcp", "processes that are connected by sockets, without MPI", params },
    .open = open_tcp,
    .close = tcp_close,
    .split = split_tcp,
    .send = tcp_send,
    .recv = tcp_recv,
    .test = tcp_test,
    .cancel = tcp_cancel,
    .pause = tcp_pause,
};
