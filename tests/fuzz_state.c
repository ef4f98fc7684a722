/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Saved state from anywhere: an error, or a plan whose next run works. The checksum is made right
 * first, or no input would get past it. */
#include <gradwire.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/types.h"

enum { COUNT = 200, HEADER = 40, CHECKSUM_AT = 32 };

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

/* Plans live from input to input, since a comm takes long to open; each input finds them new. */
static struct {
    gw_comm *comm;
    gw_plan *plans[4];
    uint8_t *fresh[4];
    size_t bytes[4];
} world;

static void open_world(void)
{
    static const char *const specs[] = { "ef+qsgd", "ef+sign", "momentum+vote", "raw" };
    if (gw_comm_open(&world.comm, "self:"))
        abort();
    for (int i = 0; i < 4; i++) {
        gw_options options = { .codec = specs[i], .name = "w" };
        if (gw_plan_allreduce(&world.plans[i], world.comm, COUNT, GW_F32, GW_SUM, &options))
            abort();
        size_t capacity = gw_plan_state_bytes(world.plans[i]);
        world.fresh[i] = malloc(capacity);
        if (!world.fresh[i] ||
            gw_plan_save(world.plans[i], world.fresh[i], capacity, &world.bytes[i]))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (!world.comm)
        open_world();
    int which = data[0] % 4;
    gw_plan *plan = world.plans[which];
    size_t length = size - 1;
    uint8_t *state = malloc(length + 1);
    if (!state)
        abort();
    memcpy(state, data + 1, length);
    if (length >= HEADER)
        gw_put_u64(state + CHECKSUM_AT, XXH3_64bits(state + HEADER, length - HEADER));
    gw_status s = gw_plan_load(plan, state, length);
    if (s != GW_OK && s != GW_EPAYLOAD && s != GW_EMISMATCH)
        abort();
    const void *buffers[2] = { state, state };
    size_t bytes[2] = { length, length };
    (void)!gw_plan_load_folded(plan, buffers, bytes, 1, GW_FOLD_SUM);
    (void)!gw_plan_load_folded(plan, buffers, bytes, 2, GW_FOLD_SUM);
    run(plan);
    free(state);
    if (gw_plan_load(plan, world.fresh[which], world.bytes[which]))
        abort();
    return 0;
}
