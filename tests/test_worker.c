/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker's core against servers that say what a test tells them to: what is sent when, what is
 * sent again, what is believed, and what ends it. */
#include <check.h>
#include <string.h>

#include "compress/codec.h"
#include "tests/worker_box.h"

/* ---- scenes ---------------------------------------------------------------------------------- */

START_TEST(it_tries_again_and_says_why)
{
    char text[512];
    const struct gw_error why = { GW_ETRANSPORT, "connection refused" };
    int64_t before = 0;
    ck_assert_int_eq(wb.servers[0].asked, 1);
    wb_accept(1, 1, 0, true);
    for (int i = 0; i < 8; i++) {
        gw_worker_gone(wb.worker, 0, &why, wb.now);
        int64_t pause = gw_worker_deadline(wb.worker) - wb.now;
        ck_assert_int_ge(pause, before);
        ck_assert_int_le(pause, 500 * MS);
        before = pause;
        wb_wait_for_retry(0);
    }
    ck_assert(!gw_worker_has_joined(wb.worker));
    (void)gw_worker_missing(wb.worker, text, sizeof text);
    ck_assert_str_eq(text, "no connection to one:1: connection refused");
    wb_accept(0, 1, 0, false);
    ck_assert(gw_worker_has_joined(wb.worker));
}
END_TEST

START_TEST(numbers_go_on_from_the_highest)
{
    wb_accept(0, 1, 4, false);
    wb_accept(1, 1, 7, false);
    ck_assert_uint_eq(gw_worker_next_push(wb.worker), 8);
    wb_push();
    ck_assert_uint_eq(wb_last(0, GW_PS_COMMIT)->sequence, 8);
    ck_assert_uint_eq(wb_last(1, GW_PS_COMMIT)->sequence, 8);
    wb_ack(0, 8, 0);
    ck_assert(!gw_worker_push_is_done(wb.worker, 8));
    wb_ack(1, 8, GW_PS_LATE);
    ck_assert(gw_worker_push_is_done(wb.worker, 8));
    struct gw_worker_counts counts;
    gw_worker_get_counts(wb.worker, &counts);
    ck_assert_uint_eq(counts.late, 1);
    ck_assert_uint_eq(counts.pushes, 1);
}
END_TEST

START_TEST(what_is_not_acknowledged_is_sent_again)
{
    wb_accept(0, 1, 0, false);
    wb_accept(1, 1, 0, false);
    wb_push();
    wb_push();
    wb_ack(0, 1, 0);
    wb_pull();
    wb_cut(0);
    wb.servers[0].count = 0;
    wb_accept(0, 1, 1, false);
    ck_assert_int_eq(wb_count(0, GW_PS_COMMIT), 1);
    ck_assert_uint_eq(wb_last(0, GW_PS_COMMIT)->sequence, 2);
    ck_assert_int_eq(wb.servers[0].seen[wb.servers[0].count - 1].type, GW_PS_PULL);
    /* The clock comes behind the pushes that it counts. */
    ck_assert_int_eq(wb.servers[0].seen[wb.servers[0].count - 2].type, GW_PS_CLOCK);
    ck_assert_uint_eq(wb_last(0, GW_PS_CLOCK)->clock, 2);
    /* What READY says is durable needs no acknowledgement. */
    wb_cut(1);
    wb_accept(1, 1, 2, false);
    ck_assert_uint_eq(gw_worker_pushes(wb.worker), 1);
}
END_TEST

START_TEST(clocks_are_shared)
{
    wb_accept(0, 1, 0, false);
    wb_accept_with(1, &(struct gw_ready_body){ .incarnation = 1, .parts = 1, .clock = 5 });
    wb_run(0);
    ck_assert_uint_eq(wb_last(0, GW_PS_CLOCK)->clock, 5);
    wb_push();
    ck_assert_uint_eq(wb_last(0, GW_PS_COMMIT)->clock, 6);
    ck_assert_uint_eq(wb_last(1, GW_PS_COMMIT)->clock, 6);
}
END_TEST

/* Rounds of a server that came back count from what its disk knew. */
START_TEST(a_new_incarnation_gives_new_meanings)
{
    wb_accept_with(0, &(struct gw_ready_body){ .incarnation = 1, .parts = 1, .round = 9 });
    wb_accept(1, 1, 0, false);
    wb_push();
    ck_assert_uint_eq(wb_last(0, GW_PS_COMMIT)->meant, 10);
    ck_assert_uint_eq(wb_last(1, GW_PS_COMMIT)->meant, 1);
    wb_cut(0);
    wb_accept_with(0, &(struct gw_ready_body){ .incarnation = 2, .parts = 1, .round = 4 });
    ck_assert_uint_eq(wb_last(0, GW_PS_COMMIT)->meant, 5);
    wb_pull();
    ck_assert_uint_eq(wb_last(0, GW_PS_PULL)->meant, 5);
}
END_TEST

START_TEST(a_pull_is_put_together)
{
    struct gw_worker_result result;
    wb.remembers = true;
    wb_accept(0, 1, 0, false);
    wb_accept(1, 1, 0, false);
    wb_pull();
    ck_assert_int_eq(gw_worker_pull(wb.worker, wb.now), GW_ESTATE);
    wb_values(0, 1, 5);
    wb_done(0, 1, 3, 8, 1);
    wb_values(1, 1, 6);
    wb_cut(1); /* in the middle: what came of it is forgotten */
    wb_accept(1, 1, 0, false);
    ck_assert_int_eq(wb_count(1, GW_PS_PULL), 2);
    ck_assert_int_eq(wb_count(0, GW_PS_PULL), 1);
    wb_values(1, 1, 7);
    wb_done(1, 1, 2, 6, 1);
    ck_assert(gw_worker_pull_is_done(wb.worker));
    gw_worker_take_pull(wb.worker, &result);
    ck_assert_uint_eq(result.round, 2);
    ck_assert(result.items && result.items->next && !result.items->next->next);
    ck_assert(gw_get_f32(result.items->next->payload->data + GW_HEADER_BYTES) == 7);
    gw_worker_free_items(result.items);
    wb_pull();
    ck_assert_uint_eq(wb_last(0, GW_PS_PULL)->clock, 8); /* what it holds now */
    wb_values(0, 1, 5);                                  /* of the pull before: not heard */
    wb_done(0, 1, 3, 9, 1);
    ck_assert(!gw_worker_pull_is_done(wb.worker));
}
END_TEST

START_TEST(initial_values_are_given_once)
{
    wb_accept(0, 1, 0, true);
    ck_assert_int_eq(wb_count(0, GW_PS_INIT), 1);
    ck_assert_int_eq(wb_last(0, GW_PS_INIT)->flags, GW_PS_LAST);
    wb_push();
    wb_ack(0, 1, 0); /* it has values */
    wb_cut(0);
    wb_accept(0, 2, 0, true); /* and has lost them */
    wb_expect_broken(GW_ESTATE, "give the server a durability");
}
END_TEST

START_TEST(it_asks_again_before_that)
{
    wb_accept(0, 1, 0, true);
    wb_cut(0);
    wb_accept(0, 2, 0, true);
    ck_assert_int_eq(wb_count(0, GW_PS_INIT), 2);
    ck_assert_int_eq(gw_worker_broken(wb.worker, NULL), GW_OK);
}
END_TEST

START_TEST(three_bad_payloads_end_it)
{
    wb_accept(0, 1, 0, false);
    wb_accept(1, 1, 0, false);
    wb_pull();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(gw_worker_broken(wb.worker, NULL), GW_OK);
        wb_values(0, 1, -1);
        if (i < 2) {
            wb_wait_for_retry(0);
            wb_accept(0, 1, 0, false);
        }
    }
    wb_expect_broken(GW_EPAYLOAD, "one:1: a negative number");
}
END_TEST

START_TEST(a_lie_about_their_number)
{
    wb_accept(0, 1, 0, false);
    wb_pull();
    wb_values(0, 1, 1);
    wb_done(0, 1, 1, 1, 2);
    ck_assert(!wb.servers[0].session);
    ck_assert_int_eq(gw_worker_broken(wb.worker, NULL), GW_OK);
}
END_TEST

START_TEST(refusals_of_a_push)
{
    static const gw_status ends[] = { GW_ENONFINITE, GW_EMISMATCH };
    wb_accept(0, 1, 0, false);
    wb_accept(1, 1, 0, false);
    wb_push();
    wb_nak(0, 1, GW_ESTATE); /* later, perhaps */
    ck_assert_int_eq(gw_worker_broken(wb.worker, NULL), GW_OK);
    wb_wait_for_retry(0);
    wb_accept(0, 1, 0, false);
    ck_assert_int_eq(wb_count(0, GW_PS_COMMIT), 2);
    wb_nak(0, 1, ends[_i]);
    wb_expect_broken(ends[_i], "one:1 refused a push: not good");
}
END_TEST

START_TEST(too_long_frames_are_not_admitted)
{
    uint8_t body[512] = { 0 };
    wb_accept(0, 1, 0, false);
    (void)gw_session_send(wb.servers[0].session, &(struct gw_frame){ .type = GW_PS_VALUES + _i },
                          NULL, wb.now);
    struct gw_blob *blob = gw_blob_copy(body, sizeof body);
    (void)gw_session_send(wb.servers[0].session, &(struct gw_frame){ .type = GW_PS_VALUES }, blob,
                          wb.now);
    gw_blob_drop(blob);
    wb_run(0);
    ck_assert(!wb.servers[0].session);
    ck_assert_int_eq(gw_worker_broken(wb.worker, NULL), GW_OK);
}
END_TEST

START_TEST(other_parts_end_it)
{
    wb_accept_with(0, &(struct gw_ready_body){ .incarnation = 1, .parts = 2 });
    wb_expect_broken(GW_EMISMATCH, "the server has 2 parts, expected 1");
}
END_TEST

START_TEST(a_codec_that_does_not_open_ends_it)
{
    wb.open_status = GW_ENOTSUP;
    wb_accept(0, 1, 0, false);
    wb_expect_broken(GW_ENOTSUP, "no such codec");
}
END_TEST

START_TEST(a_bye_is_the_end)
{
    wb_accept(0, 1, 0, false);
    wb_accept(1, 1, 0, false);
    gw_worker_bye(wb.worker, wb.now);
    wb_run(0);
    wb_run(1);
    ck_assert(!wb.servers[0].session && !wb.servers[1].session);
    ck_assert_int_eq(gw_worker_deadline(wb.worker), INT64_MAX);
    ck_assert_int_eq(gw_worker_broken(wb.worker, NULL), GW_OK);
}
END_TEST

static void add_tests(TCase *t)
{
    tcase_add_checked_fixture(t, wb_set_up, wb_tear_down);
    tcase_add_test(t, it_tries_again_and_says_why);
    tcase_add_test(t, numbers_go_on_from_the_highest);
    tcase_add_test(t, what_is_not_acknowledged_is_sent_again);
    tcase_add_test(t, clocks_are_shared);
    tcase_add_test(t, a_new_incarnation_gives_new_meanings);
    tcase_add_test(t, a_pull_is_put_together);
    tcase_add_test(t, initial_values_are_given_once);
    tcase_add_test(t, it_asks_again_before_that);
    tcase_add_test(t, three_bad_payloads_end_it);
    tcase_add_test(t, a_lie_about_their_number);
    tcase_add_loop_test(t, refusals_of_a_push, 0, 2);
    tcase_add_loop_test(t, too_long_frames_are_not_admitted, 0, 4);
    tcase_add_test(t, other_parts_end_it);
    tcase_add_test(t, a_codec_that_does_not_open_ends_it);
    tcase_add_test(t, a_bye_is_the_end);
}

int main(void)
{
    Suite *suite = suite_create("worker");
    TCase *t = tcase_create("worker");
    add_tests(t);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
