/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server's saved state from anywhere: an error and nothing changed, or a shard that saves what it
 * loaded and whose next round works. Byte 0 says which optimizer; byte 1, whether the head (which
 * nobody guesses) is put right first; the rest is the state, cut or filled up with zeros. */
#include "tests/shards.h"

#include "base/types.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SHARDS = 4, HEAD = 32, PART = 24, STEPS_AT = 8 };

/* They live from input to input; each input finds them new. */
static struct {
    struct gw_shard *shard[SHARDS];
    uint8_t *fresh[SHARDS];
    size_t bytes[SHARDS];
    struct gw_blob *blobs[SHARD_PARTS_MAX];
} world;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void open_world(void)
{
    static const char *const optimizers[SHARDS] = { "none", "nesterov", "adamw:epsilon=0", "lamb" };
    static float x[SHARD_COUNT];
    struct pusher pusher;
    for (int i = 0; i < SHARD_COUNT; i++)
        x[i] = (float)(i % 7) - 3;
    for (int i = 0; i < SHARDS; i++) {
        const struct shard_terms terms = { .push = "raw",
                                           .optimizer = optimizers[i],
                                           .pull = "sign" };
        must(shard_open(&world.shard[i], &terms, NULL) == GW_OK);
        world.bytes[i] = gw_shard_state_bytes(world.shard[i]);
        must((world.fresh[i] = malloc(world.bytes[i])) != NULL);
        gw_shard_save(world.shard[i], world.fresh[i]);
    }
    must(pusher_open(&pusher, world.shard[0], "raw", 0, NULL) == GW_OK);
    must(pusher_encode(&pusher, x, false, world.blobs) == GW_OK);
    pusher_close(&pusher);
}

/* What was loaded is saved again, a round goes by, and all that it leaves can be saved and loaded:
 * it is finite. */
static void go_on(struct gw_shard *shard, const uint8_t *state, uint8_t *copy, size_t bytes)
{
    const struct gw_push_view view = { 0, false, world.blobs };
    gw_shard_save(shard, copy);
    must(memcmp(copy, state, HEAD) == 0 && memcmp(copy, state, bytes) == 0);
    for (uint64_t round = 1; round <= 2; round++) {
        struct gw_work *work = gw_shard_apply(shard, &view, 1, NAN, round);
        must(work && shard_work(work, 1, 1, NULL) == GW_OK);
        work = gw_shard_advance(shard, 0);
        must(work && shard_work(work, 1, 1, NULL) == GW_OK);
    }
    gw_shard_save(shard, copy);
    must(gw_shard_load(shard, copy, bytes, NULL) == GW_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (!world.shard[0])
        open_world();
    int which = data[0] % SHARDS;
    bool right = data[1] % 4 != 0;
    struct gw_shard *shard = world.shard[which];
    size_t given = size - 2, bytes = right ? world.bytes[which] : given;
    uint8_t *state = calloc(bytes + 1, 1), *copy = malloc(world.bytes[which]);
    must(state && copy);
    memcpy(state, data + 2, given < bytes ? given : bytes);
    if (right) {
        uint64_t steps = gw_get_u64(state + STEPS_AT);
        memcpy(state, world.fresh[which], HEAD + gw_shard_parts(shard) * PART);
        gw_put_u64(state + STEPS_AT, steps);
    }
    gw_status s = gw_shard_load(shard, state, bytes, NULL);
    must(s == GW_OK || s == GW_EPAYLOAD);
    if (s)
        gw_shard_save(shard, copy);
    else
        go_on(shard, state, copy, bytes);
    must(!s || memcmp(copy, world.fresh[which], world.bytes[which]) == 0);
    must(gw_shard_load(shard, world.fresh[which], world.bytes[which], NULL) == GW_OK);
    free(state);
    free(copy);
    return 0;
}
