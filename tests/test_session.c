/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Two honest sessions: the handshake, frames in any cuts, refusals, goodbyes, and what may be asked
 * of a session when. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "tests/session_pair.h"

static struct pair pair;

/* ---- the handshake --------------------------------------------------------------------------- */

static const size_t cuts[] = { 0, 1, 2, 63, 64, 65, 80, 500 };
enum { CUTS = sizeof cuts / sizeof *cuts };

START_TEST(handshake_in_any_cuts)
{
    pair_open(&pair, cuts[_i], cuts[_i] == 500 ? 1 : 0);
    pair_run(&pair);
    const struct end *client = &pair.client, *server = &pair.server;
    ck_assert_int_eq(server->count, 3);
    ck_assert_int_eq(server->seen[0].kind, GW_EVENT_HELLO);
    ck_assert_uint_eq(server->seen[0].frame.worker, PAIR_WORKER);
    ck_assert_uint_eq(server->seen[0].frame.job, PAIR_JOB);
    ck_assert_int_eq(server->seen[1].kind, GW_EVENT_TERMS);
    ck_assert_uint_eq(server->seen[1].payload, gw_frame_checksum("mode: sync\n", 11));
    ck_assert_int_eq(server->seen[2].kind, GW_EVENT_READY);
    ck_assert_int_eq(client->count, 1);
    ck_assert_int_eq(client->seen[0].kind, GW_EVENT_READY);
    ck_assert_uint_eq(client->seen[0].payload, gw_frame_checksum("workers: 4\n", 11));
    const struct end *ends[2] = { client, server };
    for (int i = 0; i < 2; i++) {
        const struct gw_session_peer *peer = gw_session_peer(ends[i]->session);
        ck_assert(gw_session_is_ready(ends[i]->session));
        ck_assert(!gw_session_is_closed(ends[i]->session));
        ck_assert_uint_eq(peer->job, PAIR_JOB);
        ck_assert_uint_eq(peer->worker, PAIR_WORKER);
        ck_assert_uint_eq(peer->instance, 0xabcdef);
        ck_assert_uint_eq(peer->epoch, PAIR_EPOCH);
        ck_assert_uint_eq(peer->role, 2);
    }
    pair_close(&pair);
}
END_TEST

/* A server of job 0 takes every job. */
START_TEST(any_job)
{
    struct gw_session_setup setup = pair_setup(true, &pair.server);
    pair_open(&pair, 0, 0);
    end_close(&pair.server);
    setup.job = 0;
    end_open(&pair.server, &setup, pair.now);
    pair_shake_hands(&pair);
    ck_assert_uint_eq(gw_session_peer(pair.server.session)->job, PAIR_JOB);
    pair_close(&pair);
}
END_TEST

START_TEST(another_job)
{
    struct gw_session_setup setup = pair_setup(true, &pair.server);
    pair_open(&pair, 0, 0);
    end_close(&pair.server);
    setup.job = 0xfeed;
    end_open(&pair.server, &setup, pair.now);
    pair_run(&pair);
    ck_assert_int_eq(end_count(&pair.server, GW_EVENT_HELLO), 0);
    const struct end *ends[2] = { &pair.client, &pair.server };
    for (int i = 0; i < 2; i++) {
        expect_closed(ends[i], GW_EMISMATCH, "000000000000feed");
        expect_closed(ends[i], GW_EMISMATCH, "0000006d6e697374");
    }
    pair_close(&pair);
}
END_TEST

/* ---- frames ---------------------------------------------------------------------------------- */

static const size_t lengths[] = { 0, 1, 63, 64, 65, 255, 1000, 4096, 60000 };

static void expect_frames(const struct end *from, const struct end *to, uint64_t seed, int sent)
{
    int at = 0;
    for (int i = 0; i < to->count; i++) {
        const struct gw_frame *frame = &to->seen[i].frame;
        if (to->seen[i].kind != GW_EVENT_FRAME)
            continue;
        ck_assert_msg(frame->sequence == (uint64_t)at && frame->type == 16 + at % 240 &&
                          frame->flags == (uint8_t)at && frame->tensor == (uint32_t)(3 * at) &&
                          frame->spec == ~(uint64_t)at && frame->epoch == PAIR_EPOCH &&
                          frame->checksum == to->seen[i].payload,
                      "seed %llu: frame %d came with sequence %llu, type %d",
                      (unsigned long long)seed, at, (unsigned long long)frame->sequence,
                      frame->type);
        at++;
    }
    ck_assert_msg(at == sent, "seed %llu: %d frames came, %d were sent of %zu bytes",
                  (unsigned long long)seed, at, sent, from->said_bytes);
}

START_TEST(frames_in_random_cuts)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t random = seed;
        int sent[2] = { 0, 0 };
        pair_open(&pair, seed % 3 == 0 ? 1 : seed % 3 == 1 ? 100 : 5000, seed);
        pair_shake_hands(&pair);
        pair.server.places = seed % 2;
        for (int step = 0; step < 20; step++) {
            int side = (int)(next_random(&random) % 2);
            struct end *end = side ? &pair.server : &pair.client;
            size_t most = seed % 3 == 0 ? 6 : sizeof lengths / sizeof *lengths;
            size_t bytes = lengths[next_random(&random) % most];
            ck_assert_int_eq(end_send(end, (uint8_t)(16 + sent[side] % 240), (uint64_t)sent[side],
                                      bytes, pair.now),
                             GW_OK);
            sent[side]++;
            if (next_random(&random) % 4 == 0)
                pair_run(&pair);
        }
        gw_session_bye(pair.client.session, pair.now);
        pair_run(&pair);
        expect_frames(&pair.client, &pair.server, seed, sent[0]);
        expect_closed(&pair.server, GW_OK, NULL);
        expect_closed(&pair.client, GW_OK, NULL);
        pair_close(&pair);
    }
}
END_TEST

/* Nobody says anything before his time. */
START_TEST(calls_out_of_turn)
{
    struct gw_frame frame = { .type = GW_FRAME_FIRST_USE };
    pair_open(&pair, 0, 0);
    struct gw_session *client = pair.client.session, *server = pair.server.session;
    ck_assert_int_eq(gw_session_send(client, &frame, NULL, 0), GW_ESTATE);
    ck_assert_int_eq(gw_session_send_borrowed(client, &frame, "x", 1, NULL, NULL, 0), GW_ESTATE);
    ck_assert_int_eq(gw_session_welcome(client, 1, 0), GW_ESTATE);
    ck_assert_int_eq(gw_session_ready(client, "", 0, 0), GW_ESTATE);
    ck_assert_int_eq(gw_session_welcome(server, 1, 0), GW_ESTATE);
    ck_assert_int_eq(gw_session_ready(server, "", 0, 0), GW_ESTATE);
    ck_assert_uint_eq(gw_session_queued(server), 0);
    pair_shake_hands(&pair);
    ck_assert_int_eq(gw_session_welcome(server, 1, 0), GW_ESTATE);
    ck_assert_int_eq(gw_session_ready(server, "", 0, 0), GW_ESTATE);
    frame.type = GW_FRAME_BYE;
    ck_assert_int_eq(gw_session_send(client, &frame, NULL, 0), GW_EINVAL);
    frame.type = GW_FRAME_FIRST_USE;
    gw_session_bye(client, pair.now);
    ck_assert_int_eq(gw_session_send(client, &frame, NULL, 0), GW_ESTATE);
    pair_run(&pair);
    pair_close(&pair);
}
END_TEST

START_TEST(terms_too_long)
{
    static char terms[PAIR_TERMS + 2];
    for (int extra = 0; extra < 2; extra++) {
        struct gw_session_setup setup = pair_setup(false, &pair.client);
        pair_open(&pair, 0, 0);
        end_close(&pair.client);
        memset(terms, 'x', sizeof terms);
        terms[PAIR_TERMS + extra] = '\0';
        setup.terms = terms;
        end_open(&pair.client, &setup, pair.now);
        pair_run(&pair);
        ck_assert_int_eq(gw_session_is_ready(pair.client.session), extra == 0);
        if (extra)
            expect_closed(&pair.client, GW_EPAYLOAD, "TERMS has 1001 bytes, it may have 0 to 1000");
        pair_close(&pair);
    }
}
END_TEST

/* The longest READY comes through; a longer one is the room's mistake. */
START_TEST(long_ready)
{
    uint8_t *text = calloc(1, GW_SESSION_READY_BYTES + 1);
    ck_assert_ptr_nonnull(text);
    pair_open(&pair, 0, 0);
    pair.server.answers = false;
    pair_run(&pair);
    struct gw_session *server = pair.server.session;
    ck_assert_int_eq(gw_session_welcome(server, PAIR_EPOCH, pair.now), GW_OK);
    pair_run(&pair);
    ck_assert_int_eq(gw_session_ready(server, text, GW_SESSION_READY_BYTES + 1, pair.now),
                     GW_EINVAL);
    ck_assert_int_eq(gw_session_ready(server, text, GW_SESSION_READY_BYTES, pair.now), GW_OK);
    struct iovec pieces[2];
    ck_assert_int_eq(gw_session_output(server, pieces, 2), 2);
    end_feed(&pair.client, pieces[0].iov_base, pieces[0].iov_len, 0, NULL, pair.now);
    end_feed(&pair.client, pieces[1].iov_base, pieces[1].iov_len, 0, NULL, pair.now);
    ck_assert_int_eq(end_count(&pair.client, GW_EVENT_READY), 1);
    pair_close(&pair);
    free(text);
}
END_TEST

/* ---- refusals and goodbyes ------------------------------------------------------------------- */

/* How far the handshake gets before somebody says no. */
enum stage { NOTHING, HELLO_CAME, WELCOME_SENT, WELCOME_CAME, TERMS_CAME, READY_SENT, ALL, STAGES };

/* Half a step of one end: what `from` has to say goes to `to`, which does not answer by itself. */
static void step(struct end *from, struct end *to)
{
    end_say(from, NULL, pair.now);
    end_feed(to, from->said + from->heard_bytes, from->said_bytes - from->heard_bytes, 0, NULL,
             pair.now);
    from->heard_bytes = from->said_bytes;
}

static void get_to(enum stage stage)
{
    struct end *client = &pair.client, *server = &pair.server;
    pair_open(&pair, 0, 0);
    server->answers = false;
    if (stage >= HELLO_CAME)
        step(client, server);
    if (stage >= WELCOME_SENT)
        ck_assert_int_eq(gw_session_welcome(server->session, PAIR_EPOCH, pair.now), GW_OK);
    if (stage >= WELCOME_CAME)
        step(server, client);
    if (stage >= TERMS_CAME)
        step(client, server);
    if (stage >= READY_SENT)
        ck_assert_int_eq(gw_session_ready(server->session, "", 0, pair.now), GW_OK);
    if (stage >= ALL)
        step(server, client);
}

START_TEST(refused_at_every_stage)
{
    for (int by_server = 0; by_server < 2; by_server++) {
        get_to((enum stage)_i);
        struct end *speaker = by_server ? &pair.server : &pair.client;
        struct end *other = by_server ? &pair.client : &pair.server;
        gw_session_refuse(speaker->session, GW_ENOTSUP, "not today", pair.now);
        gw_session_refuse(speaker->session, GW_EINVAL, "twice", pair.now);
        pair_run(&pair);
        expect_closed(speaker, GW_ENOTSUP, "not today");
        expect_closed(other, GW_ENOTSUP, "not today");
        ck_assert_uint_eq(gw_session_queued(speaker->session), 0);
        pair_close(&pair);
    }
}
END_TEST

START_TEST(bye_at_every_stage)
{
    for (int by_server = 0; by_server < 2; by_server++) {
        get_to((enum stage)_i);
        struct end *speaker = by_server ? &pair.server : &pair.client;
        struct end *other = by_server ? &pair.client : &pair.server;
        gw_session_bye(speaker->session, pair.now);
        pair_run(&pair);
        expect_closed(speaker, GW_OK, NULL);
        expect_closed(other, GW_OK, NULL);
        pair_close(&pair);
    }
}
END_TEST

/* The words are cut and made harmless, the status is one of ours. */
START_TEST(words_of_a_refusal)
{
    static char words[700];
    memset(words, 'w', sizeof words - 1);
    static const char odd[11] = { 'a', 0x1b, '[', '2', 'J', '\n', '\xc3', '\xa4', ' ', '%', 's' };
    memcpy(words, odd, sizeof odd);
    get_to(ALL);
    gw_session_refuse(pair.server.session, (gw_status)1000, words, pair.now);
    pair_run(&pair);
    expect_closed(&pair.client, GW_EPEER, "a?[2J??? %s");
    ck_assert_uint_eq(strlen(pair.client.end.text), 600);
    pair_close(&pair);

    static const int32_t statuses[] = { 0, 1, 5, -15, -1000, INT32_MIN, INT32_MAX };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        uint8_t bytes[GW_FRAME_HEADER + 4], status[4];
        struct gw_frame frame = {
            .type = GW_FRAME_REFUSE, .job = PAIR_JOB, .worker = PAIR_WORKER, .epoch = PAIR_EPOCH
        };
        get_to(ALL);
        gw_put_u32(status, (uint32_t)statuses[i]);
        end_feed(&pair.client, bytes, raw_frame(bytes, &frame, status, 4), 0, NULL, pair.now);
        expect_closed(&pair.client, GW_EPEER, gw_status_text(GW_EPEER));
        pair_close(&pair);
    }
}
END_TEST

/* Without words, those of the status. */
START_TEST(no_words)
{
    get_to(ALL);
    gw_session_refuse(pair.client.session, GW_ENOTSUP, NULL, pair.now);
    gw_session_tick(pair.client.session, pair.now + 10 * (int64_t)PAIR_SECOND);
    pair_run(&pair);
    expect_closed(&pair.server, GW_ENOTSUP, gw_status_text(GW_ENOTSUP));
    pair_close(&pair);
    get_to(ALL);
    gw_session_cut(pair.client.session, GW_EIO, NULL);
    end_events(&pair.client, pair.now);
    expect_closed(&pair.client, GW_EIO, gw_status_text(GW_EIO));
    pair_close(&pair);
}
END_TEST

START_TEST(cut_at_every_stage)
{
    struct end *ends[2] = { &pair.client, &pair.server };
    for (int i = 0; i < 4; i++) {
        get_to((enum stage)_i);
        struct end *end = ends[i / 2];
        if (i % 2 == 0)
            gw_session_cut(end->session, GW_OK, NULL);
        else
            gw_session_cut(end->session, GW_EIO, "the cable burnt");
        end_events(end, pair.now);
        if (i % 2 == 0)
            expect_closed(end, GW_ETRANSPORT, "without a BYE");
        else
            expect_closed(end, GW_EIO, "the cable burnt");
        ck_assert_uint_eq(gw_session_queued(end->session), 0);
        ck_assert_int_eq(gw_session_output(end->session, &(struct iovec){ 0 }, 1), 0);
        gw_session_cut(end->session, GW_OK, NULL);
        end_events(end, pair.now);
        ck_assert_int_eq(end->closings, 1);
        pair_close(&pair);
    }
}
END_TEST

/* Frames that were sent before a goodbye come before it; a refusal overtakes what nobody has begun
 * to send. */
START_TEST(what_is_queued_at_the_end)
{
    for (int refused = 0; refused < 2; refused++) {
        get_to(ALL);
        struct iovec piece;
        for (uint64_t i = 0; i < 5; i++)
            ck_assert_int_eq(end_send(&pair.client, 20, i, 300, pair.now), GW_OK);
        /* The stream has been shown the first and a bit of the second. */
        struct iovec pieces[3];
        ck_assert_int_eq(gw_session_output(pair.client.session, pieces, 3), 3);
        const uint8_t *second = pieces[2].iov_base;
        if (refused)
            gw_session_refuse(pair.client.session, GW_EINVAL, "enough", pair.now);
        else
            gw_session_bye(pair.client.session, pair.now);
        ck_assert_int_eq(second[0], 0x9d); /* still there */
        ck_assert_int_eq(gw_session_output(pair.client.session, &piece, 1), 1);
        ck_assert_ptr_eq(piece.iov_base, pieces[0].iov_base);
        pair_run(&pair);
        ck_assert_int_eq(end_count(&pair.server, GW_EVENT_FRAME), refused ? 2 : 5);
        expect_closed(&pair.server, refused ? GW_EINVAL : GW_OK, NULL);
        pair_close(&pair);
    }
}
END_TEST

/* ---- borrowed payloads ----------------------------------------------------------------------- */

enum { LOANS = 6 };

static void count_return(void *user)
{
    ++*(int *)user;
}

enum ending { SENT_ALL, CLOSED, REFUSED, WAS_REFUSED, SAID_BYE, WAS_CUT, DIED, ENDINGS };

static void end_somehow(enum ending ending)
{
    struct gw_session *client = pair.client.session;
    switch (ending) {
    case SENT_ALL:
        pair_run(&pair);
        ck_assert_int_eq(end_count(&pair.server, GW_EVENT_FRAME), LOANS);
        return;
    case REFUSED:
        gw_session_refuse(client, GW_EINVAL, "no", pair.now);
        return;
    case WAS_REFUSED:
        gw_session_refuse(pair.server.session, GW_EINVAL, "no", pair.now);
        step(&pair.server, &pair.client);
        return;
    case SAID_BYE:
        gw_session_bye(client, pair.now);
        return;
    case WAS_CUT:
        gw_session_cut(client, GW_OK, NULL);
        return;
    case DIED:
        gw_session_tick(client, pair.now + 10 * (int64_t)PAIR_SECOND);
        return;
    default:
        return;
    }
}

/* Each loan comes back once, however much of it had left. */
START_TEST(loans_come_back_once)
{
    static uint8_t lent[LOANS][100];
    size_t whole = LOANS * (GW_FRAME_HEADER + sizeof lent[0]);
    for (size_t left = 0; left <= whole; left += 41) {
        int returned[LOANS] = { 0 };
        struct iovec pieces[2 * LOANS];
        get_to(ALL);
        struct gw_session *client = pair.client.session;
        for (int i = 0; i < LOANS; i++) {
            struct gw_frame frame = { .type = 30, .sequence = (uint64_t)i };
            ck_assert_int_eq(gw_session_send_borrowed(client, &frame, lent[i], sizeof lent[i],
                                                      count_return, &returned[i], pair.now),
                             GW_OK);
        }
        if (left > 0 && _i != SENT_ALL) {
            gw_session_output(client, pieces, (int)(left % (2 * LOANS)) + 1);
            gw_session_output(client, pieces, 2 * LOANS);
            gw_session_sent(client, left, pair.now);
        }
        for (int i = 0; i < LOANS && _i != SENT_ALL; i++)
            ck_assert_int_eq(returned[i],
                             (size_t)(i + 1) * (GW_FRAME_HEADER + sizeof lent[0]) <= left);
        end_somehow((enum ending)_i);
        pair_close(&pair);
        for (int i = 0; i < LOANS; i++)
            ck_assert_msg(returned[i] == 1,
                          "ending %d, %zu bytes had left: loan %d came back %d "
                          "times",
                          _i, left, i, returned[i]);
    }
}
END_TEST

/* A send that fails lends nothing. */
START_TEST(refused_loans_stay)
{
    int returned = 0;
    get_to(HELLO_CAME);
    struct gw_frame frame = { .type = 30 };
    ck_assert_int_eq(gw_session_send_borrowed(pair.client.session, &frame, "x", 1, count_return,
                                              &returned, pair.now),
                     GW_ESTATE);
    pair_close(&pair);
    ck_assert_int_eq(returned, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *t = tcase_create("honest");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, handshake_in_any_cuts, 0, CUTS);
    tcase_add_test(t, any_job);
    tcase_add_test(t, another_job);
    tcase_add_test(t, frames_in_random_cuts);
    tcase_add_test(t, calls_out_of_turn);
    tcase_add_test(t, terms_too_long);
    tcase_add_test(t, long_ready);
    tcase_add_loop_test(t, refused_at_every_stage, 0, STAGES);
    tcase_add_loop_test(t, bye_at_every_stage, 0, STAGES);
    tcase_add_test(t, words_of_a_refusal);
    tcase_add_test(t, no_words);
    tcase_add_loop_test(t, cut_at_every_stage, 0, STAGES);
    tcase_add_test(t, what_is_queued_at_the_end);
    tcase_add_loop_test(t, loans_come_back_once, 0, ENDINGS);
    tcase_add_test(t, refused_loans_stay);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
