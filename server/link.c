/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker's connection to one server, over all the sessions that it takes. A session that ends is
 * followed by another after a pause that grows; then what the server has not acknowledged is sent
 * again under its old number, and what it has not answered is asked again. */
#include "server/worker_inside.h"

#include "base/types.h"
#include "compress/codec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BACKOFF_FIRST_NS = 20000000, BACKOFF_MOST_NS = 500000000, BAD_MOST = 3 };

/* ---- connecting ------------------------------------------------------------------------------ */

void gw_link_connect(struct link *link)
{
    struct gw_worker *worker = link->worker;
    link->retry_at = INT64_MAX;
    link->connecting = true;
    worker->world.connect(worker->world.user, link->server);
}

/* What another try may mend: the network, a server that starts anew, a number that is still held
 * by a process which nobody has noticed is dead. */
static bool may_pass(gw_status status)
{
    return status == GW_OK || status == GW_ETRANSPORT || status == GW_ETIMEOUT ||
           status == GW_ESTATE || status == GW_ENOMEM || status == GW_EPAYLOAD ||
           status == GW_EBROKEN;
}

void gw_link_lost(struct link *link, const struct gw_error *why, int64_t now)
{
    struct gw_worker *worker = link->worker;
    link->session = NULL;
    link->ready = link->connecting = false;
    gw_blob_drop(link->incoming);
    link->incoming = NULL;
    if (!link->answered) {
        gw_link_drop_items(link);
        link->asked = false;
    }
    if (why && why->status)
        link->why = *why;
    if (!may_pass(link->why.status))
        gw_worker_break(worker, link->why.status, "%s: %.500s", link->name, link->why.text);
    link->backoff_ns = link->backoff_ns ? link->backoff_ns * 2 : BACKOFF_FIRST_NS;
    if (link->backoff_ns > BACKOFF_MOST_NS)
        link->backoff_ns = BACKOFF_MOST_NS;
    link->retry_at = now + link->backoff_ns;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* What cannot be queued now is sent over the next session. */
static void send(struct link *link, const struct gw_frame *frame, struct gw_blob *blob, int64_t now)
{
    struct gw_worker *worker = link->worker;
    if (gw_session_send(link->session, frame, blob, now) == GW_ENOMEM)
        gw_session_refuse(link->session, GW_ENOMEM, "the worker is out of memory", now);
    worker->counts.sent_bytes += GW_FRAME_HEADER + (blob ? blob->bytes : 0);
}

static void send_body(struct link *link, struct gw_frame frame, const void *body, size_t bytes,
                      int64_t now)
{
    struct gw_blob *blob = gw_blob_copy(body, bytes);
    if (blob)
        send(link, &frame, blob, now);
    else
        gw_session_refuse(link->session, GW_ENOMEM, "the worker is out of memory", now);
    gw_blob_drop(blob);
}

void gw_link_send_push(struct link *link, struct sent *sent, int64_t now)
{
    struct gw_worker *worker = link->worker;
    uint8_t body[GW_COMMIT_BYTES];
    for (size_t i = 0; i < link->count; i++) {
        size_t part = link->first + i;
        send(link,
             &(struct gw_frame){ .type = GW_PS_PUSH,
                                 .flags = sent->push.raw ? GW_PS_RAW : 0,
                                 .sequence = sent->number,
                                 .tensor = (uint32_t)i,
                                 .spec = worker->codecs.push_spec(worker->codecs.user, part) },
             sent->part[part], now);
        worker->counts.raw_sent_bytes += worker->parts[part].count * sizeof(float);
    }
    gw_commit_write(body, &(struct gw_commit_body){ .rate = sent->push.rate,
                                                    .meant = sent->meant[link->server],
                                                    .clock = sent->clock,
                                                    .norm = sent->push.norm,
                                                    .parts = (uint32_t)link->count,
                                                    .leaving = sent->push.leaving });
    send_body(link, (struct gw_frame){ .type = GW_PS_COMMIT, .sequence = sent->number }, body,
              sizeof body, now);
    worker->world.flush(worker->world.user, link->server);
}

void gw_link_send_pull(struct link *link, int64_t now)
{
    struct gw_worker *worker = link->worker;
    uint8_t body[GW_PULL_BYTES];
    bool holds = worker->codecs.remembers(worker->codecs.user);
    gw_link_drop_items(link);
    link->asked = true;
    gw_pull_write(body, &(struct gw_pull_body){ .incarnation = holds ? link->held_incarnation : 0,
                                                .version = holds ? link->held_version : 0,
                                                .wanted = worker->observer ? 0 : link->meant });
    send_body(link, (struct gw_frame){ .type = GW_PS_PULL, .sequence = worker->pull_number }, body,
              sizeof body, now);
    worker->world.flush(worker->world.user, link->server);
}

void gw_link_send_clock(struct link *link, int64_t now)
{
    struct gw_worker *worker = link->worker;
    uint8_t body[GW_CLOCK_BYTES];
    if (worker->observer)
        return;
    gw_clock_write(body, &(struct gw_clock_body){ .clock = worker->clock, .begun = worker->begun });
    send_body(link, (struct gw_frame){ .type = GW_PS_CLOCK }, body, sizeof body, now);
    worker->world.flush(worker->world.user, link->server);
}

static void send_initial(struct link *link, int64_t now)
{
    struct gw_worker *worker = link->worker;
    if (worker->observer || link->count == 0)
        return;
    if (!worker->initial || link->knows_values) {
        gw_worker_break(worker, GW_ESTATE,
                        "%s was started anew and has lost its parameters: begin the job anew, and "
                        "give the server a durability",
                        link->name);
        return;
    }
    for (size_t i = 0; i < link->count; i++)
        send(link,
             &(struct gw_frame){ .type = GW_PS_INIT,
                                 .flags = i + 1 == link->count ? GW_PS_LAST : 0,
                                 .tensor = (uint32_t)i },
             worker->initial[link->first + i], now);
}

/* ---- what comes ------------------------------------------------------------------------------ */

void gw_link_drop_items(struct link *link)
{
    gw_worker_free_items(link->items);
    link->items = NULL;
    link->items_end = &link->items;
    link->items_count = 0;
}

gw_status gw_link_admit(void *user, const struct gw_frame *frame, uint8_t **room,
                        struct gw_error *error)
{
    struct link *link = user;
    struct gw_worker *worker = link->worker;
    bool raw = (frame->flags & GW_PS_RAW) != 0;
    size_t most = 0;
    switch (frame->type) {
    case GW_PS_ACK:
        most = GW_ACK_BYTES;
        break;
    case GW_PS_NAK:
        most = GW_ERROR_TEXT + 4;
        break;
    case GW_PS_DONE:
        most = GW_DONE_BYTES;
        break;
    case GW_PS_VALUES:
        if (frame->tensor < link->count && worker->terms)
            most = worker->codecs.bound(worker->codecs.user, link->first + frame->tensor, raw);
        break;
    default:
        break;
    }
    bool fixed = frame->type == GW_PS_ACK || frame->type == GW_PS_DONE;
    if (most == 0 || frame->length > most || (fixed && frame->length != most))
        return gw_fail(error, GW_EPAYLOAD,
                       "%s sent a frame of type %d, part %" PRIu32 ", with %" PRIu32
                       " bytes, %zu at most",
                       link->name, frame->type, frame->tensor, frame->length, most);
    if (frame->type != GW_PS_VALUES)
        return GW_OK;
    gw_blob_drop(link->incoming);
    link->incoming = gw_blob_take(worker->payloads, frame->length);
    if (!link->incoming)
        return gw_fail(error, GW_ENOMEM, "out of memory for a pull");
    *room = link->incoming->data;
    return GW_OK;
}

static void refuse(struct link *link, const struct gw_error *error, int64_t now)
{
    link->why = *error;
    gw_session_refuse(link->session, error->status, error->text, now);
    link->worker->world.flush(link->worker->world.user, link->server);
    if (error->status == GW_EPAYLOAD && ++link->strikes >= BAD_MOST)
        gw_worker_break(link->worker, error->status, "%s: %.500s", link->name, error->text);
}

/* Terms that this worker had left open are the server's. */
static gw_status take_terms(struct link *link, const struct gw_event *event,
                            struct gw_ready_body *ready, struct gw_error *error)
{
    struct gw_worker *worker = link->worker;
    struct gw_job *terms;
    if (event->frame.length < GW_READY_BYTES)
        return gw_fail(error, GW_EPAYLOAD, "READY has %" PRIu32 " bytes", event->frame.length);
    gw_ready_read(ready, event->payload);
    if (ready->parts != link->count)
        return gw_fail(error, GW_EMISMATCH, "the server has %" PRIu64 " parts, expected %zu",
                       ready->parts, link->count);
    if (worker->terms)
        return GW_OK;
    gw_status s = gw_job_read(&terms, (const char *)event->payload + GW_READY_BYTES,
                              event->frame.length - GW_READY_BYTES, error);
    if (s)
        return s;
    s = worker->codecs.open(worker->codecs.user, terms, error);
    if (s)
        gw_job_close(terms);
    else
        worker->terms = terms;
    return s;
}

/* A server that started anew counts rounds from what its disk knew. */
static void take_incarnation(struct link *link, const struct gw_ready_body *ready)
{
    struct gw_worker *worker = link->worker;
    if (link->incarnation == ready->incarnation)
        return;
    link->incarnation = ready->incarnation;
    link->round = link->meant = ready->round;
    for (struct sent *s = worker->first; s; s = s->next)
        if (!s->acked[link->server] && s->number > ready->durable)
            s->meant[link->server] = ++link->meant;
}

static void take_ready(struct link *link, const struct gw_event *event, int64_t now)
{
    struct gw_worker *worker = link->worker;
    struct gw_ready_body ready;
    struct gw_error error = { 0 };
    gw_status s = take_terms(link, event, &ready, &error);
    if (s) {
        refuse(link, &error, now);
        if (!may_pass(s))
            gw_worker_break(worker, s, "%s: %.500s", link->name, error.text);
        return;
    }
    if (link->joined)
        worker->counts.reconnects++;
    else
        link->accepted = ready.accepted;
    take_incarnation(link, &ready);
    link->ready = link->joined = true;
    link->connecting = false;
    link->backoff_ns = 0;
    gw_error_clear(&link->why);
    if (ready.wants_values)
        send_initial(link, now);
    else
        link->knows_values = true;
    gw_worker_acked(worker, link, ready.durable);
    for (struct sent *sent = worker->first; sent; sent = sent->next) {
        if (sent->acked[link->server])
            continue;
        worker->counts.resent++;
        gw_link_send_push(link, sent, now);
    }
    /* Behind the pushes: the clock is to say that they have come. */
    gw_worker_take_clock(worker, ready.clock, ready.round, now);
    if (ready.clock < worker->clock || (ready.round == 0 && worker->begun))
        gw_link_send_clock(link, now);
    if (worker->pulling && !link->answered)
        gw_link_send_pull(link, now);
    worker->world.flush(worker->world.user, link->server);
    worker->world.changed(worker->world.user);
}

/* Nobody will ask for the initial values again once every server has shown that it has some. */
static void note_values(struct link *link)
{
    struct gw_worker *worker = link->worker;
    link->knows_values = true;
    for (int i = 0; i < worker->links_count; i++)
        if (!worker->links[i].knows_values && worker->links[i].count > 0)
            return;
    gw_worker_drop_initial(worker);
}

static void take_ack(struct link *link, const struct gw_event *event)
{
    if (event->frame.flags & GW_PS_LATE)
        link->worker->counts.late++;
    note_values(link);
    gw_worker_acked(link->worker, link, event->frame.sequence);
}

/* A push that does not count: the session is begun anew, and the push sent again; three times. */
static void take_nak(struct link *link, const struct gw_event *event, int64_t now)
{
    struct gw_error error = { 0 };
    gw_nak_read(&error, event->payload, event->frame.length);
    refuse(link, &error, now);
    if (!may_pass(error.status))
        gw_worker_break(link->worker, error.status, "%s refused a push: %.450s", link->name,
                        error.text);
}

static void take_values(struct link *link, const struct gw_event *event, int64_t now)
{
    struct gw_worker *worker = link->worker;
    struct gw_error error = { 0 };
    const struct gw_frame *frame = &event->frame;
    size_t part = link->first + frame->tensor;
    bool raw = (frame->flags & GW_PS_RAW) != 0;
    if (!link->asked || link->answered || frame->sequence != worker->pull_number)
        return; /* of a pull that was asked again */
    gw_status s = worker->codecs.check(worker->codecs.user, part, raw, link->incoming->data,
                                       frame->length, &error);
    struct gw_worker_item *item = s ? NULL : calloc(1, sizeof *item);
    if (!s && !item)
        s = gw_fail(&error, GW_ENOMEM, "out of memory for a pull");
    if (s) {
        refuse(link, &error, now);
        return;
    }
    *item = (struct gw_worker_item){ .part = part,
                                     .whole = (frame->flags & GW_PS_WHOLE) != 0,
                                     .raw = raw,
                                     .payload = link->incoming };
    link->incoming = NULL;
    *link->items_end = item;
    link->items_end = &item->next;
    link->items_count++;
    worker->counts.raw_received_bytes += worker->parts[part].count * sizeof(float);
}

static void take_done(struct link *link, const struct gw_event *event, int64_t now)
{
    struct gw_worker *worker = link->worker;
    struct gw_error error = { 0 };
    struct gw_done_body done;
    if (!link->asked || link->answered || event->frame.sequence != worker->pull_number)
        return;
    gw_done_read(&done, event->payload);
    if (done.payloads != link->items_count) {
        (void)gw_fail(&error, GW_EPAYLOAD,
                      "%s says that a pull has %" PRIu64 " payloads, %" PRIu64 " came", link->name,
                      done.payloads, link->items_count);
        refuse(link, &error, now);
        return;
    }
    link->strikes = 0;
    link->done = done;
    link->round = done.round;
    gw_worker_take_clock(worker, 0, done.round, now);
    link->answered = true;
    note_values(link);
    worker->world.changed(worker->world.user);
}

static void take_beat(struct link *link, const struct gw_event *event)
{
    size_t length = gw_min_size(event->frame.length, sizeof link->hint - 1);
    memcpy(link->hint, event->payload, length); /* the session has made it printable */
    link->hint[length] = '\0';
}

void gw_link_take(struct link *link, struct gw_event *event, int64_t now)
{
    struct gw_worker *worker = link->worker;
    if (event->kind == GW_EVENT_CLOSED) {
        link->ready = false;
        if (event->error.status)
            link->why = event->error;
        return; /* gw_worker_gone follows */
    }
    if (event->kind == GW_EVENT_READY)
        take_ready(link, event, now);
    if (event->kind == GW_EVENT_BEAT)
        take_beat(link, event);
    if (event->kind != GW_EVENT_FRAME)
        return;
    worker->counts.received_bytes += GW_FRAME_HEADER + event->frame.length;
    switch (event->frame.type) {
    case GW_PS_ACK:
        take_ack(link, event);
        break;
    case GW_PS_NAK:
        take_nak(link, event, now);
        break;
    case GW_PS_VALUES:
        take_values(link, event, now);
        break;
    default: /* admit lets only DONE through */
        take_done(link, event, now);
    }
}
