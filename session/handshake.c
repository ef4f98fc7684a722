/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* HELLO, WELCOME, TERMS, READY: who the client is and which version both speak is settled here;
 * what the two believe about the job is text, which the room above compares. Nothing is allocated
 * for a client before it is welcome. */
#include "session/session_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/types.h"

enum {
    HELLO_OLDEST = 0,
    HELLO_NEWEST = 2,
    HELLO_ROLE = 4,
    HELLO_ZERO = 5,
    HELLO_INSTANCE = 8,
    WELCOME_VERSION = 0,
    WELCOME_ZERO = 2
};

static bool is_zero(const uint8_t *bytes, size_t count)
{
    unsigned any = 0;
    for (size_t i = 0; i < count; i++)
        any |= bytes[i];
    return any == 0;
}

/* ---- the client's side ----------------------------------------------------------------------- */

void gw_session_say_hello(struct gw_session *session, int64_t now)
{
    uint8_t *payload = session->greeting_payload;
    memset(payload, 0, GW_HELLO_BYTES);
    gw_put_u16(payload + HELLO_OLDEST, GW_PROTOCOL_OLDEST);
    gw_put_u16(payload + HELLO_NEWEST, GW_PROTOCOL_NEWEST);
    payload[HELLO_ROLE] = session->peer.role;
    gw_put_u64(payload + HELLO_INSTANCE, session->peer.instance);
    gw_session_queue_own(session, &session->greeting, GW_FRAME_HELLO, payload, GW_HELLO_BYTES, now);
}

gw_status gw_session_hear_welcome(struct gw_session *session, int64_t now, struct gw_error *error)
{
    const uint8_t *payload = session->small;
    unsigned version = gw_get_u16(payload + WELCOME_VERSION);
    if (version < GW_PROTOCOL_OLDEST || version > GW_PROTOCOL_NEWEST)
        return gw_fail(error, GW_EMISMATCH,
                       "the server chose protocol version %u, this client speaks %d to %d", version,
                       GW_PROTOCOL_OLDEST, GW_PROTOCOL_NEWEST);
    if (session->frame.version != version)
        return gw_fail(error, GW_EPAYLOAD,
                       "the server chose protocol version %u in a frame of version %u", version,
                       session->frame.version);
    if (!is_zero(payload + WELCOME_ZERO, GW_WELCOME_BYTES - WELCOME_ZERO))
        return gw_fail(error, GW_EPAYLOAD, "WELCOME has other bytes than 0 at its end");
    session->version = (uint16_t)version;
    session->peer.epoch = session->frame.epoch;
    session->state = GW_SESSION_CHECKED;
    gw_session_queue_own(session, &session->asking, GW_FRAME_TERMS, session->terms->data,
                         session->terms->bytes, now);
    return GW_OK;
}

/* ---- the server's side ----------------------------------------------------------------------- */

/* The highest version that both speak. */
static gw_status choose_version(struct gw_session *session, struct gw_error *error)
{
    unsigned oldest = gw_get_u16(session->small + HELLO_OLDEST);
    unsigned newest = gw_get_u16(session->small + HELLO_NEWEST);
    if (oldest > newest)
        return gw_fail(error, GW_EPAYLOAD, "HELLO has the protocol versions %u to %u", oldest,
                       newest);
    if (newest < GW_PROTOCOL_OLDEST || oldest > GW_PROTOCOL_NEWEST)
        return gw_fail(
            error, GW_EMISMATCH, "worker %u speaks protocol versions %u to %u, the server %d to %d",
            session->frame.worker, oldest, newest, GW_PROTOCOL_OLDEST, GW_PROTOCOL_NEWEST);
    session->version = (uint16_t)(newest < GW_PROTOCOL_NEWEST ? newest : GW_PROTOCOL_NEWEST);
    return GW_OK;
}

gw_status gw_session_hear_hello(struct gw_session *session, struct gw_error *error)
{
    const struct gw_frame *frame = &session->frame;
    uint64_t job = session->setup.job;
    session->peer =
        (struct gw_session_peer){ .job = frame->job,
                                  .instance = gw_get_u64(session->small + HELLO_INSTANCE),
                                  .worker = frame->worker,
                                  .role = session->small[HELLO_ROLE] };
    gw_status status = choose_version(session, error);
    if (status)
        return status;
    if (!is_zero(session->small + HELLO_ZERO, HELLO_INSTANCE - HELLO_ZERO))
        return gw_fail(error, GW_EPAYLOAD, "HELLO has other bytes than 0 behind its role");
    if (job && frame->job != job)
        return gw_fail(error, GW_EMISMATCH,
                       "worker %u is of job %016llx, the server is of job %016llx", frame->worker,
                       (unsigned long long)frame->job, (unsigned long long)job);
    session->state = GW_SESSION_ASKED;
    return GW_OK;
}

gw_status gw_session_welcome(struct gw_session *session, uint32_t epoch, int64_t now)
{
    if (session->state != GW_SESSION_ASKED)
        return GW_ESTATE;
    uint8_t *payload = session->greeting_payload;
    memset(payload, 0, GW_WELCOME_BYTES);
    gw_put_u16(payload + WELCOME_VERSION, session->version);
    session->peer.epoch = epoch;
    session->state = GW_SESSION_WELCOMED;
    gw_session_queue_own(session, &session->greeting, GW_FRAME_WELCOME, payload, GW_WELCOME_BYTES,
                         now);
    return GW_OK;
}

gw_status gw_session_ready(struct gw_session *session, const void *payload, size_t bytes,
                           int64_t now)
{
    if (session->state != GW_SESSION_JUDGED)
        return GW_ESTATE;
    if (bytes > GW_SESSION_READY_BYTES)
        return GW_EINVAL;
    struct gw_blob *blob = gw_blob_copy(payload, bytes);
    struct gw_chunk *chunk = blob ? malloc(sizeof *chunk) : NULL;
    if (!chunk) {
        struct gw_error error;
        gw_blob_drop(blob);
        gw_error_set(&error, GW_ENOMEM, "out of memory for a READY of %zu bytes", bytes);
        return gw_session_fail(session, &error, now);
    }
    *chunk =
        (struct gw_chunk){ .payload = blob->data, .bytes = bytes, .blob = blob, .malloced = true };
    session->state = GW_SESSION_READY;
    session->ready_due = true;
    gw_session_queue(session, chunk, &(struct gw_frame){ .type = GW_FRAME_READY }, blob->checksum,
                     now);
    return GW_OK;
}
