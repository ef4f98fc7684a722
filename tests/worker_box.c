/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker's core in a box. */
#include "tests/worker_box.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compress/codec.h"
#include "server/shard_inside.h"

struct worker_box wb;

/* ---- the worker's world ---------------------------------------------------------------------- */

static void connect_to(void *user, int server)
{
    (void)user;
    wb.servers[server].asked++;
}

static void flush(void *user, int server)
{
    (void)user;
    (void)server;
}

static void changed(void *user)
{
    (void)user;
    wb.changes++;
}

static gw_status open_codecs(void *user, const struct gw_job *terms, struct gw_error *error)
{
    (void)user;
    (void)terms;
    return wb.open_status ? gw_fail(error, wb.open_status, "no such codec") : GW_OK;
}

/* Payloads are right if their first float is not negative. */
static gw_status check(void *user, size_t part, bool raw, const void *payload, size_t bytes,
                       struct gw_error *error)
{
    (void)user;
    (void)part;
    (void)raw;
    if (bytes < GW_HEADER_BYTES + sizeof(float))
        return gw_fail(error, GW_EPAYLOAD, "too short");
    if (gw_get_f32((const uint8_t *)payload + GW_HEADER_BYTES) < 0)
        return gw_fail(error, GW_EPAYLOAD, "a negative number");
    return GW_OK;
}

static size_t bound(void *user, size_t part, bool raw)
{
    (void)user;
    (void)part;
    (void)raw;
    return GW_HEADER_BYTES + WB_COUNT * sizeof(float);
}

static uint64_t push_spec(void *user, size_t part)
{
    (void)user;
    return part;
}

static bool remembers(void *user)
{
    (void)user;
    return wb.remembers;
}

static struct gw_blob **new_parts(float value)
{
    size_t count;
    float values[WB_COUNT];
    (void)gw_worker_parts(wb.worker, &count);
    struct gw_blob **parts = calloc(count, sizeof(struct gw_blob *));
    for (int i = 0; i < WB_COUNT; i++)
        values[i] = value;
    for (size_t i = 0; i < count; i++)
        parts[i] = gw_raw_blob(values, WB_COUNT / 2);
    return parts;
}

void wb_set_up(void)
{
    static const char *const names[WB_SERVERS] = { "one:1", "two:2" };
    static const gw_tensor tensor = { .name = "w", .count = WB_COUNT };
    const struct gw_worker_world world = { NULL, connect_to, flush, changed };
    const struct gw_worker_codecs codecs = {
        NULL, open_codecs, check, bound, push_spec, remembers
    };
    memset(&wb, 0, sizeof wb);
    wb.now = 1000 * MS;
    ck_assert_int_eq(gw_job_open(&wb.job, "job", NULL), GW_OK);
    wb.job->servers = WB_SERVERS;
    ck_assert_int_eq(gw_job_set_layout(wb.job, &tensor, 1, "raw", NULL, 0, NULL), GW_OK);
    const struct gw_worker_setup setup = { wb.job, names, 3, false, 99 };
    ck_assert_int_eq(gw_worker_open(&wb.worker, &setup, &world, NULL), GW_OK);
    gw_worker_set_codecs(wb.worker, &codecs);
    gw_worker_start(wb.worker, new_parts(1), wb.now);
}

static void drop(int i)
{
    gw_session_close(wb.servers[i].session);
    gw_session_close(wb.servers[i].client);
    wb.servers[i].session = wb.servers[i].client = NULL;
}

void wb_tear_down(void)
{
    for (int i = 0; i < WB_SERVERS; i++)
        drop(i);
    gw_worker_close(wb.worker);
}

/* ---- carrying -------------------------------------------------------------------------------- */

static gw_status admit_all(void *user, const struct gw_frame *frame, uint8_t **room,
                           struct gw_error *error)
{
    (void)user;
    (void)frame;
    (void)room;
    (void)error;
    return GW_OK;
}

static void note(struct server *server, const struct gw_event *event)
{
    struct seen seen = { .type = event->frame.type,
                         .flags = event->frame.flags,
                         .sequence = event->frame.sequence };
    if (seen.type == GW_PS_COMMIT) {
        struct gw_commit_body body;
        gw_commit_read(&body, event->payload);
        seen.meant = body.meant;
        seen.clock = body.clock;
    }
    if (seen.type == GW_PS_CLOCK)
        seen.clock = gw_get_u64(event->payload);
    if (seen.type == GW_PS_PULL) {
        struct gw_pull_body body;
        gw_pull_read(&body, event->payload);
        seen.meant = body.wanted;
        seen.clock = body.version;
    }
    ck_assert_int_lt(server->count, WB_FRAMES);
    server->seen[server->count++] = seen;
}

static void take(int i)
{
    struct gw_event event;
    while (gw_session_next(wb.servers[i].session, &event)) {
        if (event.kind == GW_EVENT_HELLO)
            (void)gw_session_welcome(wb.servers[i].session, 1, wb.now);
        if (event.kind == GW_EVENT_FRAME)
            note(&wb.servers[i], &event);
        gw_event_release(&event);
    }
    while (gw_session_next(wb.servers[i].client, &event))
        gw_worker_event(wb.worker, i, &event, wb.now);
}

static bool carry(int i, struct gw_session *from, struct gw_session *to)
{
    struct iovec piece;
    int count = gw_session_output(from, &piece, 1);
    for (size_t taken = 0; count > 0 && taken < piece.iov_len; take(i))
        taken +=
            gw_session_feed(to, (uint8_t *)piece.iov_base + taken, piece.iov_len - taken, wb.now);
    gw_session_sent(from, count > 0 ? piece.iov_len : 0, wb.now);
    return count > 0;
}

void wb_run(int i)
{
    struct server *server = &wb.servers[i];
    if (!server->session)
        return;
    take(i);
    for (bool any = true; any;) {
        any = carry(i, server->client, server->session);
        any |= carry(i, server->session, server->client);
    }
    if (gw_session_is_closed(server->client)) {
        drop(i);
        gw_worker_gone(wb.worker, i, NULL, wb.now);
    }
}

/* The connection that the worker has asked for stands, and the server says READY. */
void wb_accept_with(int i, const struct gw_ready_body *ready)
{
    struct gw_session_setup setup;
    char *terms;
    uint8_t body[GW_READY_BYTES + 512];
    struct server *server = &wb.servers[i];
    ck_assert_int_eq(gw_worker_session_setup(wb.worker, i, &setup, &terms, NULL), GW_OK);
    server->client = gw_session_open(&setup, wb.now);
    const struct gw_session_setup mine = { .serves = true,
                                           .rules = { .admit = admit_all, .terms_bytes = 4096 } };
    server->session = gw_session_open(&mine, wb.now);
    gw_worker_bound(wb.worker, i, server->client);
    wb_run(i);
    gw_ready_write(body, ready);
    memcpy(body + GW_READY_BYTES, terms, strlen(terms) + 1);
    (void)gw_session_ready(server->session, body, GW_READY_BYTES + strlen(terms), wb.now);
    free(terms);
    wb_run(i);
}

void wb_accept(int i, uint64_t incarnation, uint64_t accepted, bool wants_values)
{
    wb_accept_with(i, &(struct gw_ready_body){ .incarnation = incarnation,
                                               .accepted = accepted,
                                               .durable = accepted,
                                               .parts = 1,
                                               .wants_values = wants_values });
}

static void say(int i, const struct gw_frame *frame, const void *body, size_t bytes)
{
    struct gw_blob *blob = gw_blob_copy(body, bytes);
    ck_assert_int_eq(gw_session_send(wb.servers[i].session, frame, blob, wb.now), GW_OK);
    gw_blob_drop(blob);
    wb_run(i);
}

void wb_ack(int i, uint64_t number, uint8_t flags)
{
    uint8_t body[GW_ACK_BYTES] = { 0 };
    say(i, &(struct gw_frame){ .type = GW_PS_ACK, .flags = flags, .sequence = number }, body,
        sizeof body);
}

void wb_nak(int i, uint64_t number, gw_status status)
{
    uint8_t body[64];
    size_t bytes = gw_nak_write(body, sizeof body, status, "not good");
    say(i, &(struct gw_frame){ .type = GW_PS_NAK, .sequence = number }, body, bytes);
}

void wb_values(int i, uint64_t pull, float value)
{
    float all[WB_COUNT / 2] = { value };
    struct gw_blob *blob = gw_raw_blob(all, WB_COUNT / 2);
    say(i, &(struct gw_frame){ .type = GW_PS_VALUES, .flags = GW_PS_WHOLE, .sequence = pull },
        blob->data, blob->bytes);
    gw_blob_drop(blob);
}

void wb_done(int i, uint64_t pull, uint64_t round, uint64_t version, uint64_t payloads)
{
    uint8_t body[GW_DONE_BYTES];
    gw_done_write(body,
                  &(struct gw_done_body){
                      .incarnation = 1, .version = version, .round = round, .payloads = payloads });
    say(i, &(struct gw_frame){ .type = GW_PS_DONE, .sequence = pull }, body, sizeof body);
}

void wb_push(void)
{
    struct gw_blob **parts = new_parts(2);
    ck_assert_int_eq(
        gw_worker_push(wb.worker, parts, &(struct gw_worker_push){ .rate = NAN }, wb.now), GW_OK);
    free(parts);
    wb_run(0);
    wb_run(1);
}

void wb_pull(void)
{
    ck_assert_int_eq(gw_worker_pull(wb.worker, wb.now), GW_OK);
    wb_run(0);
    wb_run(1);
}

const struct seen *wb_last(int i, uint8_t type)
{
    for (int k = wb.servers[i].count - 1; k >= 0; k--)
        if (wb.servers[i].seen[k].type == type)
            return &wb.servers[i].seen[k];
    ck_abort_msg("server %d has seen no frame of type %d", i, type);
    return NULL;
}

int wb_count(int i, uint8_t type)
{
    int n = 0;
    for (int k = 0; k < wb.servers[i].count; k++)
        n += wb.servers[i].seen[k].type == type;
    return n;
}

/* The next try of a server is due. */
void wb_wait_for_retry(int i)
{
    int asked = wb.servers[i].asked;
    wb.now = gw_worker_deadline(wb.worker);
    gw_worker_tick(wb.worker, wb.now);
    ck_assert_int_eq(wb.servers[i].asked, asked + 1);
}

void wb_cut(int i)
{
    gw_session_cut(wb.servers[i].client, GW_ETRANSPORT, "cut");
    wb_run(i);
    wb_wait_for_retry(i);
}

void wb_expect_broken(gw_status status, const char *words)
{
    struct gw_error error = { 0 };
    ck_assert_int_eq(gw_worker_broken(wb.worker, &error), status);
    ck_assert_msg(strstr(error.text, words), "'%s' has no '%s'", error.text, words);
    ck_assert_int_eq(gw_worker_deadline(wb.worker), INT64_MAX);
}
