/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport's own allreduce is no step list: what it takes is measured, on sizes that rise as
 * long as the link promises that they stay short. */
#include <string.h>

#include "collectives/costs.h"

enum { ROUNDS = 3, LEAST = 64, GROWTH = 32 }; /* 64 B, 2 KiB, 64 KiB, 2 MiB */

static const double LONGEST_S = 0.04;

/* One allreduce; the op's buffers are given up to the transport if it does not end. */
static gw_status reduce_once(gw_comm *comm, float *buffers, size_t count, bool *lost,
                             struct gw_error *error)
{
    struct gw_op *op;
    size_t bytes = 0;
    int64_t deadline = gw_now_ns() + comm->timeout_ns;
    gw_status s = comm->row->native(comm, buffers, buffers + count, count, GW_F32, GW_SUM, &op);
    if (s)
        return gw_fail(error, s, "the transport's allreduce could not be started");
    while ((s = gw_comm_test(comm, op, &bytes)) == GW_PENDING) {
        int64_t now = gw_now_ns();
        if (now >= deadline) {
            *lost = !gw_comm_cancel(comm, op);
            return gw_fail(error, GW_ETIMEOUT, "the transport's allreduce did not end within %g s",
                           (double)comm->timeout_ns * 1e-9);
        }
        gw_comm_pause(comm, deadline);
    }
    return s ? gw_fail(error, s, "the transport's allreduce failed") : GW_OK;
}

static gw_status time_size(double *seconds, gw_comm *comm, float *buffers, size_t count, bool *lost,
                           struct gw_error *error)
{
    gw_status s = GW_OK;
    for (int i = 0; i < ROUNDS && !s; i++) {
        int64_t since = gw_now_ns();
        s = reduce_once(comm, buffers, count, lost, error);
        double took = (double)(gw_now_ns() - since) * 1e-9;
        if (i == 0 || took < *seconds)
            *seconds = took;
    }
    return s;
}

/* By the link alone, which all ranks know: they stop at the same size. */
static double expected(const gw_comm *comm, double bytes)
{
    return 2 * bytes * 8 / comm->link.bits_per_s;
}

static gw_status measure(struct gw_native_times *out, gw_comm *comm, float *buffers, bool *lost,
                         struct gw_error *error)
{
    size_t bytes = LEAST;
    gw_status s = GW_OK;
    for (int i = 0; i < GW_NATIVE_POINTS && !s; i++, bytes *= GROWTH) {
        if (i > 1 && expected(comm, (double)bytes) > LONGEST_S)
            break;
        s = time_size(&out->seconds[i], comm, buffers, bytes / sizeof *buffers, lost, error);
        out->bytes[i] = (double)bytes;
        out->count = i + 1;
    }
    if (s)
        out->count = 0;
    return s;
}

gw_status gw_native_measure(struct gw_native_times *out, gw_comm *comm, void *room, bool *lost,
                            struct gw_error *error)
{
    gw_comm *own; /* the transport orders its own collectives per comm */
    gw_status s = gw_comm_split(&own, comm, 0, comm->rank);
    if (s) {
        *error = comm->error;
        return s;
    }
    own->link = comm->link;
    memset(room, 0, GW_NATIVE_ROOM);
    s = measure(out, own, room, lost, error);
    if (s)
        (void)gw_comm_break(comm, s, error->text);
    gw_comm_close(own);
    return s;
}
