/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Handlers that drop streams, open others, close the listener or the whole net, at any moment:
 * every stream is gone once, every borrowed payload is given back once, and nothing is left (which
 * sanitizers hold us to). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream_room.h"
#include "tests/next_random.h"

static struct room room;
static uint8_t payload[300000];
static uint64_t seed;
static int lent, returned;

static size_t draw(size_t below)
{
    return (size_t)(next_random(&seed) % below);
}

static void give_back(void *user)
{
    (void)user;
    returned++;
}

static void lend(struct side *side)
{
    struct gw_frame frame = { .type = ROOM_FRAME };
    struct gw_session *session = side->stream ? gw_stream_session(side->stream) : NULL;
    if (!session || !gw_session_is_ready(session))
        return;
    ck_assert_int_eq(gw_session_send_borrowed(session, &frame, payload, draw(sizeof payload),
                                              give_back, side, room_now(&room)),
                     GW_OK);
    lent++;
    gw_stream_flush(side->stream);
}

/* ---- the net is closed in the middle --------------------------------------------------------- */

static int events_until_close;

static void close_in_time(struct side *side, struct gw_event *event)
{
    if (event->kind == GW_EVENT_READY)
        for (int i = 0; i < 4; i++)
            lend(side);
    if (events_until_close > 0 && --events_until_close == 0)
        gw_net_close(room.net);
}

/* After `turns` turns of the loop, or from within event `events`, whichever is asked for. True: it
 * was over before that. */
static bool busy_until(enum room_kind kind, int turns, int events)
{
    struct side *sides[3];
    lent = returned = 0;
    events_until_close = events;
    room_open(&room, kind);
    room.also = close_in_time;
    room_listen(&room);
    for (int i = 0; i < 3; i++) {
        sides[i] = room_connect(&room, 1, "terms");
        sides[i]->also = close_in_time;
    }
    int done = 0;
    for (int turn = 0; (turn < turns || events_until_close > 0) && !done; turn++) {
        uv_run(&room.loop, UV_RUN_NOWAIT);
        done = 1;
        for (int i = 0; i < room.count; i++)
            done = done && room.sides[i]->frames == 4;
        done = done && room.count == 6;
        if (events > 0 && events_until_close == 0)
            break;
    }
    if (events > 0 && events_until_close == 0) {
        /* Closed by the handler: nobody may be told anything any more. */
        int told = 0;
        for (int i = 0; i < room.count; i++)
            told += room.sides[i]->frames + room.sides[i]->closed;
        uv_run(&room.loop, UV_RUN_DEFAULT);
        for (int i = 0; i < room.count; i++)
            told -= room.sides[i]->frames + room.sides[i]->closed;
        ck_assert_int_eq(told, 0);
        room.net = NULL; /* freed */
    }
    room_close(&room);
    ck_assert_int_eq(lent, returned);
    return done;
}

START_TEST(net_closed_after_any_turn)
{
    int turns = 0;
    while (!busy_until((enum room_kind)_i, turns, 0))
        turns += 1 + turns / 8;
    ck_assert_int_gt(turns, 3);
}
END_TEST

START_TEST(net_closed_from_any_event)
{
    int events = 1;
    while (!busy_until((enum room_kind)_i, 0, events))
        events++;
    ck_assert_int_gt(events, 20);
}
END_TEST

/* ---- everything at once ---------------------------------------------------------------------- */

static struct side *any_side(void)
{
    return room.sides[draw((size_t)room.count)];
}

static void meddle(struct side *side, struct gw_event *event);

static void do_something(struct side *side)
{
    struct side *other = any_side();
    switch (draw(12)) {
    case 0:
        if (other->stream)
            gw_stream_drop(other->stream, draw(2));
        break;
    case 1:
        if (side->stream)
            gw_stream_drop(side->stream, draw(2));
        break;
    case 2:
        if (room.count < 300)
            room_connect(&room, 1, "terms")->also = meddle;
        break;
    case 3:
        if (other->stream && gw_stream_session(other->stream)) {
            gw_session_bye(gw_stream_session(other->stream), room_now(&room));
            gw_stream_flush(other->stream);
        }
        break;
    case 4:
        if (other->stream && gw_stream_session(other->stream)) {
            gw_session_refuse(gw_stream_session(other->stream), GW_ESTATE, "so", room_now(&room));
            gw_stream_flush(other->stream);
        }
        break;
    case 5:
        if (other->stream)
            gw_stream_pause(other->stream, draw(3) == 0);
        break;
    case 6:
        if (draw(20) == 0) {
            gw_listener_close(room.listener);
            room_listen(&room);
        }
        break;
    default:
        lend(other);
    }
}

static void meddle(struct side *side, struct gw_event *event)
{
    (void)event;
    if (side->stream)
        do_something(side);
}

START_TEST(meddling)
{
    for (int run = 0; run < 40; run++) {
        seed = (uint64_t)_i * 1000 + (uint64_t)run;
        lent = returned = 0;
        room_open(&room, (enum room_kind)_i);
        room.setup.times.beat_ns = 5000000;
        room.strangers = 3;
        room.also = meddle;
        room_listen(&room);
        for (int i = 0; i < 5; i++)
            room_connect(&room, 1, "terms")->also = meddle;
        for (int turn = 0; turn < 150; turn++) {
            uv_run(&room.loop, UV_RUN_NOWAIT);
            if (draw(4) == 0)
                do_something(any_side());
        }
        room_close(&room);
        ck_assert_msg(lent == returned, "seed %d: lent %d, returned %d", _i * 1000 + run, lent,
                      returned);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_close");
    TCase *t = tcase_create("close");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, net_closed_after_any_turn, 0, ROOM_KINDS);
    tcase_add_loop_test(t, net_closed_from_any_event, 0, ROOM_KINDS);
    tcase_add_loop_test(t, meddling, 0, ROOM_KINDS);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
