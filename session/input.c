/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Bytes to frames to events. A header is judged as soon as it is whole, before a byte of its
 * payload is asked for: is this type due now, is its length one that it can have, is it of this
 * session. A payload is seen by nobody before its checksum is right. */
#include "session/session_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "session/printable.h"

/* ---- judging a header ------------------------------------------------------------------------ */

enum {
    HELLO = 1u << GW_FRAME_HELLO,
    WELCOME = 1u << GW_FRAME_WELCOME,
    TERMS = 1u << GW_FRAME_TERMS,
    READY = 1u << GW_FRAME_READY,
    REFUSE = 1u << GW_FRAME_REFUSE,
    BEAT = 1u << GW_FRAME_BEAT,
    BYE = 1u << GW_FRAME_BYE,
    USE = 1u << GW_FRAME_FIRST_USE /* and all above */
};

/* Which types may come in a state. */
static const unsigned due[GW_SESSION_OVER] = {
    [GW_SESSION_STRANGER] = HELLO,
    [GW_SESSION_ASKED] = REFUSE | BYE,
    [GW_SESSION_WELCOMED] = TERMS | BEAT | REFUSE | BYE,
    [GW_SESSION_JUDGED] = BEAT | REFUSE | BYE,
    [GW_SESSION_HOPING] = WELCOME | REFUSE | BYE,
    [GW_SESSION_CHECKED] = READY | BEAT | REFUSE | BYE,
    [GW_SESSION_READY] = USE | BEAT | REFUSE | BYE,
};

static gw_status check_type(const struct gw_session *session, struct gw_error *error)
{
    static const char *const instead[GW_SESSION_OVER] = {
        [GW_SESSION_STRANGER] = "HELLO comes first",
        [GW_SESSION_ASKED] = "it has to wait for WELCOME",
        [GW_SESSION_WELCOMED] = "TERMS comes now",
        [GW_SESSION_JUDGED] = "it has to wait for READY",
        [GW_SESSION_HOPING] = "WELCOME comes first",
        [GW_SESSION_CHECKED] = "READY comes now",
        [GW_SESSION_READY] = "the handshake is over",
    };
    char peer[GW_PEER_TEXT];
    unsigned type = session->frame.type;
    unsigned bit = 1u << (type < GW_FRAME_FIRST_USE ? type : GW_FRAME_FIRST_USE);
    if (due[session->state] & bit)
        return GW_OK;
    gw_session_peer_name(session, peer);
    if (type == 0 || (type > GW_FRAME_BYE && type < GW_FRAME_FIRST_USE))
        return gw_fail(error, GW_EPAYLOAD, "%s sent a frame of the unknown %s", peer,
                       gw_frame_type_name(session->frame.type));
    return gw_fail(error, GW_EPAYLOAD, "%s sent %s where %s", peer,
                   gw_frame_type_name(session->frame.type), instead[session->state]);
}

/* What control frames have of lengths; TERMS and READY also depend on what we allow. */
static gw_status check_length(const struct gw_session *session, struct gw_error *error)
{
    static const struct {
        size_t least, most;
    } lengths[GW_FRAME_FIRST_USE] = {
        [GW_FRAME_HELLO] = { GW_HELLO_BYTES, GW_HELLO_BYTES },
        [GW_FRAME_WELCOME] = { GW_WELCOME_BYTES, GW_WELCOME_BYTES },
        [GW_FRAME_TERMS] = { 0, UINT32_MAX },
        [GW_FRAME_READY] = { 0, GW_SESSION_READY_BYTES },
        [GW_FRAME_REFUSE] = { GW_REFUSE_STATUS, GW_REFUSE_BYTES },
        [GW_FRAME_BEAT] = { 0, GW_BEAT_BYTES },
    };
    const struct gw_frame *frame = &session->frame;
    size_t least = lengths[frame->type].least, most = lengths[frame->type].most;
    if (frame->type == GW_FRAME_TERMS)
        most = gw_min_size(most, session->setup.rules.terms_bytes);
    if (frame->length < least || frame->length > most)
        return gw_fail(error, GW_EPAYLOAD, "%s has %u bytes, it may have %zu to %zu",
                       gw_frame_type_name(frame->type), frame->length, least, most);
    if (frame->flags || frame->sequence || frame->tensor || frame->spec)
        return gw_fail(error, GW_EPAYLOAD,
                       "%s has flags, sequence, tensor or spec, which have to be 0 in it",
                       gw_frame_type_name(frame->type));
    return GW_OK;
}

static gw_status check_epoch(const struct gw_session *session, struct gw_error *error)
{
    const struct gw_frame *frame = &session->frame;
    /* Who gives up may have done so before it heard of an epoch. */
    bool ends = frame->type == GW_FRAME_REFUSE || frame->type == GW_FRAME_BYE;
    bool chosen = frame->type == GW_FRAME_WELCOME; /* the epoch begins with it */
    if (frame->epoch == session->peer.epoch || chosen || (ends && frame->epoch == 0))
        return GW_OK;
    return gw_fail(error, GW_EMISMATCH, "%s of epoch %u came in a session of epoch %u",
                   gw_frame_type_name(frame->type), frame->epoch, session->peer.epoch);
}

/* Is it of this session? A server that says no before it heard our HELLO knows no names yet, and
 * HELLO brings them. */
static gw_status check_names(const struct gw_session *session, struct gw_error *error)
{
    const struct gw_frame *frame = &session->frame;
    const struct gw_session_peer *peer = &session->peer;
    if (session->state == GW_SESSION_HOPING && frame->type != GW_FRAME_WELCOME)
        return GW_OK;
    if (session->state != GW_SESSION_STRANGER) {
        if (frame->job != peer->job)
            return gw_fail(error, GW_EMISMATCH,
                           "%s of job %016llx came in a session of job %016llx",
                           gw_frame_type_name(frame->type), (unsigned long long)frame->job,
                           (unsigned long long)peer->job);
        if (frame->worker != peer->worker)
            return gw_fail(error, GW_EMISMATCH, "%s of worker %u came in a session of worker %u",
                           gw_frame_type_name(frame->type), frame->worker, peer->worker);
    }
    return check_epoch(session, error);
}

static gw_status check_version(const struct gw_session *session, struct gw_error *error)
{
    const struct gw_frame *frame = &session->frame;
    bool settled = session->state != GW_SESSION_STRANGER && session->state != GW_SESSION_HOPING;
    if (settled && frame->version != session->version && frame->type != GW_FRAME_REFUSE &&
        frame->type != GW_FRAME_BYE)
        return gw_fail(error, GW_EMISMATCH, "%s of version %u came in a session of version %u",
                       gw_frame_type_name(frame->type), frame->version, session->version);
    return GW_OK;
}

static gw_status check_header(struct gw_session *session, struct gw_error *error)
{
    gw_status status = gw_frame_read(&session->frame, session->header, error);
    if (status && gw_frame_begins(session->header, GW_FRAME_HEADER)) {
        /* An honest header of another version: such a peer is to know why. */
        session->heard = true;
        error->status = GW_EMISMATCH;
    }
    if (status)
        return status;
    session->heard = true;
    if ((status = check_type(session, error)) != GW_OK ||
        (status = check_version(session, error)) != GW_OK ||
        (status = check_names(session, error)) != GW_OK)
        return status;
    return session->frame.type < GW_FRAME_FIRST_USE ? check_length(session, error) : GW_OK;
}

/* ---- a place for the payload ----------------------------------------------------------------- */

static gw_status place_payload(struct gw_session *session, struct gw_error *error)
{
    const struct gw_session_rules *rules = &session->setup.rules;
    const struct gw_frame *frame = &session->frame;
    uint8_t *room = NULL;
    if (frame->type >= GW_FRAME_FIRST_USE) {
        if (!rules->admit)
            return gw_fail(error, GW_ENOTSUP, "%s came where none is taken",
                           gw_frame_type_name(frame->type));
        gw_error_set(error, GW_EPAYLOAD, "%s was not admitted", gw_frame_type_name(frame->type));
        gw_status status = rules->admit(rules->user, frame, &room, error);
        if (status) {
            error->status = status;
            return status;
        }
    } else if (frame->type == GW_FRAME_HELLO || frame->type == GW_FRAME_WELCOME ||
               frame->type == GW_FRAME_REFUSE || frame->type == GW_FRAME_BYE) {
        room = session->small;
    }
    bool placed = room != NULL;
    if (!placed) {
        room = malloc((size_t)frame->length + 1);
        if (!room)
            return gw_fail(error, GW_ENOMEM, "out of memory for a %s of %u bytes",
                           gw_frame_type_name(frame->type), frame->length);
        room[frame->length] = '\0'; /* since many are texts */
    }
    session->placed = placed;
    session->payload = room;
    session->payload_bytes = 0;
    return GW_OK;
}

void gw_session_forget_input(struct gw_session *session)
{
    if (!session->placed)
        free(session->payload);
    session->payload = NULL;
    session->placed = false;
    session->header_bytes = 0;
    session->told = GW_EVENT_NONE;
}

/* ---- a whole frame --------------------------------------------------------------------------- */

static void hear_refuse(struct gw_session *session)
{
    struct gw_error error;
    uint8_t *words = session->small + GW_REFUSE_STATUS;
    size_t bytes = session->frame.length - GW_REFUSE_STATUS;
    gw_status said = (gw_status)(int32_t)gw_get_u32(session->small);
    gw_status status = gw_session_error(said, GW_EPEER);
    gw_make_printable(words, bytes);
    if (bytes > 0)
        gw_error_set(&error, status, "%.*s", (int)bytes, (const char *)words);
    else
        gw_error_set(&error, status, "%s", gw_status_text(status));
    gw_session_end(session, &error);
}

static gw_status use_frame(struct gw_session *session, int64_t now, struct gw_error *error)
{
    switch (session->frame.type) {
    case GW_FRAME_HELLO:
        session->told = GW_EVENT_HELLO;
        return gw_session_hear_hello(session, error);
    case GW_FRAME_WELCOME:
        return gw_session_hear_welcome(session, now, error);
    case GW_FRAME_TERMS:
        session->told = GW_EVENT_TERMS;
        session->state = GW_SESSION_JUDGED;
        return GW_OK;
    case GW_FRAME_READY:
        session->told = GW_EVENT_READY;
        session->state = GW_SESSION_READY;
        return GW_OK;
    case GW_FRAME_REFUSE:
        hear_refuse(session);
        return GW_OK;
    case GW_FRAME_BEAT:
        gw_make_printable(session->payload, session->frame.length);
        session->told = GW_EVENT_BEAT;
        return GW_OK;
    case GW_FRAME_BYE:
        gw_session_end(session, &(struct gw_error){ .status = GW_OK });
        return GW_OK;
    default:
        session->told = GW_EVENT_FRAME;
        return GW_OK;
    }
}

static gw_status finish_frame(struct gw_session *session, int64_t now, struct gw_error *error)
{
    const struct gw_frame *frame = &session->frame;
    if (gw_frame_checksum(session->payload, frame->length) != frame->checksum)
        return gw_fail(error, GW_EPAYLOAD,
                       "the payload of %s does not have its checksum: bytes changed on the way",
                       gw_frame_type_name(frame->type));
    session->header_bytes = 0;
    gw_status status = use_frame(session, now, error);
    if (status) /* it was nothing to be told */
        session->told = GW_EVENT_NONE;
    return status;
}

/* ---- feeding --------------------------------------------------------------------------------- */

static size_t take_header(struct gw_session *session, const uint8_t *bytes, size_t count,
                          int64_t now, struct gw_error *error)
{
    size_t part = gw_min_size(count, GW_FRAME_HEADER - session->header_bytes);
    if (session->header_bytes == 0)
        session->frame_ns = now;
    memcpy(session->header + session->header_bytes, bytes, part);
    session->header_bytes += part;
    if (session->header_bytes < GW_FRAME_HEADER) {
        if (!gw_frame_begins(session->header, session->header_bytes))
            gw_error_set(error, GW_EPAYLOAD,
                         "bytes from %02x on came where a frame begins with 9d 47 57 1a",
                         session->header[0]);
        return part;
    }
    if (check_header(session, error) == GW_OK && place_payload(session, error) == GW_OK) {
        gw_error_clear(error);
        if (session->frame.length == 0)
            (void)finish_frame(session, now, error);
    }
    return part;
}

static size_t take_payload(struct gw_session *session, const uint8_t *bytes, size_t count,
                           int64_t now, struct gw_error *error)
{
    size_t part = gw_min_size(count, session->frame.length - session->payload_bytes);
    memcpy(session->payload + session->payload_bytes, bytes, part);
    session->payload_bytes += part;
    if (session->payload_bytes == session->frame.length)
        (void)finish_frame(session, now, error);
    return part;
}

size_t gw_session_feed(struct gw_session *session, const void *bytes, size_t count, int64_t now)
{
    const uint8_t *from = bytes;
    size_t taken = 0;
    if (session->state == GW_SESSION_OVER || gw_session_expire(session, now))
        return count;
    if (count > 0)
        session->heard_ns = now;
    while (taken < count && session->told == GW_EVENT_NONE && !session->ready_due &&
           session->state != GW_SESSION_OVER) {
        struct gw_error error;
        gw_error_clear(&error);
        taken += session->header_bytes < GW_FRAME_HEADER
                     ? take_header(session, from + taken, count - taken, now, &error)
                     : take_payload(session, from + taken, count - taken, now, &error);
        if (error.status)
            (void)gw_session_fail(session, &error, now);
    }
    return session->state == GW_SESSION_OVER ? count : taken;
}

/* ---- events ---------------------------------------------------------------------------------- */

bool gw_session_next(struct gw_session *session, struct gw_event *event)
{
    event->payload = NULL;
    event->placed = false;
    event->kind = GW_EVENT_NONE;
    event->frame = (struct gw_frame){ 0 };
    gw_error_clear(&event->error);
    if (session->told != GW_EVENT_NONE) {
        event->kind = session->told;
        event->frame = session->frame;
        event->payload = session->payload;
        event->placed = session->placed;
        session->payload = NULL;
        session->told = GW_EVENT_NONE;
    } else if (session->ready_due) {
        event->kind = GW_EVENT_READY;
        event->frame.type = GW_FRAME_READY;
        session->ready_due = false;
    } else if (session->end_due) {
        event->kind = GW_EVENT_CLOSED;
        event->error = session->end;
        session->end_due = false;
    }
    return event->kind != GW_EVENT_NONE;
}

void gw_event_release(struct gw_event *event)
{
    if (!event->placed)
        free(event->payload);
    event->payload = NULL;
}
