/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* An input is a list of moves, each a byte and what it needs:
 *
 *     0        n, n bytes          feed them as they are
 *     1 to 3   type, mask, fields, n, n bytes
 *                                  feed a frame. It is of this session with right checks, but for
 *                                  what the mask says: 1 version, 2 flags, 4 job, 8 worker,
 *                                  16 epoch, 32 sequence (each is read from the input), 64 its
 *                                  length is read, 128 the payload's checksum is wrong
 *     4        n                   later frames are fed in pieces of n bytes (0: whole)
 *     5        n                   n tenths of a second pass, and the clock is shown
 *     6        n                   the room above does something
 *     7        n                   the stream sends n bytes
 *
 * The first byte says what the room above does by itself: 1 answers, 2 gives rooms for payloads. */
#include "tests/fuzz_session.h"

#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "session/session.h"

enum { JOB = 77, WORKER = 3, EPOCH = 7, LONGEST = 5000, TENTH_NS = 100000000, PIECES = 7 };

struct world {
    struct gw_session *session;
    const uint8_t *data;
    size_t left, piece;
    int64_t now;
    bool serves, answers, places, closed, was_ready;
    uint8_t room[LONGEST];
    int lent, returned;
};

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t take(struct world *world)
{
    if (world->left == 0)
        return 0;
    world->left--;
    return *world->data++;
}

static uint64_t take_number(struct world *world, int bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < bytes; i++)
        number |= (uint64_t)take(world) << 8 * i;
    return number;
}

static gw_status admit(void *user, const struct gw_frame *frame, uint8_t **room,
                       struct gw_error *error)
{
    struct world *world = user;
    expect(frame->type >= GW_FRAME_FIRST_USE && frame->job == JOB && frame->worker == WORKER);
    expect(gw_session_is_ready(world->session));
    if (frame->length > LONGEST)
        return gw_fail(error, GW_ECAPACITY, "too long");
    if (world->places && frame->tensor % 2 == 0)
        *room = world->room;
    return GW_OK;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void look_at(struct world *world, struct gw_event *event)
{
    expect(!world->closed);
    const struct gw_frame *frame = &event->frame;
    if (event->payload && !event->placed)
        expect(event->payload[frame->length] == 0);
    if (event->payload)
        expect(gw_frame_checksum(event->payload, frame->length) == frame->checksum ||
               event->kind == GW_EVENT_BEAT);
    switch (event->kind) {
    case GW_EVENT_HELLO:
        expect(world->serves && event->placed && frame->length == 16);
        if (world->answers)
            (void)gw_session_welcome(world->session, EPOCH, world->now);
        break;
    case GW_EVENT_TERMS:
        expect(world->serves && frame->length <= LONGEST);
        if (world->answers)
            (void)gw_session_ready(world->session, event->payload, frame->length, world->now);
        break;
    case GW_EVENT_READY:
        expect(!world->was_ready);
        world->was_ready = true;
        break;
    case GW_EVENT_FRAME:
        expect(world->was_ready && frame->length <= LONGEST);
        expect(frame->epoch == gw_session_peer(world->session)->epoch);
        break;
    case GW_EVENT_BEAT:
        expect(frame->length <= 255);
        break;
    default:
        expect(event->kind == GW_EVENT_CLOSED && gw_session_is_closed(world->session));
        expect(event->error.status <= 0);
        for (const char *c = event->error.text; *c; c++)
            expect(*c >= 0x20 && *c < 0x7f);
        world->closed = true;
    }
}

static void hear(struct world *world)
{
    struct gw_event event;
    while (gw_session_next(world->session, &event)) {
        look_at(world, &event);
        gw_event_release(&event);
    }
}

static void feed(struct world *world, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        size_t piece = world->piece ? gw_min_size(world->piece, count) : count;
        /* A copy of the exact size, so that a read past the end is seen. */
        uint8_t *copy = malloc(piece);
        expect(copy != NULL);
        memcpy(copy, bytes, piece);
        hear(world);
        size_t taken = gw_session_feed(world->session, copy, piece, world->now);
        free(copy);
        expect(taken > 0 && taken <= piece);
        bytes += taken;
        count -= taken;
    }
    hear(world);
}

/* ---- moves ----------------------------------------------------------------------------------- */

static void move_bytes(struct world *world)
{
    size_t count = gw_min_size(take(world), world->left);
    const uint8_t *bytes = world->data;
    world->data += count;
    world->left -= count;
    feed(world, bytes, count);
}

static void move_frame(struct world *world)
{
    uint8_t type = take(world), mask = take(world), wire[GW_FRAME_HEADER + 255];
    struct gw_frame frame = { .version = 1,
                              .type = type,
                              .job = JOB,
                              .worker = WORKER,
                              .epoch = gw_session_peer(world->session)->epoch };
    if (type == GW_FRAME_WELCOME)
        frame.epoch = EPOCH;
    if (mask & 1)
        frame.version = (uint16_t)take_number(world, 2);
    if (mask & 2)
        frame.flags = take(world);
    if (mask & 4)
        frame.job = take_number(world, 8);
    if (mask & 8)
        frame.worker = (uint32_t)take_number(world, 4);
    if (mask & 16)
        frame.epoch = (uint32_t)take_number(world, 4);
    if (mask & 32) {
        frame.sequence = take_number(world, 8);
        frame.tensor = (uint32_t)frame.sequence;
    }
    uint32_t lie = mask & 64 ? (uint32_t)take_number(world, 4) : 0;
    size_t count = gw_min_size(take(world), world->left);
    frame.length = mask & 64 ? lie : (uint32_t)count;
    frame.checksum = gw_frame_checksum(world->data, count) ^ (mask & 128);
    gw_frame_write(wire, &frame);
    if (count > 0)
        memcpy(wire + GW_FRAME_HEADER, world->data, count);
    world->data += count;
    world->left -= count;
    feed(world, wire, GW_FRAME_HEADER + count);
}

static void move_clock(struct world *world)
{
    int64_t before = gw_session_deadline(world->session);
    size_t queued = gw_session_queued(world->session);
    bool closed = gw_session_is_closed(world->session);
    world->now += (int64_t)take(world) * TENTH_NS;
    gw_session_tick(world->session, world->now);
    if (world->now < before) /* then nothing was due */
        expect(queued == gw_session_queued(world->session) &&
               closed == gw_session_is_closed(world->session));
}

static void count_return(void *user)
{
    ++*(int *)user;
}

static void send_something(struct world *world, unsigned how)
{
    static const uint8_t lent[600];
    struct gw_frame frame = { .type = (uint8_t)(16 + how), .sequence = how };
    size_t bytes = 40 * how % sizeof lent;
    if (how % 2) {
        if (!gw_session_send_borrowed(world->session, &frame, lent, bytes, count_return,
                                      &world->returned, world->now))
            world->lent++;
        return;
    }
    struct gw_blob *blob = how % 4 ? gw_blob_copy(lent, bytes) : NULL;
    (void)!gw_session_send(world->session, &frame, blob, world->now);
    gw_blob_drop(blob);
}

static void move_room_above(struct world *world)
{
    static const char words[] = "words with \x01 and \xff";
    unsigned what = take(world);
    struct gw_session *session = world->session;
    switch (what) {
    case 0:
        (void)gw_session_welcome(session, EPOCH, world->now);
        break;
    case 1:
        (void)gw_session_ready(session, words, sizeof words, world->now);
        break;
    case 2:
        gw_session_refuse(session, GW_EMISMATCH, "no", world->now);
        break;
    case 3:
        gw_session_bye(session, world->now);
        break;
    case 4:
        gw_session_cut(session, GW_OK, NULL);
        break;
    case 5:
        gw_session_set_beat(session, words);
        break;
    case 6:
    case 7:
        gw_session_pause(session, what == 6, world->now);
        break;
    default:
        send_something(world, what - 8);
    }
}

static void move_stream(struct world *world)
{
    struct iovec pieces[PIECES];
    size_t wanted = take(world), shown = 0, sum = 0;
    int count = gw_session_output(world->session, pieces, PIECES);
    for (int i = 0; i < count; i++) {
        const uint8_t *bytes = pieces[i].iov_base;
        shown += pieces[i].iov_len;
        for (size_t k = 0; k < pieces[i].iov_len; k++)
            sum += bytes[k]; /* all of it can be read */
    }
    expect(sum <= 255 * shown && shown <= gw_session_queued(world->session));
    expect(count > 0 || gw_session_queued(world->session) == 0);
    gw_session_sent(world->session, gw_min_size(wanted, shown), world->now);
}

void fuzz_session(bool serves, const uint8_t *data, size_t size)
{
    static const uint8_t none;
    struct world world = { .serves = serves, .data = size ? data : &none, .left = size };
    struct gw_session_setup setup = { .serves = serves,
                                      .job = JOB,
                                      .worker = serves ? 0 : WORKER,
                                      .terms = "mode: sync\n",
                                      .rules = { admit, &world, LONGEST } };
    uint8_t habits = take(&world);
    world.answers = habits & 1;
    world.places = habits & 2;
    world.session = gw_session_open(&setup, 0);
    expect(world.session != NULL);
    while (world.left > 0) {
        static void (*const moves[8])(struct world *) = { move_bytes,      move_frame, move_frame,
                                                          move_frame,      NULL,       move_clock,
                                                          move_room_above, move_stream };
        unsigned move = take(&world) % 8;
        if (move == 4)
            world.piece = take(&world);
        else
            moves[move](&world);
        hear(&world);
    }
    gw_session_close(world.session);
    expect(world.lent == world.returned);
}
