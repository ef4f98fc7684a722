/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The collectives on threads, n = 1..9. With arguments "RANKS" prints the digests of all bodies,
 * for comparison with the same bodies over MPI (tests/test_mpi_collectives.sh). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/collective_bodies.h"
#include "tests/ranks.h"

struct job {
    const struct codec_case *codec;
    void (*body)(gw_comm *comm, unsigned long long *digests);
    unsigned long long digests; /* rank 0's */
};

static void run_job(gw_comm *comm, void *context)
{
    struct job *job = context;
    unsigned long long digests = 0;
    if (job->codec)
        body_codec(comm, job->codec, &digests);
    else
        job->body(comm, &digests);
    if (gw_comm_rank(comm) == 0)
        job->digests = digests;
}

static void (*const bodies[])(gw_comm *, unsigned long long *) = { body_types, body_others,
                                                                   body_list, body_many };
enum { BODIES = sizeof bodies / sizeof *bodies };

/* Ranks per run; sanitizers, which take minutes for all, see each kind: alone, a pair, odd, a power
 * of two. */
#if defined __SANITIZE_THREAD__
static const int sizes[] = { 1, 2, 3, 4 };
#elif defined __SANITIZE_ADDRESS__
static const int sizes[] = { 1, 2, 3, 5, 8 };
#else
static const int sizes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
#endif
enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(codec_matrix)
{
    for (int i = 0; i < SIZES; i++) {
        int n = sizes[i];
        struct job job = { .codec = &codec_cases[_i] };
        run_ranks(n, run_job, &job);
        ck_assert_msg(failures() == 0,
                      "%s with %d ranks: see above; repeat with CK_RUN_CASE=matrix "
                      "tests/test_collectives",
                      codec_cases[_i].spec, n);
    }
}
END_TEST

START_TEST(other_bodies)
{
    for (int i = 0; i < SIZES; i++) {
        int n = sizes[i];
        struct job job = { .body = bodies[_i] };
        run_ranks(n, run_job, &job);
        ck_assert_msg(failures() == 0, "body %d with %d ranks: see above", _i, n);
    }
}
END_TEST

static int print_digests(int n)
{
    for (int i = 0; i < codec_cases_count + BODIES; i++) {
        struct job job = { 0 };
        if (i < codec_cases_count)
            job.codec = &codec_cases[i];
        else
            job.body = bodies[i - codec_cases_count];
        run_ranks(n, run_job, &job);
        printf("%d %016llx\n", i, job.digests);
    }
    return failures() ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return print_digests((int)strtol(argv[1], NULL, 10));
    Suite *suite = suite_create("collectives");
    TCase *matrix = tcase_create("matrix"), *others = tcase_create("others");
    tcase_set_timeout(matrix, 300);
    tcase_set_timeout(others, 300);
    tcase_add_loop_test(matrix, codec_matrix, 0, codec_cases_count);
    tcase_add_loop_test(others, other_bodies, 0, BODIES);
    suite_add_tcase(suite, matrix);
    suite_add_tcase(suite, others);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
