/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Saved state from anywhere: an error, or a plan whose next run works. */
#include <gradwire.h>

#include <stdlib.h>
#include <string.h>

enum { COUNT = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(gw_plan *plan)
{
    float x[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = (float)(i % 7) - 3;
    gw_status s = gw_start(plan, x, x);
    if (!s)
        s = gw_wait(plan);
    /* Residuals near FLT_MAX may overflow the next input: refused, not lost. */
    if (s && s != GW_ENONFINITE)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const specs[] = { "ef+qsgd", "ef+sign", "momentum+vote", "raw" };
    gw_comm *comm;
    gw_plan *plan;
    if (size < 1)
        return 0;
    gw_options options = { .codec = specs[data[0] % 4], .name = "w" };
    if (gw_comm_open(&comm, "self:"))
        abort();
    if (gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options))
        abort();
    gw_status s = gw_plan_load(plan, data + 1, size - 1);
    if (s != GW_OK && s != GW_EPAYLOAD && s != GW_EMISMATCH)
        abort();
    const void *buffers[2] = { data + 1, data + 1 };
    size_t bytes[2] = { size - 1, size - 1 };
    (void)!gw_plan_load_folded(plan, buffers, bytes, 1, GW_FOLD_SUM);
    (void)!gw_plan_load_folded(plan, buffers, bytes, 2, GW_FOLD_SUM);
    run(plan);
    gw_plan_close(plan);
    gw_comm_close(comm);
    return 0;
}
