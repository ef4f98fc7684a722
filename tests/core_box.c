/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server's core in a box. */
#include "tests/core_box.h"

#include "compress/codec.h"
#include "server/core_inside.h"
#include "server/shard_inside.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the world ------------------------------------------------------------------------------- */

static void compute(void *user, struct gw_work *work, void (*done)(struct gw_core *core),
                    struct gw_core *core)
{
    struct box *box = user;
    if (!box->holds_work) {
        gw_work_run(work);
        done(core);
        return;
    }
    box->work = work;
    box->work_done = done;
}

static void background(void *user, void (*task)(struct gw_core *core),
                       void (*done)(struct gw_core *core), struct gw_core *core)
{
    struct box *box = user;
    if (!box->holds_disk) {
        task(core);
        done(core);
        return;
    }
    box->task = task;
    box->task_done = done;
}

static void flush(void *user, void *link)
{
    (void)user;
    (void)link; /* box_run looks at all of them */
}

static void say(void *user, const char *line)
{
    struct box *box = user;
    size_t used = strlen(box->said);
    if (used + strlen(line) + 2 < sizeof box->said)
        snprintf(box->said + used, sizeof box->said - used, "%s\n", line);
}

void box_do_work(struct box *box)
{
    struct gw_work *work = box->work;
    ck_assert_msg(work != NULL, "there is no work");
    box->work = NULL;
    gw_work_run(work);
    box->work_done(box->core);
    box_run(box);
}

void box_do_disk(struct box *box)
{
    void (*task)(struct gw_core * core) = box->task,
                                  (*done)(struct gw_core * core) = box->task_done;
    ck_assert_msg(task != NULL, "the disk has nothing to do");
    box->task = NULL;
    task(box->core);
    done(box->core);
    box_run(box);
}

/* ---- open and close -------------------------------------------------------------------------- */

void box_make(struct box *box)
{
    memset(box, 0, sizeof *box);
    box->mode = "sync";
    box->durability = "none";
    box->aggregator = "sum";
    box->expected = 1;
    box->lost_ns = 1000 * BOX_MS;
    box->now = 1000 * BOX_MS;
    box->disk = sim_files_new();
    for (int i = 0; i < BOX_CLIENTS; i++)
        box->clients[i].box = box;
}

struct gw_job *box_job(const struct box *box)
{
    struct gw_job *job;
    char text[16];
    const gw_tensor tensor = { .name = "w", .count = BOX_COUNT };
    ck_assert_int_eq(gw_job_open(&job, "boxed", NULL), GW_OK);
    snprintf(text, sizeof text, "%d", box->expected);
    ck_assert_int_eq(gw_job_set(job, GW_TERM_WORKERS, text, NULL), GW_OK);
    ck_assert_int_eq(gw_job_set(job, GW_TERM_MODE, box->mode, NULL), GW_OK);
    ck_assert_int_eq(gw_job_set(job, GW_TERM_AGGREGATOR, box->aggregator, NULL), GW_OK);
    ck_assert_int_eq(gw_job_set(job, GW_TERM_OPTIMIZER, "sgd:lr=1", NULL), GW_OK);
    ck_assert_int_eq(gw_job_set_layout(job, &tensor, 1, "raw", NULL, 0, NULL), GW_OK);
    return job;
}

gw_status box_try_open(struct box *box, struct gw_error *error)
{
    static uint64_t incarnations;
    const struct gw_core_world world = { box, compute, background, flush, say };
    struct gw_core_setup setup = { .job = box_job(box),
                                   .folder = "/state",
                                   .files = &box->disk->files,
                                   .incarnation = ++incarnations,
                                   .lost_ns = box->lost_ns,
                                   .back_ns = 2 * box->lost_ns,
                                   .threads = 1 };
    ck_assert_int_eq(gw_durability_parse(&setup.durability, box->durability, NULL), GW_OK);
    gw_status s = gw_core_open(&box->core, &setup, &world, box->now, error);
    if (s) {
        box->core = NULL;
        gw_job_close(setup.job);
    }
    return s;
}

void box_open(struct box *box)
{
    struct gw_error error = { 0 };
    gw_status s = box_try_open(box, &error);
    ck_assert_msg(s == GW_OK, "a server does not start: %s", error.text);
    box_run(box);
}

static void drop(struct client *client)
{
    if (client->session)
        gw_core_gone(client->peer, client->box->now);
    gw_session_close(client->session);
    gw_session_close(client->server);
    client->session = client->server = NULL;
}

static void close_core(struct box *box)
{
    if (!box->core)
        return;
    /* Gone without a word: nothing of it may reach the disk. */
    box->holds_work = box->holds_disk = true;
    for (int i = 0; i < BOX_CLIENTS; i++)
        drop(&box->clients[i]);
    if (box->work) { /* its memory */
        gw_work_run(box->work);
        (void)gw_work_end(box->work, NULL);
    }
    gw_core_close(box->core);
    box->core = NULL;
    box->work = NULL;
    box->task = NULL;
}

void box_kill(struct box *box, bool machine)
{
    bool work = box->holds_work, disk = box->holds_disk;
    close_core(box);
    box->holds_work = work;
    box->holds_disk = disk;
    if (machine)
        sim_files_crash(box->disk, 1);
    else
        sim_files_kill(box->disk);
}

void box_close(struct box *box)
{
    close_core(box);
    sim_files_free(box->disk);
}

/* ---- carrying -------------------------------------------------------------------------------- */

static void take_frame(struct client *client, const struct gw_event *event)
{
    switch (event->frame.type) {
    case GW_PS_ACK:
        client->acks++;
        client->acked = event->frame.sequence;
        client->late = (event->frame.flags & GW_PS_LATE) != 0;
        break;
    case GW_PS_NAK:
        client->naks++;
        gw_nak_read(&client->nak, event->payload, event->frame.length);
        break;
    case GW_PS_VALUES:
        client->values++;
        if (event->frame.length == GW_HEADER_BYTES + sizeof client->held)
            memcpy(client->held, event->payload + GW_HEADER_BYTES, sizeof client->held);
        break;
    case GW_PS_DONE:
        client->dones++;
        gw_done_read(&client->done, event->payload);
        break;
    default:
        client->statuses++;
    }
}

static bool take_client_events(struct client *client)
{
    struct gw_event event;
    bool any = false;
    while (gw_session_next(client->session, &event)) {
        any = true;
        if (event.kind == GW_EVENT_READY) {
            client->ready = true;
            gw_ready_read(&client->said, event.payload);
        }
        if (event.kind == GW_EVENT_FRAME)
            take_frame(client, &event);
        if (event.kind == GW_EVENT_BEAT)
            snprintf(client->beat, sizeof client->beat, "%s", (const char *)event.payload);
        if (event.kind == GW_EVENT_CLOSED) {
            client->closed = true;
            client->end = event.error;
        }
        gw_event_release(&event);
    }
    return any;
}

static bool take_server_events(struct client *client)
{
    struct gw_event event;
    bool any = false;
    while (gw_session_next(client->server, &event)) {
        any = true;
        gw_core_event(client->peer, &event, client->box->now);
        gw_event_release(&event);
    }
    return any;
}

/* All that `from` has to say, to `to`. */
static bool carry(struct client *client, struct gw_session *from, struct gw_session *to)
{
    struct iovec pieces[8];
    int count = gw_session_output(from, pieces, 8);
    size_t sent = 0;
    for (int i = 0; i < count; i++) {
        size_t taken = 0;
        while (taken < pieces[i].iov_len) {
            taken += gw_session_feed(to, (const uint8_t *)pieces[i].iov_base + taken,
                                     pieces[i].iov_len - taken, client->box->now);
            (void)(to == client->server ? take_server_events(client) : take_client_events(client));
        }
        sent += pieces[i].iov_len;
    }
    gw_session_sent(from, sent, client->box->now);
    return count > 0;
}

static bool run_client(struct client *client)
{
    if (!client->session)
        return false;
    bool any = take_server_events(client);
    any |= take_client_events(client);
    any |= carry(client, client->session, client->server);
    if (!client->deaf)
        any |= carry(client, client->server, client->session);
    if (client->closed && gw_session_is_closed(client->server) && !any) {
        drop(client);
        any = true;
    }
    return any;
}

void box_run(struct box *box)
{
    for (bool any = true; any;) {
        any = false;
        for (int i = 0; i < BOX_CLIENTS; i++)
            any |= run_client(&box->clients[i]);
    }
}

static int64_t next_deadline(const struct box *box)
{
    int64_t at = gw_core_deadline(box->core);
    for (int i = 0; i < BOX_CLIENTS; i++) {
        const struct client *c = &box->clients[i];
        if (!c->session)
            continue;
        int64_t a = gw_session_deadline(c->session), b = gw_session_deadline(c->server);
        at = a < at ? a : at;
        at = b < at ? b : at;
    }
    return at;
}

void box_wait(struct box *box, int64_t ns)
{
    int64_t end = box->now + ns;
    for (int64_t at = next_deadline(box); at <= end; at = next_deadline(box)) {
        box->now = at > box->now ? at : box->now;
        for (int i = 0; i < BOX_CLIENTS; i++) {
            if (!box->clients[i].session)
                continue;
            gw_session_tick(box->clients[i].session, box->now);
            gw_session_tick(box->clients[i].server, box->now);
        }
        gw_core_tick(box->core, box->now);
        box_run(box);
        ck_assert_msg(gw_core_deadline(box->core) > box->now,
                      "the deadline is not behind the tick: a loop would spin");
    }
    box->now = end;
}

float box_value(struct box *box, size_t element)
{
    return gw_shard_values(gw_core_shard(box->core), 0)[element];
}

/* ---- clients --------------------------------------------------------------------------------- */

static gw_status admit_all(void *user, const struct gw_frame *frame, uint8_t **room,
                           struct gw_error *error)
{
    (void)user;
    (void)frame;
    (void)room;
    (void)error;
    return GW_OK;
}

void client_open_as(struct client *client, uint32_t worker, uint64_t instance, uint8_t role,
                    const struct gw_job *job)
{
    struct box *box = client->box;
    char name[32], *terms = gw_job_write(job);
    ck_assert_msg(!client->session, "this client has a connection already");
    *client = (struct client){ .box = box, .worker = worker };
    const struct gw_session_setup mine = { .job = job->id,
                                           .worker = worker,
                                           .role = role,
                                           .instance = instance ? instance : 1000 + worker,
                                           .terms = terms,
                                           .rules = { .admit = admit_all } };
    snprintf(name, sizeof name, "client %d", (int)(client - box->clients));
    client->peer = gw_core_accept(box->core, client, name);
    const struct gw_session_setup servers = {
        .serves = true,
        .job = box->core->job->id,
        .rules = { .admit = gw_core_admit, .user = client->peer, .terms_bytes = GW_JOB_TEXT_MAX }
    };
    client->session = gw_session_open(&mine, box->now);
    client->server = gw_session_open(&servers, box->now);
    ck_assert(client->session && client->server);
    gw_core_bind(client->peer, client->server);
    free(terms);
    box_run(box);
}

void client_open(struct client *client, uint32_t worker, uint64_t instance)
{
    struct gw_job *job = box_job(client->box);
    client_open_as(client, worker, instance, GW_PS_WORKER, job);
    gw_job_close(job);
}

void client_cut(struct client *client)
{
    gw_session_cut(client->session, GW_ETRANSPORT, "cut");
    gw_session_cut(client->server, GW_ETRANSPORT, "cut");
    box_run(client->box);
}

void client_bye(struct client *client)
{
    gw_session_bye(client->session, client->box->now);
    box_run(client->box);
}

static void queue(struct client *client, const struct gw_frame *frame, struct gw_blob *blob)
{
    (void)!gw_session_send(client->session, frame, blob, client->box->now);
    gw_blob_drop(blob);
}

void client_send(struct client *client, const struct gw_frame *frame, const void *body,
                 size_t bytes)
{
    queue(client, frame, gw_blob_copy(body, bytes));
    box_run(client->box);
}

void client_init(struct client *client, float value)
{
    float values[BOX_COUNT];
    for (int i = 0; i < BOX_COUNT; i++)
        values[i] = value + (float)i;
    queue(client, &(struct gw_frame){ .type = GW_PS_INIT, .flags = GW_PS_LAST },
          gw_raw_blob(values, BOX_COUNT));
    box_run(client->box);
}

void client_commit(struct client *client, uint64_t number, const struct push_how *how)
{
    uint8_t body[GW_COMMIT_BYTES];
    gw_commit_write(body, &(struct gw_commit_body){ .rate = how->rate,
                                                    .meant = how->meant,
                                                    .clock = how->clock,
                                                    .parts = how->parts ? how->parts : 1,
                                                    .leaving = how->leaving });
    client_send(client, &(struct gw_frame){ .type = GW_PS_COMMIT, .sequence = number }, body,
                sizeof body);
}

void client_push_as(struct client *client, uint64_t number, const float *values,
                    const struct push_how *how)
{
    const struct gw_frame part = { .type = GW_PS_PUSH,
                                   .flags = how->raw ? GW_PS_RAW : 0,
                                   .sequence = number,
                                   .spec = gw_shard_push_spec(client->box->core->shard, 0) };
    queue(client, &part, gw_raw_blob(values, BOX_COUNT));
    client_commit(client, number, how);
}

void client_push(struct client *client, uint64_t number, float value)
{
    float values[BOX_COUNT];
    for (int i = 0; i < BOX_COUNT; i++)
        values[i] = value;
    client_push_as(client, number, values,
                   &(struct push_how){ .meant = number, .clock = number, .rate = NAN });
}

void client_pull(struct client *client, uint64_t wanted)
{
    uint8_t body[GW_PULL_BYTES];
    gw_pull_write(body, &(struct gw_pull_body){ .wanted = wanted });
    client_send(client, &(struct gw_frame){ .type = GW_PS_PULL, .sequence = 1 }, body, sizeof body);
}
