/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Both ends without memory: a short job is played again and again, and each time another allocation
 * of the library fails, once. The job ends all the same, its ledger fits, and nothing is left.
 * What the simulation itself allocates does not fail. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scarce_memory.h"
#include "tests/sim_world.h"

static const struct {
    const char *mode, *durability, *codec, *pull, *feedback;
} jobs[] = {
    { "sync", "log:every=2", "ef+topk:ratio=0.2", "raw", "shared" },
    { "quorum:k=1,late=drop", "snapshot:every=1", "raw", "sign", "worker" },
    { "ssp:s=1", "none", "ef+fp16", "int8", "shared" },
};
enum { JOBS = sizeof jobs / sizeof *jobs };

static struct sim_config config_of(int job)
{
    struct sim_config config;
    sim_config_make(&config, 1);
    config.servers = 1 + job % 2;
    config.workers = config.expected = 2;
    config.steps = 2;
    config.tensors = 2;
    config.counts[0] = 5;
    config.counts[1] = 11;
    config.elements = 16;
    config.codec = jobs[job].codec;
    config.exact = true;
    config.pull = jobs[job].pull;
    config.feedback = jobs[job].feedback;
    snprintf(config.mode, sizeof config.mode, "%s", jobs[job].mode);
    snprintf(config.durability, sizeof config.durability, "%s", jobs[job].durability);
    config.window = 2;
    config.hands_in = true;
    config.lost_ns = config.back_ns = 300 * SIM_MS;
    config.think_most = 5 * SIM_MS;
    config.at_once = 500000;
    config.fault_every = config.fault_end = 0;
    config.weather = (struct sim_weather){ 10000, SIM_MS, 65536, 0, 0, 0, 0, 0 };
    return config;
}

/* Nothing is asserted here: Check allocates. */
static bool play(const struct sim_config *config)
{
    static struct sim_world world;
    sim_world_open(&world, config, 7);
    bool good = sim_world_run(&world);
    sim_world_close(&world);
    return good;
}

static bool simulates(void)
{
    return sim_own != 0;
}

START_TEST(every_allocation_fails)
{
    struct sim_config config = config_of(_i);
    config.walks = true;
    scarce_spare(simulates);
    for (long site = 0;; site++) {
        long before = scarce_alive();
        scarce_at(site);
        bool good = play(&config);
        bool walked = scarce_end() == 0;
        long left = scarce_alive() - before;
        ck_assert_msg(good, "job %d, allocation %ld failed: see above", _i, site);
        ck_assert_msg(left == 0, "job %d, allocation %ld failed: %ld blocks are left", _i, site,
                      left);
        if (walked) {
            ck_assert_int_gt(site, 400);
            return;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ps_memory");
    TCase *t = tcase_create("walk");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_allocation_fails, 0, JOBS);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
