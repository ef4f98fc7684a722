/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server's team of threads: whatever their number, all parts of all phases are done once and the
 * bits are those of one thread; and it says once that a work is done. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/team.h"
#include "tests/shards.h"

enum { THREADS_MOST = 5, ROUNDS = 40, PUSHERS = 2 };

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    int rings;
};

static void ring(void *user)
{
    struct bell *bell = user;
    pthread_mutex_lock(&bell->lock);
    bell->rings++;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->lock);
}

static void await(struct bell *bell, int rings)
{
    pthread_mutex_lock(&bell->lock);
    while (bell->rings < rings)
        pthread_cond_wait(&bell->rung, &bell->lock);
    ck_assert_int_eq(bell->rings, rings);
    pthread_mutex_unlock(&bell->lock);
}

/* lamb has two phases. */
static const struct shard_terms terms = { "ef+qsgd:bits=4", "mean", "lamb", "qsgd", "shared", 0 };

static void make_pushes(const struct gw_shard *shard,
                        struct gw_blob *blobs[PUSHERS][SHARD_PARTS_MAX])
{
    static float x[SHARD_COUNT];
    for (int p = 0; p < PUSHERS; p++) {
        struct pusher pusher;
        for (int i = 0; i < SHARD_COUNT; i++)
            x[i] = sinf((float)(i + 1) * (float)(p + 1));
        ck_assert_int_eq(pusher_open(&pusher, shard, terms.push, p, NULL), GW_OK);
        ck_assert_int_eq(pusher_encode(&pusher, x, false, blobs[p]), GW_OK);
        pusher_close(&pusher);
    }
}

/* Values after ROUNDS rounds by a team, or by this thread (threads 0). */
static void train(int threads, float *out)
{
    struct bell bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
    struct gw_blob *blobs[PUSHERS][SHARD_PARTS_MAX];
    struct gw_team *team = NULL;
    struct gw_shard *shard;
    ck_assert_int_eq(shard_open(&shard, &terms, NULL), GW_OK);
    ck_assert_uint_gt(gw_shard_parts(shard), 3);
    make_pushes(shard, blobs);
    const struct gw_push_view views[PUSHERS] = { { 0, false, blobs[0] }, { 1, false, blobs[1] } };
    if (threads > 0) {
        ck_assert_int_eq(gw_shard_set_threads(shard, threads, NULL), GW_OK);
        ck_assert_int_eq(gw_team_open(&team, threads, ring, &bell, NULL), GW_OK);
    }
    for (int round = 1; round <= ROUNDS; round++) {
        struct gw_work *work = gw_shard_apply(shard, views, PUSHERS, NAN, (uint64_t)round);
        ck_assert_ptr_nonnull(work);
        if (threads > 0) {
            gw_team_start(team, work);
            await(&bell, round);
            ck_assert_int_eq(gw_work_end(work, NULL), GW_OK);
        } else {
            ck_assert_int_eq(shard_work(work, 1, 1, NULL), GW_OK);
        }
    }
    shard_read(shard, out);
    gw_team_close(team);
    for (int p = 0; p < PUSHERS; p++)
        blobs_drop(blobs[p], gw_shard_parts(shard));
    gw_shard_close(shard);
}

START_TEST(bits_of_one_thread)
{
    static float alone[SHARD_COUNT], together[SHARD_COUNT];
    train(0, alone);
    train(_i, together);
    ck_assert_msg(memcmp(alone, together, sizeof alone) == 0, "%d threads give other bits", _i);
    ck_assert(alone[0] != 0);
}
END_TEST

START_TEST(there_is_a_core)
{
    ck_assert_int_ge(gw_team_cores(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("team");
    TCase *t = tcase_create("team");
    tcase_add_loop_test(t, bits_of_one_thread, 1, THREADS_MOST + 1);
    tcase_add_test(t, there_is_a_core);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
