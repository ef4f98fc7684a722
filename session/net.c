/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the streams of one loop share: the buffers, and the list of those that have something to
 * do. An idle handle works it off, which libuv does not wait while it has, so that all that was
 * queued in one turn of the loop leaves in one write. */
#include "session/net.h"

#include <stdlib.h>

void gw_net_release(struct gw_net *net)
{
    if (--net->users > 0)
        return;
    free(net->cipher);
    free(net);
}

int64_t gw_net_now(const struct gw_net *net)
{
    (void)net;
    return (int64_t)uv_hrtime();
}

static void work_off(uv_idle_t *idle)
{
    struct gw_net *net = idle->data;
    /* As many as there are: what becomes due from here on waits for the next turn. */
    for (size_t n = net->due_count; n > 0 && net->due; n--) {
        struct gw_stream *stream = net->due;
        gw_stream_undue(stream);
        gw_stream_work(stream);
    }
    if (!net->due)
        uv_idle_stop(idle);
}

void gw_stream_due(struct gw_stream *stream)
{
    struct gw_net *net = stream->net;
    if (stream->is_due || stream->phase == GW_STREAM_CLOSING)
        return;
    stream->is_due = true;
    stream->next_due = NULL;
    stream->before_due = net->due_last;
    if (net->due_last)
        net->due_last->next_due = stream;
    else
        net->due = stream;
    net->due_last = stream;
    net->due_count++;
    uv_idle_start(&net->idle, work_off);
}

void gw_stream_undue(struct gw_stream *stream)
{
    struct gw_net *net = stream->net;
    if (!stream->is_due)
        return;
    stream->is_due = false;
    if (stream->before_due)
        stream->before_due->next_due = stream->next_due;
    else
        net->due = stream->next_due;
    if (stream->next_due)
        stream->next_due->before_due = stream->before_due;
    else
        net->due_last = stream->before_due;
    net->due_count--;
}

static void idle_closed(uv_handle_t *handle)
{
    gw_net_release(handle->data);
}

gw_status gw_net_open(struct gw_net **out, uv_loop_t *loop, struct gw_error *error)
{
    struct gw_net *net = calloc(1, sizeof *net);
    if (!net)
        return gw_fail(error, GW_ENOMEM, "no memory for a net");
    net->loop = loop;
    net->users = 1;
    uv_idle_init(loop, &net->idle);
    net->idle.data = net;
    *out = net;
    return GW_OK;
}

void gw_net_close(struct gw_net *net)
{
    if (!net || net->closing)
        return;
    net->closing = true;
    while (net->listeners)
        gw_listener_close(net->listeners);
    for (struct gw_stream *stream = net->streams; stream; stream = stream->next)
        gw_stream_end(stream);
    uv_close((uv_handle_t *)&net->idle, idle_closed);
}
