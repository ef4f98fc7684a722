/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker's end: what is under way, over all its servers. */
#include "server/worker_inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- open and close -------------------------------------------------------------------------- */

/* Parts are in layout order, and servers' shares are too. */
static void find_shards(struct gw_worker *worker)
{
    for (size_t i = 0; i < worker->parts_count; i++) {
        struct link *link = &worker->links[worker->parts[i].server];
        if (link->count++ == 0)
            link->first = i;
    }
}

gw_status gw_worker_open(struct gw_worker **out, const struct gw_worker_setup *setup,
                         const struct gw_worker_world *world, struct gw_error *error)
{
    struct gw_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return gw_fail(error, GW_ENOMEM, "out of memory for a worker");
    worker->world = *world;
    worker->worker = setup->worker;
    worker->observer = setup->observer;
    worker->instance = setup->instance;
    worker->last = &worker->first;
    worker->links_count = setup->job->servers;
    worker->links = calloc((size_t)setup->job->servers, sizeof *worker->links);
    worker->payloads = gw_blob_pool_open();
    gw_status s = worker->links && worker->payloads
                      ? gw_job_cut(&worker->parts, &worker->parts_count, setup->job, error)
                      : gw_fail(error, GW_ENOMEM, "out of memory for a worker");
    if (s) {
        gw_worker_close(worker);
        return s;
    }
    for (int i = 0; i < worker->links_count; i++)
        worker->links[i] = (struct link){ .worker = worker,
                                          .server = i,
                                          .name = setup->names[i],
                                          .retry_at = INT64_MAX,
                                          .items_end = &worker->links[i].items };
    find_shards(worker);
    worker->job = setup->job;
    *out = worker;
    return GW_OK;
}

static void free_sent(struct gw_worker *worker, struct sent *sent)
{
    for (size_t i = 0; i < worker->parts_count; i++)
        gw_blob_drop(sent->part[i]);
    free(sent->meant);
    free(sent->acked);
    free(sent);
}

void gw_worker_drop_initial(struct gw_worker *worker)
{
    for (size_t i = 0; worker->initial && i < worker->parts_count; i++)
        gw_blob_drop(worker->initial[i]);
    free(worker->initial);
    worker->initial = NULL;
}

void gw_worker_close(struct gw_worker *worker)
{
    if (!worker)
        return;
    while (worker->first) {
        struct sent *sent = worker->first;
        worker->first = sent->next;
        free_sent(worker, sent);
    }
    for (int i = 0; worker->links && i < worker->links_count; i++) {
        gw_link_drop_items(&worker->links[i]);
        gw_blob_drop(worker->links[i].incoming);
    }
    gw_worker_drop_initial(worker);
    gw_job_close(worker->terms);
    gw_job_close(worker->job);
    free(worker->parts);
    gw_blob_pool_close(worker->payloads);
    free(worker->links);
    free(worker);
}

void gw_worker_set_codecs(struct gw_worker *worker, const struct gw_worker_codecs *codecs)
{
    worker->codecs = *codecs;
}

const struct gw_part *gw_worker_parts(const struct gw_worker *worker, size_t *count)
{
    *count = worker->parts_count;
    return worker->parts;
}

void gw_worker_start(struct gw_worker *worker, struct gw_blob **initial, int64_t now)
{
    worker->initial = initial;
    worker->started = true;
    for (int i = 0; i < worker->links_count; i++)
        worker->links[i].retry_at = now;
    gw_worker_tick(worker, now);
}

bool gw_worker_has_joined(const struct gw_worker *worker)
{
    for (int i = 0; i < worker->links_count; i++)
        if (!worker->links[i].joined)
            return false;
    return worker->terms != NULL;
}

const struct gw_job *gw_worker_terms(const struct gw_worker *worker)
{
    return worker->terms;
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

/* The first failure stays. */
void gw_worker_break(struct gw_worker *worker, gw_status status, const char *format, ...)
{
    char words[GW_ERROR_TEXT];
    va_list args;
    if (worker->broken.status)
        return;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    gw_error_set(&worker->broken, status, "%s", words);
    worker->world.changed(worker->world.user);
}

gw_status gw_worker_broken(const struct gw_worker *worker, struct gw_error *error)
{
    if (worker->broken.status)
        gw_error_set(error, worker->broken.status, "%s", worker->broken.text);
    return worker->broken.status;
}

static bool lacks_ack(const struct gw_worker *worker, int server)
{
    for (const struct sent *s = worker->first; s; s = s->next)
        if (!s->acked[server])
            return true;
    return false;
}

static const char *state_of(const struct link *link, char *text, size_t capacity)
{
    const struct gw_worker *worker = link->worker;
    if (!link->ready)
        snprintf(text, capacity, "no connection to %s: %.300s", link->name,
                 link->why.status ? link->why.text : "it does not answer");
    else if (lacks_ack(worker, link->server))
        snprintf(text, capacity, "%s has not acknowledged a push%s%s", link->name,
                 *link->hint ? ": " : "", link->hint);
    else if (worker->pulling && !link->answered)
        snprintf(text, capacity, "%s has not answered a pull%s%s", link->name,
                 *link->hint ? ": " : "", link->hint);
    else
        return NULL;
    return text;
}

gw_status gw_worker_missing(const struct gw_worker *worker, char *text, size_t capacity)
{
    gw_status status = GW_ETIMEOUT;
    char one[512];
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < worker->links_count && used < capacity; i++) {
        const struct link *link = &worker->links[i];
        if (state_of(link, one, sizeof one))
            used += (size_t)snprintf(text + used, capacity - used, "%s%s", used ? "; " : "", one);
        if (!link->ready && link->why.status == GW_ESTATE)
            status = GW_ESTATE;
    }
    return status;
}

/* ---- pushes ---------------------------------------------------------------------------------- */

/* All servers know by READY what counts of this worker, whoever it was before. */
uint64_t gw_worker_next_push(const struct gw_worker *worker)
{
    uint64_t highest = worker->number;
    for (int i = 0; i < worker->links_count; i++)
        if (worker->links[i].accepted > highest)
            highest = worker->links[i].accepted;
    return highest + 1;
}

static void drop_all(struct gw_blob **parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gw_blob_drop(parts[i]);
}

gw_status gw_worker_push(struct gw_worker *worker, struct gw_blob **parts,
                         const struct gw_worker_push *push, int64_t now)
{
    size_t servers = (size_t)worker->links_count;
    struct sent *sent = calloc(1, sizeof *sent + worker->parts_count * sizeof(struct gw_blob *));
    if (sent) {
        sent->meant = calloc(servers, sizeof *sent->meant);
        sent->acked = calloc(servers, sizeof *sent->acked);
    }
    if (!sent || !sent->meant || !sent->acked) {
        drop_all(parts, worker->parts_count);
        if (sent)
            free_sent(worker, sent);
        return GW_ENOMEM;
    }
    sent->number = worker->number = gw_worker_next_push(worker);
    sent->clock = ++worker->clock;
    sent->push = *push;
    memcpy(sent->part, parts, worker->parts_count * sizeof(struct gw_blob *));
    *worker->last = sent;
    worker->last = &sent->next;
    worker->pushes++;
    for (int i = 0; i < worker->links_count; i++) {
        struct link *link = &worker->links[i];
        link->meant = (link->meant > link->round ? link->meant : link->round) + 1;
        sent->meant[i] = link->meant;
        sent->acked[i] = link->count == 0;
        if (link->ready && !sent->acked[i])
            gw_link_send_push(link, sent, now);
    }
    return GW_OK;
}

size_t gw_worker_pushes(const struct gw_worker *worker)
{
    return worker->pushes;
}

bool gw_worker_push_is_done(const struct gw_worker *worker, uint64_t number)
{
    for (const struct sent *s = worker->first; s; s = s->next)
        if (s->number == number)
            return false;
    return true;
}

static bool is_done(const struct gw_worker *worker, const struct sent *sent)
{
    for (int i = 0; i < worker->links_count; i++)
        if (!sent->acked[i])
            return false;
    return true;
}

/* Servers acknowledge in order, so those before it are acknowledged as well. */
void gw_worker_acked(struct gw_worker *worker, struct link *link, uint64_t number)
{
    for (struct sent *s = worker->first; s && s->number <= number; s = s->next)
        s->acked[link->server] = true;
    while (worker->first && is_done(worker, worker->first)) {
        struct sent *sent = worker->first;
        worker->first = sent->next;
        if (!worker->first)
            worker->last = &worker->first;
        worker->pushes--;
        worker->counts.pushes++;
        free_sent(worker, sent);
        worker->world.changed(worker->world.user);
    }
}

/* ---- the clock ------------------------------------------------------------------------------- */

void gw_worker_take_clock(struct gw_worker *worker, uint64_t clock, uint64_t round, int64_t now)
{
    bool begins = round > 0 && !worker->begun;
    if (clock <= worker->clock && !begins)
        return;
    worker->clock = clock > worker->clock ? clock : worker->clock;
    worker->begun |= begins;
    for (int i = 0; i < worker->links_count; i++)
        if (worker->links[i].ready)
            gw_link_send_clock(&worker->links[i], now);
}

/* ---- pulls ----------------------------------------------------------------------------------- */

gw_status gw_worker_pull(struct gw_worker *worker, int64_t now)
{
    if (worker->pulling)
        return GW_ESTATE;
    worker->pulling = true;
    worker->pull_number++;
    for (int i = 0; i < worker->links_count; i++) {
        struct link *link = &worker->links[i];
        link->asked = false;
        link->answered = link->count == 0;
        if (link->ready && !link->answered)
            gw_link_send_pull(link, now);
    }
    return GW_OK;
}

bool gw_worker_pull_is_done(const struct gw_worker *worker)
{
    for (int i = 0; i < worker->links_count; i++)
        if (!worker->links[i].answered)
            return false;
    return worker->pulling;
}

void gw_worker_take_pull(struct gw_worker *worker, struct gw_worker_result *result)
{
    struct gw_worker_item **end = &result->items;
    *result = (struct gw_worker_result){ .round = UINT64_MAX };
    for (int i = 0; i < worker->links_count; i++) {
        struct link *link = &worker->links[i];
        if (link->count == 0)
            continue;
        *end = link->items;
        if (link->items)
            end = link->items_end;
        link->items = NULL;
        link->items_end = &link->items;
        link->items_count = 0;
        link->held_incarnation = link->done.incarnation;
        link->held_version = link->done.version;
        result->round = link->done.round < result->round ? link->done.round : result->round;
        result->ahead = link->done.ahead > result->ahead ? link->done.ahead : result->ahead;
        result->contributors = link->done.contributors;
        result->members = link->done.members;
    }
    worker->pulling = false;
    worker->counts.pulls++;
}

void gw_worker_free_items(struct gw_worker_item *items)
{
    while (items) {
        struct gw_worker_item *next = items->next;
        gw_blob_drop(items->payload);
        free(items);
        items = next;
    }
}

/* ---- the world's side ------------------------------------------------------------------------ */

gw_status gw_worker_session_setup(struct gw_worker *worker, int server,
                                  struct gw_session_setup *setup, char **terms,
                                  struct gw_error *error)
{
    worker->job->server = server;
    char *text = gw_job_write(worker->job);
    if (!text)
        return gw_fail(error, GW_ENOMEM, "out of memory for the terms");
    *setup = (struct gw_session_setup){
        .job = worker->job->id,
        .worker = worker->worker,
        .role = worker->observer ? GW_PS_OBSERVER : GW_PS_WORKER,
        .instance = worker->instance,
        .terms = text,
        .rules = { .admit = gw_link_admit, .user = &worker->links[server] },
    };
    *terms = text;
    return GW_OK;
}

void gw_worker_bound(struct gw_worker *worker, int server, struct gw_session *session)
{
    worker->links[server].session = session;
}

void gw_worker_event(struct gw_worker *worker, int server, struct gw_event *event, int64_t now)
{
    gw_link_take(&worker->links[server], event, now);
    gw_event_release(event);
}

void gw_worker_gone(struct gw_worker *worker, int server, const struct gw_error *why, int64_t now)
{
    gw_link_lost(&worker->links[server], why, now);
}

int64_t gw_worker_deadline(const struct gw_worker *worker)
{
    int64_t at = INT64_MAX;
    for (int i = 0; i < worker->links_count && !worker->ending; i++)
        at = worker->links[i].retry_at < at ? worker->links[i].retry_at : at;
    return worker->broken.status ? INT64_MAX : at;
}

void gw_worker_tick(struct gw_worker *worker, int64_t now)
{
    for (int i = 0; i < worker->links_count; i++)
        if (!worker->ending && !worker->broken.status && now >= worker->links[i].retry_at)
            gw_link_connect(&worker->links[i]);
}

void gw_worker_bye(struct gw_worker *worker, int64_t now)
{
    worker->ending = true;
    for (int i = 0; i < worker->links_count; i++) {
        struct link *link = &worker->links[i];
        link->retry_at = INT64_MAX;
        if (!link->session)
            continue;
        gw_session_bye(link->session, now);
        worker->world.flush(worker->world.user, i);
    }
}

void gw_worker_get_counts(const struct gw_worker *worker, struct gw_worker_counts *counts)
{
    *counts = worker->counts;
}
