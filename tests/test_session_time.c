/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Deadlines, beats and death, on a clock that is a number. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "tests/session_pair.h"

static const int64_t ms = 1000000;
static const int64_t s = 1000000000;

static struct pair pair;

static void tick(struct end *end)
{
    gw_session_tick(end->session, pair.now);
    end_events(end, pair.now);
}

static int64_t deadline(const struct end *end)
{
    return gw_session_deadline(end->session);
}

/* Nothing happens a moment before a deadline; go to it and let it happen. */
static void pass(struct end *end, int64_t when)
{
    int events = end->count;
    size_t queued = gw_session_queued(end->session);
    ck_assert_msg(deadline(end) == when, "the deadline is in %lld ms, expected in %lld ms",
                  (long long)((deadline(end) - pair.now) / ms),
                  (long long)((when - pair.now) / ms));
    pair.now = when - 1;
    tick(end);
    ck_assert_int_eq(end->count, events);
    ck_assert_uint_eq(gw_session_queued(end->session), queued);
    pair.now = when;
    tick(end);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

START_TEST(silent_strangers)
{
    pair_open(&pair, 0, 0);
    pass(&pair.server, pair.now + 2 * s);
    expect_closed(&pair.server, GW_ETIMEOUT, "a client sent nothing for 2 s");
    ck_assert_uint_eq(gw_session_queued(pair.server.session), 0);
    tick(&pair.client);
    expect_closed(&pair.client, GW_ETIMEOUT, "the server sent nothing for 2 s");
    pair_close(&pair);
}
END_TEST

/* A byte now and then does not extend the handshake, with ticks or without. */
START_TEST(dripped_handshake)
{
    pair_open(&pair, 0, 0);
    end_say(&pair.client, NULL, pair.now);
    int64_t end = pair.now + 3 * s;
    for (size_t at = 0; pair.now < end; at++, pair.now += 50 * ms) {
        ck_assert(!gw_session_is_closed(pair.server.session));
        end_feed(&pair.server, pair.client.said + at, 1, 0, NULL, pair.now);
        if (_i)
            tick(&pair.server);
    }
    if (_i)
        tick(&pair.server);
    else
        end_feed(&pair.server, pair.client.said + 60, 1, 0, NULL, pair.now);
    end_events(&pair.server, pair.now);
    expect_closed(&pair.server, GW_ETIMEOUT, "still waited for its HELLO after 3 s");
    pair_close(&pair);
}
END_TEST

/* The room above that does not answer is in the same time. */
START_TEST(slow_judgement)
{
    pair_open(&pair, 0, 0);
    int64_t end = pair.now + 3 * s;
    if (_i == 1) /* welcomes, but does not say ready */
        pair.server.answers = false;
    end_say(&pair.client, NULL, pair.now);
    end_feed(&pair.server, pair.client.said, pair.client.said_bytes, 0, NULL, pair.now);
    pair.client.heard_bytes = pair.client.said_bytes;
    if (_i == 1)
        ck_assert_int_eq(gw_session_welcome(pair.server.session, PAIR_EPOCH, pair.now), GW_OK);
    pair.server.answers = false;
    pair_run(&pair);
    ck_assert_int_eq(end_count(&pair.server, GW_EVENT_TERMS), 1);
    while (pair.now < end) {
        pair.now = deadline(&pair.client) < deadline(&pair.server) ? deadline(&pair.client)
                                                                   : deadline(&pair.server);
        tick(&pair.server);
        tick(&pair.client);
        if (pair.now < end)
            pair_run(&pair);
    }
    ck_assert(pair.now == end);
    ck_assert_int_ge(end_count(&pair.client, GW_EVENT_BEAT), 5);
    expect_closed(&pair.server, GW_ETIMEOUT, "our READY");
    expect_closed(&pair.client, GW_ETIMEOUT, "its READY");
    pair_close(&pair);
}
END_TEST

START_TEST(dripped_frame)
{
    pair_open(&pair, 0, 0);
    pair_shake_hands(&pair);
    ck_assert_int_eq(end_send(&pair.client, 16, 1, 1000, pair.now), GW_OK);
    size_t at = pair.client.said_bytes;
    end_say(&pair.client, NULL, pair.now);
    int64_t start = pair.now;
    for (; pair.now < start + 60 * s; at++, pair.now += 500 * ms) {
        ck_assert(!gw_session_is_closed(pair.server.session));
        end_feed(&pair.server, pair.client.said + at, 1, 0, NULL, pair.now);
        if (_i)
            tick(&pair.server);
    }
    if (_i)
        tick(&pair.server);
    else
        end_feed(&pair.server, pair.client.said + at, 1, 0, NULL, pair.now);
    end_events(&pair.server, pair.now);
    expect_closed(&pair.server, GW_ETIMEOUT, "a frame of worker 3 was not whole after 60 s");
    ck_assert_int_eq(end_count(&pair.server, GW_EVENT_FRAME), 0);
    pair_close(&pair);
}
END_TEST

/* Each frame has its own time. */
START_TEST(slow_frames_are_good)
{
    pair_open(&pair, 0, 0);
    pair_shake_hands(&pair);
    for (uint64_t i = 0; i < 5; i++) {
        ck_assert_int_eq(end_send(&pair.client, 16, i, 236, pair.now), GW_OK);
        end_say(&pair.client, NULL, pair.now);
        for (; pair.client.heard_bytes < pair.client.said_bytes; pair.client.heard_bytes += 10) {
            end_feed(&pair.server, pair.client.said + pair.client.heard_bytes, 10, 0, NULL,
                     pair.now);
            pair.now += 1900 * ms;
            tick(&pair.server);
            end_say(&pair.server, NULL, pair.now); /* the client takes its beats */
        }
    }
    ck_assert_int_eq(end_count(&pair.server, GW_EVENT_FRAME), 5);
    ck_assert(gw_session_is_ready(pair.server.session));
    pair_close(&pair);
}
END_TEST

/* A peer that is alive but reads a byte now and then does not hold a frame for ever. */
START_TEST(dripped_output)
{
    pair_open(&pair, 0, 0);
    pair_shake_hands(&pair);
    ck_assert_int_eq(end_send(&pair.server, 16, 1, 1000, pair.now), GW_OK);
    const struct gw_frame frame = { .version = 1,
                                    .type = GW_FRAME_BEAT,
                                    .job = PAIR_JOB,
                                    .worker = PAIR_WORKER,
                                    .epoch = PAIR_EPOCH };
    uint8_t beat[GW_FRAME_HEADER];
    size_t bytes = raw_frame(beat, &frame, NULL, 0);
    int64_t start = pair.now;
    for (; pair.now < start + 60 * s; pair.now += 500 * ms) {
        struct iovec piece;
        ck_assert(!gw_session_is_closed(pair.server.session));
        ck_assert_int_eq(gw_session_output(pair.server.session, &piece, 1), 1);
        gw_session_sent(pair.server.session, 1, pair.now);
        end_feed(&pair.server, beat, bytes, 0, NULL, pair.now);
        tick(&pair.server);
    }
    tick(&pair.server);
    expect_closed(&pair.server, GW_ETIMEOUT, "worker 3 had not taken a frame after 60 s");
    pair_close(&pair);
}
END_TEST

/* ---- beats ----------------------------------------------------------------------------------- */

/* Both clocks run for a while, with the bytes carried or not. */
static void run_for(int64_t span, bool carried)
{
    int64_t end = pair.now + span;
    for (;;) {
        int64_t next = deadline(&pair.client) < deadline(&pair.server) ? deadline(&pair.client)
                                                                       : deadline(&pair.server);
        if (next > end)
            break;
        pair.now = next;
        tick(&pair.client);
        tick(&pair.server);
        if (carried)
            pair_run(&pair);
        else { /* into the void */
            end_say(&pair.client, NULL, pair.now);
            end_say(&pair.server, NULL, pair.now);
        }
    }
    pair.now = end;
}

START_TEST(quiet_sessions_live)
{
    pair_open(&pair, 0, 0);
    pair_shake_hands(&pair);
    gw_session_set_beat(pair.client.session, "loss 0.25");
    run_for(20 * s, true);
    ck_assert_int_eq(end_count(&pair.client, GW_EVENT_BEAT), 40);
    ck_assert_int_eq(end_count(&pair.server, GW_EVENT_BEAT), 40);
    const struct seen *last = &pair.server.seen[pair.server.count - 1];
    ck_assert_uint_eq(last->payload, gw_frame_checksum("loss 0.25", 9));
    /* The text of beats is cut, and harmless where it comes. */
    char text[400];
    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    gw_session_set_beat(pair.client.session, text);
    run_for(s / 2, true);
    memset(text, '?', 255);
    last = &pair.server.seen[pair.server.count - 1];
    ck_assert_uint_eq(last->frame.length, 255);
    ck_assert_uint_eq(last->payload, gw_frame_checksum(text, 255));
    gw_session_set_beat(pair.client.session, NULL);
    run_for(s / 2, true);
    ck_assert_uint_eq(pair.server.seen[pair.server.count - 1].frame.length, 0);
    pair_close(&pair);
}
END_TEST

/* A partition: both are dead to each other two seconds after the last word; healed, the old epoch
 * is not heard any more. */
START_TEST(partition)
{
    pair_open(&pair, 0, 0);
    pair_shake_hands(&pair);
    run_for(s * 2 / 10, true);
    ck_assert_int_eq(end_send(&pair.client, 16, 0, 10, pair.now), GW_OK);
    pair_run(&pair);
    int64_t last = pair.now;
    run_for(2 * s - 1, false);
    ck_assert(!gw_session_is_closed(pair.server.session));
    run_for(1, false);
    ck_assert(pair.now == last + 2 * s);
    expect_closed(&pair.server, GW_ETIMEOUT, "worker 3 sent nothing for 2 s");
    expect_closed(&pair.client, GW_ETIMEOUT, "the server sent nothing for 2 s");
    int events = pair.server.count;
    pair_run(&pair);
    ck_assert_int_eq(pair.server.count, events);
    pair_close(&pair);
}
END_TEST

/* A beat goes out only when nothing else did. */
START_TEST(frames_are_beats)
{
    pair_open(&pair, 0, 0);
    pair_shake_hands(&pair);
    for (uint64_t i = 0; i < 50; i++) {
        ck_assert_int_eq(end_send(&pair.client, 16, i, 10, pair.now), GW_OK);
        pair_run(&pair);
        run_for(400 * ms, true);
    }
    ck_assert_int_eq(end_count(&pair.server, GW_EVENT_BEAT), 0);
    ck_assert_int_eq(end_count(&pair.client, GW_EVENT_BEAT), 40);
    pair_close(&pair);
}
END_TEST

/* What does not get away is not made longer by beats. */
START_TEST(no_beats_behind_what_waits)
{
    pair_open(&pair, 0, 0);
    pair_shake_hands(&pair);
    ck_assert_int_eq(end_send(&pair.client, 16, 0, 10, pair.now), GW_OK);
    size_t queued = gw_session_queued(pair.client.session);
    pass(&pair.client, pair.now + 2 * s); /* no deadline before death */
    expect_closed(&pair.client, GW_ETIMEOUT, NULL);
    ck_assert_uint_eq(queued, GW_FRAME_HEADER + 10);
    pair_close(&pair);
}
END_TEST

/* ---- pauses, and times given ----------------------------------------------------------------- */

START_TEST(pauses_do_not_kill)
{
    pair_open(&pair, 0, 0);
    pair_shake_hands(&pair);
    ck_assert_int_eq(end_send(&pair.client, 16, 0, 1000, pair.now), GW_OK);
    size_t at = pair.client.said_bytes;
    end_say(&pair.client, NULL, pair.now);
    end_feed(&pair.server, pair.client.said + at, 100, 0, NULL, pair.now);
    int64_t start = pair.now;
    pair.now += s;
    gw_session_pause(pair.server.session, true, pair.now);
    for (int i = 0; i < 200; i++) { /* it beats all the same */
        pass(&pair.server, pair.now + (i == 0 ? start + s / 2 - pair.now : s / 2));
        end_say(&pair.server, NULL, pair.now);
    }
    int64_t paused = pair.now - (start + s);
    gw_session_pause(pair.server.session, false, pair.now);
    ck_assert(!gw_session_is_closed(pair.server.session));
    end_feed(&pair.server, pair.client.said + at + 100, 100, 0, NULL, pair.now);
    for (int64_t end = start + paused + 60 * s; pair.now < end; pair.now += s) {
        ck_assert(!gw_session_is_closed(pair.server.session));
        end_feed(&pair.server, pair.client.said + at + 200, 1, 0, NULL, pair.now);
        at++;
    }
    tick(&pair.server);
    expect_closed(&pair.server, GW_ETIMEOUT, "not whole after 60 s");
    pair_close(&pair);
}
END_TEST

START_TEST(no_limits)
{
    struct gw_session_setup setup = pair_setup(true, &pair.server);
    pair_open(&pair, 0, 0);
    end_close(&pair.server);
    setup.times = (struct gw_session_times){ INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX };
    end_open(&pair.server, &setup, pair.now);
    ck_assert(deadline(&pair.server) == INT64_MAX);
    pair_shake_hands(&pair);
    ck_assert(deadline(&pair.server) == INT64_MAX);
    pair.now = INT64_MAX / 2;
    tick(&pair.server);
    ck_assert(gw_session_is_ready(pair.server.session));
    /* Zeros are the defaults. */
    end_close(&pair.server);
    setup.times = (struct gw_session_times){ 0 };
    end_open(&pair.server, &setup, 7);
    ck_assert(deadline(&pair.server) == 7 + 2 * s);
    pair_close(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_time");
    TCase *t = tcase_create("clock");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, dripped_output);
    tcase_add_test(t, silent_strangers);
    tcase_add_loop_test(t, dripped_handshake, 0, 2);
    tcase_add_loop_test(t, slow_judgement, 0, 2);
    tcase_add_loop_test(t, dripped_frame, 0, 2);
    tcase_add_test(t, slow_frames_are_good);
    tcase_add_test(t, quiet_sessions_live);
    tcase_add_test(t, partition);
    tcase_add_test(t, frames_are_beats);
    tcase_add_test(t, no_beats_behind_what_waits);
    tcase_add_test(t, pauses_do_not_kill);
    tcase_add_test(t, no_limits);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
