/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The server's core, scene by scene: who is let in, whose values are the first, what counts and how
 * often, and what waits for whom in each mode. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "server/core_inside.h"
#include "tests/core_box.h"

static struct box box;
static struct client *const a = &box.clients[0], *const b = &box.clients[1],
                            *const c = &box.clients[2];

static void set_up(void)
{
    box_make(&box);
}

static void tear_down(void)
{
    box_close(&box);
}

static void expect_refused(const struct client *client, gw_status status, const char *words)
{
    ck_assert(client->closed);
    ck_assert_msg(client->end.status == status && strstr(client->end.text, words),
                  "got %s, '%s', expected %s with '%s'", gw_status_name(client->end.status),
                  client->end.text, gw_status_name(status), words);
}

static void expect_value(float expected)
{
    ck_assert_msg(box_value(&box, 0) == expected, "the first element is %g, expected %g",
                  (double)box_value(&box, 0), (double)expected);
}

/* Two workers that are in, with initial values 100, 101, ... */
static void open_two(void)
{
    box.expected = 2;
    box_open(&box);
    client_open(a, 0, 0);
    client_open(b, 1, 0);
    client_init(a, 100);
}

/* ---- who is let in --------------------------------------------------------------------------- */

START_TEST(other_jobs_are_refused)
{
    struct gw_job *other = box_job(&box), *job;
    const gw_tensor tensor = { .name = "w", .count = BOX_COUNT + 1 };
    box_open(&box);
    client_open(a, 0, 0);
    ck_assert(a->ready && a->said.wants_values && a->said.parts == 1);
    ck_assert_int_eq(gw_job_set_layout(other, &tensor, 1, "raw", NULL, 0, NULL), GW_OK);
    client_open_as(b, 1, 0, GW_PS_WORKER, other);
    expect_refused(b, GW_EMISMATCH, "worker 1 says tensor 1: 6 raw w");
    gw_job_close(other);
    other = box_job(&box);
    ck_assert_int_eq(gw_job_set(other, GW_TERM_MODE, "async", NULL), GW_OK);
    client_open_as(b, 1, 0, GW_PS_WORKER, other);
    expect_refused(b, GW_EMISMATCH, "the server says mode: sync, worker 1 says mode: async");
    gw_job_close(other);
    ck_assert_int_eq(gw_job_open(&job, "another", NULL), GW_OK);
    client_open_as(b, 1, 0, GW_PS_WORKER, job);
    expect_refused(b, GW_EMISMATCH, "job");
    gw_job_close(job);
    other = box_job(&box);
    client_open_as(b, 1, 0, 9, other);
    expect_refused(b, GW_EINVAL, "role");
    gw_job_close(other);
}
END_TEST

START_TEST(a_number_belongs_to_one_process)
{
    box_open(&box);
    client_open(a, 3, 77);
    client_init(a, 0);
    client_push(a, 1, 1);
    client_open(b, 3, 78);
    expect_refused(b, GW_ESTATE, "worker 3 is here already, from client 0");
    /* The same process may come again before its old connection is known to be dead. */
    client_open(b, 3, 77);
    ck_assert(b->ready && a->closed);
    expect_refused(a, GW_ESTATE, "connected anew");
    client_cut(b);
    /* Another one takes its place, and goes on with its numbers. */
    client_open(c, 3, 79);
    ck_assert(c->ready);
    ck_assert_uint_eq(c->said.accepted, 1);
    ck_assert_uint_eq(c->said.clock, 1);
    ck_assert_ptr_nonnull(strstr(box.said, "event=replaced worker=3 epoch=3"));
}
END_TEST

START_TEST(nobody_comes_to_a_server_that_stops)
{
    box_open(&box);
    client_open(a, 0, 0);
    client_init(a, 0);
    gw_core_stop(box.core, 0, box.now);
    client_open(b, 1, 0);
    expect_refused(b, GW_ETRANSPORT, "shutting down");
    client_push(a, 1, 1);
    ck_assert_int_eq(a->naks, 1);
    ck_assert_int_eq(a->nak.status, GW_ETRANSPORT);
    ck_assert(gw_core_has_stopped(box.core));
    ck_assert_int_eq(gw_core_result(box.core, NULL), GW_OK);
}
END_TEST

START_TEST(observers_see_and_decide_nothing)
{
    struct gw_job *job = box_job(&box);
    box_open(&box);
    client_open_as(b, 9, 0, GW_PS_OBSERVER, job);
    expect_refused(b, GW_ESTATE, "no worker has come yet");
    client_open(a, 0, 0);
    client_init(a, 7);
    client_open_as(b, 0, 0, GW_PS_OBSERVER, job); /* a worker's number is free for it */
    ck_assert(b->ready && !a->closed);
    client_pull(b, 0);
    ck_assert_int_eq(b->dones, 1);
    ck_assert(b->held[0] == 7 && b->held[1] == 8);
    ck_assert_uint_eq(b->done.members, 1);
    client_send(b, &(struct gw_frame){ .type = GW_PS_ASK }, NULL, 0);
    ck_assert_int_eq(b->statuses, 1);
    client_push(b, 1, 1);
    expect_refused(b, GW_ESTATE, "parts are for workers");
    expect_value(7);
    gw_job_close(job);
}
END_TEST

/* ---- initial values -------------------------------------------------------------------------- */

START_TEST(the_first_values_stand)
{
    open_two();
    client_init(b, 500);
    expect_value(100);
    ck_assert(!b->closed);
    client_pull(b, 0);
    ck_assert(b->held[0] == 100);
}
END_TEST

START_TEST(who_sent_values_in_vain_is_asked_again)
{
    box.expected = 2;
    box_open(&box);
    client_open(a, 0, 0);
    client_open(b, 1, 0);
    box.core->init_peer = a->peer; /* some of its parts have come */
    client_init(b, 500);
    ck_assert(!box.core->has_values);
    client_cut(a);
    expect_refused(b, GW_ETRANSPORT, "initial values are needed again");
    client_open(b, 1, 0);
    ck_assert(b->said.wants_values);
    client_init(b, 500);
    expect_value(500);
}
END_TEST

/* ---- what counts ----------------------------------------------------------------------------- */

START_TEST(a_push_counts_once)
{
    box_open(&box);
    client_open(a, 0, 0);
    client_init(a, 100);
    a->deaf = true; /* its acknowledgement is lost */
    client_push(a, 1, 3);
    expect_value(97);
    client_cut(a);
    client_open(a, 0, 0);
    ck_assert_uint_eq(a->said.accepted, 1);
    client_push(a, 1, 3);
    ck_assert_int_eq(a->acks, 1);
    expect_value(97);
    client_push(a, 2, 4);
    ck_assert_uint_eq(a->acked, 2);
    expect_value(93);
    client_push(a, 1, 3); /* long ago */
    ck_assert_int_eq(a->acks, 3);
    expect_value(93);
}
END_TEST

START_TEST(half_a_push_counts_nothing)
{
    struct push_how how = { .meant = 1, .clock = 1, .rate = NAN, .parts = 2 };
    float values[BOX_COUNT] = { 1, 1, 1, 1, 1 };
    box_open(&box);
    client_open(a, 0, 0);
    client_init(a, 100);
    client_push_as(a, 1, values, &how);
    ck_assert_int_eq(a->naks, 1);
    ck_assert_int_eq(a->nak.status, GW_EPAYLOAD);
    client_commit(a, 1, &how);
    ck_assert_int_eq(a->naks, 2);
    expect_value(100);
    how.parts = 1;
    client_push_as(a, 1, values, &how);
    ck_assert_int_eq(a->acks, 1);
    expect_value(99);
}
END_TEST

START_TEST(three_strikes)
{
    const float values[BOX_COUNT] = { 1, NAN, 1, 1, 1 };
    const struct push_how how = { .meant = 1, .clock = 1, .rate = NAN };
    box_open(&box);
    client_open(a, 0, 0);
    client_init(a, 100);
    for (int i = 0; i < 3; i++) {
        ck_assert(!a->closed);
        client_push_as(a, 1, values, &how);
    }
    ck_assert_int_ge(a->naks, 2);
    expect_refused(a, GW_EPAYLOAD, "");
    expect_value(100);
    ck_assert_uint_eq(box.core->strikes, 3);
}
END_TEST

START_TEST(no_infinite_rate)
{
    const float values[BOX_COUNT] = { 1, 1, 1, 1, 1 };
    box_open(&box);
    client_open(a, 0, 0);
    client_init(a, 100);
    client_push_as(a, 1, values, &(struct push_how){ .meant = 1, .rate = INFINITY });
    ck_assert_int_eq(a->nak.status, GW_ENONFINITE);
    client_push_as(a, 1, values, &(struct push_how){ .meant = 1, .rate = 0.5 });
    expect_value(99.5f);
}
END_TEST

/* What each type may have, before a byte of it is given room: by the layout that was agreed on. */
START_TEST(lengths_come_from_the_layout)
{
    enum { HEAD = GW_HEADER_BYTES, RAW = HEAD + 4 * BOX_COUNT };
    static const struct {
        uint8_t type, flags;
        bool other_spec;
        uint32_t tensor, least, most; /* most 0: never */
    } rows[] = {
        { GW_PS_INIT, 0, false, 0, HEAD, RAW },
        { GW_PS_INIT, 0, false, 1, HEAD, 0 },
        { GW_PS_PUSH, 0, false, 0, HEAD, RAW },
        { GW_PS_PUSH, GW_PS_RAW, true, 0, HEAD, RAW },
        { GW_PS_PUSH, 0, true, 0, HEAD, 0 },
        { GW_PS_PUSH, 0, false, UINT32_MAX, HEAD, 0 },
        { GW_PS_COMMIT, 0, false, 0, GW_COMMIT_BYTES, GW_COMMIT_BYTES },
        { GW_PS_CLOCK, 0, false, 0, GW_CLOCK_BYTES, GW_CLOCK_BYTES },
        { GW_PS_PULL, 0, false, 0, GW_PULL_BYTES, GW_PULL_BYTES },
        { GW_PS_ACK, 0, false, 0, GW_ACK_BYTES, 0 },
        { GW_PS_VALUES, 0, false, 0, HEAD, 0 },
        { 255, 0, false, 0, 1, 0 },
    };
    box_open(&box);
    client_open(a, 0, 0);
    uint64_t spec = gw_shard_push_spec(gw_core_shard(box.core), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint32_t lengths[] = { 0,
                                     1,
                                     rows[i].least - 1,
                                     rows[i].least,
                                     rows[i].most,
                                     rows[i].most + 1,
                                     UINT32_C(1) << 31,
                                     UINT32_MAX - 31,
                                     UINT32_MAX };
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            const struct gw_frame frame = { .type = rows[i].type,
                                            .flags = rows[i].flags,
                                            .tensor = rows[i].tensor,
                                            .length = lengths[k],
                                            .spec = spec + rows[i].other_spec };
            uint8_t *room = NULL;
            bool fits =
                rows[i].most > 0 && lengths[k] >= rows[i].least && lengths[k] <= rows[i].most;
            gw_status s = gw_core_admit(a->peer, &frame, &room, NULL);
            ck_assert_msg((s == GW_OK) == fits, "row %zu, %u bytes: %s", i, lengths[k],
                          gw_status_name(s));
            ck_assert(fits || !room);
        }
    }
}
END_TEST

START_TEST(waiting_pushes_are_bounded)
{
    open_two();
    for (uint64_t n = 1; n <= GW_WAITING_MAX; n++)
        client_push(a, n, 1);
    ck_assert_uint_eq(a->acked, GW_WAITING_ACKED); /* the others are held back */
    client_push(a, GW_WAITING_MAX + 1, 1);
    ck_assert_int_eq(a->nak.status, GW_ESTATE);
    expect_value(100);
    for (uint64_t n = 1; n <= GW_WAITING_MAX; n++)
        client_push(b, n, 1);
    ck_assert_uint_eq(a->acked, GW_WAITING_MAX);
    expect_value(100 - 2 * GW_WAITING_MAX);
}
END_TEST

/* A worker that others wait for elsewhere is not held back. */
START_TEST(acknowledgements_are_not_held_in_vain)
{
    open_two();
    client_send(b, &(struct gw_frame){ .type = GW_PS_CLOCK },
                (uint8_t[GW_CLOCK_BYTES]){ GW_WAITING_MAX }, GW_CLOCK_BYTES);
    for (uint64_t n = 1; n <= GW_WAITING_MAX; n++)
        client_push(a, n, 1);
    ck_assert_uint_eq(a->acked, GW_WAITING_MAX);
}
END_TEST

START_TEST(who_does_not_read_is_refused)
{
    box_open(&box);
    client_open(a, 0, 0);
    client_init(a, 100);
    a->deaf = true;
    for (int i = 0; i < 100000 && !gw_session_is_closed(a->server); i++)
        client_send(a, &(struct gw_frame){ .type = GW_PS_ASK }, NULL, 0);
    ck_assert(gw_session_is_closed(a->server));
    a->deaf = false;
    box_run(&box);
    expect_refused(a, GW_ESTATE, "without reading");
}
END_TEST

/* ---- leaving --------------------------------------------------------------------------------- */

START_TEST(who_leaves_keeps_nobody_waiting)
{
    const float values[BOX_COUNT] = { 2, 2, 2, 2, 2 };
    open_two();
    client_push(a, 1, 1);
    expect_value(100);
    client_push_as(
        b, 1, values,
        &(struct push_how){ .meant = 1, .clock = 1, .rate = NAN, .leaving = true, .raw = true });
    expect_value(97);
    client_push(a, 2, 1);
    expect_value(96);
    ck_assert_ptr_nonnull(strstr(box.said, "event=left worker=1"));
    client_bye(b);
    client_open(b, 1, 5); /* it comes back, and a round needs it again */
    client_push(a, 3, 1);
    expect_value(96);
    client_push(b, 2, 1);
    expect_value(94);
}
END_TEST

/* A short job's worker comes and goes before the last one is there. */
START_TEST(who_came_and_left_has_come)
{
    box.mode = "async";
    box.expected = 2;
    box_open(&box);
    client_open(a, 0, 0);
    client_init(a, 100);
    client_push(a, 1, 1);
    client_bye(a);
    expect_value(100);
    client_open(b, 1, 0);
    client_push(b, 1, 1);
    expect_value(98);
}
END_TEST

static void add_tests(TCase *t)
{
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, other_jobs_are_refused);
    tcase_add_test(t, a_number_belongs_to_one_process);
    tcase_add_test(t, nobody_comes_to_a_server_that_stops);
    tcase_add_test(t, observers_see_and_decide_nothing);
    tcase_add_test(t, the_first_values_stand);
    tcase_add_test(t, who_sent_values_in_vain_is_asked_again);
    tcase_add_test(t, a_push_counts_once);
    tcase_add_test(t, half_a_push_counts_nothing);
    tcase_add_test(t, three_strikes);
    tcase_add_test(t, no_infinite_rate);
    tcase_add_test(t, lengths_come_from_the_layout);
    tcase_add_test(t, waiting_pushes_are_bounded);
    tcase_add_test(t, acknowledgements_are_not_held_in_vain);
    tcase_add_test(t, who_does_not_read_is_refused);
    tcase_add_test(t, who_leaves_keeps_nobody_waiting);
    tcase_add_test(t, who_came_and_left_has_come);
}

int main(void)
{
    Suite *suite = suite_create("core");
    TCase *t = tcase_create("core");
    add_tests(t);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
