/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The server's core: opening, connections and what comes over them. */
#include "server/core_inside.h"

#include "compress/codec.h"
#include "session/printable.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Words may quote what a peer sent. Nobody writes other lines into the log that way, nor to the
 * terminal on which it is read; `why` is the last field, so what is in it stays in it. */
static void make_safe(char *line)
{
    static const char field[] = " why=\"";
    gw_make_printable(line, strlen(line));
    char *why = strstr(line, field);
    for (char *at = why ? why + sizeof field - 1 : NULL; at && *at && at[1]; at++)
        if (*at == '"')
            *at = '\'';
}

void gw_core_say(struct gw_core *core, const char *format, ...)
{
    char line[GW_ERROR_TEXT + 256];
    va_list args;
    if (!core->world.say)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    make_safe(line);
    core->world.say(core->world.user, line);
}

uint64_t gw_core_part_bytes(const struct gw_core *core)
{
    return sizeof(float) * (uint64_t)gw_shard_elements(core->shard);
}

/* ---- open and close -------------------------------------------------------------------------- */

/* From here on the job is what it is: who comes later and says something else is refused. */
static gw_status close_terms(struct gw_job *job, struct gw_error *error)
{
    gw_status s = GW_OK;
    for (int t = 0; t < GW_TERMS && !s; t++)
        if (!job->term[t])
            s = gw_job_set(job, (enum gw_term)t, gw_term_standard((enum gw_term)t), error);
    return s;
}

gw_status gw_core_open_shard(struct gw_core *core, struct gw_error *error)
{
    struct gw_mode mode;
    struct gw_shard *shard;
    gw_status s = close_terms(core->job, error);
    if (!s)
        s = gw_mode_parse(&mode, core->job->term[GW_TERM_MODE], NULL, 0, error);
    if (!s)
        s = gw_shard_open(&shard, core->job, error);
    if (s)
        return s;
    s = gw_shard_set_threads(shard, core->threads, error);
    if (s) {
        gw_shard_close(shard);
        return s;
    }
    core->shard = shard;
    core->policy.mode = mode;
    core->policy.expected = (int)gw_job_term_number(core->job, GW_TERM_WORKERS);
    return GW_OK;
}

gw_status gw_core_open(struct gw_core **out, const struct gw_core_setup *setup,
                       const struct gw_core_world *world, int64_t now, struct gw_error *error)
{
    struct gw_core *core = calloc(1, sizeof *core);
    if (!core)
        return gw_fail(error, GW_ENOMEM, "out of memory for a server");
    core->world = *world;
    core->job = setup->job;
    core->durability = setup->durability;
    core->incarnation = setup->incarnation;
    core->lost_ns = setup->lost_ns;
    core->back_ns = setup->back_ns;
    core->threads = setup->threads > 0 ? setup->threads : 1;
    core->now = core->opened_ns = now;
    core->wake_ns = core->retry_ns = INT64_MAX;
    core->payloads = gw_blob_pool_open();
    gw_status s = core->payloads ? GW_OK : gw_fail(error, GW_ENOMEM, "out of memory for a server");
    if (!s && core->durability.kind != GW_DURABLE_NONE)
        s = gw_core_recover(core, setup->folder, setup->files, error);
    if (s) {
        core->job = NULL; /* the caller's still */
        gw_core_close(core);
        return s;
    }
    if (core->has_values)
        core->wake_ns = now; /* what waited before the restart goes on without anybody's coming */
    *out = core;
    return GW_OK;
}

void gw_core_close(struct gw_core *core)
{
    if (!core)
        return;
    gw_core_free_pushes(core, &core->taken);
    for (size_t i = 0; i < core->members_count; i++) {
        gw_core_drop_stage(core, core->members[i]);
        gw_core_free_pushes(core, &core->members[i]->first);
        gw_core_free_member(core->members[i]);
    }
    free(core->members);
    free(core->clocks);
    free(core->take);
    free(core->views);
    free(core->image);
    gw_shard_close(core->shard);
    gw_store_close(core->store);
    gw_blob_pool_close(core->payloads);
    gw_job_close(core->job);
    free(core);
}

/* ---- connections ----------------------------------------------------------------------------- */

struct gw_core_peer *gw_core_accept(struct gw_core *core, void *link, const char *name)
{
    struct gw_core_peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->core = core;
    peer->link = link;
    snprintf(peer->name, sizeof peer->name, "%s", name);
    peer->next = core->peers;
    if (core->peers)
        core->peers->before = peer;
    core->peers = peer;
    return peer;
}

void gw_core_bind(struct gw_core_peer *peer, struct gw_session *session)
{
    peer->session = session;
}

/* The worker whose initial values were coming is gone: those who sent theirs in vain are to send
 * them again, over a new connection. */
static void ask_for_values(struct gw_core *core)
{
    core->init_peer = NULL;
    core->inits = 0;
    for (struct gw_core_peer *p = core->peers; p; p = p->next) {
        if (!p->unheard || p->closed)
            continue;
        p->unheard = false;
        gw_session_refuse(p->session, GW_ETRANSPORT, "initial values are needed again", core->now);
        core->world.flush(core->world.user, p->link);
    }
}

/* The member is still there, its connection is not. */
static void part(struct gw_core_peer *peer, const char *why)
{
    struct gw_core *core = peer->core;
    struct member *member = peer->member;
    peer->member = NULL;
    peer->pulls = false;
    if (core->init_peer == peer)
        ask_for_values(core);
    if (member && member->peer == peer)
        gw_core_lose(core, member, why);
}

void gw_core_gone(struct gw_core_peer *peer, int64_t now)
{
    struct gw_core *core = peer->core;
    core->now = now;
    peer->closed = true;
    part(peer, "the connection ended");
    if (peer->before)
        peer->before->next = peer->next;
    else
        core->peers = peer->next;
    if (peer->next)
        peer->next->before = peer->before;
    gw_blob_drop(peer->incoming);
    free(peer);
    gw_core_go_on(core);
}

void gw_core_send(struct gw_core_peer *peer, const struct gw_frame *frame, struct gw_blob *blob)
{
    if (peer->closed)
        return;
    /* What cannot be queued is asked for again over the next session. */
    if (gw_session_send(peer->session, frame, blob, peer->core->now) == GW_ENOMEM)
        gw_session_refuse(peer->session, GW_ENOMEM, "the server is out of memory", peer->core->now);
}

void gw_core_send_body(struct gw_core_peer *peer, const struct gw_frame *frame, const void *body,
                       size_t bytes)
{
    struct gw_blob *blob = gw_blob_copy(body, bytes);
    if (blob)
        gw_core_send(peer, frame, blob);
    else
        gw_session_refuse(peer->session, GW_ENOMEM, "the server is out of memory", peer->core->now);
    gw_blob_drop(blob);
}

void gw_core_refuse(struct gw_core_peer *peer, gw_status status, const char *words)
{
    struct gw_core *core = peer->core;
    const struct gw_session_peer *who = gw_session_peer(peer->session);
    core->refused++;
    gw_core_say(core,
                "level=warn event=refused worker=%" PRIu32 " peer=\"%s\" status=%s why=\"%s\"",
                who->worker, peer->name, gw_status_name(status), words);
    gw_session_refuse(peer->session, status, words, core->now);
}

/* ---- the handshake --------------------------------------------------------------------------- */

/* A worker's number belongs to one process at a time. The same process may connect anew before we
 * have noticed that its old connection is dead. */
static bool is_free(struct gw_core_peer *peer, const struct member *member)
{
    char words[192];
    const struct gw_session_peer *who = gw_session_peer(peer->session);
    if (!member || !member->peer || member->peer == peer)
        return true;
    if (member->instance == who->instance) {
        struct gw_core_peer *old = member->peer;
        gw_session_refuse(old->session, GW_ESTATE, "the same process has connected anew",
                          peer->core->now);
        part(old, "it has connected anew");
        old->core->world.flush(old->core->world.user, old->link);
        return true;
    }
    snprintf(words, sizeof words, "worker %" PRIu32 " is here already, from %s", who->worker,
             member->peer->name);
    gw_core_refuse(peer, GW_ESTATE, words);
    return false;
}

static void take_hello(struct gw_core_peer *peer)
{
    struct gw_core *core = peer->core;
    const struct gw_session_peer *who = gw_session_peer(peer->session);
    peer->observer = who->role == GW_PS_OBSERVER;
    if (core->stopping) {
        gw_core_refuse(peer, GW_ETRANSPORT, "the server is shutting down");
        return;
    }
    if (who->role > GW_PS_OBSERVER) {
        gw_core_refuse(peer, GW_EINVAL, "a role that this server does not know");
        return;
    }
    struct member *member = peer->observer ? NULL : gw_core_member(core, who->worker, false);
    if (is_free(peer, member))
        (void)gw_session_welcome(peer->session, member ? member->epoch + 1 : 1, core->now);
}

/* What the server had left open is taken from the first worker; if its layout cannot be served,
 * that is forgotten again. */
static gw_status agree(struct gw_core *core, const struct gw_job *theirs, uint32_t worker,
                       struct gw_error *error)
{
    char *before = gw_job_write(core->job);
    if (!before)
        return gw_fail(error, GW_ENOMEM, "the server is out of memory");
    gw_status s = gw_job_agree(core->job, theirs, worker, error);
    if (!s && core->job->tensors > 0 && !core->shard) {
        s = gw_core_open_shard(core, error);
        struct gw_job *old;
        if (s && gw_job_read(&old, before, strlen(before), NULL) == GW_OK) {
            gw_job_close(core->job);
            core->job = old;
        }
    }
    free(before);
    return s;
}

static gw_status read_terms(struct gw_core_peer *peer, const struct gw_event *event,
                            struct gw_error *error)
{
    struct gw_job *theirs;
    uint32_t worker = gw_session_peer(peer->session)->worker;
    gw_status s = gw_job_read(&theirs, (const char *)event->payload, event->frame.length, error);
    if (s)
        return s;
    if (theirs->tensors == 0 && !peer->observer)
        s = gw_fail(error, GW_EMISMATCH, "worker %" PRIu32 " has registered no tensors", worker);
    if (theirs->tensors > 0 && peer->observer && !peer->core->shard)
        s = gw_fail(error, GW_ESTATE, "no worker has come yet, and observers decide nothing");
    if (!s)
        s = agree(peer->core, theirs, worker, error);
    gw_job_close(theirs);
    return s;
}

/* READY: where this worker stands, and the terms in force. */
static void send_ready(struct gw_core_peer *peer, const struct member *member)
{
    struct gw_core *core = peer->core;
    char *text = gw_job_write(core->job);
    size_t length = text ? strlen(text) : 0;
    uint8_t *body = text ? malloc(GW_READY_BYTES + length) : NULL;
    if (!body) {
        gw_core_refuse(peer, GW_ENOMEM, "the server is out of memory");
    } else {
        const struct gw_ready_body ready = { .incarnation = core->incarnation,
                                             .accepted = member ? member->accepted : 0,
                                             .durable = member ? member->durable : 0,
                                             .round = core->policy.round,
                                             .parts = core->shard ? gw_shard_parts(core->shard) : 0,
                                             .clock = member ? member->clock : 0,
                                             .wants_values =
                                                 !core->has_values || !gw_core_is_safe(core, 0) };
        gw_ready_write(body, &ready);
        memcpy(body + GW_READY_BYTES, text, length);
        (void)gw_session_ready(peer->session, body, GW_READY_BYTES + length, core->now);
    }
    free(body);
    free(text);
}

static void take_terms(struct gw_core_peer *peer, const struct gw_event *event)
{
    struct gw_core *core = peer->core;
    const struct gw_session_peer *who = gw_session_peer(peer->session);
    struct gw_error error = { 0 };
    gw_status s = read_terms(peer, event, &error);
    if (s) {
        gw_core_refuse(peer, s, error.text);
        return;
    }
    if (peer->observer) {
        send_ready(peer, NULL);
        return;
    }
    struct member *member = gw_core_member(core, who->worker, true);
    if (!member) {
        gw_core_refuse(peer, GW_ENOMEM, "the server cannot keep more workers");
        return;
    }
    if (!is_free(peer, member))
        return;
    if (who->epoch <= member->epoch) {
        gw_core_refuse(peer, GW_ESTATE, "this worker has connected twice at the same time");
        return;
    }
    gw_core_join(core, member, peer);
    send_ready(peer, member);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void take_end(struct gw_core_peer *peer, const struct gw_event *event)
{
    struct member *member = peer->member;
    peer->closed = true;
    if (member && event->error.status == GW_OK && member->peer == peer)
        gw_core_leave(peer->core, member);
    part(peer, event->error.text);
}

void gw_core_event(struct gw_core_peer *peer, struct gw_event *event, int64_t now)
{
    struct gw_core *core = peer->core;
    core->now = now;
    switch (event->kind) {
    case GW_EVENT_HELLO:
        take_hello(peer);
        break;
    case GW_EVENT_TERMS:
        take_terms(peer, event);
        break;
    case GW_EVENT_FRAME:
        gw_core_take_frame(peer, event);
        break;
    case GW_EVENT_CLOSED:
        take_end(peer, event);
        break;
    default: /* READY is our own doing; a beat has done its work */
        break;
    }
    bool is_part = event->kind == GW_EVENT_FRAME && event->frame.type == GW_PS_PUSH;
    gw_event_release(event);
    if (!is_part) /* which lets nothing happen before its COMMIT */
        gw_core_go_on(core);
    if (!peer->closed)
        core->world.flush(core->world.user, peer->link);
}

/* ---- time and end ---------------------------------------------------------------------------- */

/* Whoever waits for a pull hears for whom, so that the words of its deadline can say so. */
#define BEAT_TEXT_NS 250000000

static void tell_waiting(struct gw_core *core)
{
    char text[200] = "";
    bool known = false;
    for (struct gw_core_peer *p = core->peers; p; p = p->next) {
        if (p->closed || !p->pulls)
            continue;
        if (!known)
            gw_core_awaited(core, text, sizeof text);
        known = true;
        gw_session_set_beat(p->session, text);
    }
    core->said_ns = known ? core->now : core->now + BEAT_TEXT_NS;
}

static bool anyone_waits(const struct gw_core *core)
{
    for (const struct gw_core_peer *p = core->peers; p; p = p->next)
        if (p->pulls && !p->closed)
            return true;
    return false;
}

int64_t gw_core_deadline(const struct gw_core *core)
{
    int64_t at = gw_core_age_deadline(core);
    at = core->wake_ns < at ? core->wake_ns : at;
    at = core->retry_ns < at ? core->retry_ns : at;
    at = core->store_retry_ns > 0 && core->store_retry_ns < at ? core->store_retry_ns : at;
    if (gw_core_drains(core) && core->drain_until < at)
        at = core->drain_until;
    int64_t say = anyone_waits(core) ? core->said_ns + BEAT_TEXT_NS : INT64_MAX;
    return say < at ? say : at;
}

void gw_core_tick(struct gw_core *core, int64_t now)
{
    core->now = now;
    gw_core_age(core);
    if (now >= core->said_ns + BEAT_TEXT_NS)
        tell_waiting(core);
    if (now >= core->wake_ns) /* asked again below, or when the work under way has ended */
        core->wake_ns = INT64_MAX;
    if (now >= core->retry_ns)
        core->retry_ns = INT64_MAX;
    if (now >= core->store_retry_ns)
        core->store_retry_ns = 0;
    gw_core_go_on(core);
}

bool gw_core_drains(const struct gw_core *core)
{
    bool waits = anyone_waits(core);
    for (size_t i = 0; i < core->members_count && !waits; i++)
        waits = core->members[i]->waiting > 0;
    return core->stopping && !core->final && waits && core->now < core->drain_until;
}

void gw_core_stop(struct gw_core *core, int64_t drain_ns, int64_t now)
{
    core->now = now;
    if (core->stopping)
        return;
    core->stopping = true;
    core->drain_until = now + drain_ns;
    gw_core_say(core, "level=info event=stopping round=%" PRIu64, core->policy.round);
    gw_core_go_on(core);
}

bool gw_core_has_stopped(const struct gw_core *core)
{
    return core->stopped;
}

gw_status gw_core_result(const struct gw_core *core, struct gw_error *error)
{
    if (core->result.status)
        gw_error_set(error, core->result.status, "%s", core->result.text);
    return core->result.status;
}

struct gw_shard *gw_core_shard(struct gw_core *core)
{
    return core->shard;
}

uint64_t gw_core_round(const struct gw_core *core)
{
    return core->policy.round;
}
