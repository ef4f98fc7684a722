/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Streams over real sockets, both ends in one loop: what is said comes over, all of it and in
 * order, over Unix sockets and TCP, plain and with TLS; and each way to end is told, once. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_room.h"

static struct room room;

static struct side *join(uint32_t worker)
{
    struct side *client = room_connect(&room, worker, "terms");
    room_run(&room, &client->readies, 1);
    struct side *server = room_served(&room);
    room_run(&room, &server->readies, 1);
    return client;
}

/* ---- data ------------------------------------------------------------------------------------ */

enum { BIG = 4 << 20, BIGS = 25, SMALLS = 30000, SMALL = 40, BURST = 500 };

static uint8_t *big;

static void given_back(void *user)
{
    ((struct side *)user)->given_back++;
}

/* What has been sent counts in `data`. */
static void send_bigs(struct side *side)
{
    struct gw_session *session = gw_stream_session(side->stream);
    intptr_t sent = (intptr_t)side->data;
    while (sent < BIGS && gw_session_queued(session) < 2 * BIG) {
        struct gw_frame frame = { .type = ROOM_FRAME, .sequence = (uint64_t)sent };
        ck_assert_int_eq(
            gw_session_send_borrowed(session, &frame, big, BIG, given_back, side, room_now(&room)),
            GW_OK);
        sent++;
    }
    side->data = (void *)sent;
    gw_stream_flush(side->stream);
}

static void send_smalls(struct side *side)
{
    struct gw_session *session = gw_stream_session(side->stream);
    intptr_t sent = (intptr_t)side->data;
    for (int i = 0; i < BURST && sent < SMALLS; i++, sent++) {
        struct gw_blob *blob = gw_blob_copy(big, SMALL);
        struct gw_frame frame = { .type = ROOM_FRAME, .sequence = (uint64_t)sent };
        ck_assert_int_eq(gw_session_send(session, &frame, blob, room_now(&room)), GW_OK);
        gw_blob_drop(blob);
    }
    side->data = (void *)sent;
    gw_stream_flush(side->stream);
}

static void check_frame(struct side *side, struct gw_event *event)
{
    if (event->kind != GW_EVENT_FRAME)
        return;
    size_t wanted = side->serves ? BIG : SMALL;
    ck_assert_uint_eq(event->frame.sequence, (unsigned)side->frames - 1);
    ck_assert_uint_eq(event->frame.length, wanted);
    ck_assert(memcmp(event->payload, big, wanted) == 0);
}

START_TEST(much_both_ways)
{
    big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 2654435761u >> 13);
    room_open(&room, (enum room_kind)_i);
    room_listen(&room);
    struct side *client = join(1), *server = room_served(&room);
    ck_assert_uint_eq(gw_session_peer(gw_stream_session(client->stream))->epoch, 5);
    client->also = server->also = check_frame;
    client->when_drained = send_bigs;
    server->when_drained = send_smalls;
    send_bigs(client);
    send_smalls(server);
    room_run(&room, &server->frames, BIGS);
    room_run(&room, &client->frames, SMALLS);
    room_run(&room, &client->given_back, BIGS);
    ck_assert_int_eq(client->given_back, BIGS);
    ck_assert_uint_eq(server->bytes, (uint64_t)BIG * BIGS);
    /* The orderly end. */
    client->when_drained = NULL;
    gw_session_bye(gw_stream_session(client->stream), room_now(&room));
    gw_stream_flush(client->stream);
    room_run(&room, &client->gone, 1);
    room_run(&room, &server->gone, 1);
    ck_assert_int_eq(client->end.status, GW_OK);
    ck_assert_int_eq(server->end.status, GW_OK);
    room_close(&room);
    free(big);
}
END_TEST

/* A server that does not read holds the client back, and neither takes the other for dead. */
START_TEST(paused)
{
    big = calloc(1, BIG);
    room_open(&room, _i ? TCP_TLS : UNIX_PLAIN);
    room.setup.times = (struct gw_session_times){ .beat_ns = 50000000, .dead_ns = 1000000000 };
    room_listen(&room);
    struct side *client = join(1), *server = room_served(&room);
    client->when_drained = send_bigs;
    gw_stream_pause(server->stream, true);
    send_bigs(client);
    room_run_ms(&room, 100);
    int before = server->frames;
    room_run_ms(&room, 1300);
    ck_assert_msg(server->closed == 0 && client->closed == 0, "%s %s", server->end.text,
                  client->end.text);
    ck_assert_int_eq(server->frames, before);
    ck_assert_int_lt(client->given_back, BIGS);
    ck_assert_int_gt(client->beats, 2);
    gw_stream_pause(server->stream, false);
    room_run(&room, &server->frames, BIGS);
    room_close(&room);
    free(big);
}
END_TEST

/* ---- no -------------------------------------------------------------------------------------- */

START_TEST(refusals)
{
    room_open(&room, (enum room_kind)_i);
    room_listen(&room);
    if (!room.serving) {
        struct side *thirteen = room_connect(&room, 13, "terms");
        room_run(&room, &thirteen->gone, 1);
        ck_assert_int_eq(thirteen->end.status, GW_ENOTSUP);
        ck_assert_str_eq(thirteen->end.text, "thirteen is not wanted here");
    }
    struct side *other = room_connect(&room, 1, "wrong");
    room_run(&room, &other->gone, 1);
    ck_assert_int_eq(other->end.status, GW_EMISMATCH);
    ck_assert_str_eq(other->end.text, "these are not our terms");
    struct side *server = room_served(&room);
    room_run(&room, &server->gone, 1);
    ck_assert_int_eq(server->readies, 0);
    /* In the middle of what it sends. */
    big = calloc(1, BIG);
    struct side *client = join(1);
    client->when_drained = send_bigs;
    send_bigs(client);
    server = room_served(&room);
    gw_session_refuse(gw_stream_session(server->stream), GW_ESTATE, "enough", room_now(&room));
    gw_stream_flush(server->stream);
    room_run(&room, &client->gone, 1);
    ck_assert_msg(client->end.status == GW_ESTATE && strcmp(client->end.text, "enough") == 0, "%s",
                  client->end.text);
    ck_assert_int_eq((int)(intptr_t)client->data, client->given_back);
    free(big);
    room_close(&room);
}
END_TEST

/* The HELLO names another worker than the key does. */
START_TEST(impostor)
{
    room_open(&room, TCP_TLS);
    room_listen(&room);
    struct side *client = room_connect(&room, 2, "terms");
    room_run(&room, &client->gone, 1);
    ck_assert_int_eq(client->end.status, GW_EMISMATCH);
    ck_assert_msg(strstr(client->end.text, "worker 2 came with the key of worker 1") != NULL, "%s",
                  client->end.text);
    ck_assert_int_eq(room_served(&room)->hellos, 0);
    room_close(&room);
}
END_TEST

START_TEST(wrong_key)
{
    static const char file[] =
        "job j\nworker 1 ff112233445566778899aabbccddeeff00112233445566778899aabbccddee01\n";
    struct gw_keys *keys = NULL;
    struct gw_tls_context *right, *wrong = NULL;
    room_open(&room, TCP_TLS);
    room_listen(&room);
    ck_assert_int_eq(gw_keys_parse(&keys, file, sizeof file - 1, NULL), GW_OK);
    ck_assert_int_eq(gw_tls_context_open(&wrong, keys, false, 1, NULL), GW_OK);
    right = room.asking;
    room.asking = wrong;
    struct side *client = room_connect(&room, 1, "terms");
    room_run(&room, &client->gone, 1);
    ck_assert_int_eq(client->end.status, GW_ETRANSPORT);
    ck_assert_msg(strstr(client->end.text, "is it the key") != NULL, "%s", client->end.text);
    struct side *server = room_served(&room);
    room_run(&room, &server->gone, 1);
    ck_assert_int_eq(server->end.status, GW_ETRANSPORT);
    /* Plain words to a server with TLS, and the other way round. */
    room.asking = NULL;
    struct side *plain = room_connect(&room, 1, "terms");
    room_run(&room, &plain->gone, 1);
    ck_assert_int_ne(plain->end.status, GW_OK);
    ck_assert_int_eq(plain->readies, 0);
    room.asking = right;
    gw_tls_context_close(wrong);
    gw_keys_close(keys);
    room_close(&room);
}
END_TEST

/* ---- gone ------------------------------------------------------------------------------------ */

START_TEST(peer_gone)
{
    room_open(&room, (enum room_kind)_i);
    room_listen(&room);
    struct side *client = join(1), *server = room_served(&room);
    gw_stream_drop(client->stream, false);
    room_run(&room, &server->gone, 1);
    ck_assert_int_eq(server->end.status, GW_ETRANSPORT);
    ck_assert_int_eq(client->closed, 0);
    ck_assert_int_eq(client->gone, 1);
    /* What was queued comes before the end, if asked. */
    client = join(1), server = room_served(&room);
    big = calloc(1, BIG);
    client->data = (void *)(intptr_t)(BIGS - 1); /* one more */
    send_bigs(client);
    gw_stream_drop(client->stream, true);
    room_run(&room, &server->gone, 1);
    ck_assert_int_eq(server->frames, 1);
    ck_assert_int_eq(client->given_back, 1);
    free(big);
    room_close(&room);
}
END_TEST

/* Connected, and then silent: at its deadline, with words that say what was awaited. */
START_TEST(frozen_peer)
{
    room_open(&room, (enum room_kind)_i);
    room.setup.times = (struct gw_session_times){ .handshake_ns = 100000000 };
    room_listen(&room);
    int fd = room_raw(&room), none = 0;
    while (!room_served(&room))
        room_run(&room, &none, 0), uv_run(&room.loop, UV_RUN_ONCE);
    struct side *server = room_served(&room);
    room_run(&room, &server->gone, 1);
    ck_assert_int_eq(server->end.status, GW_ETIMEOUT);
    close(fd);
    room_close(&room);
}
END_TEST

/* A machine that does not even refuse: a full backlog drops what asks for a connection. */
START_TEST(no_answer)
{
    enum { WAITING = 8 };
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t length = sizeof name;
    struct gw_address address;
    char text[64];
    int waiting[WAITING], full = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(full, (struct sockaddr *)&name, length), 0);
    ck_assert_int_eq(listen(full, 0), 0);
    ck_assert_int_eq(getsockname(full, (struct sockaddr *)&name, &length), 0);
    for (int i = 0; i < WAITING; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(waiting[i], (struct sockaddr *)&name, length);
    }
    room_open(&room, UNIX_PLAIN);
    room.setup.times = (struct gw_session_times){ .handshake_ns = 200000000 };
    snprintf(text, sizeof text, "tcp:127.0.0.1:%d", ntohs(name.sin_port));
    ck_assert_int_eq(gw_address_parse(&address, text, strlen(text), NULL), GW_OK);
    struct side *side = room_connect_to(&room, &address, 1, "");
    room_run(&room, &side->gone, 1);
    ck_assert_int_eq(side->end.status, GW_ETIMEOUT);
    ck_assert_msg(strstr(side->end.text, text) && strstr(side->end.text, "no answer within 0.2 s"),
                  "%s", side->end.text);
    room_close(&room);
    for (int i = 0; i < WAITING; i++)
        close(waiting[i]);
    close(full);
}
END_TEST

START_TEST(nowhere)
{
    static const char *const texts[] = { "tcp:127.0.0.1:1", "unix:/nowhere/at/all", "tcp:[::1]:1" };
    room_open(&room, UNIX_PLAIN);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct gw_address address;
        ck_assert_int_eq(gw_address_parse(&address, texts[i], strlen(texts[i]), NULL), GW_OK);
        struct side *side = room_connect_to(&room, &address, 1, "");
        ck_assert_ptr_null(gw_stream_session(side->stream));
        ck_assert_int_eq(side->closed, 0); /* not from within the call */
        room_run(&room, &side->gone, 1);
        ck_assert_int_eq(side->end.status, GW_ETRANSPORT);
        ck_assert_msg(strstr(side->end.text, texts[i]) != NULL, "%s", side->end.text);
    }
    room_close(&room);
}
END_TEST

/* Somebody accepts the connection, or at least the kernel does, and never says a word. */
START_TEST(nobody_answers)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_storage bound = { .ss_family = AF_INET };
    socklen_t bytes = sizeof bound;
    char text[64];
    ck_assert_int_eq(listen(fd, 5), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&bound, &bytes), 0);
    for (int kind = TCP_PLAIN; kind <= TCP_TLS; kind += TCP_TLS - TCP_PLAIN) {
        room_open(&room, (enum room_kind)kind);
        room.setup.times = (struct gw_session_times){ .handshake_ns = 50000000 };
        struct gw_address address;
        snprintf(text, sizeof text, "tcp:127.0.0.1:%u",
                 (unsigned)(((uint8_t *)&bound)[2] << 8 | ((uint8_t *)&bound)[3]));
        ck_assert_int_eq(gw_address_parse(&address, text, strlen(text), NULL), GW_OK);
        struct side *side = room_connect_to(&room, &address, 1, "");
        room_run(&room, &side->gone, 1);
        ck_assert_int_eq(side->end.status, GW_ETIMEOUT);
        if (kind == TCP_TLS)
            ck_assert_msg(strstr(side->end.text, "TLS did not stand") != NULL, "%s",
                          side->end.text);
        room_close(&room);
    }
    close(fd);
}
END_TEST

/* A name has several addresses; the listener is at one of them. */
START_TEST(names)
{
    struct gw_address address;
    char text[64];
    room_open(&room, TCP_PLAIN);
    room_listen(&room);
    snprintf(text, sizeof text, "tcp:localhost:%s", room.address.port);
    ck_assert_int_eq(gw_address_parse(&address, text, strlen(text), NULL), GW_OK);
    struct side *side = room_connect_to(&room, &address, 1, "terms");
    while (!side->readies && !side->closed)
        uv_run(&room.loop, UV_RUN_ONCE);
    /* A machine may lack the name. */
    ck_assert_msg(side->readies || strstr(side->end.text, "localhost"), "%s", side->end.text);
    /* One that is given up while it is looked up. */
    side = room_connect_to(&room, &address, 1, "terms");
    gw_stream_drop(side->stream, false);
    room_run(&room, &side->gone, 1);
    (void)room_connect_to(&room, &address, 1, "terms"); /* given up by the end of the net */
    room_close(&room);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *t = tcase_create("stream");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, much_both_ways, 0, ROOM_KINDS);
    tcase_add_loop_test(t, paused, 0, 2);
    tcase_add_loop_test(t, refusals, 0, ROOM_KINDS);
    tcase_add_test(t, impostor);
    tcase_add_test(t, wrong_key);
    tcase_add_loop_test(t, peer_gone, 0, ROOM_KINDS);
    tcase_add_loop_test(t, frozen_peer, 0, ROOM_KINDS);
    tcase_add_test(t, nowhere);
    tcase_add_test(t, no_answer);
    tcase_add_test(t, nobody_answers);
    tcase_add_test(t, names);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
