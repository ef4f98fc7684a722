/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* SIGPIPE, held back: a write to a peer that has gone fails and kills nobody, and the program finds
 * its signals as it left them. Check runs each test in a process of its own with the signal's
 * default, which ends it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "session/pipe.h"

static void write_to_nobody(void)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(ends[1]);
}

static int is_pending(void)
{
    sigset_t set;
    ck_assert_int_eq(sigpending(&set), 0);
    return sigismember(&set, SIGPIPE);
}

static int is_blocked(void)
{
    sigset_t set;
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &set), 0);
    return sigismember(&set, SIGPIPE);
}

START_TEST(writes_to_nobody_kill_nobody)
{
    struct gw_pipe_guard guard, inner;
    gw_pipe_hold(&guard);
    write_to_nobody();
    gw_pipe_hold(&inner); /* a query inside a server's call */
    write_to_nobody();
    gw_pipe_release(&inner);
    ck_assert_int_eq(is_blocked(), 1);
    gw_pipe_release(&guard);
    ck_assert_int_eq(is_blocked(), 0);
    ck_assert_int_eq(is_pending(), 0);
}
END_TEST

START_TEST(what_the_program_holds_back_stays)
{
    struct gw_pipe_guard guard;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    raise(SIGPIPE);
    gw_pipe_hold(&guard);
    write_to_nobody();
    gw_pipe_release(&guard);
    ck_assert_int_eq(is_blocked(), 1);
    ck_assert_int_eq(is_pending(), 1);
}
END_TEST

START_TEST(nothing_came)
{
    struct gw_pipe_guard guard;
    gw_pipe_hold(&guard);
    gw_pipe_release(&guard);
    ck_assert_int_eq(is_blocked(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pipe");
    TCase *tests = tcase_create("pipe");
    tcase_add_test(tests, writes_to_nobody_kill_nobody);
    tcase_add_test(tests, what_the_program_holds_back_stays);
    tcase_add_test(tests, nothing_came);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
