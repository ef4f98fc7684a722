/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Small exchanges that wait: what ranks must agree on before anything large travels.
 *
 * Everyone sends to everyone, so that each rank knows by itself who is silent. Messages go through
 * rooms that are set up with the comm: after that no exchange needs memory, so that running out of
 * it on one rank never leaves the others without an answer. What is longer goes in rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"

/* How often plans under way are looked at while this waits; those that threads work on make no
 * sound when they get further. */
enum { ROUND_BYTES = 1024, PROGRESS_NS = 20000000, BUSY_NS = 100000 };

struct gw_control {
    uint8_t *mine, *theirs; /* ROUND_BYTES, size * ROUND_BYTES */
    size_t *received;
    struct gw_op **ops; /* [0, size): receives, [size, 2 * size): sends */
};

gw_status gw_control_open(gw_comm *comm, struct gw_error *error)
{
    size_t size = (size_t)comm->size;
    struct gw_control *control = calloc(1, sizeof *control);
    comm->control = control;
    if (control) {
        control->mine = malloc(ROUND_BYTES);
        control->theirs = malloc(size * ROUND_BYTES);
        control->received = calloc(size, sizeof *control->received);
        control->ops = calloc(2 * size, sizeof(struct gw_op *));
    }
    if (!control || !control->mine || !control->theirs || !control->received || !control->ops)
        return gw_fail(error, GW_ENOMEM, "out of memory for a comm of %d ranks", comm->size);
    return GW_OK;
}

void gw_control_close(gw_comm *comm)
{
    struct gw_control *control = comm->control;
    if (!control)
        return;
    free(control->mine);
    free(control->theirs);
    free(control->received);
    free(control->ops);
    free(control);
    comm->control = NULL;
}

/* ---- one round ------------------------------------------------------------------------------- */

/* The ranks of operations still under way: "2, 5". */
static void name_silent(const gw_comm *comm, char *list, size_t capacity)
{
    size_t used = 0;
    for (int r = 0; r < comm->size && used < capacity; r++) {
        if (comm->control->ops[r] || comm->control->ops[comm->size + r])
            used += (size_t)snprintf(list + used, capacity - used, "%s%d", used ? ", " : "", r);
    }
}

/* After a failure: give all operations up. Rooms that the transport may still touch are kept. */
static void give_up(gw_comm *comm)
{
    struct gw_control *control = comm->control;
    bool ours = true;
    for (int i = 0; i < 2 * comm->size; i++) {
        if (control->ops[i])
            ours &= gw_comm_cancel(comm, control->ops[i]);
        control->ops[i] = NULL;
    }
    if (ours)
        return;
    gw_comm_keep(comm, control->mine);
    gw_comm_keep(comm, control->theirs);
    control->mine = control->theirs = NULL; /* a broken comm needs them no more */
}

static gw_status fail_round(gw_comm *comm, gw_status status, const char *call,
                            struct gw_error *error)
{
    char words[GW_ERROR_TEXT - 128], list[256] = "";
    name_silent(comm, list, sizeof list);
    give_up(comm);
    if (status == GW_ETIMEOUT)
        snprintf(words, sizeof words, "%s: no answer from rank %s within %g s", call, list,
                 (double)comm->timeout_ns / 1e9);
    else if (comm->broken.status)
        snprintf(words, sizeof words, "%s: %.400s", call, comm->broken.text);
    else
        snprintf(words, sizeof words, "%s: %s (waiting for rank %s)", call, gw_status_text(status),
                 list);
    (void)gw_comm_break(comm, status, words);
    return gw_fail(error, status, "%s", words);
}

/* GW_PENDING while any operation is. */
static gw_status test_round(gw_comm *comm)
{
    struct gw_control *control = comm->control;
    gw_status result = GW_OK;
    for (int i = 0; i < 2 * comm->size; i++) {
        if (!control->ops[i])
            continue;
        size_t bytes = 0;
        gw_status s = gw_comm_test(comm, control->ops[i], &bytes);
        if (s != GW_PENDING)
            control->ops[i] = NULL;
        if (s < 0)
            return s;
        if (s == GW_PENDING)
            result = GW_PENDING;
        else if (i < comm->size)
            control->received[i] = bytes;
    }
    return result;
}

/* Wait for what begin_receive and begin_send have started. */
static gw_status finish_round(gw_comm *comm, const char *call, struct gw_error *error)
{
    int64_t deadline = gw_now_ns() + comm->timeout_ns;
    gw_status s;
    while ((s = test_round(comm)) == GW_PENDING) {
        int64_t now = gw_now_ns();
        if (now >= deadline) {
            s = GW_ETIMEOUT;
            break;
        }
        (void)gw_comm_progress(comm);
        int64_t until = now + (comm->runnables && comm->pool ? BUSY_NS : PROGRESS_NS);
        gw_comm_pause(comm, until < deadline ? until : deadline);
    }
    return s ? fail_round(comm, s, call, error) : GW_OK;
}

static uint8_t *room_of(const gw_comm *comm, int peer)
{
    return comm->control->theirs + (size_t)peer * ROUND_BYTES;
}

static gw_status begin_receive(gw_comm *comm, int peer)
{
    return gw_comm_recv(comm, peer, GW_CHANNEL_CONTROL, room_of(comm, peer), ROUND_BYTES,
                        &comm->control->ops[peer]);
}

static gw_status begin_send(gw_comm *comm, int peer, size_t bytes)
{
    return gw_comm_send(comm, peer, GW_CHANNEL_CONTROL, comm->control->mine, bytes,
                        &comm->control->ops[comm->size + peer]);
}

/* Send `bytes` of control->mine to all others. */
static gw_status begin_sends(gw_comm *comm, size_t bytes)
{
    gw_status s = GW_OK;
    for (int step = 1; step < comm->size && !s; step++)
        s = begin_send(comm, (comm->rank + step) % comm->size, bytes);
    return s;
}

static gw_status round_of_all(gw_comm *comm, const char *call, size_t bytes, struct gw_error *error)
{
    gw_status s = GW_OK;
    for (int step = 1; step < comm->size && !s; step++)
        s = begin_receive(comm, (comm->rank + comm->size - step) % comm->size);
    if (!s)
        s = begin_sends(comm, bytes);
    return s ? fail_round(comm, s, call, error) : finish_round(comm, call, error);
}

/* ---- the exchanges --------------------------------------------------------------------------- */

static gw_status allgather(gw_comm *comm, const char *call, const void *mine, size_t bytes,
                           void *all, struct gw_error *error)
{
    struct gw_control *control = comm->control;
    gw_status s = gw_comm_check(comm, error);
    for (size_t done = 0; done < bytes && !s;) {
        size_t part = gw_min_size(bytes - done, ROUND_BYTES);
        memcpy(control->mine, (const uint8_t *)mine + done, part);
        s = round_of_all(comm, call, part, error);
        for (int r = 0; r < comm->size && !s; r++) {
            if (r != comm->rank && control->received[r] != part) {
                (void)gw_comm_break(comm, GW_EMISMATCH, "ranks make different calls");
                s = gw_fail(error, GW_EMISMATCH, "%s: rank %d makes another call than rank %d",
                            call, r, comm->rank);
                break;
            }
            memcpy((uint8_t *)all + (size_t)r * bytes + done,
                   r == comm->rank ? control->mine : room_of(comm, r), part);
        }
        done += part;
    }
    return s;
}

gw_status gw_control_allgather(gw_comm *comm, const void *mine, size_t bytes, void *all,
                               struct gw_error *error)
{
    gw_comm_enter(comm);
    gw_status s = allgather(comm, "exchange between ranks", mine, bytes, all, error);
    gw_comm_leave(comm);
    return s;
}

gw_status gw_barrier(gw_comm *comm)
{
    if (!comm)
        return GW_EINVAL;
    gw_error_clear(&comm->error);
    gw_comm_enter(comm);
    gw_status s = gw_comm_check(comm, &comm->error);
    if (!s)
        s = round_of_all(comm, "gw_barrier", 1, &comm->error);
    gw_comm_leave(comm);
    return s;
}

/* ---- texts: a length, then the text in rounds ------------------------------------------------ */

/* Rank 0's side of a text under way. Out of memory: the text is received, and dropped. */
struct incoming {
    uint64_t bytes, done;
};

static void take_length(const gw_comm *comm, int peer, struct incoming *from, char **text)
{
    from->bytes = gw_get_u64(room_of(comm, peer));
    from->done = 0;
    *text = from->bytes < SIZE_MAX ? malloc((size_t)from->bytes + 1) : NULL;
    if (*text)
        (*text)[from->bytes] = '\0';
}

static gw_status take_part(gw_comm *comm, int peer, struct incoming *from, char *text,
                           struct gw_error *error)
{
    uint64_t part = comm->control->received[peer];
    if (part > from->bytes - from->done || part == 0) {
        (void)gw_comm_break(comm, GW_EMISMATCH, "ranks make different calls");
        return gw_fail(error, GW_EMISMATCH, "a text of rank %d has another length than announced",
                       peer);
    }
    if (text)
        memcpy(text + from->done, room_of(comm, peer), (size_t)part);
    from->done += part;
    return GW_OK;
}

/* The sender's side of one round: the length, or the part from `done` on. */
static size_t put_part(gw_comm *comm, const char *text, size_t length, size_t done)
{
    size_t part = gw_min_size(length - done, ROUND_BYTES);
    memcpy(comm->control->mine, text + done, part);
    return part;
}

static gw_status send_text(gw_comm *comm, const char *text, int first, int last, const char *call,
                           struct gw_error *error)
{
    size_t length = strlen(text), done = 0, part = sizeof(uint64_t);
    gw_put_u64(comm->control->mine, length);
    for (bool header = true; header || part; header = false) {
        gw_status s = GW_OK;
        for (int r = first; r <= last && !s; r++)
            if (r != comm->rank)
                s = begin_send(comm, r, part);
        s = s ? fail_round(comm, s, call, error) : finish_round(comm, call, error);
        if (s)
            return s;
        done += header ? 0 : part;
        part = put_part(comm, text, length, done);
    }
    return GW_OK;
}

/* One round from those of [first, last] that still have something to send. */
static gw_status receive_round(gw_comm *comm, int first, int last, const struct incoming *from,
                               const char *call, struct gw_error *error)
{
    gw_status s = GW_OK;
    for (int r = first; r <= last && !s; r++)
        if (r != comm->rank && (!from || from[r - first].done < from[r - first].bytes))
            s = begin_receive(comm, r);
    return s ? fail_round(comm, s, call, error) : finish_round(comm, call, error);
}

/* The texts of ranks [first, last]; `from` and `texts` have a place for each. */
static gw_status receive_texts(gw_comm *comm, int first, int last, struct incoming *from,
                               char **texts, const char *call, struct gw_error *error)
{
    gw_status s = receive_round(comm, first, last, NULL, call, error);
    if (s)
        return s;
    for (int r = first; r <= last; r++)
        if (r != comm->rank)
            take_length(comm, r, &from[r - first], &texts[r - first]);
    for (bool more = true; more;) {
        more = false;
        s = receive_round(comm, first, last, from, call, error);
        for (int r = first; r <= last && !s; r++) {
            struct incoming *f = &from[r - first];
            if (r != comm->rank && f->done < f->bytes)
                s = take_part(comm, r, f, texts[r - first], error);
            more |= f->done < f->bytes;
        }
        if (s)
            return s;
    }
    for (int r = first; r <= last; r++)
        if (r != comm->rank && !texts[r - first])
            s = gw_fail(error, GW_ENOMEM, "%s: out of memory for the text of rank %d", call, r);
    return s;
}

static gw_status gather_text(gw_comm *comm, const char *mine, char **texts, struct gw_error *error)
{
    const char *call = "exchange of texts";
    gw_status s = gw_comm_check(comm, error);
    if (s)
        return s;
    if (comm->rank != 0)
        return send_text(comm, mine, 0, 0, call, error);
    struct incoming *from = calloc((size_t)comm->size, sizeof *from);
    if (!from) {
        (void)gw_comm_break(comm, GW_ENOMEM, "out of memory while others wait");
        return gw_fail(error, GW_ENOMEM, "%s: out of memory", call);
    }
    memset(texts, 0, (size_t)comm->size * sizeof *texts);
    texts[0] = strdup(mine);
    s = receive_texts(comm, 0, comm->size - 1, from, texts, call, error);
    if (!s && !texts[0])
        s = gw_fail(error, GW_ENOMEM, "%s: out of memory", call);
    for (int r = 0; r < comm->size && s; r++) {
        free(texts[r]);
        texts[r] = NULL;
    }
    free(from);
    return s;
}

gw_status gw_control_gather_text(gw_comm *comm, const char *mine, char **texts,
                                 struct gw_error *error)
{
    gw_comm_enter(comm);
    gw_status s = gather_text(comm, mine, texts, error);
    gw_comm_leave(comm);
    return s;
}

static gw_status broadcast_text(gw_comm *comm, const char *mine, char **text,
                                struct gw_error *error)
{
    const char *call = "exchange of texts";
    struct incoming from = { 0 };
    char *copy = NULL;
    gw_status s = gw_comm_check(comm, error);
    if (s)
        return s;
    if (comm->rank == 0) {
        copy = strdup(mine);
        s = send_text(comm, mine, 1, comm->size - 1, call, error);
        if (!s && !copy)
            s = gw_fail(error, GW_ENOMEM, "%s: out of memory", call);
    } else {
        s = receive_texts(comm, 0, 0, &from, &copy, call, error);
    }
    if (s)
        free(copy);
    else
        *text = copy;
    return s;
}

gw_status gw_control_broadcast_text(gw_comm *comm, const char *mine, char **text,
                                    struct gw_error *error)
{
    gw_comm_enter(comm);
    gw_status s = broadcast_text(comm, mine, text, error);
    gw_comm_leave(comm);
    return s;
}
