/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fault runs: random jobs on a simulated network with simulated disks, in which everything goes
 * wrong that can. Each ends in a ledger check, bit for bit: every push that a server accepted is
 * applied once, none that it acknowledged is missing, and what a worker was given is what it sent
 * and what it still has.
 *
 * GW_FAULT_SCHEDULES: how many; GW_FAULT_SEED: the first one's seed. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim_world.h"

#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
enum { SCHEDULES = 600 };
#else
enum { SCHEDULES = 10000 };
#endif
enum { PIECES = 20 };

static uint64_t number_of(const char *variable, uint64_t standard)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : standard;
}

START_TEST(schedules)
{
    uint64_t count = number_of("GW_FAULT_SCHEDULES", SCHEDULES);
    uint64_t first = number_of("GW_FAULT_SEED", 1);
    for (uint64_t i = (uint64_t)_i; i < count; i += PIECES) {
        static struct sim_world world;
        struct sim_config config;
        sim_config_make(&config, first + i);
        sim_world_open(&world, &config, first + i);
        bool good = sim_world_run(&world);
        sim_world_close(&world);
        ck_assert_msg(good, "seed %" PRIu64 " failed, see above", first + i);
    }
}
END_TEST

static uint64_t digest_of(const struct sim_config *config, uint64_t net_seed)
{
    static struct sim_world world;
    sim_world_open(&world, config, net_seed);
    bool good = sim_world_run(&world);
    uint64_t digest = world.digest;
    sim_world_close(&world);
    ck_assert_msg(good, "seed %" PRIu64 " failed, see above", config->seed);
    return digest;
}

/* A synchronous job gives the same bits every time, whatever the network does, with any gradients,
 * aggregator and optimizer. */
START_TEST(synchronous_runs_repeat)
{
    static const char *const aggregators[] = { "mean", "sum", "median", "trimmed", "clip" };
    static const char *const optimizers[] = { "sgd", "momentum", "adam", "lamb", "adagrad" };
    uint64_t count = number_of("GW_FAULT_SCHEDULES", SCHEDULES) / 50 + 1;
    for (uint64_t seed = 1; seed <= count; seed++) {
        struct sim_config config;
        sim_config_make(&config, seed);
        snprintf(config.mode, sizeof config.mode, "sync");
        config.fault_every = config.fault_end = 0;
        config.expected = config.workers;
        config.dyadic = config.judged = config.exact = false;
        config.aggregator = aggregators[seed % 5];
        config.optimizer = optimizers[seed / 5 % 5];
        uint64_t expected = digest_of(&config, seed);
        for (uint64_t other = 1; other < 3; other++) {
            uint64_t got = digest_of(&config, seed + 1000 * other);
            ck_assert_msg(got == expected,
                          "seed %" PRIu64 ": another network, other bits (digest %016" PRIx64
                          ", expected %016" PRIx64 ")",
                          seed, got, expected);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *t = tcase_create("schedules");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, schedules, 0, PIECES);
    tcase_add_test(t, synchronous_runs_repeat);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
