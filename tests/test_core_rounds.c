/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The server's core in time: rounds of each mode, the disk that acknowledgements wait for, stops
 * and starts, and what people see. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/core_inside.h"
#include "tests/core_box.h"
#include "tests/skip_recovery.h"

static struct box box;
static struct client *const a = &box.clients[0], *const b = &box.clients[1];

static void set_up(void)
{
    box_make(&box);
}

static void tear_down(void)
{
    box_close(&box);
}

static void expect_value(float expected)
{
    ck_assert_msg(box_value(&box, 0) == expected, "the first element is %g, expected %g",
                  (double)box_value(&box, 0), (double)expected);
}

static void open_workers(int count)
{
    box.expected = count;
    box_open(&box);
    for (int i = 0; i < count; i++)
        client_open(&box.clients[i], (uint32_t)i, 0);
    client_init(a, 100);
}

/* ---- modes ----------------------------------------------------------------------------------- */

START_TEST(a_dead_worker_is_waited_for)
{
    open_workers(2);
    client_push(a, 1, 1);
    client_pull(a, 1);
    client_cut(b);
    box_wait(&box, box.lost_ns - 1);
    ck_assert_int_eq(a->dones, 0);
    ck_assert_str_eq(a->beat, "round 1 waits for worker 1");
    box_wait(&box, 2);
    ck_assert_int_eq(a->dones, 1);
    ck_assert_uint_eq(a->done.round, 1);
    ck_assert_uint_eq(a->done.contributors, 1);
    expect_value(99);
    /* It comes back, and the round that it missed takes its late push along. */
    client_open(b, 1, 0);
    client_push(b, 1, 2);
    expect_value(99);
    client_push(a, 2, 1);
    expect_value(96);
}
END_TEST

START_TEST(late_pushes_fold_or_drop)
{
    bool drops = _i;
    box.mode = drops ? "quorum:k=1,late=drop" : "quorum:k=1,late=fold";
    open_workers(2);
    client_push(a, 1, 1);
    client_push(b, 1, 2); /* meant for round 1, which has ended */
    ck_assert_int_eq(b->acks, 1);
    ck_assert_int_eq(b->late, drops);
    expect_value(drops ? 99 : 97);
    ck_assert_uint_eq(gw_core_round(box.core), drops ? 1 : 2);
    ck_assert_uint_eq(box.core->late_pushes, drops);
    /* The residual of a leaving worker is never late. */
    const float values[BOX_COUNT] = { 5, 5, 5, 5, 5 };
    client_push_as(
        b, 2, values,
        &(struct push_how){ .meant = 1, .clock = 2, .rate = NAN, .leaving = true, .raw = true });
    ck_assert(!b->late);
    client_push(a, 2, 1);
    expect_value(drops ? 93 : 91);
}
END_TEST

START_TEST(a_grace_that_ends_during_work)
{
    box.mode = "quorum:k=2,grace=50ms";
    open_workers(2);
    client_push(a, 1, 1);
    box_wait(&box, 49 * BOX_MS);
    expect_value(100);
    box.holds_work = true;
    client_pull(b, 0); /* encoding is under way when the grace is over */
    box_wait(&box, 100 * BOX_MS);
    expect_value(100);
    box_do_work(&box);
    box_do_work(&box);
    expect_value(99);
}
END_TEST

/* A quorum's round takes two pushes of one worker: there is no second round to wait for. */
START_TEST(who_has_nothing_waiting_has_its_pull)
{
    box.mode = "quorum:k=2";
    open_workers(2);
    client_push(a, 1, 1);
    client_push(a, 2, 1);
    client_pull(a, 2);
    ck_assert_int_eq(a->dones, 0);
    client_push(b, 1, 1);
    expect_value(97);
    ck_assert_int_eq(a->dones, 1);
    ck_assert_uint_eq(a->done.round, 1);
}
END_TEST

START_TEST(ssp_holds_the_fast)
{
    box.mode = "ssp:s=1";
    open_workers(2);
    client_push(a, 1, 1);
    client_pull(a, 1);
    ck_assert_int_eq(a->dones, 1);
    ck_assert_uint_eq(a->done.ahead, 1);
    client_push(a, 2, 1);
    client_pull(a, 2);
    ck_assert_int_eq(a->dones, 1);
    client_push(b, 1, 1);
    ck_assert_int_eq(a->dones, 2);
    expect_value(97);
}
END_TEST

/* All arrival orders, the same bits: numbers whose float sum depends on the order. */
START_TEST(order_of_arrival_does_not_matter)
{
    static const float value[3] = { 1e8f, 3.14159f, -1e8f };
    static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    open_workers(3);
    for (int k = 0; k < 3; k++)
        client_push(&box.clients[orders[_i][k]], 1, value[orders[_i][k]]);
    float expected = 100 - (value[0] + value[1] + value[2]);
    expect_value(expected);
}
END_TEST

/* Worker 1 was away while rounds went on: it is not waited for in vain, and what is overdue of it
 * goes into one round. */
START_TEST(clocks_of_those_who_were_away)
{
    open_workers(2);
    client_cut(b);
    client_push(a, 1, 1);
    box_wait(&box, box.lost_ns + 1);
    client_push(a, 2, 1);
    expect_value(98);
    client_open(b, 1, 0);
    ck_assert_uint_eq(b->said.clock, 2);
    /* Its old pushes: others are further, so its pull does not wait for them. */
    const float values[BOX_COUNT] = { 1, 1, 1, 1, 1 };
    client_push_as(b, 1, values, &(struct push_how){ .meant = 3, .clock = 1, .rate = NAN });
    client_pull(b, 3);
    ck_assert_int_eq(b->dones, 1);
    client_push_as(b, 2, values, &(struct push_how){ .meant = 4, .clock = 2, .rate = NAN });
    client_push_as(b, 3, values, &(struct push_how){ .meant = 5, .clock = 3, .rate = NAN });
    client_pull(b, 5); /* but for this one it does */
    ck_assert_int_eq(b->dones, 1);
    client_push(a, 3, 1);
    expect_value(94);
    ck_assert_int_eq(b->dones, 2);
}
END_TEST

/* ---- disk ------------------------------------------------------------------------------------ */

START_TEST(acknowledged_is_on_disk)
{
    box.durability = "log";
    box.holds_disk = true;
    open_workers(1);
    client_push(a, 1, 1);
    client_pull(a, 1);
    ck_assert_int_eq(a->acks, 0); /* no snapshot stands */
    ck_assert_int_eq(a->dones, 0);
    box_do_disk(&box);
    ck_assert_int_eq(a->acks, 0);
    box_do_disk(&box);
    ck_assert_int_eq(a->acks, 1);
    ck_assert_int_eq(a->dones, 1);
    client_push(a, 2, 1);
    ck_assert_int_eq(a->acks, 1);
    client_push(a, 2, 1); /* asked for again: still owed once */
    box_do_disk(&box);
    ck_assert_int_eq(a->acks, 2);
    box_kill(&box, true);
    box_open(&box);
    expect_value(98);
}
END_TEST

START_TEST(a_sick_disk_is_told)
{
    box.durability = "log:every=1000";
    open_workers(1);
    client_push(a, 1, 1);
    ck_assert_int_eq(a->acks, 1);
    box.disk->fault = SIM_ENOSPC;
    box.disk->fail_at = box.disk->calls + 1;
    box.disk->sticky = true;
    client_push(a, 2, 1);
    client_pull(a, 2);
    box_wait(&box, 2000 * BOX_MS);
    ck_assert_int_eq(a->acks, 1);
    ck_assert_int_eq(a->dones, 0);
    ck_assert_msg(strstr(a->beat, "cannot write") && strstr(a->beat, "No space"), "beat: %s",
                  a->beat);
    box.disk->fail_at = 0;
    box.disk->sticky = false;
    box_wait(&box, 2000 * BOX_MS);
    ck_assert_int_eq(a->acks, 2);
    ck_assert_int_eq(a->dones, 1);
    box_kill(&box, true);
    box_open(&box);
    expect_value(98);
}
END_TEST

/* Without the first snapshot nothing is ever acknowledged. */
START_TEST(the_first_snapshot_is_tried_again)
{
    box.durability = _i ? "log" : "snapshot";
    box.expected = 1;
    box_open(&box);
    client_open(a, 0, 0);
    box.disk->fault = SIM_EIO;
    box.disk->fail_at = box.disk->calls + 1;
    box.disk->sticky = true;
    client_init(a, 100);
    client_push(a, 1, 1);
    box_wait(&box, 3000 * BOX_MS);
    ck_assert_int_eq(a->acks, 0);
    client_open(b, 1, 0);
    ck_assert(b->said.wants_values);
    box.disk->fail_at = 0;
    box.disk->sticky = false;
    box_wait(&box, 3000 * BOX_MS);
    ck_assert_int_eq(a->acks, 1);
}
END_TEST

START_TEST(a_stop_keeps_all)
{
    box.durability = _i ? "log" : "snapshot:every=1000";
    open_workers(2);
    client_push(a, 1, 1);
    client_push(b, 1, 1);
    client_push(a, 2, 0.25f); /* waits */
    gw_core_stop(box.core, 0, box.now);
    box_run(&box);
    ck_assert(gw_core_has_stopped(box.core));
    ck_assert_int_eq(gw_core_result(box.core, NULL), GW_OK);
    box_kill(&box, true);
    box_open(&box);
    expect_value(98);
    ck_assert_uint_eq(gw_core_round(box.core), 1);
    client_open(a, 0, 0);
    client_open(b, 1, 0);
    ck_assert(!a->said.wants_values);
    ck_assert_uint_eq(a->said.accepted, 2);
    client_push(b, 2, 0.5f);
    expect_value(97.25f);
}
END_TEST

/* Who waits for a round when the server is told to stop gets it, if the others push in time. */
START_TEST(a_stop_lets_a_round_end)
{
    box.durability = "log";
    open_workers(2);
    client_push(a, 1, 1);
    client_pull(a, 1);
    gw_core_stop(box.core, 1000 * BOX_MS, box.now);
    box_wait(&box, 500 * BOX_MS);
    ck_assert(!gw_core_has_stopped(box.core));
    if (_i) { /* the other does not: what was accepted is kept */
        box_wait(&box, 600 * BOX_MS);
        ck_assert_int_eq(a->dones, 0);
        client_push(b, 1, 1);
        ck_assert_int_eq(b->naks, 1);
    } else {
        client_push(b, 1, 1);
        ck_assert_int_eq(b->acks, 1);
        ck_assert_int_eq(a->dones, 1);
        expect_value(98);
    }
    box_run(&box);
    ck_assert(gw_core_has_stopped(box.core));
    ck_assert_int_eq(gw_core_result(box.core, NULL), GW_OK);
    box_kill(&box, true);
    box_open(&box);
    client_open(a, 0, 0);
    ck_assert_uint_eq(a->said.accepted, 1);
    ck_assert_uint_eq(gw_core_round(box.core), _i ? 0 : 1);
}
END_TEST

/* What waited goes on by itself, as soon as the clock is asked. */
START_TEST(recovered_pushes_go_on)
{
    box.durability = "log";
    box.holds_work = true;
    open_workers(1);
    client_push(a, 1, 1);
    ck_assert_int_eq(a->acks, 1);
    box_kill(&box, true);
    box.holds_work = false;
    box_open(&box);
    box_wait(&box, 0);
    expect_value(99);
}
END_TEST

/* The newest snapshot of the box's disk. */
static void write_snapshot(const uint8_t *image, size_t bytes)
{
    char said[GW_ERROR_TEXT];
    struct gw_store *store;
    ck_assert_int_eq(
        gw_store_open(&store, "/state", false, &box.disk->files, &skip_recovery, said, NULL),
        GW_OK);
    gw_store_turn(store);
    ck_assert_int_eq(gw_store_snapshot(store, image, bytes, NULL), GW_OK);
    gw_store_close(store);
}

/* Among those of worker 1 waits a push of a worker that nobody knows. */
START_TEST(a_push_under_another_worker)
{
    struct gw_error error = { 0 };
    uint8_t *image, head[GW_PUSH_HEAD];
    size_t bytes;
    box.durability = "snapshot";
    open_workers(2);
    client_push(b, 1, 1);
    ck_assert_int_eq(gw_core_write_image(box.core, &image, &bytes, NULL), GW_OK);
    gw_core_write_push_head(head, box.core->members[1]->first, gw_shard_parts(box.core->shard));
    size_t at = 0;
    while (at + sizeof head < bytes && memcmp(image + at, head, sizeof head) != 0)
        at++;
    ck_assert_uint_lt(at + sizeof head, bytes);
    gw_put_u32(image + at, 2);
    box_kill(&box, false);
    write_snapshot(image, bytes);
    free(image);
    ck_assert_int_eq(box_try_open(&box, &error), GW_EPAYLOAD);
    ck_assert_ptr_nonnull(strstr(error.text, "under another worker"));
}
END_TEST

START_TEST(another_jobs_folder_is_refused)
{
    struct gw_error error = { 0 };
    box.durability = "log";
    open_workers(1);
    client_push(a, 1, 1);
    box_kill(&box, false);
    box.mode = "async";
    ck_assert_int_eq(box_try_open(&box, &error), GW_EMISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "the folder belongs to another job"));
    box.mode = "sync";
    box_open(&box);
    expect_value(99);
}
END_TEST

/* ---- what people see ------------------------------------------------------------------------- */

START_TEST(status_is_json)
{
    json_error_t why;
    open_workers(2);
    client_push(a, 1, 1);
    char *text = gw_core_status(box.core, box.now);
    json_t *json = json_loads(text, 0, &why);
    ck_assert_msg(json != NULL, "%s in %s", why.text, text);
    ck_assert_str_eq(json_string_value(json_object_get(json, "mode")), "sync");
    ck_assert(json_number_value(json_object_get(json, "waiting")) == 1);
    json_t *list = json_object_get(json, "list");
    ck_assert_uint_eq(json_array_size(list), 2);
    json_t *second = json_array_get(list, 1);
    ck_assert(json_is_true(json_object_get(second, "awaited")));
    ck_assert_str_eq(json_string_value(json_object_get(second, "peer")), "client 1");
    json_decref(json);
    free(text);
}
END_TEST

static void check_metric(const char *line)
{
    char name[128], label[256], type[16], value[64], *end = value;
    bool good = sscanf(line, "# HELP %127s %255[^\n]", name, label) == 2 ||
                (sscanf(line, "# TYPE %127s %15s", name, type) == 2 &&
                 (strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0)) ||
                (sscanf(line, "%127[a-z_]{%255[^}]} %63s", name, label, value) == 3 &&
                 strncmp(label, "job=\"boxed\"", 11) == 0 && isfinite(strtod(value, &end)) &&
                 end > value && *end == '\0');
    ck_assert_msg(good && strncmp(name, "gradwire_", 9) == 0, "a wrong line: %s", line);
}

START_TEST(metrics_are_well_formed)
{
    int lines = 0;
    open_workers(2);
    client_push(a, 1, 1);
    char *text = gw_core_metrics(box.core, box.now), *rest = text;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        check_metric(line);
        lines++;
    }
    ck_assert_int_gt(lines, 60);
    free(text);
}
END_TEST

static void add_tests(TCase *t)
{
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_dead_worker_is_waited_for);
    tcase_add_loop_test(t, late_pushes_fold_or_drop, 0, 2);
    tcase_add_test(t, a_grace_that_ends_during_work);
    tcase_add_test(t, who_has_nothing_waiting_has_its_pull);
    tcase_add_test(t, ssp_holds_the_fast);
    tcase_add_loop_test(t, order_of_arrival_does_not_matter, 0, 6);
    tcase_add_test(t, clocks_of_those_who_were_away);
    tcase_add_test(t, acknowledged_is_on_disk);
    tcase_add_test(t, a_sick_disk_is_told);
    tcase_add_loop_test(t, the_first_snapshot_is_tried_again, 0, 2);
    tcase_add_loop_test(t, a_stop_keeps_all, 0, 2);
    tcase_add_loop_test(t, a_stop_lets_a_round_end, 0, 2);
    tcase_add_test(t, recovered_pushes_go_on);
    tcase_add_test(t, a_push_under_another_worker);
    tcase_add_test(t, another_jobs_folder_is_refused);
    tcase_add_test(t, status_is_json);
    tcase_add_test(t, metrics_are_well_formed);
}

int main(void)
{
    Suite *suite = suite_create("core_rounds");
    TCase *t = tcase_create("rounds");
    add_tests(t);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
