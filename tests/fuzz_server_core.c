/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server's core against several clients that send anything: whole frames with checksums that are
 * right, of any type, in any order, with connections that come and go and a clock that jumps.
 * Aborts where a promise is broken: a loop that would spin, more waiting than is allowed.
 *
 * The input: a byte that chooses the job, then steps of 4 bytes: what, client (2 bits) and length
 * of a body (6 bits) that stands behind some, two more. */
#include "compress/codec.h"
#include "server/core_inside.h"
#include "server/shard_inside.h"
#include "tests/sim_files.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 4, TENSORS = 2, COUNT = 3, STEPS = 2000 };

struct client {
    struct gw_session *session, *server;
    struct gw_core_peer *peer;
};

static struct {
    struct gw_core *core;
    struct gw_job *job;
    struct sim_files *disk;
    struct client clients[CLIENTS];
    int64_t now;
    struct gw_work *work;
    void (*work_done)(struct gw_core *core);
    void (*task)(struct gw_core *core), (*task_done)(struct gw_core *core);
    bool holds;
} f;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the world ------------------------------------------------------------------------------- */

static void do_work(void)
{
    struct gw_work *work = f.work;
    f.work = NULL;
    if (!work)
        return;
    gw_work_run(work);
    f.work_done(f.core);
}

static void do_task(void)
{
    void (*task)(struct gw_core * core) = f.task;
    f.task = NULL;
    if (!task)
        return;
    task(f.core);
    f.task_done(f.core);
}

static void compute(void *user, struct gw_work *work, void (*done)(struct gw_core *core),
                    struct gw_core *core)
{
    (void)user;
    (void)core;
    f.work = work;
    f.work_done = done;
    if (!f.holds)
        do_work();
}

static void background(void *user, void (*task)(struct gw_core *core),
                       void (*done)(struct gw_core *core), struct gw_core *core)
{
    (void)user;
    (void)core;
    f.task = task;
    f.task_done = done;
    if (!f.holds)
        do_task();
}

static void flush(void *user, void *link)
{
    (void)user;
    (void)link;
}

static gw_status admit_all(void *user, const struct gw_frame *frame, uint8_t **room,
                           struct gw_error *error)
{
    (void)user;
    (void)frame;
    (void)room;
    (void)error;
    return GW_OK;
}

static struct gw_job *new_job(uint8_t choice)
{
    static const char *const modes[] = { "sync", "quorum:k=2,grace=1s,late=drop", "async",
                                         "ssp:s=1" };
    static const char *const pulls[] = { "raw", "fp16", "sign", "int8" };
    const gw_tensor tensors[TENSORS] = { { "v", COUNT }, { "w", COUNT + 1 } };
    struct gw_job *job;
    must(gw_job_open(&job, "fuzz", NULL) == GW_OK);
    must(gw_job_set(job, GW_TERM_MODE, modes[choice & 3], NULL) == GW_OK);
    must(gw_job_set(job, GW_TERM_PULL, pulls[choice >> 2 & 3], NULL) == GW_OK);
    must(gw_job_set(job, GW_TERM_FEEDBACK, choice & 16 ? "worker" : "shared", NULL) == GW_OK);
    must(gw_job_set_layout(job, tensors, TENSORS, "raw", NULL, 0, NULL) == GW_OK);
    return job;
}

static void open_core(uint8_t choice)
{
    static const char *const durabilities[] = { "none", "snapshot:every=2", "log:every=3" };
    const struct gw_core_world world = { NULL, compute, background, flush, NULL };
    struct gw_core_setup setup = { .job = new_job(choice),
                                   .folder = "/state",
                                   .files = &f.disk->files,
                                   .incarnation = (uint64_t)f.now + 1,
                                   .lost_ns = INT64_C(500000000),
                                   .back_ns = INT64_C(500000000),
                                   .threads = 1 };
    must(gw_durability_parse(&setup.durability, durabilities[(choice >> 5) % 3], NULL) == GW_OK);
    must(gw_core_open(&f.core, &setup, &world, f.now, NULL) == GW_OK);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void drop(struct client *client)
{
    if (!client->session)
        return;
    gw_core_gone(client->peer, f.now);
    gw_session_close(client->session);
    gw_session_close(client->server);
    *client = (struct client){ NULL };
}

static void take(struct client *client)
{
    struct gw_event event;
    while (gw_session_next(client->server, &event)) {
        gw_core_event(client->peer, &event, f.now);
        gw_event_release(&event);
    }
    while (gw_session_next(client->session, &event))
        gw_event_release(&event);
}

static bool carry(struct client *client, struct gw_session *from, struct gw_session *to)
{
    struct iovec piece;
    int count = gw_session_output(from, &piece, 1);
    for (size_t taken = 0; count > 0 && taken < piece.iov_len; take(client))
        taken +=
            gw_session_feed(to, (uint8_t *)piece.iov_base + taken, piece.iov_len - taken, f.now);
    gw_session_sent(from, count > 0 ? piece.iov_len : 0, f.now);
    return count > 0;
}

static void run(void)
{
    for (bool any = true; any;) {
        any = false;
        for (int i = 0; i < CLIENTS; i++) {
            struct client *c = &f.clients[i];
            if (!c->session)
                continue;
            take(c);
            any |= carry(c, c->session, c->server);
            any |= carry(c, c->server, c->session);
            if (gw_session_is_closed(c->server) && gw_session_queued(c->server) == 0)
                drop(c);
        }
    }
}

static void open_client(struct client *client, uint8_t x, uint8_t y)
{
    char *terms = gw_job_write(f.job);
    drop(client);
    client->peer = gw_core_accept(f.core, client, "client");
    const struct gw_session_setup mine = { .job = f.job->id,
                                           .worker = x % 5,
                                           .role = y & 64 ? 1 : 0,
                                           .instance = y % 3,
                                           .terms = terms,
                                           .rules = { .admit = admit_all } };
    const struct gw_session_setup servers = {
        .serves = true,
        .job = f.job->id,
        .rules = { .admit = gw_core_admit, .user = client->peer, .terms_bytes = 4096 }
    };
    client->session = gw_session_open(&mine, f.now);
    client->server = gw_session_open(&servers, f.now);
    must(terms && client->session && client->server);
    gw_core_bind(client->peer, client->server);
    free(terms);
}

/* A part's payload: right, or with any bytes. */
static struct gw_blob *part_of(uint32_t part, uint8_t y, const uint8_t *body, size_t bytes)
{
    float values[COUNT + 1] = { 1, -2, 3, 0.5f };
    if (y & 128)
        return gw_blob_copy(body, bytes);
    if (bytes > 0)
        memcpy(values, body, gw_min_size(bytes, sizeof values));
    return gw_raw_blob(values, COUNT + part % TENSORS);
}

static void send(struct client *client, const uint8_t step[4], const uint8_t *body, size_t bytes)
{
    uint8_t type = (uint8_t)(GW_PS_INIT + step[0] % 13), x = step[2], y = step[3];
    struct gw_frame frame = {
        .type = type, .flags = y & 15, .sequence = x % 16, .tensor = (y >> 4 & 7) % (TENSORS + 1)
    };
    struct gw_blob *blob = NULL;
    if (frame.tensor < TENSORS && f.core->shard)
        frame.spec = gw_shard_push_spec(f.core->shard, frame.tensor);
    if (type == GW_PS_INIT || type == GW_PS_PUSH)
        blob = part_of(frame.tensor, y, body, bytes);
    else if (bytes > 0)
        blob = gw_blob_copy(body, bytes);
    (void)!gw_session_send(client->session, &frame, blob, f.now);
    gw_blob_drop(blob);
}

/* A whole push, so that the fuzzer need not find out how to make one. */
static void push(struct client *client, uint8_t x, uint8_t y)
{
    uint8_t body[GW_COMMIT_BYTES];
    for (uint32_t part = 0; part < TENSORS && f.core->shard; part++) {
        const struct gw_frame frame = { .type = GW_PS_PUSH,
                                        .sequence = x,
                                        .tensor = part,
                                        .spec = gw_shard_push_spec(f.core->shard, part) };
        struct gw_blob *blob = part_of(part, 0, &y, 1);
        (void)!gw_session_send(client->session, &frame, blob, f.now);
        gw_blob_drop(blob);
    }
    gw_commit_write(
        body, &(struct gw_commit_body){
                  .rate = 0.5, .meant = y % 8, .clock = y, .parts = TENSORS, .leaving = y == 255 });
    struct gw_blob *blob = gw_blob_copy(body, sizeof body);
    (void)!gw_session_send(client->session,
                           &(struct gw_frame){ .type = GW_PS_COMMIT, .sequence = x }, blob, f.now);
    gw_blob_drop(blob);
}

static void init(struct client *client)
{
    for (uint32_t part = 0; part < TENSORS; part++) {
        struct gw_blob *blob = part_of(part, 0, NULL, 0);
        (void)!gw_session_send(
            client->session, &(struct gw_frame){ .type = GW_PS_INIT, .tensor = part }, blob, f.now);
        gw_blob_drop(blob);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void tick(uint8_t x, uint8_t y)
{
    f.now += INT64_C(1000000) * (x + 256 * (y % 8));
    for (int i = 0; i < CLIENTS; i++) {
        if (!f.clients[i].session)
            continue;
        gw_session_tick(f.clients[i].session, f.now);
        gw_session_tick(f.clients[i].server, f.now);
    }
    gw_core_tick(f.core, f.now);
    must(gw_core_deadline(f.core) > f.now);
}

static void check(void)
{
    for (size_t i = 0; i < f.core->members_count; i++) {
        const struct member *m = f.core->members[i];
        size_t acks = 0;
        for (const struct ack *a = m->acks; a; a = a->next)
            acks++;
        must(m->waiting <= GW_WAITING_MAX && acks <= 2 * GW_WAITING_MAX);
        must(!m->stage || m->peer);
    }
}

/* Everybody is cut off; what the core had handed out is thrown away. */
static void kill_core(void)
{
    f.holds = true;
    for (int i = 0; i < CLIENTS; i++)
        drop(&f.clients[i]);
    if (f.work) {
        gw_work_run(f.work);
        (void)gw_work_end(f.work, NULL);
    }
    f.work = NULL;
    f.task = NULL;
    gw_core_close(f.core);
    f.holds = false;
}

static size_t take_step(uint8_t choice, const uint8_t *data, size_t size)
{
    struct client *client = &f.clients[data[1] % CLIENTS];
    size_t bytes = 0;
    if (data[0] >= 64) { /* a frame, with a body */
        bytes = gw_min_size(data[1] >> 2, size - 4);
        if (client->session)
            send(client, data, data + 4, bytes);
        return 4 + bytes;
    }
    switch (data[0] % 10) {
    case 0:
        open_client(client, data[2], data[3]);
        break;
    case 1:
        drop(client);
        break;
    case 2:
        tick(data[2], data[3]);
        break;
    case 3:
        f.holds = data[2] & 1;
        break;
    case 4:
        do_work();
        break;
    case 5:
        do_task();
        break;
    case 6:
        if (client->session)
            push(client, data[2], data[3]);
        break;
    case 7:
        if (client->session)
            init(client);
        break;
    case 8:
        kill_core();
        sim_files_kill(f.disk);
        open_core(choice);
        break;
    default:
        free(gw_core_status(f.core, f.now));
        free(gw_core_metrics(f.core, f.now));
    }
    return 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t choice = *data++;
    size--;
    memset(&f, 0, sizeof f);
    f.disk = sim_files_new();
    f.job = new_job(choice);
    open_core(choice);
    for (int steps = 0; size >= 4 && steps < STEPS; steps++) {
        size_t used = take_step(choice, data, size);
        data += used;
        size -= used;
        run();
        check();
    }
    kill_core();
    gw_job_close(f.job);
    sim_files_free(f.disk);
    return 0;
}
