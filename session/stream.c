/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A stream's life: what its session says is told, its clock is kept, and in the end what is queued
 * is still sent.
 *
 * The end is in two steps, so that a REFUSE reaches the peer: a socket that is closed while it
 * holds bytes nobody read resets the connection, and what is on its way to the peer is lost. So
 * the stream says that it ends, goes on reading, and closes when the peer has closed, or after a
 * second. A stream that has nothing to say closes at once. */
#include "session/net.h"

#include <stdlib.h>
#include <string.h>

enum { LINGER_NS = 1000000000 };

/* ---- from open to gone ----------------------------------------------------------------------- */

struct gw_stream *gw_stream_new(struct gw_net *net, const struct gw_stream_calls *calls, void *user)
{
    struct gw_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->net = net;
    stream->calls = *calls;
    stream->user = user;
    stream->timer_ns = stream->deadline_ns = INT64_MAX;
    stream->fd = -1;
    stream->next = net->streams;
    if (net->streams)
        net->streams->before = stream;
    net->streams = stream;
    net->users++;
    uv_timer_init(net->loop, &stream->timer);
    stream->timer.data = stream;
    stream->users = 1;
    return stream;
}

void gw_stream_release(struct gw_stream *stream)
{
    struct gw_net *net = stream->net;
    if (--stream->users > 0)
        return;
    /* Payloads that were lent to the session go back while their owner is still there. */
    struct gw_session *session = stream->session;
    stream->session = NULL;
    gw_session_close(session);
    if (stream->calls.gone)
        stream->calls.gone(stream->user, stream);
    gw_tls_close(stream->tls);
    gw_connect_free(stream);
    free(stream->cipher);
    if (stream->before)
        stream->before->next = stream->next;
    else
        net->streams = stream->next;
    if (stream->next)
        stream->next->before = stream->before;
    free(stream);
    gw_net_release(net);
}

static void timer_closed(uv_handle_t *handle)
{
    gw_stream_release(handle->data);
}

static void leave_strangers(struct gw_stream *stream)
{
    if (stream->listener)
        gw_listener_forget(stream);
}

void gw_stream_end(struct gw_stream *stream)
{
    if (stream->phase == GW_STREAM_CLOSING)
        return;
    gw_stream_undue(stream);
    leave_strangers(stream);
    stream->phase = GW_STREAM_CLOSING;
    gw_connect_abandon(stream);
    gw_stream_close_socket(stream, NULL);
    uv_close((uv_handle_t *)&stream->timer, timer_closed);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void begin_lingering(struct gw_stream *stream)
{
    stream->phase = GW_STREAM_LINGERING;
    stream->deadline_ns = gw_net_now(stream->net) + LINGER_NS;
    stream->timer_ns = INT64_MAX; /* it is armed anew */
    gw_connect_abandon(stream);
    stream->paused = false; /* what comes now is thrown away */
}

/* With TLS a peer is who its key says. */
static bool is_impostor(struct gw_stream *stream)
{
    if (!stream->tls)
        return false;
    uint32_t key = gw_tls_worker(stream->tls), says = gw_session_peer(stream->session)->worker;
    struct gw_error error;
    if (key == says)
        return false;
    gw_error_set(&error, GW_EMISMATCH, "worker %u came with the key of worker %u", says, key);
    gw_session_refuse(stream->session, error.status, error.text, gw_net_now(stream->net));
    return true;
}

static void tell_one(struct gw_stream *stream, struct gw_event *event)
{
    if (event->kind == GW_EVENT_READY)
        leave_strangers(stream);
    if (event->kind == GW_EVENT_CLOSED)
        begin_lingering(stream);
    if (event->kind != GW_EVENT_HELLO || !is_impostor(stream))
        stream->calls.event(stream->user, stream, event);
    gw_event_release(event);
}

void gw_stream_tell(struct gw_stream *stream)
{
    struct gw_event event = { .kind = GW_EVENT_CLOSED };
    if (stream->phase == GW_STREAM_CONNECTING && stream->failure.status) {
        event.error = stream->failure;
        tell_one(stream, &event);
    }
    while (stream->phase == GW_STREAM_TALKING && gw_session_next(stream->session, &event))
        tell_one(stream, &event);
}

void gw_stream_fail(struct gw_stream *stream, gw_status status, const char *words)
{
    if (stream->session)
        gw_session_cut(stream->session, status, words);
    else if (!stream->failure.status)
        gw_error_set(&stream->failure, status, "%s", words);
    gw_stream_due(stream);
}

/* ---- the clock ------------------------------------------------------------------------------- */

static int64_t deadline(const struct gw_stream *stream)
{
    return stream->phase == GW_STREAM_TALKING ? gw_session_deadline(stream->session)
                                              : stream->deadline_ns;
}

static void time_is_up(uv_timer_t *timer);

static void arm(struct gw_stream *stream, int64_t at_ns)
{
    int64_t left_ns = at_ns - gw_net_now(stream->net);
    uint64_t ms = left_ns > 0 ? (uint64_t)left_ns / 1000000 + 1 : 1;
    stream->timer_ns = at_ns;
    uv_timer_start(&stream->timer, time_is_up, ms, 0);
}

/* A timer that is too early fires, finds nothing to do and is set again: cheaper than to set it
 * whenever a byte moves the deadline. */
static void keep_clock(struct gw_stream *stream)
{
    int64_t due = deadline(stream);
    if (stream->phase != GW_STREAM_CLOSING && due < stream->timer_ns)
        arm(stream, due);
}

/* Who was busy elsewhere until the deadline was over has not read what came in time. So the loop
 * gets one turn to read it before anybody is called dead. */
static void time_is_up(uv_timer_t *timer)
{
    struct gw_stream *stream = timer->data;
    int64_t now = gw_net_now(stream->net);
    bool over = deadline(stream) <= now;
    stream->timer_ns = INT64_MAX;
    if (over && !stream->looked) {
        stream->looked = true;
        arm(stream, now);
        return;
    }
    stream->looked = false;
    if (over && stream->phase == GW_STREAM_LINGERING)
        gw_stream_end(stream);
    else if (over && stream->phase == GW_STREAM_CONNECTING)
        gw_connect_expire(stream);
    else if (over)
        gw_session_tick(stream->session, now);
    gw_stream_work(stream);
}

/* ---- what there is to do --------------------------------------------------------------------- */

static void linger(struct gw_stream *stream)
{
    bool over = stream->fd < 0 || stream->ended;
    gw_stream_write(stream);
    if (stream->phase != GW_STREAM_LINGERING)
        return;
    if ((stream->blocked || stream->is_due) && !stream->broken && stream->fd >= 0)
        return;
    if (over || !stream->answered || stream->broken) {
        gw_stream_end(stream);
        return;
    }
    if (stream->shut)
        return;
    stream->shut = true;
    if (stream->tls) {
        gw_tls_end(stream->tls);
        gw_stream_write(stream);
    }
    if (stream->blocked || shutdown(stream->fd, SHUT_WR) != 0)
        gw_stream_end(stream);
}

void gw_stream_work(struct gw_stream *stream)
{
    gw_stream_tell(stream);
    if (stream->hung)
        gw_stream_read_rest(stream);
    if (stream->phase == GW_STREAM_LINGERING)
        linger(stream);
    else
        gw_stream_write(stream);
    gw_stream_watch(stream);
    keep_clock(stream);
}

/* ---- for the room above ---------------------------------------------------------------------- */

struct gw_session *gw_stream_session(struct gw_stream *stream)
{
    return stream->session;
}

const char *gw_stream_peer(const struct gw_stream *stream)
{
    return stream->peer;
}

void gw_stream_flush(struct gw_stream *stream)
{
    gw_stream_due(stream);
}

void gw_stream_pause(struct gw_stream *stream, bool paused)
{
    if (paused == stream->paused || stream->phase >= GW_STREAM_LINGERING)
        return;
    stream->paused = paused;
    if (stream->session)
        gw_session_pause(stream->session, paused, gw_net_now(stream->net));
    gw_stream_due(stream); /* what to watch and its deadline are others now */
}

void gw_stream_drop(struct gw_stream *stream, bool lingers)
{
    if (stream->phase == GW_STREAM_CLOSING)
        return;
    if (!lingers || stream->phase == GW_STREAM_CONNECTING) {
        gw_stream_end(stream);
        return;
    }
    if (stream->phase == GW_STREAM_TALKING)
        begin_lingering(stream);
    gw_stream_due(stream);
}
