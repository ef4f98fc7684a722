/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Asking a server for its state: an observer's session, one frame each way, on a loop of its own.
 */
#include <gradwire/server.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/settings.h"
#include "server/job.h"
#include "server/key_calls.h"
#include "server/protocol.h"
#include "session/instance.h"
#include "session/pipe.h"
#include "session/stream.h"

enum { STATUS_BYTES_MAX = 64 << 20 };

struct query {
    uv_loop_t loop;
    uv_timer_t timer;
    struct gw_net *net;
    struct gw_stream *stream;
    struct gw_keys *keys;
    struct gw_tls_context *tls;
    struct gw_address address;
    struct gw_job *job;
    char *terms, *json;
    struct gw_error *error;
    gw_status status;
    bool done;
};

static gw_status admit(void *user, const struct gw_frame *frame, uint8_t **room,
                       struct gw_error *error)
{
    (void)user;
    (void)room;
    if (frame->type == GW_PS_STATUS && frame->length <= STATUS_BYTES_MAX)
        return GW_OK;
    return gw_fail(error, GW_EPAYLOAD, "the server answers with a frame of type %d", frame->type);
}

static void finish(struct query *q, gw_status status)
{
    if (q->done)
        return;
    q->done = true;
    q->status = status;
    uv_stop(&q->loop);
}

static void take_status(struct query *q, const struct gw_event *event)
{
    q->json = malloc((size_t)event->frame.length + 1);
    if (!q->json) {
        finish(q, gw_fail(q->error, GW_ENOMEM, "out of memory for the server's state"));
        return;
    }
    memcpy(q->json, event->payload, event->frame.length);
    q->json[event->frame.length] = '\0';
    finish(q, GW_OK);
}

static void take_event(void *user, struct gw_stream *stream, struct gw_event *event)
{
    struct query *q = user;
    struct gw_session *session = gw_stream_session(stream);
    if (event->kind == GW_EVENT_READY &&
        gw_session_send(session, &(struct gw_frame){ .type = GW_PS_ASK }, NULL,
                        gw_net_now(q->net)) != GW_OK)
        finish(q, gw_fail(q->error, GW_ENOMEM, "out of memory for a question"));
    if (event->kind == GW_EVENT_READY)
        gw_stream_flush(stream);
    if (event->kind == GW_EVENT_FRAME)
        take_status(q, event);
    if (event->kind == GW_EVENT_CLOSED) {
        gw_status status = event->error.status ? event->error.status : GW_ETRANSPORT;
        finish(q, gw_fail(q->error, status, "%s: %.500s", q->address.text, event->error.text));
    }
}

static void take_gone(void *user, struct gw_stream *stream)
{
    struct query *q = user;
    if (q->stream == stream)
        q->stream = NULL;
}

static void take_timeout(uv_timer_t *timer)
{
    struct query *q = timer->data;
    finish(q, gw_fail(q->error, GW_ETIMEOUT, "%s does not answer", q->address.text));
}

static const struct gw_stream_calls calls = { .event = take_event, .gone = take_gone };

static gw_status prepare(struct query *q, const char *address, const char *job, const char *keys,
                         int worker)
{
    gw_status s = gw_address_parse(&q->address, address, strlen(address), q->error);
    if (!s)
        s = gw_job_open(&q->job, gw_job_name(job), q->error);
    if (!s)
        s = gw_keys_open(&q->keys, &q->tls, keys, gw_job_name(job), false, (uint32_t)worker,
                         q->error);
    if (s)
        return s;
    q->terms = gw_job_write(q->job);
    return q->terms ? GW_OK : gw_fail(q->error, GW_ENOMEM, "out of memory for a question");
}

static gw_status ask(struct query *q, int worker, double timeout_s)
{
    gw_status s = gw_net_open(&q->net, &q->loop, q->error);
    if (s)
        return s;
    const struct gw_session_setup setup = { .job = q->job->id,
                                            .worker = (uint32_t)worker,
                                            .role = GW_PS_OBSERVER,
                                            .instance = gw_instance_new(),
                                            .terms = q->terms,
                                            .times = gw_session_times_default,
                                            .rules = { .admit = admit } };
    uv_timer_init(&q->loop, &q->timer);
    q->timer.data = q;
    uv_timer_start(&q->timer, take_timeout, (uint64_t)(timeout_s * 1000) + 1, 0);
    s = gw_stream_connect(&q->stream, q->net, &q->address, q->address.is_unix ? NULL : q->tls,
                          &setup, &calls, q, q->error);
    while (!s && !q->done)
        (void)uv_run(&q->loop, UV_RUN_ONCE);
    if (q->stream && q->status == GW_OK && !s)
        gw_session_bye(gw_stream_session(q->stream), gw_net_now(q->net));
    if (q->stream)
        gw_stream_drop(q->stream, true);
    uv_close((uv_handle_t *)&q->timer, NULL);
    return s ? s : q->status;
}

static void release(struct query *q)
{
    gw_tls_context_close(q->tls);
    gw_keys_close(q->keys);
    gw_job_close(q->job);
    free(q->terms);
}

gw_status gw_server_query(char **json, const char *address, const char *job, const char *keys,
                          int worker, double timeout_s)
{
    struct query q = { .error = gw_open_error() };
    gw_error_clear(q.error);
    if (!json || !address || worker < 0)
        return gw_fail(q.error, GW_EINVAL, "gw_server_query needs a place and an address");
    double timeout = timeout_s > 0 ? timeout_s : gw_setting_number(GW_SET_TIMEOUT);
    gw_status s = prepare(&q, address, job, keys, worker);
    int code = s ? 0 : uv_loop_init(&q.loop);
    if (code)
        s = gw_fail(q.error, GW_ENOMEM, "no event loop: %s", uv_strerror(code));
    if (s) {
        release(&q);
        return s;
    }
    struct gw_pipe_guard guard;
    gw_pipe_hold(&guard);
    s = ask(&q, worker, timeout);
    while (q.stream && uv_run(&q.loop, UV_RUN_ONCE) != 0) /* it says goodbye first */
        ;
    gw_net_close(q.net);
    while (uv_run(&q.loop, UV_RUN_DEFAULT) != 0)
        ;
    (void)uv_loop_close(&q.loop);
    gw_pipe_release(&guard);
    release(&q);
    if (s)
        free(q.json);
    else
        *json = q.json;
    return s;
}
