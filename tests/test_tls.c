/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* TLS in memory: who has the key is let in, all others fail in the same way, and no plain byte
 * comes out that was not put in, whatever becomes of the cipher bytes on their way. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "session/tls.h"
#include "tests/next_random.h"

#define KEY0 "00112233445566778899aabbccddeeff00112233445566778899aabbccddee00"
#define KEY1 "00112233445566778899aabbccddeeff00112233445566778899aabbccddee01"
#define KEY9 "00112233445566778899aabbccddeeff00112233445566778899aabbccddee99"

static const char server_file[] = "job j\nworker 0 " KEY0 "\nworker 1 " KEY1 "\n";

static uint64_t seed = 1;

static size_t draw(size_t below)
{
    return (size_t)(next_random(&seed) % below);
}

/* ---- two ends -------------------------------------------------------------------------------- */

struct end {
    struct gw_keys *keys;
    struct gw_tls_context *context;
    struct gw_tls *tls;
    struct gw_error error;
    uint8_t plain[(1 << 16) + 1]; /* that came */
    size_t bytes;
    size_t sent; /* cipher bytes */
};

static void open_end(struct end *end, const char *file, bool serves, uint32_t worker)
{
    struct gw_error error = { 0 };
    memset(end, 0, sizeof *end);
    ck_assert_msg(gw_keys_parse(&end->keys, file, strlen(file), &error) == GW_OK, "%s", error.text);
    ck_assert_msg(gw_tls_context_open(&end->context, end->keys, serves, worker, &error) == GW_OK,
                  "%s", error.text);
    end->tls = gw_tls_open(end->context);
    ck_assert_ptr_nonnull(end->tls);
}

/* The next connection of the same ends. */
static void renew(struct end *end)
{
    gw_tls_close(end->tls);
    end->tls = gw_tls_open(end->context);
    ck_assert_ptr_nonnull(end->tls);
    end->error.status = GW_OK;
    end->bytes = end->sent = 0;
}

static void close_end(struct end *end)
{
    gw_tls_close(end->tls);
    gw_tls_context_close(end->context);
    gw_keys_close(end->keys);
}

static void take_plain(struct end *end)
{
    size_t n = 1;
    while (!end->error.status && n > 0) {
        (void)gw_tls_read(end->tls, end->plain + end->bytes, sizeof end->plain - end->bytes, &n,
                          &end->error);
        end->bytes += n;
    }
}

static void feed(struct end *to, const uint8_t *cipher, size_t bytes)
{
    if (!to->error.status)
        (void)gw_tls_feed(to->tls, cipher, bytes, &to->error);
    take_plain(to);
}

/* What may happen on the way: bit `flip` of the stream is turned (-1: none), no more than `cut`
 * bytes arrive. */
struct way {
    long flip;
    size_t cut;
};

static const struct way clean = { -1, SIZE_MAX };

/* Move what one end has to the other, in pieces of up to `most`. True: there was some. */
static bool move(struct end *from, struct end *to, struct way way, size_t most)
{
    uint8_t piece[4096];
    size_t n = gw_tls_output(from->tls, piece, 1 + draw(most < sizeof piece ? most : sizeof piece));
    if (n == 0)
        return false;
    if (way.flip >= 0 && (size_t)way.flip / 8 >= from->sent &&
        (size_t)way.flip / 8 < from->sent + n)
        piece[(size_t)way.flip / 8 - from->sent] ^= (uint8_t)(1 << way.flip % 8);
    size_t arrive = from->sent >= way.cut ? 0 : gw_min_size(n, way.cut - from->sent);
    from->sent += n;
    if (arrive > 0)
        feed(to, piece, arrive);
    return true;
}

static void pump(struct end *client, struct end *server, struct way up, struct way down,
                 size_t most)
{
    while (move(client, server, up, most) | move(server, client, down, most))
        continue;
}

static void say(struct end *end, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;
    gw_status s = gw_tls_write(end->tls, bytes, count, &taken, NULL);
    ck_assert_int_eq(s, GW_OK);
    ck_assert_uint_eq(taken, count);
}

static struct end client, server;

static void set_up(void)
{
    seed = 1;
    open_end(&server, server_file, true, 0);
    open_end(&client, "job j\nworker 1 " KEY1 "\n", false, 1);
}

static void tear_down(void)
{
    close_end(&client);
    close_end(&server);
}

/* ---- who has the key ------------------------------------------------------------------------- */

START_TEST(data_both_ways_in_any_cuts)
{
    static uint8_t bytes[2][1 << 16];
    for (size_t i = 0; i < sizeof bytes; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)draw(256);
    for (int round = 0; round < 30; round++) {
        struct end *ends[2] = { &client, &server };
        size_t done[2] = { 0, 0 };
        uint64_t first = seed;
        renew(&client);
        renew(&server);
        size_t early = 1;
        ck_assert_int_eq(gw_tls_write(client.tls, bytes, 5, &early, NULL), GW_OK);
        ck_assert_uint_eq(early, 0); /* nothing before the handshake */
        pump(&client, &server, clean, clean, 1 + draw(600));
        ck_assert_msg(gw_tls_is_ready(client.tls) && gw_tls_is_ready(server.tls), "seed %lu: %s %s",
                      (unsigned long)first, client.error.text, server.error.text);
        ck_assert_uint_eq(gw_tls_worker(server.tls), 1);
        while (done[0] + done[1] < sizeof bytes) {
            int e = (int)draw(2);
            size_t taken = 0, want = gw_min_size(draw(40000), sizeof bytes[0] - done[e]);
            ck_assert_int_eq(gw_tls_write(ends[e]->tls, bytes[e] + done[e], want, &taken, NULL),
                             GW_OK);
            done[e] += taken;
            pump(&client, &server, clean, clean, 4096);
        }
        ck_assert_uint_eq(server.bytes, sizeof bytes[0]);
        ck_assert_uint_eq(client.bytes, sizeof bytes[1]);
        ck_assert(memcmp(server.plain, bytes[0], sizeof bytes[0]) == 0);
        ck_assert(memcmp(client.plain, bytes[1], sizeof bytes[1]) == 0);
        ck_assert(!gw_tls_has_ended(server.tls) && !gw_tls_has_ended(client.tls));
        gw_tls_end(client.tls);
        pump(&client, &server, clean, clean, 4096);
        ck_assert(gw_tls_has_ended(server.tls) && !gw_tls_has_ended(client.tls));
    }
}
END_TEST

/* The key of the records changes on the way, in both directions. */
START_TEST(many_records)
{
    enum { RECORDS = 3 << 16 };
    pump(&client, &server, clean, clean, 4096);
    for (unsigned i = 0; i < RECORDS; i++) {
        struct end *from = i % 3 ? &client : &server, *to = i % 3 ? &server : &client;
        uint8_t byte = (uint8_t)(i * 7), wire[256];
        to->bytes = 0;
        say(from, &byte, 1);
        size_t n = gw_tls_output(from->tls, wire, sizeof wire);
        feed(to, wire, n);
        ck_assert_msg(to->bytes == 1 && to->plain[0] == byte, "record %u: %s", i, to->error.text);
    }
}
END_TEST

/* ---- who has not ----------------------------------------------------------------------------- */

struct stranger {
    const char *what, *file;
    uint32_t worker;
};

static const struct stranger strangers[] = {
    { "a wrong key", "job j\nworker 1 " KEY9 "\n", 1 },
    { "the key of another worker", "job j\nworker 1 " KEY0 "\n", 1 },
    { "an unknown worker with a known key", "job j\nworker 7 " KEY1 "\n", 7 },
    { "an unknown worker", "job j\nworker 7 " KEY9 "\n", 7 },
    { "another job", "job k\nworker 1 " KEY1 "\n", 1 },
};

START_TEST(strangers_fail_alike)
{
    size_t sent = 0;
    char words[GW_ERROR_TEXT] = "";
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        const struct stranger *s = &strangers[i];
        static struct end stranger;
        open_end(&stranger, s->file, false, s->worker);
        renew(&server);
        pump(&stranger, &server, clean, clean, 4096);
        ck_assert_msg(!gw_tls_is_ready(server.tls) && !gw_tls_is_ready(stranger.tls), "%s",
                      s->what);
        ck_assert_int_eq(server.error.status, GW_ETRANSPORT);
        ck_assert_int_eq(stranger.error.status, GW_ETRANSPORT);
        if (i == 0) {
            sent = server.sent;
            snprintf(words, sizeof words, "%s", stranger.error.text);
        }
        /* Neither what is sent nor how long it is tells one from the other. */
        ck_assert_msg(server.sent == sent && strcmp(stranger.error.text, words) == 0,
                      "%s: %zu bytes \"%s\", not %zu bytes \"%s\"", s->what, server.sent,
                      stranger.error.text, sent, words);
        /* And it stays so. */
        ck_assert_int_eq(gw_tls_feed(server.tls, "x", 1, NULL), GW_ETRANSPORT);
        size_t n = 1;
        ck_assert_int_eq(gw_tls_write(server.tls, "x", 1, &n, NULL), GW_ETRANSPORT);
        ck_assert_uint_eq(n, 0);
        close_end(&stranger);
    }
}
END_TEST

START_TEST(no_key_no_context)
{
    struct gw_tls_context *context = NULL;
    struct gw_error error = { 0 };
    ck_assert_int_eq(gw_tls_context_open(&context, client.keys, false, 0, &error), GW_EINVAL);
    ck_assert_msg(strstr(error.text, "worker 0") != NULL, "%s", error.text);
    ck_assert_ptr_null(context);
    gw_tls_context_close(NULL);
    gw_tls_close(NULL);
}
END_TEST

START_TEST(reflection)
{
    uint8_t wire[4096];
    size_t n = gw_tls_output(client.tls, wire, sizeof wire);
    feed(&client, wire, n); /* its own hello */
    ck_assert_int_eq(client.error.status, GW_ETRANSPORT);
    for (int i = 0; i < 2; i++) {
        struct end *end = i ? &client : &server;
        renew(&client);
        renew(&server);
        pump(&client, &server, clean, clean, 4096);
        say(end, (const uint8_t *)"its own words", 13);
        n = gw_tls_output(end->tls, wire, sizeof wire);
        feed(end, wire, n);
        ck_assert_int_eq(end->error.status, GW_ETRANSPORT);
        ck_assert_uint_eq(end->bytes, 0);
    }
}
END_TEST

/* A record is good once. */
START_TEST(replay)
{
    uint8_t wire[4096];
    pump(&client, &server, clean, clean, 4096);
    say(&client, (const uint8_t *)"push", 4);
    size_t n = gw_tls_output(client.tls, wire, sizeof wire);
    feed(&server, wire, n);
    ck_assert_uint_eq(server.bytes, 4);
    feed(&server, wire, n);
    ck_assert_int_eq(server.error.status, GW_ETRANSPORT);
    ck_assert_uint_eq(server.bytes, 4);
}
END_TEST

/* ---- what happens on the way ----------------------------------------------------------------- */

enum { SAID = 96 };

static uint8_t said[2][SAID];

/* One session with a few bytes both ways. */
static void short_session(struct way up, struct way down)
{
    renew(&client);
    renew(&server);
    pump(&client, &server, up, down, 4096);
    if (gw_tls_is_ready(client.tls) && !client.error.status)
        say(&client, said[0], SAID);
    if (gw_tls_is_ready(server.tls) && !server.error.status)
        say(&server, said[1], SAID);
    pump(&client, &server, up, down, 4096);
}

static bool came_as_said(const struct end *end, const uint8_t *bytes)
{
    return end->bytes <= SAID && memcmp(end->plain, bytes, end->bytes) == 0;
}

static void measure(size_t lengths[2])
{
    for (size_t i = 0; i < sizeof said; i++)
        ((uint8_t *)said)[i] = (uint8_t)draw(256);
    short_session(clean, clean);
    ck_assert_uint_eq(server.bytes, SAID);
    ck_assert_uint_eq(client.bytes, SAID);
    lengths[0] = client.sent;
    lengths[1] = server.sent;
}

/* Bits of the data and of all that is proved cannot be turned unseen. Some of the hellos' frames
 * can, without effect (the version in a record's header). */
START_TEST(every_bit)
{
    size_t lengths[2], unseen = 0;
    measure(lengths);
    for (int side = 0; side < 2; side++)
        for (long bit = 0; bit < (long)lengths[side] * 8; bit++) {
            struct way turned = { bit, SIZE_MAX };
            short_session(side ? clean : turned, side ? turned : clean);
            ck_assert_msg(came_as_said(&server, said[0]) && came_as_said(&client, said[1]),
                          "bit %ld of side %d: other bytes came out", bit, side);
            const struct end *to = side ? &client : &server;
            bool whole = to->bytes == SAID && !to->error.status;
            unseen += whole;
            ck_assert_msg(!whole || bit / 8 < (long)lengths[side] - SAID - 22,
                          "bit %ld of side %d: not seen", bit, side);
        }
    ck_assert_uint_le(unseen, 100);
}
END_TEST

START_TEST(every_cut)
{
    size_t lengths[2];
    measure(lengths);
    for (int side = 0; side < 2; side++)
        for (size_t cut = 0; cut < lengths[side]; cut++) {
            struct way shortened = { -1, cut };
            short_session(side ? clean : shortened, side ? shortened : clean);
            const struct end *to = side ? &client : &server;
            ck_assert(came_as_said(&server, said[0]) && came_as_said(&client, said[1]));
            ck_assert_msg(to->bytes == 0, "cut at %zu of %zu", cut, lengths[side]);
            ck_assert(!gw_tls_has_ended(to->tls));
        }
}
END_TEST

START_TEST(garbage)
{
    static uint8_t noise[5000];
    for (int i = 0; i < 2000; i++) {
        struct end *end = i % 2 ? &client : &server;
        renew(end);
        size_t n = draw(sizeof noise);
        for (size_t j = 0; j < n; j++)
            noise[j] = (uint8_t)draw(256);
        if (i % 4 < 2 && n > 5)
            memcpy(noise, "\x16\x03\x01\x02\x00", 5); /* the beginning of a hello */
        feed(end, noise, n);
        ck_assert(!gw_tls_is_ready(end->tls));
        ck_assert_uint_eq(end->bytes, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    TCase *t = tcase_create("tls");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, data_both_ways_in_any_cuts);
    tcase_add_test(t, many_records);
    tcase_add_test(t, strangers_fail_alike);
    tcase_add_test(t, no_key_no_context);
    tcase_add_test(t, reflection);
    tcase_add_test(t, replay);
    tcase_add_test(t, every_bit);
    tcase_add_test(t, every_cut);
    tcase_add_test(t, garbage);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
