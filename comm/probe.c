/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Probing the link: ranks in pairs, all pairs at the same time, so that ranks that share a wire get
 * their share of it. First messages to and fro for the latency, then a burst of small ones for what
 * each costs, then as many bytes both ways as a link's bucket of tokens does not hide. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"
#include "comm/links.h"

enum {
    PINGS = 16,
    WARM = 4,
    BURST = 32,
    CHUNK = 128 << 10,
    FEW = 6,   /* chunks: 768 KiB, of which a bucket of tokens may let some pass at full speed */
    MANY = 16, /* right after those, when they took little time: the bucket is empty then */
    TAG_BYTES = 8
};

static const double FAST_S = 20e-3; /* FEW chunks in less: one must send more to see anything */

struct probe {
    gw_comm *comm;
    int partner;
    uint8_t *out, *in; /* CHUNK, MANY * CHUNK */
    struct gw_op *sends[BURST], *receives[BURST];
    bool lost;
    struct gw_error *error;
};

/* ---- one batch ---------------------------------------------------------------------------------
 */

static gw_status give_up(struct probe *p, gw_status status, const char *words)
{
    for (int i = 0; i < BURST; i++) {
        if (p->sends[i])
            p->lost |= !gw_comm_cancel(p->comm, p->sends[i]);
        if (p->receives[i])
            p->lost |= !gw_comm_cancel(p->comm, p->receives[i]);
        p->sends[i] = p->receives[i] = NULL;
    }
    (void)gw_comm_break(p->comm, status, words);
    return gw_fail(p->error, status, "probing the link to rank %d: %s", p->partner, words);
}

/* How many of the operations are still under way, or a negative status. */
static int test(struct probe *p, struct gw_op **ops, int count)
{
    int left = 0;
    for (int i = 0; i < count; i++) {
        if (!ops[i])
            continue;
        gw_status s = gw_comm_test(p->comm, ops[i], NULL);
        if (s == GW_PENDING) {
            left++;
            continue;
        }
        ops[i] = NULL;
        if (s)
            return s;
    }
    return left;
}

static gw_status finish(struct probe *p, int sends, int receives)
{
    int64_t deadline = gw_now_ns() + p->comm->timeout_ns;
    for (;;) {
        int coming = test(p, p->receives, receives);
        int going = coming < 0 ? coming : test(p, p->sends, sends);
        int64_t now = gw_now_ns();
        if (going < 0)
            return give_up(p, (gw_status)going, gw_status_text((gw_status)going));
        if (coming + going == 0)
            return GW_OK;
        if (now >= deadline)
            return give_up(p, GW_ETIMEOUT, "no answer within the time limit");
        gw_comm_progress(p->comm);
        gw_comm_pause(p->comm, deadline);
    }
}

/* Start `receives` and `sends` messages of `bytes`, and wait for them. */
static gw_status batch(struct probe *p, int sends, int receives, size_t bytes)
{
    gw_status s = GW_OK;
    for (int i = 0; i < receives && !s; i++)
        s = gw_comm_recv(p->comm, p->partner, GW_CHANNEL_CONTROL, p->in + bytes * (size_t)i, bytes,
                         &p->receives[i]);
    for (int i = 0; i < sends && !s; i++)
        s = gw_comm_send(p->comm, p->partner, GW_CHANNEL_CONTROL, p->out, bytes, &p->sends[i]);
    return s ? give_up(p, s, gw_status_text(s)) : finish(p, sends, receives);
}

/* ---- what is measured --------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The mean of several messages to and fro, without the longest. */
static gw_status measure_latency(struct probe *p, double *seconds)
{
    double took[PINGS];
    bool first = p->comm->rank < p->partner;
    for (int i = -WARM; i < PINGS; i++) {
        int64_t since = gw_now_ns();
        gw_status s = batch(p, first, !first, TAG_BYTES);
        if (!s)
            s = batch(p, !first, first, TAG_BYTES);
        if (s)
            return s;
        if (i >= 0)
            took[i] = (double)(gw_now_ns() - since) * 1e-9 / 2;
    }
    qsort(took, PINGS, sizeof *took, by_value);
    *seconds = 0;
    for (int i = 0; i < PINGS - 1; i++)
        *seconds += took[i] / (PINGS - 1);
    return GW_OK;
}

static gw_status measure_message(struct probe *p, double latency_s, double *seconds)
{
    double least = 0;
    for (int i = 0; i < 3; i++) {
        int64_t since = gw_now_ns();
        gw_status s = batch(p, BURST, BURST, TAG_BYTES);
        if (s)
            return s;
        double took = (double)(gw_now_ns() - since) * 1e-9;
        least = i == 0 || took < least ? took : least;
    }
    double each = (least - latency_s) / (2 * BURST);
    *seconds = each > 5e-8 ? each : 5e-8;
    return GW_OK;
}

/* The longer of both sides' times: both must go on alike. */
static gw_status agree_time(struct probe *p, double *seconds)
{
    gw_put_u64(p->out, (uint64_t)(*seconds * 1e9));
    gw_status s = batch(p, 1, 1, TAG_BYTES);
    double theirs = (double)gw_get_u64(p->in) * 1e-9;
    if (theirs > *seconds)
        *seconds = theirs;
    return s;
}

static gw_status measure_bits(struct probe *p, double *bits_per_s)
{
    int64_t since = gw_now_ns();
    gw_status s = batch(p, FEW, FEW, CHUNK);
    double took = (double)(gw_now_ns() - since) * 1e-9;
    if (!s)
        s = agree_time(p, &took);
    if (s)
        return s;
    /* The bucket is empty now. */
    int chunks = took > FAST_S ? FEW / 2 : MANY, rounds = took > FAST_S ? 1 : 2;
    double least = INFINITY;
    for (int i = 0; i < rounds && !s; i++) {
        since = gw_now_ns();
        s = batch(p, chunks, chunks, CHUNK);
        took = (double)(gw_now_ns() - since) * 1e-9;
        least = took < least ? took : least;
    }
    *bits_per_s = chunks * 8.0 * CHUNK / least;
    return s;
}

static gw_status measure_pair(struct probe *p, struct gw_link *link)
{
    gw_status s = measure_latency(p, &link->latency_s);
    if (!s)
        s = measure_message(p, link->latency_s, &link->message_s);
    return s ? s : measure_bits(p, &link->bits_per_s);
}

/* ---- who with whom -----------------------------------------------------------------------------
 */

/* The rank that is number `place` on a node; -1: there is none. */
static int rank_at(const gw_comm *comm, int node, int place)
{
    for (int r = 0; r < comm->size; r++)
        if (comm->nodes[r] == node && place-- == 0)
            return r;
    return -1;
}

struct measured {
    struct gw_link near, far; /* bits_per_s 0: not measured by this rank */
};

static void take_worst(struct gw_link *into, const struct gw_link *from)
{
    if (from->bits_per_s <= 0)
        return;
    if (into->bits_per_s <= 0 || from->bits_per_s < into->bits_per_s)
        into->bits_per_s = from->bits_per_s;
    if (from->latency_s > into->latency_s)
        into->latency_s = from->latency_s;
    if (from->message_s > into->message_s)
        into->message_s = from->message_s;
}

static gw_status measure(struct probe *p, struct measured *mine, struct measured *all)
{
    gw_comm *comm = p->comm;
    struct measured worst = { .near.bits_per_s = 0 };
    gw_status s = GW_OK;
    p->partner = rank_at(comm, comm->nodes[comm->rank], comm->node_rank ^ 1);
    if (p->partner >= 0)
        s = measure_pair(p, &mine->near);
    p->partner = rank_at(comm, comm->nodes[comm->rank] ^ 1, comm->node_rank);
    if (!s && p->partner >= 0)
        s = measure_pair(p, &mine->far);
    if (!s)
        s = gw_control_allgather(comm, mine, sizeof *mine, all, p->error);
    if (s)
        return s;
    for (int r = 0; r < comm->size; r++) {
        take_worst(&worst.near, &all[r].near);
        take_worst(&worst.far, &all[r].far);
    }
    worst.near.copied = comm->near.copied;
    if (worst.near.bits_per_s > 0)
        comm->near = worst.near;
    if (worst.far.bits_per_s > 0)
        comm->far = worst.far;
    return GW_OK;
}

static bool on_one_node(const gw_comm *comm)
{
    for (int r = 1; r < comm->size; r++)
        if (comm->nodes[r] != comm->nodes[0])
            return false;
    return true;
}

size_t gw_probe_bytes(const gw_comm *comm)
{
    return (1 + MANY) * (size_t)CHUNK + (size_t)comm->size * sizeof(struct measured);
}

gw_status gw_comm_probe(gw_comm *comm, void *room, bool *lost, struct gw_error *error)
{
    struct measured mine = { .near.bits_per_s = 0 };
    if (comm->probed || comm->shaped || comm->size == 1) {
        comm->probed = true;
        return GW_OK;
    }
    bool known = false;
    gw_status s = gw_links_load(comm, &known, error);
    struct measured *all = room;
    struct probe p = { .comm = comm, .error = error };
    p.out = (uint8_t *)(all + comm->size);
    p.in = p.out + CHUNK;
    if (!s && !known) {
        memset(p.out, 0, CHUNK);
        s = measure(&p, &mine, all);
        *lost = p.lost;
        if (!s)
            s = gw_links_save(comm, error);
    }
    if (s)
        return s;
    comm->link = on_one_node(comm) ? comm->near : comm->far;
    comm->probed = true;
    return GW_OK;
}
