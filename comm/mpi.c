/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport "mpi:": a duplicate of an MPI communicator, so that our messages never meet the
 * program's. A channel is a tag. */
#include <gradwire/mpi.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "comm/comm.h"
#include "comm/mpi_message.h"

struct mpi_op {
    struct gw_op base;
    MPI_Request *requests;
    int count;
    MPI_Request one; /* where `requests` points unless there are several */
    bool receives;
    struct gw_mpi_shape shape;
};

struct mpi_impl {
    MPI_Comm comm;
    bool counted; /* among the users of the MPI that we initialized */
    int tag_max;
    size_t block_bytes;
    struct gw_op_book ops;
    unsigned idle; /* pauses since something happened */
    bool lost;     /* operations that MPI may still be working on were given up */
};

/* ---- initializing MPI: there is one MPI in a process, so this is one place ----------------------
 */

static struct {
    pthread_mutex_t lock;
    int users; /* comms that keep the MPI which we initialized alive */
    bool ours;
} engine = { .lock = PTHREAD_MUTEX_INITIALIZER };

static gw_status enter_locked(struct gw_error *error)
{
    int initialized = 0, finalized = 0, level;
    MPI_Finalized(&finalized);
    if (finalized)
        return gw_fail(error, GW_ETRANSPORT, "mpi: MPI has been finalized already");
    MPI_Initialized(&initialized);
    if (!initialized) {
        if (MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level) != MPI_SUCCESS)
            return gw_fail(error, GW_ETRANSPORT, "mpi: MPI_Init_thread failed");
        engine.ours = true;
    }
    engine.users++;
    return GW_OK;
}

static gw_status enter_engine(struct gw_error *error)
{
    pthread_mutex_lock(&engine.lock);
    gw_status s = enter_locked(error);
    pthread_mutex_unlock(&engine.lock);
    return s;
}

/* The last one finalizes what we initialized. Finalizing waits for all ranks, so it is left out
 * for good once a comm broke. */
static void leave_engine(bool broken)
{
    pthread_mutex_lock(&engine.lock);
    if (broken)
        engine.ours = false;
    if (--engine.users == 0 && engine.ours) {
        engine.ours = false;
        MPI_Finalize();
    }
    pthread_mutex_unlock(&engine.lock);
}

/* ---- operations ------------------------------------------------------------------------------ */

static struct mpi_op *take_op(struct mpi_impl *impl, int peer)
{
    struct mpi_op *op = gw_op_take(&impl->ops, sizeof *op, peer);
    if (!op)
        return NULL;
    op->count = 1;
    op->one = MPI_REQUEST_NULL;
    op->requests = &op->one;
    return op;
}

static void return_op(struct mpi_impl *impl, struct mpi_op *op)
{
    gw_mpi_shape_free(&op->shape);
    if (op->requests != &op->one)
        free(op->requests);
    gw_op_return(&impl->ops, &op->base);
}

/* Words of MPI for what went wrong. */
static gw_status fail_mpi(gw_comm *comm, const char *call, int code)
{
    char text[MPI_MAX_ERROR_STRING] = "", words[GW_ERROR_TEXT];
    int length = 0;
    MPI_Error_string(code, text, &length);
    snprintf(words, sizeof words, "mpi: %s: %.400s", call, text);
    return gw_comm_break(comm, GW_ETRANSPORT, words);
}

/* MPI promises tags up to 32767 only; Open MPI's go to INT_MAX. Channels so far apart that they
 * share a tag are not in use at the same time. */
static int tag_of(const struct mpi_impl *impl, unsigned channel)
{
    return (int)(channel % ((unsigned)impl->tag_max + 1));
}

static gw_status mpi_send(gw_comm *comm, int peer, unsigned channel, const void *buffer,
                          size_t bytes, struct gw_op **out)
{
    struct mpi_impl *impl = comm->impl;
    struct mpi_op *op = take_op(impl, peer);
    if (!op)
        return GW_ENOMEM;
    int code = gw_mpi_shape(&op->shape, bytes, impl->block_bytes);
    if (code == MPI_SUCCESS)
        code = MPI_Isend(buffer, op->shape.count, op->shape.type, peer, tag_of(impl, channel),
                         impl->comm, &op->one);
    if (code != MPI_SUCCESS) {
        return_op(impl, op);
        return fail_mpi(comm, "MPI_Isend", code);
    }
    *out = &op->base;
    return GW_OK;
}

static gw_status mpi_recv(gw_comm *comm, int peer, unsigned channel, void *buffer, size_t capacity,
                          struct gw_op **out)
{
    struct mpi_impl *impl = comm->impl;
    struct mpi_op *op = take_op(impl, peer);
    if (!op)
        return GW_ENOMEM;
    op->receives = true;
    int code = gw_mpi_shape(&op->shape, capacity, impl->block_bytes);
    if (code == MPI_SUCCESS)
        code = MPI_Irecv(buffer, op->shape.count, op->shape.type, peer, tag_of(impl, channel),
                         impl->comm, &op->one);
    if (code != MPI_SUCCESS) {
        return_op(impl, op);
        return fail_mpi(comm, "MPI_Irecv", code);
    }
    *out = &op->base;
    return GW_OK;
}

static gw_status conclude(gw_comm *comm, struct mpi_op *op, int code, const MPI_Status *status,
                          size_t *bytes)
{
    MPI_Count received = 0;
    int class = MPI_SUCCESS;
    bool receives = op->receives;
    if (code == MPI_SUCCESS && receives)
        MPI_Get_elements_x(status, op->shape.type, &received);
    return_op(comm->impl, op);
    if (code != MPI_SUCCESS)
        MPI_Error_class(code, &class);
    if (receives && class == MPI_ERR_TRUNCATE)
        return GW_ECAPACITY;
    if (code != MPI_SUCCESS)
        return fail_mpi(comm, "MPI_Test", code);
    if (receives)
        *bytes = (size_t)received;
    return GW_OK;
}

static gw_status mpi_test(gw_comm *comm, struct gw_op *base, size_t *bytes)
{
    struct mpi_impl *impl = comm->impl;
    struct mpi_op *op = (struct mpi_op *)base;
    MPI_Status status;
    int done = 1, code = MPI_SUCCESS;
    if (op->count == 1)
        code = MPI_Test(&op->one, &done, &status);
    else
        code = MPI_Testall(op->count, op->requests, &done, MPI_STATUSES_IGNORE);
    if (code == MPI_SUCCESS && !done)
        return GW_PENDING;
    impl->idle = 0;
    return conclude(comm, op, code, &status, bytes);
}

/* Only a receive that has met no message can be taken back; a send is over once MPI says so. */
static bool mpi_cancel(gw_comm *comm, struct gw_op *base)
{
    struct mpi_impl *impl = comm->impl;
    struct mpi_op *op = (struct mpi_op *)base;
    int done = 1;
    if (op->receives)
        MPI_Cancel(&op->one);
    (void)MPI_Testall(op->count, op->requests, &done, MPI_STATUSES_IGNORE);
    if (done) {
        return_op(impl, op);
        return true;
    }
    impl->lost = true; /* MPI holds on to the requests and their type: op is never freed */
    gw_op_forget(&impl->ops, base);
    gw_comm_keep(comm, op);
    return false;
}

/* MPI moves messages only while somebody calls it, so a pause is short; it lends the core at
 * first, then sleeps, longer and longer, up to what is still less than a scheduler's slice. */
static void mpi_pause(gw_comm *comm, int64_t until_ns)
{
    struct mpi_impl *impl = comm->impl;
    unsigned patience = comm->crowded ? 20 : 500;
    unsigned pauses = impl->idle++;
    if (pauses < patience) {
        sched_yield();
        return;
    }
    int64_t longest = comm->crowded ? 100000 : 50000;
    int64_t ns = pauses - patience < 16 ? 1000 << (pauses - patience) / 2 : longest;
    int64_t left = until_ns - gw_now_ns();
    ns = ns < longest ? ns : longest;
    if (left > 0)
        gw_sleep_ns(ns < left ? ns : left);
}

/* ---- MPI's own allreduce --------------------------------------------------------------------- */

static bool has_native(const gw_comm *comm, gw_type type, gw_operation operation)
{
    (void)comm;
    return gw_mpi_type(type) != MPI_DATATYPE_NULL && gw_mpi_operation(operation) != MPI_OP_NULL;
}

/* Give up what has started already: it cannot be cancelled, so the comm is broken. */
static gw_status fail_native(gw_comm *comm, struct mpi_op *op, int code)
{
    if (op->count == 0)
        return_op(comm->impl, op);
    else
        (void)mpi_cancel(comm, &op->base);
    return fail_mpi(comm, "MPI_Iallreduce", code);
}

static struct mpi_op *take_native_op(struct mpi_impl *impl, int parts)
{
    struct mpi_op *op = take_op(impl, -1);
    if (!op || parts == 1)
        return op;
    MPI_Request *requests = malloc((size_t)parts * sizeof *requests);
    if (!requests) {
        return_op(impl, op);
        return NULL;
    }
    op->requests = requests;
    return op;
}

static gw_status native(gw_comm *comm, const void *in, void *out, size_t count, gw_type type,
                        gw_operation operation, struct gw_op **result)
{
    struct mpi_impl *impl = comm->impl;
    size_t bytes = gw_mpi_type_bytes(type);
    size_t part = gw_max_size(impl->block_bytes / bytes, 1);
    int parts = (int)gw_max_size(gw_divide_up(count, part), 1);
    struct mpi_op *op = take_native_op(impl, parts);
    if (!op)
        return GW_ENOMEM;
    op->count = 0;
    for (size_t i = 0; i < (size_t)parts; i++) {
        size_t offset = i * part * bytes;
        const void *from = in == out ? MPI_IN_PLACE : (const void *)((const char *)in + offset);
        int code = MPI_Iallreduce(from, (char *)out + offset,
                                  (int)gw_min_size(part, count - i * part), gw_mpi_type(type),
                                  gw_mpi_operation(operation), impl->comm, &op->requests[i]);
        if (code != MPI_SUCCESS)
            return fail_native(comm, op, code);
        op->count++;
    }
    *result = &op->base;
    return GW_OK;
}

/* ---- open and close -------------------------------------------------------------------------- */

static void mpi_close(gw_comm *comm)
{
    struct mpi_impl *impl = comm->impl;
    bool broken = comm->broken.status || impl->lost;
    bool counted = impl->counted;
    /* MPI_Comm_free may wait for the others. */
    if (!broken)
        MPI_Comm_free(&impl->comm);
    gw_op_book_clear(&impl->ops);
    free(impl);
    if (counted)
        leave_engine(broken);
}

/* What is said of a comm whose `impl->comm` is there. */
static void adopt(gw_comm *comm, struct mpi_impl *impl)
{
    int *tag_max, known = 0;
    MPI_Comm_set_errhandler(impl->comm, MPI_ERRORS_RETURN);
    MPI_Comm_get_attr(impl->comm, MPI_TAG_UB, &tag_max, &known);
    impl->tag_max = known ? *tag_max : 32767;
    impl->block_bytes = GW_MPI_BLOCK_BYTES;
    MPI_Comm_rank(impl->comm, &comm->rank);
    MPI_Comm_size(impl->comm, &comm->size);
    comm->impl = impl;
}

/* Duplicating waits for all ranks, so it has the deadline of every wait. */
static gw_status duplicate(MPI_Comm *out, MPI_Comm mpi, int64_t timeout_ns, struct gw_error *error)
{
    MPI_Request request;
    int done = 0, code = MPI_Comm_idup(mpi, out, &request);
    int64_t deadline = gw_now_ns() + timeout_ns;
    while (code == MPI_SUCCESS) {
        code = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (done || code != MPI_SUCCESS)
            break;
        if (gw_now_ns() > deadline)
            return gw_fail(error, GW_ETIMEOUT, "mpi: not all ranks have opened within %g s",
                           (double)timeout_ns / 1e9);
        sched_yield();
    }
    if (code != MPI_SUCCESS)
        return gw_fail(error, GW_ETRANSPORT, "mpi: MPI_Comm_idup failed with code %d", code);
    return GW_OK;
}

static gw_status open_on(gw_comm *comm, MPI_Comm mpi, struct gw_error *error)
{
    struct mpi_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return gw_fail(error, GW_ENOMEM, "mpi: out of memory for a comm");
    gw_status s = duplicate(&impl->comm, mpi, comm->timeout_ns, error);
    if (s) {
        /* MPI may still write the handle there. */
        if (s != GW_ETIMEOUT)
            free(impl);
        return s;
    }
    adopt(comm, impl);
    return GW_OK;
}

static gw_status open_mpi(gw_comm *comm, const struct gw_values *values, const char *rest,
                          struct gw_error *error)
{
    (void)values;
    (void)rest;
    gw_status s = enter_engine(error);
    if (s)
        return s;
    s = open_on(comm, MPI_COMM_WORLD, error);
    if (s)
        leave_engine(s == GW_ETIMEOUT);
    else
        ((struct mpi_impl *)comm->impl)->counted = true;
    return s;
}

static gw_status check_usable(MPI_Comm mpi, struct gw_error *error)
{
    int initialized = 0, finalized = 0, inter = 0;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    if (!initialized || finalized)
        return gw_fail(error, GW_EINVAL, "gw_comm_from_mpi: MPI is not initialized");
    if (mpi == MPI_COMM_NULL)
        return gw_fail(error, GW_EINVAL, "gw_comm_from_mpi: the communicator is MPI_COMM_NULL");
    MPI_Comm_test_inter(mpi, &inter);
    if (inter)
        return gw_fail(error, GW_EINVAL, "gw_comm_from_mpi: an intercommunicator has two groups");
    return GW_OK;
}

gw_status gw_comm_from_mpi(gw_comm **out, MPI_Comm mpi)
{
    struct gw_error *error = gw_open_error();
    gw_comm *comm;
    gw_error_clear(error);
    if (!out)
        return gw_fail(error, GW_EINVAL, "gw_comm_from_mpi: out is NULL");
    gw_status s = gw_settings_check(error);
    s = s ? s : check_usable(mpi, error);
    s = s ? s : gw_comm_new(&comm, &gw_mpi_row, error);
    if (s)
        return s;
    s = gw_comm_name(comm, "", NULL, error);
    s = s ? s : open_on(comm, mpi, error);
    if (s) {
        free(comm->spec);
        free(comm);
        return s;
    }
    s = gw_control_open(comm, error);
    if (s)
        gw_comm_close(comm);
    s = s ? s : gw_comm_complete(&comm, error);
    if (!s)
        *out = comm;
    return s;
}

/* Memory first: MPI_Comm_split waits for everyone. */
static gw_status split_mpi(gw_comm *out, gw_comm *comm, int colour, unsigned serial,
                           struct gw_error *error)
{
    const struct mpi_impl *from = comm->impl;
    struct mpi_impl *impl = calloc(1, sizeof *impl);
    MPI_Comm mpi;
    (void)serial;
    int code = MPI_Comm_split(from->comm, out->size ? colour : MPI_UNDEFINED, out->rank, &mpi);
    if (code != MPI_SUCCESS || !impl || out->size == 0) {
        free(impl);
        if (code != MPI_SUCCESS)
            return gw_fail(error, GW_ETRANSPORT, "mpi: MPI_Comm_split failed with code %d", code);
        return out->size == 0 ? GW_OK : gw_fail(error, GW_ENOMEM, "mpi: out of memory for a comm");
    }
    impl->comm = mpi;
    if (from->counted && !enter_engine(NULL))
        impl->counted = true;
    adopt(out, impl);
    impl->block_bytes = from->block_bytes;
    return GW_OK;
}

/* Two threads of one process may be in MPI at a time then: ours and one of the program's. */
static gw_status allows_thread(const gw_comm *comm, struct gw_error *error)
{
    int level = MPI_THREAD_SINGLE;
    (void)comm;
    MPI_Query_thread(&level);
    if (level >= MPI_THREAD_MULTIPLE)
        return GW_OK;
    return gw_fail(
        error, GW_ENOTSUP,
        "progress=thread needs MPI_THREAD_MULTIPLE, and MPI gives this program less: pass "
        "MPI_THREAD_MULTIPLE to MPI_Init_thread in the place of MPI_Init, or let "
        "gw_comm_open initialize MPI");
}

void gw_mpi_set_block(gw_comm *comm, size_t bytes)
{
    ((struct mpi_impl *)comm->impl)->block_bytes = bytes;
}

static const gw_param no_params[] = { { 0 } };

const struct gw_transport_row gw_mpi_row = {
    .info = { "mpi", "a duplicate of MPI_COMM_WORLD, or of any MPI communicator", no_params },
    .open = open_mpi,
    .close = mpi_close,
    .split = split_mpi,
    .send = mpi_send,
    .recv = mpi_recv,
    .test = mpi_test,
    .cancel = mpi_cancel,
    .pause = mpi_pause,
    .native = native,
    .has_native = has_native,
    .allows_thread = allows_thread,
};
