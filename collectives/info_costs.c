/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The cost model, for programs that show it. */
#include <stdlib.h>

#include "collectives/costs.h"
#include "collectives/plan.h"

static double per_second(const struct gw_rates *rates, enum gw_work work)
{
    double element_s = rates->work[work].element_s;
    return element_s > 0 ? 4 / element_s : 0;
}

static void fill_links(gw_costs_info *out, const gw_comm *comm)
{
    bool near = false, far = false;
    for (int r = 0; r < comm->size; r++)
        for (int q = 0; q < r; q++)
            *(comm->nodes[r] == comm->nodes[q] ? &near : &far) = true;
    if (near) {
        out->near_bits_per_s = comm->near.bits_per_s;
        out->near_latency_s = comm->near.latency_s;
        out->near_message_s = comm->near.message_s;
    }
    if (far) {
        out->far_bits_per_s = comm->far.bits_per_s;
        out->far_latency_s = comm->far.latency_s;
        out->far_message_s = comm->far.message_s;
    }
}

static void fill(gw_costs_info *out, const gw_comm *comm, const char *spec, bool merges)
{
    const struct gw_costs *costs = comm->costs;
    const struct gw_rates *rates = gw_costs_of(comm, spec);
    *out = (gw_costs_info){ .crowding = costs->crowding,
                            .read_bytes_per_s = 1 / costs->memory.read_s,
                            .write_bytes_per_s = 1 / costs->memory.write_s,
                            .copy_bytes_per_s = per_second(rates, GW_WORK_COPY),
                            .sum_bytes_per_s = per_second(rates, GW_WORK_SUM),
                            .encode_bytes_per_s = per_second(rates, GW_WORK_ENCODE),
                            .decode_bytes_per_s = per_second(rates, GW_WORK_DECODE),
                            .add_bytes_per_s = per_second(rates, GW_WORK_ADD),
                            .merge_bytes_per_s = merges ? per_second(rates, GW_WORK_MERGE) : 0,
                            .payload_bytes = rates->coded_bytes };
    fill_links(out, comm);
}

gw_status gw_info_costs(gw_comm *comm, const char *codec, gw_costs_info *out)
{
    if (!comm)
        return GW_EINVAL;
    gw_error_clear(&comm->error);
    gw_status s = gw_comm_check(comm, &comm->error);
    if (s)
        return s;
    char spec[GW_SPEC_TEXT];
    const struct gw_codec_row *core = NULL;
    const char *specs[] = { spec };
    if (!codec || !out)
        s = gw_fail(&comm->error, GW_EINVAL, "gw_info_costs: codec or out is NULL");
    else
        s = gw_codec_canonical(codec, spec, sizeof spec, &core, &comm->error);
    struct gw_want want = { specs, 1, true, comm->share_cores };
    s = gw_costs_measure(comm, &want, s, &comm->error);
    if (s)
        return s;
    if (gw_costs_of(comm, spec) == &gw_rates_assumed)
        return gw_fail(&comm->error, GW_EMISMATCH,
                       "gw_info_costs: a rank failed, or asks for another codec than %s", codec);
    ((struct gw_costs *)comm->costs)->threads = want.threads;
    fill(out, comm, spec, core->merge != NULL);
    return GW_OK;
}

gw_status gw_info_predict(gw_comm *comm, const char *codec, const char *algorithm, size_t count,
                          double *seconds)
{
    if (!comm)
        return GW_EINVAL;
    gw_error_clear(&comm->error);
    if (!codec || !seconds)
        return gw_fail(&comm->error, GW_EINVAL, "gw_info_predict: codec or seconds is NULL");
    char spec[GW_SPEC_TEXT];
    gw_status s = gw_codec_canonical(codec, spec, sizeof spec, NULL, &comm->error);
    if (s)
        return s;
    const struct gw_costs *costs = comm->costs;
    struct gw_plan_tensor tensor = { .count = count };
    struct gw_plan plan = { .comm = comm,
                            .fewest_threads = costs ? costs->threads : 1,
                            .collective = GW_ALLREDUCE,
                            .operation = GW_MEAN,
                            .tensors = &tensor,
                            .tensors_count = 1 };
    struct gw_choice choice;
    if (gw_plan_describe_nodes(&plan))
        return gw_fail(&comm->error, GW_ENOMEM, "gw_info_predict: not enough memory");
    s = gw_plan_predict(&choice, &plan, spec, algorithm, &comm->error);
    free(plan.members);
    if (!s)
        *seconds = choice.seconds;
    return s;
}
