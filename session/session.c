/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A session's life: opening, what the clock does to it, and its end. It ends once, for one reason,
 * which both sides are told where that is possible. */
#include "session/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "session/session_inside.h"

enum { SECOND_NS = 1000000000 };

const struct gw_session_times gw_session_times_default = {
    .handshake_ns = 3 * (int64_t)SECOND_NS,
    .frame_ns = 60 * (int64_t)SECOND_NS,
    .beat_ns = SECOND_NS / 2,
    .dead_ns = 2 * (int64_t)SECOND_NS,
};

/* ---- opening and closing --------------------------------------------------------------------- */

static int64_t time_or(int64_t given, int64_t standard)
{
    return given > 0 ? given : standard;
}

struct gw_session_times gw_session_times_fill(const struct gw_session_times *times)
{
    const struct gw_session_times *standard = &gw_session_times_default;
    return (struct gw_session_times){
        .handshake_ns = time_or(times->handshake_ns, standard->handshake_ns),
        .frame_ns = time_or(times->frame_ns, standard->frame_ns),
        .beat_ns = time_or(times->beat_ns, standard->beat_ns),
        .dead_ns = time_or(times->dead_ns, standard->dead_ns),
    };
}

struct gw_session *gw_session_open(const struct gw_session_setup *setup, int64_t now)
{
    struct gw_session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->setup = *setup;
    session->setup.terms = NULL;
    session->setup.times = gw_session_times_fill(&setup->times);
    session->last = &session->first;
    session->version = GW_PROTOCOL_OLDEST;
    session->opened_ns = session->heard_ns = session->spoke_ns = now;
    session->state = setup->serves ? GW_SESSION_STRANGER : GW_SESSION_HOPING;
    if (setup->serves)
        return session;
    const char *terms = setup->terms ? setup->terms : "";
    size_t bytes = strlen(terms);
    session->terms = bytes <= UINT32_MAX ? gw_blob_copy(terms, bytes) : NULL;
    if (!session->terms) {
        free(session);
        return NULL;
    }
    session->peer = (struct gw_session_peer){
        .job = setup->job, .instance = setup->instance, .worker = setup->worker, .role = setup->role
    };
    gw_session_say_hello(session, now);
    return session;
}

void gw_session_close(struct gw_session *session)
{
    if (!session)
        return;
    session->state = GW_SESSION_OVER;
    gw_session_forget_input(session);
    gw_session_drop_output(session);
    gw_blob_drop(session->terms);
    free(session);
}

const struct gw_session_peer *gw_session_peer(const struct gw_session *session)
{
    return &session->peer;
}

bool gw_session_is_ready(const struct gw_session *session)
{
    return session->state == GW_SESSION_READY;
}

bool gw_session_is_closed(const struct gw_session *session)
{
    return session->state == GW_SESSION_OVER;
}

const char *gw_session_peer_name(const struct gw_session *session, char text[GW_PEER_TEXT])
{
    if (!session->setup.serves)
        snprintf(text, GW_PEER_TEXT, "the server");
    else if (session->state == GW_SESSION_STRANGER)
        snprintf(text, GW_PEER_TEXT, "a client");
    else
        snprintf(text, GW_PEER_TEXT, "worker %u", session->peer.worker);
    return text;
}

/* ---- the end --------------------------------------------------------------------------------- */

gw_status gw_session_error(gw_status status, gw_status other)
{
    return status < 0 && strcmp(gw_status_name(status), "GW_UNKNOWN") != 0 ? status : other;
}

void gw_session_end(struct gw_session *session, const struct gw_error *error)
{
    session->state = GW_SESSION_OVER;
    session->end = *error;
    session->end_due = true;
    if (session->told == GW_EVENT_NONE)
        gw_session_forget_input(session);
    gw_session_drop_unseen(session);
}

static void refuse(struct gw_session *session, const struct gw_error *error, int64_t now)
{
    size_t words = strnlen(error->text, GW_REFUSE_BYTES - GW_REFUSE_STATUS);
    gw_put_u32(session->ending_payload, (uint32_t)error->status);
    memcpy(session->ending_payload + GW_REFUSE_STATUS, error->text, words);
    gw_session_queue_own(session, &session->ending, GW_FRAME_REFUSE, session->ending_payload,
                         GW_REFUSE_STATUS + words, now);
}

gw_status gw_session_fail(struct gw_session *session, const struct gw_error *error, int64_t now)
{
    struct gw_error whole = *error;
    whole.status = gw_session_error(whole.status, GW_EPEER);
    gw_session_end(session, &whole);
    if (session->heard)
        refuse(session, &whole, now);
    else
        session->mute = true;
    return whole.status;
}

void gw_session_refuse(struct gw_session *session, gw_status status, const char *words, int64_t now)
{
    struct gw_error error;
    if (session->state == GW_SESSION_OVER)
        return;
    gw_error_set(&error, gw_session_error(status, GW_EPEER), "%s",
                 words ? words : gw_status_text(status));
    gw_session_forget_input(session);
    session->ready_due = false;
    gw_session_end(session, &error);
    refuse(session, &error, now);
}

void gw_session_bye(struct gw_session *session, int64_t now)
{
    if (session->state == GW_SESSION_OVER)
        return;
    gw_session_forget_input(session);
    session->ready_due = false;
    /* Here the queue stays: what was sent before comes before the BYE. */
    session->state = GW_SESSION_OVER;
    gw_error_clear(&session->end);
    session->end_due = true;
    gw_session_queue_own(session, &session->ending, GW_FRAME_BYE, NULL, 0, now);
}

void gw_session_cut(struct gw_session *session, gw_status status, const char *words)
{
    char peer[GW_PEER_TEXT];
    struct gw_error error;
    session->mute = true;
    if (session->state == GW_SESSION_OVER) {
        gw_session_drop_unseen(session);
        return;
    }
    if (status == GW_OK)
        gw_error_set(&error, GW_ETRANSPORT, "%s closed the connection %s",
                     gw_session_peer_name(session, peer),
                     session->header_bytes > 0 ? "in the middle of a frame" : "without a BYE");
    else
        gw_error_set(&error, gw_session_error(status, GW_ETRANSPORT), "%s",
                     words ? words : gw_status_text(status));
    gw_session_end(session, &error);
}

/* ---- the clock ------------------------------------------------------------------------------- */

static int64_t after(int64_t start_ns, int64_t span_ns)
{
    int64_t sum;
    return __builtin_add_overflow(start_ns, span_ns, &sum) ? INT64_MAX : sum;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t handshake_due(const struct gw_session *session)
{
    if (session->state >= GW_SESSION_READY)
        return INT64_MAX;
    return after(session->opened_ns, session->setup.times.handshake_ns);
}

static int64_t frame_due(const struct gw_session *session)
{
    if (session->header_bytes == 0 || session->paused)
        return INT64_MAX;
    return after(session->frame_ns, session->setup.times.frame_ns);
}

/* The peer may not take for ever to read one either. */
static int64_t taken_due(const struct gw_session *session)
{
    return session->first ? after(session->head_ns, session->setup.times.frame_ns) : INT64_MAX;
}

static int64_t dead_due(const struct gw_session *session)
{
    return session->paused ? INT64_MAX : after(session->heard_ns, session->setup.times.dead_ns);
}

/* From WELCOME on, so that the one who waits for the other's judgement is not taken for dead. */
static int64_t beat_due(const struct gw_session *session)
{
    bool speaks = session->state == GW_SESSION_WELCOMED || session->state == GW_SESSION_JUDGED ||
                  session->state == GW_SESSION_CHECKED || session->state == GW_SESSION_READY;
    if (!speaks || session->first)
        return INT64_MAX;
    return after(session->spoke_ns, session->setup.times.beat_ns);
}

int64_t gw_session_deadline(const struct gw_session *session)
{
    if (session->state == GW_SESSION_OVER)
        return INT64_MAX;
    return earlier(earlier(earlier(handshake_due(session), frame_due(session)),
                           earlier(dead_due(session), beat_due(session))),
                   taken_due(session));
}

static double seconds(int64_t ns)
{
    return (double)ns / SECOND_NS;
}

bool gw_session_expire(struct gw_session *session, int64_t now)
{
    static const char *const awaited[GW_SESSION_READY] = {
        [GW_SESSION_STRANGER] = "its HELLO", [GW_SESSION_ASKED] = "our WELCOME",
        [GW_SESSION_WELCOMED] = "its TERMS", [GW_SESSION_JUDGED] = "our READY",
        [GW_SESSION_HOPING] = "its WELCOME", [GW_SESSION_CHECKED] = "its READY",
    };
    char peer[GW_PEER_TEXT];
    struct gw_error error;
    const struct gw_session_times *times = &session->setup.times;
    gw_session_peer_name(session, peer);
    if (now >= handshake_due(session))
        gw_error_set(&error, GW_ETIMEOUT, "the handshake with %s still waited for %s after %.3g s",
                     peer, awaited[session->state], seconds(times->handshake_ns));
    else if (now >= frame_due(session))
        gw_error_set(&error, GW_ETIMEOUT, "a frame of %s was not whole after %.3g s", peer,
                     seconds(times->frame_ns));
    else if (now >= taken_due(session))
        gw_error_set(&error, GW_ETIMEOUT, "%s had not taken a frame after %.3g s", peer,
                     seconds(times->frame_ns));
    else
        return false;
    (void)gw_session_fail(session, &error, now);
    return true;
}

void gw_session_tick(struct gw_session *session, int64_t now)
{
    char peer[GW_PEER_TEXT];
    struct gw_error error;
    if (session->state == GW_SESSION_OVER || gw_session_expire(session, now))
        return;
    if (now >= dead_due(session)) {
        gw_error_set(&error, GW_ETIMEOUT, "%s sent nothing for %.3g s",
                     gw_session_peer_name(session, peer), seconds(session->setup.times.dead_ns));
        (void)gw_session_fail(session, &error, now);
    } else if (now >= beat_due(session)) {
        gw_session_beat(session, now);
    }
}

void gw_session_pause(struct gw_session *session, bool paused, int64_t now)
{
    if (paused == session->paused)
        return;
    session->paused = paused;
    if (paused) {
        session->paused_ns = now;
        return;
    }
    session->heard_ns = now;
    session->frame_ns = after(session->frame_ns, now - session->paused_ns);
}
