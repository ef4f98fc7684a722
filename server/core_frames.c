/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Frames of the server's core: which may come, with what length, and who takes them. */
#include "server/core_inside.h"

#include "compress/codec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static gw_status expect_length(const struct gw_frame *frame, size_t least, size_t most,
                               struct gw_error *error)
{
    if (frame->length >= least && frame->length <= most)
        return GW_OK;
    return gw_fail(error, GW_EPAYLOAD,
                   "a frame of type %d with %" PRIu32 " bytes, expected %zu to %zu", frame->type,
                   frame->length, least, most);
}

static gw_status admit_part(const struct gw_core_peer *peer, const struct gw_frame *frame,
                            struct gw_error *error)
{
    const struct gw_shard *shard = peer->core->shard;
    if (!peer->member)
        return gw_fail(error, GW_ESTATE, "parts are for workers to send");
    if (!shard || frame->tensor >= gw_shard_parts(shard))
        return gw_fail(error, GW_EPAYLOAD, "part %" PRIu32 " of a shard of %zu", frame->tensor,
                       shard ? gw_shard_parts(shard) : 0);
    bool raw = frame->type == GW_PS_INIT || frame->flags & GW_PS_RAW;
    if (!raw && frame->spec != gw_shard_push_spec(shard, frame->tensor))
        return gw_fail(error, GW_EMISMATCH, "part %" PRIu32 " comes from a codec other than agreed",
                       frame->tensor);
    size_t most = raw ? GW_HEADER_BYTES + gw_shard_part(shard, frame->tensor)->count * sizeof(float)
                      : gw_shard_push_bound(shard, frame->tensor);
    return expect_length(frame, GW_HEADER_BYTES, most, error);
}

/* A part arrives where it will stay until its round. */
static gw_status make_room(struct gw_core_peer *peer, size_t bytes, uint8_t **room,
                           struct gw_error *error)
{
    gw_blob_drop(peer->incoming);
    peer->incoming = gw_blob_take(peer->core->payloads, bytes);
    if (!peer->incoming)
        return gw_fail(error, GW_ENOMEM, "the server is out of memory");
    *room = peer->incoming->data;
    return GW_OK;
}

gw_status gw_core_admit(void *user, const struct gw_frame *frame, uint8_t **room,
                        struct gw_error *error)
{
    struct gw_core_peer *peer = user;
    gw_status s;
    switch (frame->type) {
    case GW_PS_INIT:
        return admit_part(peer, frame, error);
    case GW_PS_PUSH:
        s = admit_part(peer, frame, error);
        return s ? s : make_room(peer, frame->length, room, error);
    case GW_PS_COMMIT:
        return peer->member ? expect_length(frame, GW_COMMIT_BYTES, GW_COMMIT_BYTES, error)
                            : gw_fail(error, GW_ESTATE, "pushes are for workers");
    case GW_PS_CLOCK:
        return peer->member ? expect_length(frame, GW_CLOCK_BYTES, GW_CLOCK_BYTES, error)
                            : gw_fail(error, GW_ESTATE, "clocks are for workers");
    case GW_PS_PULL:
        return expect_length(frame, GW_PULL_BYTES, GW_PULL_BYTES, error);
    case GW_PS_ASK:
        return expect_length(frame, 0, 0, error);
    default:
        return gw_fail(error, GW_EPAYLOAD, "a frame of type %d is not for servers", frame->type);
    }
}

static void take_pull(struct gw_core_peer *peer, const struct gw_event *event)
{
    if (peer->pulls) {
        gw_core_refuse(peer, GW_ESTATE, "a second pull while one is under way");
        return;
    }
    if (!peer->core->shard) {
        gw_core_refuse(peer, GW_ESTATE, "there is nothing to pull: no worker has come yet");
        return;
    }
    peer->pulls = true;
    peer->pull_sequence = event->frame.sequence;
    gw_pull_read(&peer->pull, event->payload);
}

static void take_clock(struct gw_core_peer *peer, const struct gw_event *event)
{
    struct gw_clock_body body;
    if (!peer->member)
        return;
    gw_clock_read(&body, event->payload);
    gw_core_set_clock(peer->member, body.clock);
    peer->core->policy.started |= body.begun;
}

static void take_ask(struct gw_core_peer *peer)
{
    char *text = gw_core_status(peer->core, peer->core->now);
    struct gw_blob *blob = text ? gw_blob_copy(text, strlen(text)) : NULL;
    if (blob)
        gw_core_send(peer, &(struct gw_frame){ .type = GW_PS_STATUS }, blob);
    else
        gw_core_refuse(peer, GW_ENOMEM, "the server is out of memory");
    gw_blob_drop(blob);
    free(text);
}

/* More than this waits only for who asks without reading the answers. */
static bool reads(const struct gw_core_peer *peer)
{
    const struct gw_core *core = peer->core;
    uint64_t most = GW_UNREAD_MAX;
    if (core->shard)
        most += 2 * (gw_core_part_bytes(core) + 128 * gw_shard_parts(core->shard));
    return gw_session_queued(peer->session) <= most;
}

void gw_core_take_frame(struct gw_core_peer *peer, struct gw_event *event)
{
    if (!reads(peer)) {
        gw_core_refuse(peer, GW_ESTATE, "it asks without reading the answers");
        return;
    }
    if (peer->member)
        peer->member->in_bytes += GW_FRAME_HEADER + event->frame.length;
    switch (event->frame.type) {
    case GW_PS_INIT:
        gw_core_take_init(peer, event);
        break;
    case GW_PS_PUSH:
        gw_core_take_part(peer, &event->frame);
        break;
    case GW_PS_COMMIT:
        gw_core_take_commit(peer, event);
        break;
    case GW_PS_CLOCK:
        take_clock(peer, event);
        break;
    case GW_PS_PULL:
        take_pull(peer, event);
        break;
    default: /* admit lets nothing else through */
        take_ask(peer);
    }
}
