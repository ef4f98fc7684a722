/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Two sessions with arrays between them. */
#include "tests/session_pair.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/types.h"

/* As ck_assert_msg, which allocates also when all is well. */
static void __attribute__((format(printf, 2, 3))) must(bool holds, const char *format, ...)
{
    if (holds)
        return;
    char words[512];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    ck_abort_msg("%s", words);
}

/* ---- one end --------------------------------------------------------------------------------- */

static gw_status admit(void *user, const struct gw_frame *frame, uint8_t **room,
                       struct gw_error *error)
{
    struct end *end = user;
    if (frame->length > end->longest)
        return gw_fail(error, GW_ECAPACITY, "%u bytes, at most %u are admitted", frame->length,
                       end->longest);
    end->admitted++;
    if (end->places)
        *room = end->room;
    return GW_OK;
}

struct gw_session_setup pair_setup(bool serves, struct end *end)
{
    return (struct gw_session_setup){
        .serves = serves,
        .job = PAIR_JOB,
        .worker = serves ? 0 : PAIR_WORKER,
        .role = serves ? 0 : 2,
        .instance = serves ? 0 : 0xabcdef,
        .terms = serves ? NULL : "mode: sync\n",
        .times = gw_session_times_default,
        .rules = { .admit = admit, .user = end, .terms_bytes = serves ? PAIR_TERMS : 0 },
    };
}

void end_open(struct end *end, const struct gw_session_setup *setup, int64_t now)
{
    memset(end, 0, offsetof(struct end, room));
    end->said_bytes = end->heard_bytes = 0;
    end->longest = PAIR_ROOM;
    end->answers = true;
    end->session = gw_session_open(setup, now);
    must(end->session != NULL, "no session");
}

void end_close(struct end *end)
{
    gw_session_close(end->session);
    end->session = NULL;
}

static void answer(struct end *end, const struct gw_event *event, int64_t now)
{
    if (event->kind == GW_EVENT_HELLO)
        (void)gw_session_welcome(end->session, PAIR_EPOCH, now);
    if (event->kind == GW_EVENT_TERMS)
        (void)gw_session_ready(end->session, "workers: 4\n", 11, now);
}

void end_events(struct end *end, int64_t now)
{
    struct gw_event event;
    while (gw_session_next(end->session, &event)) {
        must(end->closings == 0, "an event of kind %d after CLOSED", event.kind);
        must(end->count < PAIR_EVENTS, "too many events for this test");
        end->seen[end->count++] =
            (struct seen){ event.kind, event.frame,
                           event.payload ? gw_frame_checksum(event.payload, event.frame.length)
                                         : 0 };
        if (event.payload && !event.placed)
            must(event.payload[event.frame.length] == 0, "no NUL behind a payload");
        if (event.kind == GW_EVENT_CLOSED) {
            end->closings++;
            end->end = event.error;
            must(gw_session_is_closed(end->session), "CLOSED of an open session");
        }
        if (end->answers)
            answer(end, &event, now);
        gw_event_release(&event);
    }
}

void end_feed(struct end *end, const uint8_t *bytes, size_t count, size_t most, uint64_t *random,
              int64_t now)
{
    end_events(end, now);
    while (count > 0) {
        size_t piece = most ? most : count;
        if (most && random)
            piece = 1 + next_random(random) % most;
        piece = gw_min_size(piece, count);
        size_t taken = gw_session_feed(end->session, bytes, piece, now);
        must(taken > 0 && taken <= piece, "%zu bytes of %zu were taken", taken, piece);
        end_events(end, now);
        bytes += taken;
        count -= taken;
    }
}

void end_say(struct end *end, uint64_t *random, int64_t now)
{
    struct iovec pieces[5];
    for (;;) {
        int most = random ? 1 + (int)(next_random(random) % 5) : 5;
        int count = gw_session_output(end->session, pieces, most);
        size_t bytes = 0;
        for (int i = 0; i < count; i++)
            bytes += pieces[i].iov_len;
        must(bytes <= gw_session_queued(end->session), "more bytes than are queued");
        if (count == 0)
            return;
        must(bytes > 0, "%d pieces without a byte", count);
        if (random && bytes > 0) /* the kernel takes a part only */
            bytes = 1 + next_random(random) % bytes;
        size_t left = bytes;
        for (int i = 0; left > 0; i++) {
            size_t part = gw_min_size(left, pieces[i].iov_len);
            must(end->said_bytes + part <= PAIR_WIRE, "too many bytes for this test");
            memcpy(end->said + end->said_bytes, pieces[i].iov_base, part);
            end->said_bytes += part;
            left -= part;
        }
        size_t before = gw_session_queued(end->session);
        gw_session_sent(end->session, bytes, now);
        must(gw_session_queued(end->session) == before - bytes, "%zu bytes of %zu left, %zu wait",
             bytes, before, gw_session_queued(end->session));
    }
}

int end_count(const struct end *end, enum gw_event_kind kind)
{
    int count = 0;
    for (int i = 0; i < end->count; i++)
        count += end->seen[i].kind == kind;
    return count;
}

gw_status end_send(struct end *end, uint8_t type, uint64_t sequence, size_t bytes, int64_t now)
{
    struct gw_blob *blob = gw_blob_new(bytes);
    uint64_t random = sequence;
    if (!blob)
        return GW_ENOMEM;
    for (size_t i = 0; i < bytes; i++)
        blob->data[i] = (uint8_t)next_random(&random);
    gw_blob_seal(blob);
    struct gw_frame frame = { .type = type,
                              .flags = (uint8_t)sequence,
                              .sequence = sequence,
                              .tensor = (uint32_t)(3 * sequence),
                              .spec = ~sequence };
    gw_status status = gw_session_send(end->session, &frame, blob, now);
    gw_blob_drop(blob);
    return status;
}

/* ---- both ------------------------------------------------------------------------------------ */

void pair_open(struct pair *pair, size_t most, uint64_t seed)
{
    struct gw_session_setup client = pair_setup(false, &pair->client);
    struct gw_session_setup server = pair_setup(true, &pair->server);
    pair->now = 5 * (int64_t)PAIR_SECOND;
    pair->most = most;
    pair->random = seed;
    end_open(&pair->client, &client, pair->now);
    end_open(&pair->server, &server, pair->now);
}

void pair_close(struct pair *pair)
{
    end_close(&pair->client);
    end_close(&pair->server);
}

static bool carry(struct pair *pair, struct end *from, struct end *to)
{
    uint64_t *random = pair->random ? &pair->random : NULL;
    end_events(from, pair->now);
    end_say(from, random, pair->now);
    size_t bytes = from->said_bytes - from->heard_bytes;
    end_feed(to, from->said + from->heard_bytes, bytes, pair->most, random, pair->now);
    from->heard_bytes = from->said_bytes;
    end_events(to, pair->now);
    return bytes > 0;
}

void pair_run(struct pair *pair)
{
    bool moved;
    do {
        moved = carry(pair, &pair->client, &pair->server);
        moved |= carry(pair, &pair->server, &pair->client);
    } while (moved);
}

void pair_shake_hands(struct pair *pair)
{
    pair_run(pair);
    must(gw_session_is_ready(pair->client.session), "the client is not ready: %s",
         pair->client.end.text);
    must(gw_session_is_ready(pair->server.session), "the server is not ready: %s",
         pair->server.end.text);
}

/* ---- expectations ---------------------------------------------------------------------------- */

void expect_closed(const struct end *end, gw_status status, const char *words)
{
    ck_assert_msg(end->closings == 1, "closed %d times, expected once with %s", end->closings,
                  gw_status_name(status));
    ck_assert_int_eq(end->seen[end->count - 1].kind, GW_EVENT_CLOSED);
    ck_assert_msg(end->end.status == status, "closed with %s \"%s\", expected %s",
                  gw_status_name(end->end.status), end->end.text, gw_status_name(status));
    if (words)
        ck_assert_msg(strstr(end->end.text, words), "closed with \"%s\", expected \"%s\" in it",
                      end->end.text, words);
    ck_assert(gw_session_is_closed(end->session) && !gw_session_is_ready(end->session));
    ck_assert_int_eq(gw_session_deadline(end->session), INT64_MAX);
}

size_t raw_frame(uint8_t *out, const struct gw_frame *frame, const void *payload, size_t bytes)
{
    struct gw_frame whole = *frame;
    if (whole.version == 0)
        whole.version = GW_PROTOCOL_NEWEST;
    whole.length = (uint32_t)bytes;
    whole.checksum = gw_frame_checksum(payload, bytes);
    gw_frame_write(out, &whole);
    if (bytes > 0)
        memcpy(out + GW_FRAME_HEADER, payload, bytes);
    return GW_FRAME_HEADER + bytes;
}
