/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a session allocates: nothing for a stranger, nothing for a frame that was not admitted; and
 * every allocation fails once, with both sides told and nothing left behind. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "tests/scarce_memory.h"
#include "tests/session_pair.h"

static struct pair pair;

/* ---- strangers ------------------------------------------------------------------------------- */

static struct gw_frame hello(void)
{
    return (struct gw_frame){ .type = GW_FRAME_HELLO, .job = PAIR_JOB, .worker = PAIR_WORKER };
}

static uint8_t wire[70000], payload[65536];
static const uint8_t good[16] = { 1, 0, 1, 0 };

static void feed_frame(struct end *server, uint8_t type, size_t bytes, size_t most, int64_t now)
{
    struct gw_frame frame = hello();
    frame.type = type;
    end_feed(server, wire, raw_frame(wire, &frame, payload, bytes), most, NULL, now);
}

enum { ALONE = 8, ASKING = 13 };

/* What a stranger may try who never gets as far as a HELLO. */
static void try_alone(int what, struct end *server, int64_t now)
{
    struct gw_frame frame = hello();
    size_t bytes = raw_frame(wire, &frame, good, sizeof good);
    switch (what) {
    case 0:
        gw_session_cut(server->session, GW_OK, NULL);
        break;
    case 1: /* silence */
        gw_session_tick(server->session, now + 10 * (int64_t)PAIR_SECOND);
        break;
    case 2:
        end_feed(server, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, 0, NULL, now);
        break;
    case 3: /* a length bomb */
        frame.version = 1;
        frame.length = UINT32_MAX;
        gw_frame_write(wire, &frame);
        end_feed(server, wire, GW_FRAME_HEADER, 0, NULL, now);
        break;
    case 4: /* in a frame of the room above */
        feed_frame(server, GW_FRAME_FIRST_USE, sizeof payload, 0, now);
        break;
    case 5: /* changed bytes, of the header and of the payload */
    case 6:
        wire[what == 5 ? 40 : 70] ^= 1;
        end_feed(server, wire, bytes, 0, NULL, now);
        break;
    default: /* a drip */
        end_feed(server, wire, bytes - 1, 1, NULL, now);
        gw_session_tick(server->session, now + 10 * (int64_t)PAIR_SECOND);
    }
}

/* And one who asks and is not wanted, or does not wait for the answer. */
static void try_asking(int what, struct end *server, int64_t now)
{
    struct gw_frame frame = hello();
    frame.job += what == ALONE;
    end_feed(server, wire, raw_frame(wire, &frame, good, sizeof good), 1, NULL, now);
    if (what == ALONE + 1)
        gw_session_refuse(server->session, GW_EMISMATCH, "no", now);
    if (what == ALONE + 2)
        feed_frame(server, GW_FRAME_TERMS, 1000, 0, now);
    if (what == ALONE + 3)
        feed_frame(server, GW_FRAME_REFUSE, 604, 3, now);
    if (what == ALONE + 4)
        feed_frame(server, GW_FRAME_BYE, 0, 3, now);
}

START_TEST(strangers_cost_nothing)
{
    struct end *server = &pair.server;
    struct gw_session_setup setup = pair_setup(true, server);
    end_open(server, &setup, PAIR_SECOND);
    server->answers = false;
    long before = scarce_asked();
    (_i < ALONE ? try_alone : try_asking)(_i, server, PAIR_SECOND);
    end_events(server, PAIR_SECOND);
    end_say(server, NULL, PAIR_SECOND);
    long after = scarce_asked(), alive = scarce_alive();
    end_close(server);
    long freed = alive - scarce_alive();
    ck_assert_int_eq(server->closings, 1);
    ck_assert_msg(after == before, "trial %d made the session allocate %ld times, expected 0", _i,
                  after - before);
    ck_assert_int_eq(freed, 1);
}
END_TEST

/* The welcome itself needs no memory either. */
START_TEST(nothing_before_terms)
{
    pair_open(&pair, 0, 0);
    pair.server.answers = false;
    long before = scarce_asked();
    end_say(&pair.client, NULL, pair.now);
    end_feed(&pair.server, pair.client.said, pair.client.said_bytes, 0, NULL, pair.now);
    gw_status status = gw_session_welcome(pair.server.session, 1, pair.now);
    end_say(&pair.server, NULL, pair.now);
    long after = scarce_asked();
    ck_assert_int_eq(status, GW_OK);
    ck_assert_int_eq(after, before);
    pair_close(&pair);
}
END_TEST

/* A frame that the room above does not admit gets no room, and one that it gives a room to gets no
 * other. */
START_TEST(admission_comes_first)
{
    for (int placed = 0; placed < 2; placed++) {
        pair_open(&pair, 0, 0);
        pair_shake_hands(&pair);
        pair.server.places = placed;
        pair.server.longest = placed ? 1000 : 999;
        ck_assert_int_eq(end_send(&pair.client, 16, 1, 1000, pair.now), GW_OK);
        size_t at = pair.client.said_bytes;
        end_say(&pair.client, NULL, pair.now);
        long before = scarce_asked();
        end_feed(&pair.server, pair.client.said + at, pair.client.said_bytes - at, 7, NULL,
                 pair.now);
        long after = scarce_asked();
        ck_assert_int_eq(after, before);
        if (placed)
            ck_assert_int_eq(end_count(&pair.server, GW_EVENT_FRAME), 1);
        else
            expect_closed(&pair.server, GW_ECAPACITY, "1000 bytes, at most 999");
        pair_close(&pair);
    }
}
END_TEST

/* ---- the walk -------------------------------------------------------------------------------- */

static void count_return(void *user)
{
    ++*(int *)user;
}

/* A whole session; the first failure that a call gave. Nothing is asserted here: Check allocates.
 */
static gw_status live(int *loans, int *returned)
{
    struct gw_session_setup client = pair_setup(false, &pair.client);
    struct gw_session_setup server = pair_setup(true, &pair.server);
    struct gw_frame frame = { .type = 18 };
    gw_status status = GW_OK;
    memset(&pair, 0, sizeof pair);
    pair.now = PAIR_SECOND;
    pair.client.answers = pair.server.answers = true;
    pair.client.longest = pair.server.longest = PAIR_ROOM;
    pair.client.session = gw_session_open(&client, pair.now);
    pair.server.session = gw_session_open(&server, pair.now);
    if (!pair.client.session || !pair.server.session) {
        pair_close(&pair);
        return GW_ENOMEM;
    }
    pair_run(&pair);
    if (gw_session_is_ready(pair.client.session)) {
        status = end_send(&pair.client, 16, 1, 1000, pair.now);
        if (!status)
            status = end_send(&pair.server, 17, 1, 0, pair.now);
        if (!status) {
            status = gw_session_send_borrowed(pair.server.session, &frame, "lent", 4, count_return,
                                              returned, pair.now);
            *loans += !status;
        }
        pair_run(&pair);
        pair.now += PAIR_SECOND / 2;
        gw_session_tick(pair.client.session, pair.now);
        pair_run(&pair);
    }
    gw_session_bye(pair.client.session, pair.now);
    pair_run(&pair);
    pair_close(&pair);
    return status ? status : pair.client.end.status;
}

START_TEST(every_allocation_fails)
{
    for (int site = 0;; site++) {
        int loans = 0, returned = 0;
        long before = scarce_alive();
        scarce_at(site);
        gw_status status = live(&loans, &returned);
        bool walked = scarce_end() == 0;
        long left = scarce_alive() - before;
        ck_assert_msg(left == 0, "allocation %d failed: %ld blocks are left", site, left);
        ck_assert_int_eq(pair.client.closings, pair.server.closings);
        /* Whichever ran out of memory, both know it. */
        ck_assert_int_eq(pair.client.end.status, pair.server.end.status);
        ck_assert_str_eq(pair.client.end.text, pair.server.end.text);
        ck_assert_int_eq(loans, returned);
        if (walked) {
            ck_assert_int_eq(status, GW_OK);
            ck_assert_int_eq(end_count(&pair.server, GW_EVENT_FRAME), 1);
            ck_assert_int_eq(end_count(&pair.client, GW_EVENT_FRAME), 2);
            ck_assert_int_gt(site, 12);
            return;
        }
        ck_assert_msg(status == GW_ENOMEM, "allocation %d failed: expected GW_ENOMEM, got %s", site,
                      gw_status_name(status));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_memory");
    TCase *t = tcase_create("memory");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, strangers_cost_nothing, 0, ASKING);
    tcase_add_test(t, nothing_before_terms);
    tcase_add_test(t, admission_comes_first);
    tcase_add_test(t, every_allocation_fails);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
