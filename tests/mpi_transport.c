/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What runs under mpirun for test_mpi_transport.sh and test_stopped.sh.
 *
 *   mpi_transport world             the bodies over mpi:, cut messages, MPI's own allreduce
 *   mpi_transport shaped            the bodies behind a simulated link
 *   mpi_transport user LEVEL        the program initializes MPI at thread level 0..3
 *   mpi_transport stopped TOKEN     rank 1 stops; the others say what they see
 *   mpi_transport huge              one message above 2 GiB (memory: 5 GiB); not in make check */
#include <gradwire/mpi.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/mpi_message.h"
#include "tests/transport_bodies.h"

/* The first failure ends the run of this rank. */
static int conclude(const gw_comm *comm, const char *name, const struct body_result *result)
{
    if (!result->words[0])
        return 0;
    fprintf(stderr, "%s: '%s', rank %d of %d: %s\n", comm->spec, name, comm->rank, comm->size,
            result->words);
    return 1;
}

static int run_bodies(gw_comm *comm)
{
    int failed = 0;
    for (const struct transport_case *c = transport_cases; c->name && !failed; c++) {
        struct body_result result = { "" };
        c->body(comm, &result);
        failed = conclude(comm, c->name, &result);
    }
    return failed;
}

/* ---- MPI's own allreduce --------------------------------------------------------------------- */

enum { COUNT = 101 };

static gw_status reduce(gw_comm *comm, const void *in, void *out, gw_type type,
                        gw_operation operation)
{
    struct gw_op *op;
    gw_status s = comm->row->native(comm, in, out, COUNT, type, operation, &op);
    return s ? s : finish_op(comm, op, NULL);
}

static void check_floats(gw_comm *comm, bool in_place, struct body_result *result)
{
    float x[COUNT], y[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = y[i] = (float)((comm->rank + 1) * (i - 50));
    gw_status s = reduce(comm, in_place ? y : x, y, GW_F32, GW_SUM);
    expect(result, s == GW_OK, "f32 sum: %s", gw_status_name(s));
    int pairs = comm->size * (comm->size + 1) / 2;
    float ranks = (float)pairs;
    for (int i = 0; i < COUNT; i++)
        expect(result, y[i] == ranks * (float)(i - 50), "f32 sum, element %d: %g, expected %g", i,
               (double)y[i], (double)(ranks * (float)(i - 50)));
}

static void check_others(gw_comm *comm, struct body_result *result)
{
    double d[COUNT];
    int32_t n[COUNT];
    for (int i = 0; i < COUNT; i++) {
        d[i] = comm->rank * 1000 + i;
        n[i] = i - comm->rank * 1000;
    }
    gw_status s = reduce(comm, d, d, GW_F64, GW_MAX);
    s = s ? s : reduce(comm, n, n, GW_I32, GW_MIN);
    expect(result, s == GW_OK, "f64 max, i32 min: %s", gw_status_name(s));
    for (int i = 0; i < COUNT; i++) {
        int last = (comm->size - 1) * 1000;
        expect(result, d[i] == last + i, "f64 max, element %d: %g", i, d[i]);
        expect(result, n[i] == i - last, "i32 min, element %d: %d", i, (int)n[i]);
    }
}

static int run_native(gw_comm *comm)
{
    struct body_result result = { "" };
    check_floats(comm, false, &result);
    check_floats(comm, true, &result);
    check_others(comm, &result);
    expect(&result, !comm->row->has_native(comm, GW_F16, GW_SUM), "MPI adds f16?");
    return conclude(comm, "native", &result);
}

/* ---- the ways in ----------------------------------------------------------------------------- */

static int run_world(void)
{
    gw_comm *comm;
    if (gw_comm_open(&comm, "env:")) {
        fprintf(stderr, "open: %s\n", gw_comm_error(NULL));
        return 1;
    }
    if (strcmp(gw_comm_spec(comm), "mpi:") != 0) {
        fprintf(stderr, "env: became %s under mpirun\n", gw_comm_spec(comm));
        return 1;
    }
    int failed = run_bodies(comm) || run_native(comm);
    gw_mpi_set_block(comm, 64); /* every message of more than 64 bytes is cut */
    failed = failed || run_bodies(comm) || run_native(comm);
    gw_comm_close(comm);
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (!finalized) {
        fprintf(stderr, "the last comm did not finalize the MPI that it initialized\n");
        failed = 1;
    }
    if (gw_comm_open(&comm, "mpi:") != GW_ETRANSPORT) {
        fprintf(stderr, "an open after MPI_Finalize: %s\n", gw_comm_error(NULL));
        failed = 1;
    }
    return failed;
}

static int run_shaped(void)
{
    gw_comm *comm;
    if (gw_comm_open(&comm, "shaped:rate=1000mbit,latency=20us/mpi:")) {
        fprintf(stderr, "open: %s\n", gw_comm_error(NULL));
        return 1;
    }
    int failed = run_bodies(comm);
    gw_comm_close(comm);
    return failed;
}

/* A receive of the program's own for any message must not see one of ours. */
static int run_on(MPI_Comm mpi, const char *spec)
{
    MPI_Request request;
    gw_comm *comm;
    int failed, arrived = 0, note = 7, got = 0;
    MPI_Irecv(&got, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, mpi, &request);
    if (gw_comm_from_mpi(&comm, mpi)) {
        fprintf(stderr, "gw_comm_from_mpi: %s\n", gw_comm_error(NULL));
        return 1;
    }
    failed = run_bodies(comm);
    if (strcmp(gw_comm_spec(comm), spec) != 0) {
        fprintf(stderr, "spec %s, expected %s\n", gw_comm_spec(comm), spec);
        failed = 1;
    }
    MPI_Test(&request, &arrived, MPI_STATUS_IGNORE);
    if (arrived) {
        fprintf(stderr, "a message of gradwire reached the program\n");
        return 1;
    }
    MPI_Send(&note, 1, MPI_INT, gw_comm_rank(comm), 0, mpi);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    gw_comm_close(comm);
    return failed || got != note;
}

static int run_user(int level)
{
    gw_comm *comm;
    MPI_Comm reversed;
    int provided, rank, finalized = 0;
    if (gw_comm_from_mpi(&comm, MPI_COMM_WORLD) != GW_EINVAL) {
        fprintf(stderr, "gw_comm_from_mpi before MPI_Init: %s\n", gw_comm_error(NULL));
        return 1;
    }
    MPI_Init_thread(NULL, NULL, level, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    int failed = gw_comm_from_mpi(&comm, MPI_COMM_NULL) != GW_EINVAL;
    failed = failed || run_on(MPI_COMM_WORLD, "mpi:");
    MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &reversed);
    setenv("GRADWIRE_LINK", "1gbit,10us", 1);
    failed = failed || run_on(reversed, "shaped:rate=1000mbit,latency=10us/mpi:");
    unsetenv("GRADWIRE_LINK");
    MPI_Comm_free(&reversed);
    failed = failed || gw_comm_open(&comm, "mpi:") != GW_OK;
    if (!failed)
        gw_comm_close(comm);
    MPI_Finalized(&finalized);
    if (finalized) {
        fprintf(stderr, "gradwire finalized the program's MPI\n");
        return 1;
    }
    MPI_Finalize();
    return failed;
}

static int run_stopped(void)
{
    gw_comm *comm;
    if (gw_comm_open(&comm, "mpi:") || gw_comm_set_timeout(comm, 2))
        return 1;
    if (gw_comm_rank(comm) == 1)
        raise(SIGSTOP);
    gw_status s = gw_barrier(comm);
    printf("rank %d: %s: %s\n", gw_comm_rank(comm), gw_status_name(s), gw_comm_error(comm));
    fflush(stdout);
    gw_comm_close(comm);
    return s == GW_ETIMEOUT ? 3 : 1;
}

static int run_huge(void)
{
    size_t bytes = ((size_t)9 << 28) + 5, got = 0;
    struct gw_op *op;
    gw_comm *comm;
    if (gw_comm_open(&comm, "mpi:"))
        return 1;
    uint8_t *room = calloc(bytes, 1);
    if (!room)
        return 1;
    if (comm->rank == 0)
        for (size_t i = 0; i < bytes; i += 4093)
            room[i] = (uint8_t)(i / 4093 + 1);
    gw_status s = comm->rank == 0 ? gw_comm_send(comm, 1, 1, room, bytes, &op)
                                  : gw_comm_recv(comm, 0, 1, room, bytes, &op);
    s = s ? s : finish_op(comm, op, &got);
    bool good = !s && (comm->rank == 0 || got == bytes);
    for (size_t i = 0; i < bytes; i += 4093)
        good = good && room[i] == (uint8_t)(i / 4093 + 1);
    printf("rank %d: %zu bytes, %s\n", comm->rank, got, good ? "good" : "wrong");
    free(room);
    gw_comm_close(comm);
    return !good;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "world";
    if (strcmp(what, "user") == 0) {
        static const int levels[] = { MPI_THREAD_SINGLE, MPI_THREAD_FUNNELED, MPI_THREAD_SERIALIZED,
                                      MPI_THREAD_MULTIPLE };
        return run_user(levels[argc > 2 ? strtoul(argv[2], NULL, 10) & 3 : 0]);
    }
    if (strcmp(what, "shaped") == 0)
        return run_shaped();
    if (strcmp(what, "stopped") == 0)
        return run_stopped();
    return strcmp(what, "huge") == 0 ? run_huge() : run_world();
}
