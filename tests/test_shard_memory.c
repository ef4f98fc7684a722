/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Out of memory at every place of a shard's life: the k-th allocation fails, for k = 1, 2, ...
 * until none does. Each time: GW_ENOMEM, nothing leaked, and what failed changed nothing, so that
 * the same, tried again with memory, gives the bits of a run in which nothing failed. */
#include "tests/shards.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/scarce_memory.h"

static const struct shard_terms terms[] = {
    { "ef+qsgd", "mean", "lamb", "qsgd", "worker" },
    { "vote", "vote", "sgd", "int8", "shared" },
    { "int", "clip", "adam", "topk:ratio=0.1", "shared" },
    { "sign", "trimmed", "momentum", "raw", "worker" },
    { "topk", "vote:ties=zero", "none", "clip+qsgd:coding=elias", "worker" },
};
enum { TERMS = sizeof terms / sizeof *terms, SITES_MAX = 2000, TRIES = 3 };

static struct pusher pusher;
static struct gw_blob *blobs[SHARD_PARTS_MAX];
static bool taking; /* the worker is not what is tested */

static bool is_taking(void)
{
    return taking;
}

/* Each call again until it succeeds, since only one allocation fails; *wrong if it fails in another
 * way, or leaves something. */
static gw_status apply(struct gw_shard *shard, uint64_t round, const char **wrong)
{
    const struct gw_push_view views[] = { { 0, false, blobs }, { 1, false, blobs } };
    struct gw_work *work = NULL;
    for (int i = 0; i < TRIES && !work; i++)
        work = gw_shard_apply(shard, views, 2, NAN, round);
    if (!work)
        *wrong = "apply fails again";
    return work ? shard_work(work, 1, round, NULL) : GW_ENOMEM;
}

static void advance(struct gw_shard *shard, uint32_t worker, const char **wrong)
{
    uint64_t before = gw_shard_version(shard, worker);
    for (int i = 0; i < TRIES; i++) {
        struct gw_work *work = gw_shard_advance(shard, worker);
        if (!work)
            return;
        gw_status s = shard_work(work, 1, 1, NULL);
        if (s && (s != GW_ENOMEM || gw_shard_version(shard, worker) != before))
            *wrong = "a failed advance does not say GW_ENOMEM, or changes the version";
    }
    *wrong = "advance fails again";
}

static void pull(struct gw_shard *shard, uint32_t worker, const char *spec, uint64_t *has,
                 float *held, const char **wrong)
{
    struct gw_pull_item *items;
    size_t count;
    gw_status s = GW_ENOMEM;
    for (int i = 0; i < TRIES && s == GW_ENOMEM; i++)
        s = gw_shard_pull(shard, worker, *has, &items, &count, NULL);
    if (s) {
        *wrong = "pull fails again, or in another way";
        return;
    }
    taking = true;
    if (items_take(shard, spec, items, count, held, NULL))
        *wrong = "what was pulled is no good";
    taking = false;
    *has = gw_shard_version(shard, worker);
}

static void live(const struct gw_job *job, const struct shard_terms *t, float *held,
                 const char **wrong)
{
    struct gw_shard *shard = NULL;
    uint64_t has = 0;
    gw_status s = gw_shard_open(&shard, job, NULL);
    if (s && (shard || s != GW_ENOMEM))
        *wrong = "open does not say GW_ENOMEM, or leaves a shard";
    if (s)
        s = gw_shard_open(&shard, job, NULL);
    if (s) {
        *wrong = "open fails again";
        return;
    }
    s = gw_shard_set_threads(shard, 2, NULL);
    if (s && s != GW_ENOMEM)
        *wrong = "set_threads does not say GW_ENOMEM";
    for (uint64_t round = 1; round <= 3 && !*wrong; round++) {
        if (apply(shard, round, wrong))
            *wrong = "apply fails";
        advance(shard, 5, wrong);
        advance(shard, 2, wrong);
        if (round != 2)
            pull(shard, 5, t->pull, &has, held, wrong);
    }
    gw_shard_forget_worker(shard, 2);
    gw_shard_close(shard);
}

START_TEST(every_allocation_of_a_shard)
{
    static float x[SHARD_COUNT], held[SHARD_COUNT], expected[SHARD_COUNT];
    const struct shard_terms *t = &terms[_i];
    struct gw_job *job;
    struct gw_shard *shard;
    const char *wrong = NULL;
    ck_assert_int_eq(shard_job(&job, t, NULL), GW_OK);
    ck_assert_int_eq(gw_shard_open(&shard, job, NULL), GW_OK);
    for (int i = 0; i < SHARD_COUNT; i++)
        x[i] = (float)(i % 13) - 6;
    ck_assert_int_eq(pusher_open(&pusher, shard, t->push, 0, NULL), GW_OK);
    ck_assert_int_eq(pusher_encode(&pusher, x, false, blobs), GW_OK);
    live(job, t, expected, &wrong);
    ck_assert_msg(!wrong, "%s", wrong);
    scarce_spare(is_taking);
    int site = -1;
    long failed;
    do {
        long before = scarce_alive();
        scarce_at(++site);
        live(job, t, held, &wrong);
        failed = scarce_end();
        long left = scarce_alive() - before;
        ck_assert_msg(!wrong, "%s, %s: allocation %d fails: %s", t->push, t->pull, site, wrong);
        ck_assert_msg(left == 0, "%s, %s: allocation %d fails: %ld blocks leaked", t->push, t->pull,
                      site, left);
        ck_assert_msg(memcmp(held, expected, sizeof held) == 0,
                      "%s, %s: allocation %d fails: other bits", t->push, t->pull, site);
    } while (failed && site < SITES_MAX);
    ck_assert_msg(site > 50 && site < SITES_MAX, "%d allocations walked", site);
    blobs_drop(blobs, pusher.parts);
    pusher_close(&pusher);
    gw_shard_close(shard);
    gw_job_close(job);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_memory");
    TCase *tests = tcase_create("walk");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, every_allocation_of_a_shard, 0, TERMS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
