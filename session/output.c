/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The output of a session: a list of frames. A header stands in its list element; its payload
 * stays where it is, shared or borrowed, and is never copied. What the stream has been shown stays
 * until it says that it has left, since the kernel may be reading it. */
#include "session/session_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/types.h"

/* ---- the list -------------------------------------------------------------------------------- */

void gw_session_queue(struct gw_session *session, struct gw_chunk *chunk,
                      const struct gw_frame *frame, uint64_t checksum, int64_t now)
{
    struct gw_frame whole = *frame;
    whole.version = session->version;
    whole.job = session->peer.job;
    whole.worker = session->peer.worker;
    whole.epoch = session->peer.epoch;
    whole.length = (uint32_t)chunk->bytes;
    whole.checksum = checksum;
    gw_frame_write(chunk->header, &whole);
    chunk->next = NULL;
    chunk->handed = false;
    if (!session->first)
        session->head_ns = now;
    *session->last = chunk;
    session->last = &chunk->next;
    session->queued += GW_FRAME_HEADER + chunk->bytes;
    session->spoke_ns = now;
}

void gw_session_queue_own(struct gw_session *session, struct gw_chunk *chunk, uint8_t type,
                          const void *payload, size_t bytes, int64_t now)
{
    *chunk = (struct gw_chunk){ .payload = payload, .bytes = bytes };
    gw_session_queue(session, chunk, &(struct gw_frame){ .type = type },
                     gw_frame_checksum(payload, bytes), now);
}

/* It is out of the list already, so that `sent` finds the session whole. */
static void finish(struct gw_chunk *chunk)
{
    void (*sent)(void *user) = chunk->sent;
    void *user = chunk->user;
    gw_blob_drop(chunk->blob);
    if (chunk->malloced)
        free(chunk);
    if (sent)
        sent(user);
}

static void take_first(struct gw_session *session)
{
    struct gw_chunk *chunk = session->first;
    session->queued -= GW_FRAME_HEADER + chunk->bytes - session->first_sent;
    session->first_sent = 0;
    session->first = chunk->next;
    if (!session->first)
        session->last = &session->first;
    finish(chunk);
}

void gw_session_drop_output(struct gw_session *session)
{
    while (session->first)
        take_first(session);
}

void gw_session_drop_unseen(struct gw_session *session)
{
    struct gw_chunk *dropped = NULL, **dropped_last = &dropped;
    struct gw_chunk **at = &session->first;
    while (*at) {
        struct gw_chunk *chunk = *at;
        if (chunk->handed || !chunk->malloced) {
            at = &chunk->next;
            continue;
        }
        *at = chunk->next;
        session->queued -= GW_FRAME_HEADER + chunk->bytes;
        chunk->next = NULL;
        *dropped_last = chunk;
        dropped_last = &chunk->next;
    }
    session->last = at;
    while (dropped) {
        struct gw_chunk *chunk = dropped;
        dropped = chunk->next;
        finish(chunk);
    }
}

/* ---- for the stream -------------------------------------------------------------------------- */

int gw_session_output(struct gw_session *session, struct iovec *pieces, int most)
{
    int count = 0;
    size_t skip = session->first_sent;
    if (session->mute)
        return 0;
    for (struct gw_chunk *chunk = session->first; chunk && count < most; chunk = chunk->next) {
        chunk->handed = true;
        if (skip < GW_FRAME_HEADER) {
            pieces[count++] = (struct iovec){ chunk->header + skip, GW_FRAME_HEADER - skip };
            skip = 0;
        } else {
            skip -= GW_FRAME_HEADER;
        }
        if (chunk->bytes > skip && count < most)
            pieces[count++] =
                (struct iovec){ (uint8_t *)chunk->payload + skip, chunk->bytes - skip };
        skip = 0;
    }
    return count;
}

void gw_session_sent(struct gw_session *session, size_t bytes, int64_t now)
{
    if (bytes > 0)
        session->spoke_ns = now;
    while (session->first && bytes > 0) {
        size_t left = GW_FRAME_HEADER + session->first->bytes - session->first_sent;
        if (bytes < left) {
            session->first_sent += bytes;
            session->queued -= bytes;
            return;
        }
        bytes -= left;
        session->head_ns = now;
        take_first(session);
    }
}

size_t gw_session_queued(const struct gw_session *session)
{
    return session->mute ? 0 : session->queued;
}

/* ---- for the room above ---------------------------------------------------------------------- */

static gw_status check_send(const struct gw_session *session, const struct gw_frame *frame,
                            size_t bytes)
{
    if (session->state != GW_SESSION_READY)
        return GW_ESTATE;
    if (frame->type < GW_FRAME_FIRST_USE || bytes > UINT32_MAX)
        return GW_EINVAL;
    return GW_OK;
}

gw_status gw_session_send(struct gw_session *session, const struct gw_frame *frame,
                          struct gw_blob *payload, int64_t now)
{
    size_t bytes = payload ? payload->bytes : 0;
    gw_status status = check_send(session, frame, bytes);
    if (status)
        return status;
    struct gw_chunk *chunk = malloc(sizeof *chunk);
    if (!chunk)
        return GW_ENOMEM;
    *chunk = (struct gw_chunk){ .payload = payload ? payload->data : NULL,
                                .bytes = bytes,
                                .blob = gw_blob_share(payload),
                                .malloced = true };
    gw_session_queue(session, chunk, frame,
                     payload ? payload->checksum : gw_frame_checksum(NULL, 0), now);
    return GW_OK;
}

gw_status gw_session_send_borrowed(struct gw_session *session, const struct gw_frame *frame,
                                   const void *payload, size_t bytes, void (*sent)(void *user),
                                   void *user, int64_t now)
{
    gw_status status = check_send(session, frame, bytes);
    if (status)
        return status;
    struct gw_chunk *chunk = malloc(sizeof *chunk);
    if (!chunk)
        return GW_ENOMEM;
    *chunk = (struct gw_chunk){
        .payload = payload, .bytes = bytes, .sent = sent, .user = user, .malloced = true
    };
    gw_session_queue(session, chunk, frame, gw_frame_checksum(payload, bytes), now);
    return GW_OK;
}

/* ---- beats ----------------------------------------------------------------------------------- */

void gw_session_set_beat(struct gw_session *session, const char *text)
{
    size_t bytes = text ? strnlen(text, GW_BEAT_BYTES) : 0;
    if (bytes > 0)
        memcpy(session->beat_text, text, bytes);
    session->beat_text[bytes] = '\0';
}

/* Only when nothing waits, so the chunk is free. The text is copied: it may be set while it leaves.
 */
void gw_session_beat(struct gw_session *session, int64_t now)
{
    size_t bytes = strlen(session->beat_text);
    memcpy(session->beat_payload, session->beat_text, bytes);
    gw_session_queue_own(session, &session->beat, GW_FRAME_BEAT, session->beat_payload, bytes, now);
}
