/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The public collectives: plans and one-call forms, each a request. */
#include "collectives/plan.h"

gw_status gw_plan_allreduce(gw_plan **out, gw_comm *comm, size_t count, gw_type type,
                            gw_operation operation, const gw_options *options)
{
    struct gw_request request = {
        .collective = GW_ALLREDUCE, .type = type, .operation = operation, .options = options
    };
    return gw_plan_create_one(out, comm, request, count);
}

gw_status gw_plan_allreduce_list(gw_plan **out, gw_comm *comm, const gw_tensor *tensors,
                                 size_t tensors_count, gw_type type, gw_operation operation,
                                 const gw_options *options)
{
    struct gw_request request = { .collective = GW_ALLREDUCE,
                                  .tensors = tensors,
                                  .tensors_count = tensors_count,
                                  .type = type,
                                  .operation = operation,
                                  .options = options };
    return gw_plan_create(out, comm, &request);
}

static struct gw_request reduce_scatter_request(size_t count, gw_type type, gw_operation operation,
                                                const gw_options *options)
{
    return (struct gw_request){ .collective = GW_REDUCE_SCATTER,
                                .block_count = count,
                                .type = type,
                                .operation = operation,
                                .options = options };
}

static struct gw_request allgather_request(size_t count, gw_type type, const gw_options *options)
{
    return (struct gw_request){
        .collective = GW_ALLGATHER, .block_count = count, .type = type, .options = options
    };
}

static size_t all_blocks(const gw_comm *comm, size_t count)
{
    return comm ? count * (size_t)comm->size : count;
}

gw_status gw_plan_reduce_scatter(gw_plan **out, gw_comm *comm, size_t count, gw_type type,
                                 gw_operation operation, const gw_options *options)
{
    return gw_plan_create_one(out, comm, reduce_scatter_request(count, type, operation, options),
                              all_blocks(comm, count));
}

gw_status gw_plan_allgather(gw_plan **out, gw_comm *comm, size_t count, gw_type type,
                            const gw_options *options)
{
    return gw_plan_create_one(out, comm, allgather_request(count, type, options),
                              all_blocks(comm, count));
}

gw_status gw_plan_broadcast(gw_plan **out, gw_comm *comm, size_t count, gw_type type,
                            const gw_options *options)
{
    struct gw_request request = { .collective = GW_BROADCAST, .type = type, .options = options };
    return gw_plan_create_one(out, comm, request, count);
}

/* ---- one call ---------------------------------------------------------------------------------*/

static gw_status once(gw_comm *comm, struct gw_request request, size_t count, const void *in,
                      void *out)
{
    gw_plan *plan;
    request.once = true;
    gw_status s = gw_plan_create_one(&plan, comm, request, count);
    if (s)
        return s;
    s = gw_start(plan, in, out);
    if (!s)
        s = gw_wait(plan);
    if (s)
        gw_fail(&comm->error, s, "%s", gw_plan_error(plan));
    gw_plan_close(plan);
    return s;
}

gw_status gw_allreduce(gw_comm *comm, const void *in, void *out, size_t count, gw_type type,
                       gw_operation operation, const gw_options *options)
{
    struct gw_request request = {
        .collective = GW_ALLREDUCE, .type = type, .operation = operation, .options = options
    };
    return once(comm, request, count, in, out);
}

gw_status gw_reduce_scatter(gw_comm *comm, const void *in, void *out, size_t count, gw_type type,
                            gw_operation operation, const gw_options *options)
{
    return once(comm, reduce_scatter_request(count, type, operation, options),
                all_blocks(comm, count), in, out);
}

gw_status gw_allgather(gw_comm *comm, const void *in, void *out, size_t count, gw_type type,
                       const gw_options *options)
{
    return once(comm, allgather_request(count, type, options), all_blocks(comm, count), in, out);
}

gw_status gw_broadcast(gw_comm *comm, const void *in, void *out, size_t count, gw_type type,
                       const gw_options *options)
{
    struct gw_request request = { .collective = GW_BROADCAST, .type = type, .options = options };
    return once(comm, request, count, in, out);
}
