/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Both ends of streams in one loop. */
#include "stream_room.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char key_file[] =
    "job j\n"
    "worker 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddee01\n"
    "worker 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddee02\n";

int64_t room_now(const struct room *room)
{
    return gw_net_now(room->net);
}

/* ---- what the ends do by themselves ---------------------------------------------------------- */

static gw_status admit(void *user, const struct gw_frame *frame, uint8_t **place,
                       struct gw_error *error)
{
    (void)user;
    (void)place;
    return frame->length <= 16u << 20 ? GW_OK : gw_fail(error, GW_EPAYLOAD, "too long");
}

static void answer(struct side *side, struct gw_event *event)
{
    struct gw_session *session = gw_stream_session(side->stream);
    int64_t now = room_now(side->room);
    if (event->kind == GW_EVENT_HELLO && gw_session_peer(session)->worker == 13)
        gw_session_refuse(session, GW_ENOTSUP, "thirteen is not wanted here", now);
    else if (event->kind == GW_EVENT_HELLO)
        (void)gw_session_welcome(session, 5, now);
    else if (strcmp((char *)event->payload, "wrong") == 0)
        gw_session_refuse(session, GW_EMISMATCH, "these are not our terms", now);
    else
        (void)gw_session_ready(session, "well", 4, now);
    gw_stream_flush(side->stream);
}

static void on_event(void *user, struct gw_stream *stream, struct gw_event *event)
{
    struct side *side = user;
    ck_assert_msg(side->closed == 0, "an event after the last one");
    ck_assert_ptr_eq(side->stream, stream);
    side->hellos += event->kind == GW_EVENT_HELLO;
    side->readies += event->kind == GW_EVENT_READY;
    side->frames += event->kind == GW_EVENT_FRAME;
    side->beats += event->kind == GW_EVENT_BEAT;
    side->closed += event->kind == GW_EVENT_CLOSED;
    if (event->kind == GW_EVENT_FRAME)
        side->bytes += event->frame.length;
    if (event->kind == GW_EVENT_CLOSED)
        side->end = event->error;
    if (event->kind == GW_EVENT_HELLO || event->kind == GW_EVENT_TERMS)
        answer(side, event);
    if (side->also)
        side->also(side, event);
}

static void on_drained(void *user, struct gw_stream *stream)
{
    struct side *side = user;
    (void)stream;
    side->drained++;
    if (side->when_drained)
        side->when_drained(side);
}

static void on_gone(void *user, struct gw_stream *stream)
{
    struct side *side = user;
    ck_assert_ptr_eq(side->stream, stream);
    ck_assert_ptr_null(gw_stream_session(stream));
    side->gone++;
    side->stream = NULL;
}

static struct side *new_side(struct room *room, bool serves)
{
    ck_assert_int_lt(room->count, ROOM_SIDES);
    struct side *side = calloc(1, sizeof *side);
    ck_assert_ptr_nonnull(side);
    side->room = room;
    side->serves = serves;
    room->sides[room->count++] = side;
    return side;
}

static void on_accepted(void *user, struct gw_stream *stream, void **stream_user)
{
    struct side *side = new_side(user, true);
    ck_assert_ptr_nonnull(gw_stream_session(stream));
    side->stream = stream;
    side->also = side->room->also;
    *stream_user = side;
}

static const struct gw_stream_calls calls = {
    .event = on_event, .accepted = on_accepted, .drained = on_drained, .gone = on_gone
};

/* ---- the room -------------------------------------------------------------------------------- */

static void time_is_over(uv_timer_t *timer)
{
    ((struct room *)timer->data)->out_of_time = true;
}

void room_open(struct room *room, enum room_kind kind)
{
    char text[128];
    struct gw_error error = { .status = GW_OK };
    memset(room, 0, sizeof *room);
    ck_assert_int_eq(uv_loop_init(&room->loop), 0);
    ck_assert_int_eq(uv_timer_init(&room->loop, &room->guard), 0);
    room->guard.data = room;
    ck_assert_int_eq(gw_net_open(&room->net, &room->loop, &error), GW_OK);
    snprintf(room->folder, sizeof room->folder, "/tmp/gradwire-room-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(room->folder));
    if (kind == UNIX_PLAIN || kind == UNIX_TLS)
        snprintf(text, sizeof text, "unix:%s/socket", room->folder);
    else
        snprintf(text, sizeof text, "tcp:127.0.0.1:0");
    ck_assert_int_eq(gw_address_parse(&room->address, text, strlen(text), &error), GW_OK);
    if (kind == UNIX_TLS || kind == TCP_TLS) {
        ck_assert_int_eq(gw_keys_parse(&room->keys, key_file, sizeof key_file - 1, &error), GW_OK);
        ck_assert_int_eq(gw_tls_context_open(&room->serving, room->keys, true, 0, &error), GW_OK);
        ck_assert_int_eq(gw_tls_context_open(&room->asking, room->keys, false, 1, &error), GW_OK);
    }
    room->setup = (struct gw_session_setup){
        .job = ROOM_JOB,
        .instance = 1,
        .times = { .handshake_ns = 20000000000, .dead_ns = 20000000000 },
        .rules = { .admit = admit, .terms_bytes = 1000 },
    };
}

void room_listen(struct room *room)
{
    struct gw_error error = { .status = GW_OK };
    ck_assert_msg(gw_listener_open(&room->listener, room->net, &room->address, room->serving,
                                   &room->setup, room->strangers, &calls, room, &error) == GW_OK,
                  "%s", error.text);
    const char *text = gw_listener_address(room->listener);
    ck_assert_int_eq(gw_address_parse(&room->address, text, strlen(text), &error), GW_OK);
}

static void forget(struct room *room)
{
    gw_tls_context_close(room->serving);
    gw_tls_context_close(room->asking);
    gw_keys_close(room->keys);
    for (int i = 0; i < room->count; i++)
        free(room->sides[i]);
    char path[64];
    snprintf(path, sizeof path, "%s/socket", room->folder);
    ck_assert_msg(unlink(path) != 0, "the socket's file was left behind");
    ck_assert_int_eq(rmdir(room->folder), 0);
}

void room_close(struct room *room)
{
    gw_net_close(room->net);
    uv_close((uv_handle_t *)&room->guard, NULL);
    ck_assert_int_eq(uv_run(&room->loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&room->loop), 0);
    for (int i = 0; i < room->count; i++) {
        ck_assert_msg(room->sides[i]->gone == 1, "side %d: gone %d times", i, room->sides[i]->gone);
        ck_assert_int_le(room->sides[i]->closed, 1);
    }
    forget(room);
}

struct side *room_connect_to(struct room *room, const struct gw_address *address, uint32_t worker,
                             const char *terms)
{
    struct gw_session_setup setup = room->setup;
    struct gw_error error = { .status = GW_OK };
    struct side *side = new_side(room, false);
    setup.worker = worker;
    setup.terms = terms;
    ck_assert_msg(gw_stream_connect(&side->stream, room->net, address, room->asking, &setup, &calls,
                                    side, &error) == GW_OK,
                  "%s", error.text);
    return side;
}

struct side *room_connect(struct room *room, uint32_t worker, const char *terms)
{
    return room_connect_to(room, &room->address, worker, terms);
}

struct side *room_served(const struct room *room)
{
    for (int i = room->count - 1; i >= 0; i--)
        if (room->sides[i]->serves)
            return room->sides[i];
    return NULL;
}

void room_run(struct room *room, const int *counter, int wanted)
{
    room->out_of_time = false;
    uv_timer_start(&room->guard, time_is_over, 30000, 0);
    while (*counter < wanted && !room->out_of_time)
        uv_run(&room->loop, UV_RUN_ONCE);
    uv_timer_stop(&room->guard);
    ck_assert_msg(*counter >= wanted, "waited for %d, there were %d", wanted, *counter);
}

void room_run_ms(struct room *room, unsigned ms)
{
    room->out_of_time = false;
    uv_timer_start(&room->guard, time_is_over, ms, 0);
    while (!room->out_of_time)
        uv_run(&room->loop, UV_RUN_ONCE);
}

int room_raw(const struct room *room)
{
    struct sockaddr_in tcp = { .sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtol(room->address.port, NULL, 10)),
                               .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    bool is_unix = room->address.is_unix;
    snprintf(name.sun_path, sizeof name.sun_path, "%.100s", room->address.host);
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)connect(fd, is_unix ? (struct sockaddr *)&name : (struct sockaddr *)&tcp,
                  is_unix ? sizeof name : sizeof tcp);
    return fd;
}
