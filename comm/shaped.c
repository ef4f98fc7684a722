/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The decorator "shaped:": any transport behind a simulated link.
 *
 * Each rank has one outgoing and one incoming lane that serve bytes in order, and a message is
 * visible to its receiver only when such lanes would have delivered it. In front of each message
 * goes a stamp: when its first byte left, and how many there are. Clocks of one machine agree, so
 * the receiver knows when its own lane would have had the last byte. Only the wire's time is
 * modelled; everything else takes the time it takes. Messages to oneself use no wire. */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"

/* Below this a timed wait wakes too late to be worth it, and the core is only lent. */
enum { STAMP_BYTES = 16, SHORT_NS = 60000 };

#define UNKNOWN INT64_MAX

struct shaped_op {
    struct gw_op base;
    struct gw_op *stamp_op, *payload_op;
    uint8_t stamp[STAMP_BYTES];
    int64_t due; /* when a lane has served it; a receive's is unknown until its stamp has come */
    gw_status status;
    size_t bytes;
};

struct shaped_impl {
    gw_comm *inner;
    double ns_per_byte;
    int64_t latency_ns, out_free, in_free;
    int64_t looked; /* dues up to here have been announced by pause */
    struct gw_op_book ops;
};

static struct shaped_op *take_op(struct shaped_impl *impl, int peer)
{
    struct shaped_op *op = gw_op_take(&impl->ops, sizeof *op, peer);
    if (op)
        op->due = UNKNOWN;
    return op;
}

static struct shaped_op *newest(const struct shaped_impl *impl)
{
    return (struct shaped_op *)impl->ops.newest;
}

static struct shaped_op *older(const struct shaped_op *op)
{
    return (struct shaped_op *)op->base.older;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static int64_t serve(const struct shaped_impl *impl, int64_t *lane_free, int64_t from,
                     uint64_t bytes)
{
    int64_t start = from > *lane_free ? from : *lane_free;
    *lane_free = start + (int64_t)ceil((double)bytes * impl->ns_per_byte);
    return start;
}

static int64_t stamped_start(const struct shaped_op *op)
{
    return (int64_t)gw_get_u64(op->stamp);
}

static bool waits_for_stamp(const struct shaped_op *op)
{
    return op->due == UNKNOWN && op->stamp_op;
}

/* See whether the stamp of a receive has come. */
static void look_for_stamp(struct shaped_impl *impl, struct shaped_op *op)
{
    size_t bytes = 0;
    gw_status s = gw_comm_test(impl->inner, op->stamp_op, &bytes);
    if (s == GW_PENDING)
        return;
    op->stamp_op = NULL;
    if (s == GW_OK && bytes != STAMP_BYTES)
        s = GW_ETRANSPORT;
    if (s) {
        op->status = GW_ETRANSPORT;
        op->due = 0;
    }
}

/* When the first byte of a stamped message comes out of the wire. */
static int64_t arrival(const struct shaped_impl *impl, const struct shaped_op *op)
{
    return stamped_start(op) + impl->latency_ns;
}

static bool waits_for_lane(const struct shaped_op *op)
{
    return op->due == UNKNOWN && !op->stamp_op;
}

/* Let the incoming lane take what has arrived, in the order of arrival. Stamps tell of messages
 * whose sender's lane is still busy with others: to queue those now would leave the lane idle
 * before them, and hold up what arrives earlier but is stamped later. */
static void serve_stamped(struct shaped_impl *impl)
{
    for (struct shaped_op *op = newest(impl); op; op = older(op))
        if (waits_for_stamp(op))
            look_for_stamp(impl, op);
    int64_t now = gw_now_ns();
    for (;;) {
        struct shaped_op *first = NULL;
        for (struct shaped_op *op = newest(impl); op; op = older(op))
            if (waits_for_lane(op) && arrival(impl, op) <= now &&
                (!first || stamped_start(op) <= stamped_start(first)))
                first = op;
        if (!first)
            return;
        (void)serve(impl, &impl->in_free, arrival(impl, first), gw_get_u64(first->stamp + 8));
        first->due = impl->in_free;
    }
}

/* ---- the calls ------------------------------------------------------------------------------- */

/* The second half of a pair did not start: the first half can not be taken back. */
static gw_status fail_start(gw_comm *comm, struct shaped_op *op, gw_status status)
{
    struct shaped_impl *impl = comm->impl;
    if (op->stamp_op) {
        (void)gw_comm_break(comm, status, "shaped: only half of a message could be started");
        if (!gw_comm_cancel(impl->inner, op->stamp_op)) {
            gw_op_forget(&impl->ops, &op->base);
            gw_comm_keep(comm, op);
            return status;
        }
    }
    gw_op_return(&impl->ops, &op->base);
    return status;
}

static gw_status shaped_send(gw_comm *comm, int peer, unsigned channel, const void *buffer,
                             size_t bytes, struct gw_op **out)
{
    struct shaped_impl *impl = comm->impl;
    struct shaped_op *op = take_op(impl, peer);
    gw_status s = GW_OK;
    if (!op)
        return GW_ENOMEM;
    op->due = 0;
    if (peer != comm->rank) {
        int64_t start = serve(impl, &impl->out_free, gw_now_ns(), bytes);
        gw_put_u64(op->stamp, (uint64_t)start);
        gw_put_u64(op->stamp + 8, bytes);
        op->due = impl->out_free;
        s = gw_comm_send(impl->inner, peer, channel, op->stamp, STAMP_BYTES, &op->stamp_op);
    }
    if (!s)
        s = gw_comm_send(impl->inner, peer, channel, buffer, bytes, &op->payload_op);
    if (s)
        return fail_start(comm, op, s);
    *out = &op->base;
    return GW_OK;
}

static gw_status shaped_recv(gw_comm *comm, int peer, unsigned channel, void *buffer,
                             size_t capacity, struct gw_op **out)
{
    struct shaped_impl *impl = comm->impl;
    struct shaped_op *op = take_op(impl, peer);
    gw_status s = GW_OK;
    if (!op)
        return GW_ENOMEM;
    if (peer == comm->rank)
        op->due = 0;
    else
        s = gw_comm_recv(impl->inner, peer, channel, op->stamp, STAMP_BYTES, &op->stamp_op);
    if (!s)
        s = gw_comm_recv(impl->inner, peer, channel, buffer, capacity, &op->payload_op);
    if (s)
        return fail_start(comm, op, s);
    *out = &op->base;
    return GW_OK;
}

/* Let the inner messages of an operation go on; errors end up in op->status. */
static void test_inner(struct shaped_impl *impl, struct shaped_op *op)
{
    if (op->due == UNKNOWN) {
        if (op->stamp_op)
            look_for_stamp(impl, op);
        if (waits_for_lane(op) && arrival(impl, op) <= gw_now_ns())
            serve_stamped(impl);
    } else if (op->stamp_op) {
        gw_status s = gw_comm_test(impl->inner, op->stamp_op, NULL);
        if (s != GW_PENDING)
            op->stamp_op = NULL;
        if (s < 0)
            op->status = s;
    }
    if (!op->payload_op)
        return;
    gw_status s = gw_comm_test(impl->inner, op->payload_op, &op->bytes);
    if (s != GW_PENDING)
        op->payload_op = NULL;
    if (s < 0 && op->status != GW_ETRANSPORT)
        op->status = s;
}

static bool cancel_inner(gw_comm *comm, struct shaped_op *op)
{
    struct shaped_impl *impl = comm->impl;
    bool stamp = !op->stamp_op || gw_comm_cancel(impl->inner, op->stamp_op);
    bool payload = !op->payload_op || gw_comm_cancel(impl->inner, op->payload_op);
    if (stamp) {
        gw_op_return(&impl->ops, &op->base);
    } else {
        gw_op_forget(&impl->ops, &op->base); /* the stamp lies in it */
        gw_comm_keep(comm, op);
    }
    return payload;
}

static gw_status shaped_test(gw_comm *comm, struct gw_op *base, size_t *bytes)
{
    struct shaped_impl *impl = comm->impl;
    struct shaped_op *op = (struct shaped_op *)base;
    test_inner(impl, op);
    if (op->status == GW_ETRANSPORT) {
        (void)gw_comm_break(comm, GW_ETRANSPORT,
                            impl->inner->broken.status
                                ? impl->inner->broken.text
                                : "shaped: a message came without its stamp");
        (void)cancel_inner(comm, op);
        return GW_ETRANSPORT;
    }
    if (op->stamp_op || op->payload_op || gw_now_ns() < op->due)
        return GW_PENDING;
    gw_status s = op->status;
    if (!s)
        *bytes = op->bytes;
    gw_op_return(&impl->ops, &op->base);
    return s;
}

static bool shaped_cancel(gw_comm *comm, struct gw_op *base)
{
    return cancel_inner(comm, (struct shaped_op *)base);
}

static void shaped_pause(gw_comm *comm, int64_t until_ns)
{
    struct shaped_impl *impl = comm->impl;
    int64_t now = gw_now_ns(), next = until_ns, looked = impl->looked;
    impl->looked = now;
    for (const struct shaped_op *op = newest(impl); op; op = older(op)) {
        int64_t event = waits_for_lane(op) ? arrival(impl, op) : op->due;
        if (event > looked && event <= now)
            return; /* its time has come since the caller last looked */
        if (event > now && event < next)
            next = event;
    }
    impl->inner->crowded = comm->crowded;
    if (next - now > SHORT_NS)
        impl->inner->row->pause(impl->inner, next - SHORT_NS);
    else
        sched_yield();
}

static void shaped_close(gw_comm *comm)
{
    struct shaped_impl *impl = comm->impl;
    while (newest(impl))
        (void)cancel_inner(comm, newest(impl));
    gw_op_book_clear(&impl->ops);
    if (comm->broken.status)
        (void)gw_comm_break(impl->inner, comm->broken.status, comm->broken.text);
    gw_comm_close(impl->inner);
    free(impl);
}

/* ---- open ------------------------------------------------------------------------------------ */

enum { RATE, LATENCY };

static const gw_param params[] = {
    { "rate", GW_PARAM_RATE, "1gbit", 1, 1e15, NULL, "bit/s", "of each rank's two lanes" },
    { "latency", GW_PARAM_SECONDS, "50us", 0, 1000, NULL, "s", "of each message" },
    { 0 }
};

/* `comm` takes `inner` over, unless this fails. */
static gw_status enclose(gw_comm *comm, gw_comm *inner, struct gw_link link, struct gw_error *error)
{
    struct shaped_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return gw_fail(error, GW_ENOMEM, "shaped: out of memory for a comm");
    impl->inner = inner;
    impl->ns_per_byte = 8e9 / link.bits_per_s;
    impl->latency_ns = (int64_t)(link.latency_s * 1e9);
    comm->impl = impl;
    comm->rank = inner->rank;
    comm->size = inner->size;
    comm->timeout_ns = inner->timeout_ns;
    comm->link = link;
    comm->shaped = true;
    comm->simulated = inner->simulated;
    comm->island = inner->island;
    return GW_OK;
}

static gw_status name_and_enclose(gw_comm *comm, gw_comm *inner, const struct gw_values *values,
                                  struct gw_error *error)
{
    struct gw_link link = { .bits_per_s = values->number[RATE],
                            .latency_s = values->number[LATENCY],
                            .message_s = GW_MESSAGE_S };
    char text[GW_SPEC_TEXT];
    (void)gw_spec_format(text, sizeof text, "", params, values);
    gw_status s = gw_comm_name(comm, text + 1, inner->spec, error); /* without the ':' */
    if (s)
        return s;
    s = enclose(comm, inner, link, error);
    if (s) {
        free(comm->spec);
        comm->spec = NULL;
    }
    return s;
}

static gw_status open_shaped(gw_comm *comm, const struct gw_values *values, const char *rest,
                             struct gw_error *error)
{
    gw_comm *inner;
    gw_status s = gw_comm_open_bare(&inner, rest, error);
    if (s)
        return s;
    s = name_and_enclose(comm, inner, values, error);
    if (s)
        gw_comm_close(inner);
    return s;
}

gw_status gw_shaped_wrap(gw_comm **comm, const struct gw_values *values, struct gw_error *error)
{
    gw_comm *outer;
    gw_status s = gw_comm_new(&outer, &gw_shaped_row, error);
    if (s)
        return s;
    s = name_and_enclose(outer, *comm, values, error);
    if (s) {
        free(outer);
        return s;
    }
    *comm = outer;
    return gw_control_open(outer, error);
}

static gw_status split_shaped(gw_comm *out, gw_comm *comm, int colour, unsigned serial,
                              struct gw_error *error)
{
    struct shaped_impl *impl = comm->impl;
    gw_comm *part;
    gw_status s = gw_comm_new(&part, impl->inner->row, error);
    if (s)
        return s;
    part->rank = out->rank;
    part->size = out->size;
    part->timeout_ns = out->timeout_ns;
    part->simulated = out->simulated;
    part->island = out->island;
    s = impl->inner->row->split(part, impl->inner, colour, serial, error);
    if (s || out->size == 0) {
        free(part);
        return s;
    }
    s = enclose(out, part, comm->link, error);
    if (s)
        gw_comm_close(part);
    return s;
}

static gw_status shaped_allows_thread(const gw_comm *comm, struct gw_error *error)
{
    const gw_comm *inner = ((const struct shaped_impl *)comm->impl)->inner;
    return inner->row->allows_thread ? inner->row->allows_thread(inner, error) : GW_OK;
}

const struct gw_transport_row gw_shaped_row = {
    .info = { "shaped", "a simulated link around another transport", params },
    .decorates = true,
    .open = open_shaped,
    .close = shaped_close,
    .split = split_shaped,
    .send = shaped_send,
    .recv = shaped_recv,
    .test = shaped_test,
    .cancel = shaped_cancel,
    .pause = shaped_pause,
    .allows_thread = shaped_allows_thread,
};
