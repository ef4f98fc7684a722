/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Sessions whose bytes were changed, cut, sent back, or made up: no wrong frame is ever told, and
 * the session ends with words. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "tests/session_pair.h"

static struct pair pair;
static struct end victim;

static void open_victim(bool serves)
{
    struct gw_session_setup setup = pair_setup(serves, &victim);
    end_open(&victim, &setup, pair.now);
}

static void feed_victim(const uint8_t *bytes, size_t count)
{
    end_feed(&victim, bytes, count, 0, NULL, pair.now);
}

/* ---- a recorded session ---------------------------------------------------------------------- */

/* Some 4 KiB, both ways, of everything that a session may hold. */
static void record(void)
{
    pair_open(&pair, 0, 0);
    gw_session_set_beat(pair.client.session, "loss 0.5");
    pair_shake_hands(&pair);
    for (uint64_t i = 0; i < 6; i++) {
        ck_assert_int_eq(end_send(&pair.client, 16, i, 40 * i * i, pair.now), GW_OK);
        ck_assert_int_eq(end_send(&pair.server, 17, i, 200 - 40 * i, pair.now), GW_OK);
        pair_run(&pair);
    }
    pair.now += PAIR_SECOND;
    gw_session_tick(pair.client.session, pair.now);
    gw_session_tick(pair.server.session, pair.now);
    pair_run(&pair);
    gw_session_bye(pair.client.session, pair.now);
    gw_session_bye(pair.server.session, pair.now);
    pair_run(&pair);
    pair_run(&pair);
    ck_assert_int_eq(end_count(&pair.server, GW_EVENT_BEAT), 1);
    ck_assert_int_eq(end_count(&pair.server, GW_EVENT_FRAME), 6);
    ck_assert_uint_gt(pair.client.said_bytes + pair.server.said_bytes, 4000);
}

static bool same_event(const struct seen *a, const struct seen *b)
{
    return a->kind == b->kind && a->payload == b->payload &&
           memcmp(&a->frame, &b->frame, sizeof a->frame) == 0;
}

/* What the victim was told is the beginning of what the honest end was told. */
static void expect_prefix(const struct end *honest, const char *what, size_t which)
{
    int told = victim.count - victim.closings;
    for (int i = 0; i < told; i++)
        ck_assert_msg(i < honest->count && same_event(&victim.seen[i], &honest->seen[i]),
                      "%s %zu: event %d of kind %d is not what was sent", what, which, i,
                      victim.seen[i].kind);
}

/* The bytes that `serves` hears. */
static const uint8_t *stream_to(bool serves, size_t *bytes)
{
    const struct end *speaker = serves ? &pair.client : &pair.server;
    *bytes = speaker->said_bytes;
    return speaker->said;
}

/* What an honest end is told when it hears the recorded bytes alone. */
static void hear_alone(bool serves, struct end *honest)
{
    size_t bytes;
    const uint8_t *stream = stream_to(serves, &bytes);
    open_victim(serves);
    feed_victim(stream, bytes);
    expect_closed(&victim, GW_OK, NULL);
    end_close(&victim);
    *honest = victim;
}

static struct end honest;

START_TEST(every_flipped_bit)
{
    static uint8_t changed[PAIR_WIRE];
    size_t bytes;
    uint64_t random = 1;
    record();
    hear_alone(_i, &honest);
    memcpy(changed, stream_to(_i, &bytes), sizeof changed);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        changed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        open_victim(_i);
        end_feed(&victim, changed, bytes, bit % 2 ? 0 : 200, &random, pair.now);
        if (victim.closings == 0) { /* it waits for more: not for ever */
            gw_session_tick(victim.session, gw_session_deadline(victim.session));
            end_events(&victim, pair.now);
        }
        expect_prefix(&honest, "bit", bit);
        ck_assert_msg(victim.closings == 1 && victim.end.status != GW_OK,
                      "bit %zu flipped: closed %d times with %s; repeat: CK_RUN_CASE=streams "
                      "tests/test_session_hostile",
                      bit, victim.closings, gw_status_name(victim.end.status));
        end_close(&victim);
        changed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    pair_close(&pair);
}
END_TEST

START_TEST(every_cut)
{
    size_t bytes;
    record();
    hear_alone(_i, &honest);
    const uint8_t *stream = stream_to(_i, &bytes);
    for (size_t length = 0; length < bytes; length++) {
        open_victim(_i);
        feed_victim(stream, length);
        gw_session_cut(victim.session, GW_OK, NULL);
        end_events(&victim, pair.now);
        expect_prefix(&honest, "cut at", length);
        expect_closed(&victim, GW_ETRANSPORT, "closed the connection");
        end_close(&victim);
    }
    pair_close(&pair);
}
END_TEST

/* Bytes go missing, come twice, or places change. */
START_TEST(mixed_up_streams)
{
    static uint8_t mixed[PAIR_WIRE];
    size_t bytes;
    record();
    hear_alone(_i, &honest);
    const uint8_t *stream = stream_to(_i, &bytes);
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t random = seed;
        size_t from = next_random(&random) % bytes, length = 1 + next_random(&random) % 200;
        size_t to = next_random(&random) % bytes, count = bytes;
        length = gw_min_size(length, bytes - (from > to ? from : to));
        memcpy(mixed, stream, bytes);
        if (seed % 3 == 0) { /* missing */
            memmove(mixed + from, mixed + from + length, bytes - from - length);
            count -= length;
        } else if (seed % 3 == 1) { /* twice */
            memmove(mixed + from + length, stream + from, bytes - from);
            count += length;
        } else {
            memmove(mixed + to, stream + from, length);
        }
        open_victim(_i);
        feed_victim(mixed, count);
        expect_prefix(&honest, "seed", seed);
        gw_session_cut(victim.session, GW_OK, NULL);
        end_events(&victim, pair.now);
        ck_assert_int_eq(victim.closings, 1);
        end_close(&victim);
    }
    pair_close(&pair);
}
END_TEST

START_TEST(reflection)
{
    size_t bytes;
    record();
    const uint8_t *stream = stream_to(!_i, &bytes); /* what such an end says itself */
    open_victim(_i);
    feed_victim(stream, bytes);
    expect_closed(&victim, GW_EPAYLOAD, _i ? "HELLO comes first" : "WELCOME comes first");
    ck_assert_int_eq(victim.count, 1);
    end_close(&victim);
    pair_close(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_hostile");
    TCase *t = tcase_create("streams");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_flipped_bit, 0, 2);
    tcase_add_loop_test(t, every_cut, 0, 2);
    tcase_add_loop_test(t, mixed_up_streams, 0, 2);
    tcase_add_loop_test(t, reflection, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
