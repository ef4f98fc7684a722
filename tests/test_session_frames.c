/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Sessions that are sent frames of every kind and order, with right checks: what is not due now,
 * not of this session, or not of a length that it can have closes the session with words on both
 * sides. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "tests/session_pair.h"

static struct end victim;
static const int64_t now = PAIR_SECOND;

static void open_victim(bool serves)
{
    struct gw_session_setup setup = pair_setup(serves, &victim);
    end_open(&victim, &setup, now);
}

static void feed_victim(const uint8_t *bytes, size_t count)
{
    end_feed(&victim, bytes, count, 0, NULL, now);
}

/* ---- strangers ------------------------------------------------------------------------------- */

START_TEST(strangers_get_no_answer)
{
    static const uint8_t magic[4] = { 0x9d, 0x47, 0x57, 0x1a };
    for (size_t good = 0; good < 4; good++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint8_t bytes[4];
            if (byte == magic[good])
                continue;
            memcpy(bytes, magic, good);
            bytes[good] = (uint8_t)byte;
            open_victim(true);
            feed_victim(bytes, good);
            ck_assert(!gw_session_is_closed(victim.session));
            feed_victim(bytes + good, 1);
            expect_closed(&victim, GW_EPAYLOAD, "9d 47 57 1a");
            ck_assert_uint_eq(gw_session_queued(victim.session), 0);
            feed_victim(magic, 4); /* all is taken, nothing is told */
            ck_assert_int_eq(victim.count, 1);
            end_close(&victim);
        }
    }
}
END_TEST

/* ---- frames that were made up, with right checks --------------------------------------------- */

static uint8_t wire[1 << 18];

static struct gw_frame ours(uint8_t type)
{
    return (struct gw_frame){
        .type = type, .job = PAIR_JOB, .worker = PAIR_WORKER, .epoch = PAIR_EPOCH
    };
}

static void feed_frame(struct gw_frame frame, const void *payload, size_t bytes)
{
    feed_victim(wire, raw_frame(wire, &frame, payload, bytes));
}

static void feed_hello(unsigned oldest, unsigned newest)
{
    uint8_t payload[16] = { 0 };
    struct gw_frame frame = ours(GW_FRAME_HELLO);
    frame.epoch = 0;
    gw_put_u16(payload, (uint16_t)oldest);
    gw_put_u16(payload + 2, (uint16_t)newest);
    feed_frame(frame, payload, sizeof payload);
}

static void feed_welcome(unsigned version)
{
    uint8_t payload[8] = { (uint8_t)version, (uint8_t)(version >> 8) };
    feed_frame(ours(GW_FRAME_WELCOME), payload, sizeof payload);
}

/* A victim that is ready. */
static void make_ready(bool serves)
{
    open_victim(serves);
    if (serves) {
        feed_hello(1, 1);
        feed_frame(ours(GW_FRAME_TERMS), "", 0);
    } else {
        feed_welcome(1);
        feed_frame(ours(GW_FRAME_READY), "", 0);
    }
    ck_assert(gw_session_is_ready(victim.session));
    victim.count = 0;
}

/* It was closed with these words, and its last frame tells the peer the same. */
static void expect_refused(gw_status status, const char *words)
{
    expect_closed(&victim, status, words);
    ck_assert_int_eq(victim.count, 1);
    end_say(&victim, NULL, now);
    size_t bytes = GW_FRAME_HEADER + 4 + strlen(victim.end.text);
    ck_assert_uint_ge(victim.said_bytes, bytes);
    const uint8_t *last = victim.said + victim.said_bytes - bytes;
    struct gw_frame frame;
    ck_assert_int_eq(gw_frame_read(&frame, last, NULL), GW_OK);
    ck_assert_uint_eq(frame.type, GW_FRAME_REFUSE);
    ck_assert_int_eq((int32_t)gw_get_u32(last + GW_FRAME_HEADER), status);
    ck_assert(memcmp(last + GW_FRAME_HEADER + 4, victim.end.text, frame.length - 4) == 0);
    end_close(&victim);
}

START_TEST(version_ranges)
{
    static const struct {
        unsigned oldest, newest;
        gw_status status;
        const char *words;
    } ranges[] = {
        { 1, 1, GW_OK, NULL },
        { 0, 1, GW_OK, NULL },
        { 1, 65535, GW_OK, NULL },
        { 0, 0, GW_EMISMATCH, "versions 0 to 0, the server 1 to 1" },
        { 2, 9, GW_EMISMATCH, "versions 2 to 9, the server 1 to 1" },
        { 2, 1, GW_EPAYLOAD, "versions 2 to 1" },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        open_victim(true);
        victim.answers = false;
        feed_hello(ranges[i].oldest, ranges[i].newest);
        if (ranges[i].status) {
            expect_refused(ranges[i].status, ranges[i].words);
            continue;
        }
        ck_assert_int_eq(end_count(&victim, GW_EVENT_HELLO), 1);
        ck_assert_int_eq(gw_session_welcome(victim.session, 1, now), GW_OK);
        end_say(&victim, NULL, now);
        ck_assert_uint_eq(gw_get_u16(victim.said + GW_FRAME_HEADER), 1);
        end_close(&victim);
    }
    /* A header that is good, of a version to come: it is told why. */
    struct gw_frame frame = ours(GW_FRAME_HELLO);
    frame.version = 9;
    open_victim(true);
    feed_frame(frame, NULL, 0);
    expect_refused(GW_EMISMATCH, "protocol version 9, this library speaks 1 to 1");
}
END_TEST

START_TEST(wrong_hellos)
{
    uint8_t payload[32] = { 1, 0, 1, 0 };
    struct gw_frame frame = ours(GW_FRAME_HELLO);
    for (size_t bytes = 0; bytes < sizeof payload; bytes++) {
        frame.epoch = 0;
        open_victim(true);
        feed_frame(frame, payload, bytes);
        if (bytes == 16)
            end_close(&victim);
        else
            expect_refused(GW_EPAYLOAD, "it may have 16 to 16");
    }
    for (size_t at = 5; at < 8; at++) {
        payload[at] = 1;
        open_victim(true);
        feed_frame(frame, payload, 16);
        expect_refused(GW_EPAYLOAD, "behind its role");
        payload[at] = 0;
    }
    frame.epoch = 1;
    open_victim(true);
    feed_frame(frame, payload, 16);
    expect_refused(GW_EMISMATCH, "HELLO of epoch 1 came in a session of epoch 0");
}
END_TEST

START_TEST(wrong_welcomes)
{
    static const unsigned versions[] = { 0, 2, 65535 };
    for (size_t i = 0; i < 3; i++) {
        open_victim(false);
        feed_welcome(versions[i]);
        expect_refused(GW_EMISMATCH, "this client speaks 1 to 1");
    }
    uint8_t payload[9] = { 1 };
    for (size_t at = 2; at < 8; at++) {
        payload[at] = 0x80;
        open_victim(false);
        feed_frame(ours(GW_FRAME_WELCOME), payload, 8);
        expect_refused(GW_EPAYLOAD, "other bytes than 0");
        payload[at] = 0;
    }
    open_victim(false);
    feed_frame(ours(GW_FRAME_WELCOME), payload, 9);
    expect_refused(GW_EPAYLOAD, "it may have 8 to 8");
    struct gw_frame frame = ours(GW_FRAME_WELCOME);
    frame.worker++;
    open_victim(false);
    feed_frame(frame, payload, 8);
    expect_refused(GW_EMISMATCH, "worker 4 came in a session of worker 3");
    frame = ours(GW_FRAME_WELCOME);
    frame.job++;
    open_victim(false);
    feed_frame(frame, payload, 8);
    expect_refused(GW_EMISMATCH, "of job 0000006d6e697375 came");
}
END_TEST

/* Who was declared dead and speaks again does so under an old epoch. */
START_TEST(frames_of_others)
{
    for (int what = 0; what < 6; what++) {
        static const uint8_t types[] = { GW_FRAME_BEAT, GW_FRAME_FIRST_USE };
        struct gw_frame frame = ours(types[what % 2]);
        make_ready(_i);
        if (what / 2 == 0)
            frame.epoch--;
        else if (what / 2 == 1)
            frame.worker++;
        else
            frame.job ^= (uint64_t)1 << 63;
        feed_frame(frame, NULL, 0);
        expect_refused(GW_EMISMATCH, what / 2 == 0   ? "of epoch 6 came in a session of epoch 7"
                                     : what / 2 == 1 ? "of worker 4 came in a session of worker 3"
                                                     : "of job 8000006d6e697374 came");
    }
}
END_TEST

START_TEST(unknown_and_misplaced_types)
{
    for (unsigned type = 0; type < GW_FRAME_FIRST_USE; type++) {
        make_ready(_i);
        feed_frame(ours((uint8_t)type), NULL, 0);
        if (type == GW_FRAME_BEAT)
            end_close(&victim);
        else if (type == GW_FRAME_BYE) {
            expect_closed(&victim, GW_OK, NULL);
            end_close(&victim);
        } else if (type == GW_FRAME_REFUSE)
            expect_refused(GW_EPAYLOAD, "REFUSE has 0 bytes");
        else
            expect_refused(GW_EPAYLOAD, type == 0 || type > GW_FRAME_BYE
                                            ? "of the unknown type"
                                            : "where the handshake is over");
    }
}
END_TEST

START_TEST(control_frames_are_exact)
{
    static const struct {
        uint8_t type;
        size_t bytes;
    } wrong[] = { { GW_FRAME_BEAT, 256 },  { GW_FRAME_BYE, 1 },      { GW_FRAME_REFUSE, 0 },
                  { GW_FRAME_REFUSE, 3 },  { GW_FRAME_REFUSE, 605 }, { GW_FRAME_BEAT, 100000 },
                  { GW_FRAME_BYE, 100000 } };
    static uint8_t payload[100000];
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        make_ready(_i);
        feed_frame(ours(wrong[k].type), payload, wrong[k].bytes);
        expect_refused(GW_EPAYLOAD, "it may have");
    }
    for (int field = 0; field < 4; field++) {
        struct gw_frame frame = ours(GW_FRAME_BEAT);
        frame.flags = field == 0;
        frame.sequence = field == 1;
        frame.tensor = field == 2;
        frame.spec = field == 3;
        make_ready(_i);
        feed_frame(frame, NULL, 0);
        expect_refused(GW_EPAYLOAD, "have to be 0");
    }
}
END_TEST

static gw_status refuse_oddly(void *user, const struct gw_frame *frame, uint8_t **room,
                              struct gw_error *error)
{
    (void)user, (void)frame, (void)error;
    *room = wire;
    return (gw_status)1;
}

/* A room above that takes nothing, or whose status is none. */
START_TEST(odd_rooms_above)
{
    struct gw_session_setup setup = pair_setup(true, &victim);
    setup.rules.admit = _i ? refuse_oddly : NULL;
    end_open(&victim, &setup, now);
    feed_hello(1, 1);
    feed_frame(ours(GW_FRAME_TERMS), "", 0);
    victim.count = 0;
    feed_frame(ours(GW_FRAME_FIRST_USE), "x", 1);
    expect_refused(_i ? GW_EPEER : GW_ENOTSUP, _i ? "was not admitted" : "where none is taken");
}
END_TEST

/* The header alone decides: nobody waits for a payload that is too long. */
START_TEST(lengths_at_the_edge)
{
    static const uint32_t lengths[] = { PAIR_ROOM, PAIR_ROOM + 1, 0x7fffffff, 0x80000000u,
                                        0xffffffffu };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct gw_frame frame = ours(GW_FRAME_FIRST_USE);
        frame.version = 1;
        frame.length = lengths[i];
        make_ready(_i);
        gw_frame_write(wire, &frame);
        feed_victim(wire, GW_FRAME_HEADER);
        if (i > 0) {
            ck_assert_int_eq(victim.admitted, 0);
            expect_refused(GW_ECAPACITY, "131072 are admitted");
            continue;
        }
        ck_assert_int_eq(victim.admitted, 1);
        ck_assert(!gw_session_is_closed(victim.session));
        end_close(&victim);
    }
}
END_TEST

/* ---- every order of frames ------------------------------------------------------------------- */

enum { FIRST, SECOND, USE, BEAT, MOVES };

static void feed_move(bool serves, unsigned move)
{
    if (move == FIRST && serves)
        feed_hello(1, 1);
    else if (move == FIRST)
        feed_welcome(1);
    else if (move == SECOND)
        feed_frame(ours(serves ? GW_FRAME_TERMS : GW_FRAME_READY), "x", 1);
    else
        feed_frame(ours(move == USE ? GW_FRAME_FIRST_USE : GW_FRAME_BEAT), "y", 1);
}

/* A state: how much of the handshake has come; -1: closed. */
static int model(int state, unsigned move)
{
    if (state < 0 || (state == 0 && move != FIRST) || (state > 0 && move == FIRST) ||
        (state == 2 && move == SECOND) || (state < 2 && move == USE))
        return -1;
    return move < USE ? state + 1 : state;
}

START_TEST(every_order)
{
    for (unsigned order = 0; order < 4 * 4 * 4 * 4 * 4; order++) {
        int state = 0, told = 0;
        open_victim(_i);
        for (unsigned i = 0; i < 5; i++) {
            unsigned move = order >> 2 * i & 3;
            state = model(state, move);
            told += state >= 0 && move >= USE;
            feed_move(_i, move);
            ck_assert_msg(gw_session_is_closed(victim.session) == (state < 0) &&
                              gw_session_is_ready(victim.session) == (state == 2),
                          "order %u, frame %u: expected state %d; \"%s\"", order, i, state,
                          victim.end.text);
        }
        ck_assert_int_eq(end_count(&victim, GW_EVENT_FRAME) + end_count(&victim, GW_EVENT_BEAT),
                         told);
        end_close(&victim);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_frames");
    TCase *t = tcase_create("frames");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, strangers_get_no_answer);
    tcase_add_test(t, version_ranges);
    tcase_add_test(t, wrong_hellos);
    tcase_add_test(t, wrong_welcomes);
    tcase_add_loop_test(t, frames_of_others, 0, 2);
    tcase_add_loop_test(t, unknown_and_misplaced_types, 0, 2);
    tcase_add_loop_test(t, control_frames_are_exact, 0, 2);
    tcase_add_loop_test(t, odd_rooms_above, 0, 2);
    tcase_add_loop_test(t, lengths_at_the_edge, 0, 2);
    tcase_add_loop_test(t, every_order, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
