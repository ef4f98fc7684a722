/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* How ranks find each other: each listens on its line of the peers file and connects to all lower
 * ones, again and again until they are there, since ranks start at different times. Who comes to a
 * rank is heard only as a higher rank that is missing. Once all are there nobody listens any more.
 * On the engine's thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/tcp.h"
#include "session/printable.h"

static const int64_t FIRST_DELAY_NS = 5000000, LAST_DELAY_NS = 200000000;

static struct tcp_link *new_link(struct tcp_engine *engine)
{
    struct tcp_link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->engine = engine;
    link->next = engine->links;
    link->at = &engine->links;
    if (link->next)
        link->next->at = &link->next;
    engine->links = link;
    return link;
}

static void free_link(struct tcp_link *link)
{
    *link->at = link->next;
    if (link->next)
        link->next->at = link->at;
    free(link);
}

void gw_tcp_links_free(struct tcp_engine *engine)
{
    while (engine->links)
        free_link(engine->links);
}

bool gw_tcp_link_is_ready(const struct tcp_link *link)
{
    return link->peer && link->peer->link == link;
}

static void fail(struct tcp_engine *engine, gw_status status, const char *words)
{
    gw_tcp_lock(engine);
    if (!engine->failure.status && !engine->opened)
        gw_error_set(&engine->failure, status, "tcp: %s", words);
    gw_tcp_ring(engine);
    gw_tcp_unlock(engine);
}

static void copy_words(char to[GW_TCP_WORDS], const char *words)
{
    snprintf(to, GW_TCP_WORDS, "%.*s", GW_TCP_WORDS - 1, words);
}

/* ---- losses ---------------------------------------------------------------------------------- */

/* Under the lock. A rank that has said nothing yet may come again while this one still joins. */
static void lose(struct tcp_peer *peer, gw_status status, const char *words)
{
    struct tcp_engine *engine = peer->engine;
    copy_words(peer->words, words);
    peer->link = NULL;
    engine->ready--;
    if (!engine->opened && peer->in_sequence == 0) {
        peer->state = TCP_ABSENT;
        gw_tcp_ring(engine);
        return;
    }
    if (!engine->opened && !engine->failure.status)
        gw_error_set(&engine->failure, GW_ETRANSPORT, "tcp: rank %d is lost: %s", peer->rank,
                     words);
    peer->state = status ? TCP_LOST : TCP_LEFT;
    if (status)
        atomic_fetch_add(&engine->losses, 1);
    gw_tcp_return_stuck(peer);
    gw_tcp_lanes_fail(peer, NULL);
    gw_tcp_ring(engine);
}

void gw_tcp_lose(struct tcp_peer *peer, gw_status status, const char *words)
{
    gw_tcp_lock(peer->engine);
    lose(peer, status, words);
    gw_tcp_unlock(peer->engine);
}

static void try_again(struct tcp_peer *peer, const struct gw_error *error)
{
    struct tcp_engine *engine = peer->engine;
    gw_tcp_lock(engine);
    copy_words(peer->words, error->text);
    gw_tcp_unlock(engine);
    peer->connecting = false;
    peer->delay = peer->delay ? peer->delay * 2 : FIRST_DELAY_NS;
    if (peer->delay > LAST_DELAY_NS)
        peer->delay = LAST_DELAY_NS;
    peer->next_try = gw_net_now(engine->net) + peer->delay;
    if (error->status == GW_EMISMATCH || error->status == GW_ENOTSUP)
        fail(engine, error->status, error->text);
}

static void ended(struct tcp_link *link, const struct gw_event *event)
{
    struct tcp_engine *engine = link->engine;
    if (gw_tcp_link_is_ready(link)) {
        gw_tcp_lose(link->peer, event->error.status, event->error.text);
    } else if (link->peer) {
        try_again(link->peer, &event->error);
    } else if (event->error.status) {
        gw_tcp_lock(engine);
        copy_words(engine->stranger, event->error.text);
        gw_tcp_unlock(engine);
    }
    if (!gw_tcp_link_is_ready(link))
        link->peer = NULL;
}

/* ---- who comes ------------------------------------------------------------------------------- */

static void refuse(struct tcp_link *link, gw_status status, const char *words)
{
    gw_session_refuse(gw_stream_session(link->stream), status, words,
                      gw_net_now(link->engine->net));
    gw_stream_flush(link->stream);
}

/* NULL: refused. */
static struct tcp_peer *expected_peer(struct tcp_link *link)
{
    struct tcp_engine *engine = link->engine;
    const struct gw_tcp_group *group = &engine->group;
    const struct gw_session_peer *hello = gw_session_peer(gw_stream_session(link->stream));
    char words[160];
    if (hello->worker <= (uint32_t)group->rank || hello->worker >= (uint32_t)group->ranks) {
        snprintf(words, sizeof words, "rank %u does not connect to rank %d of %d ranks",
                 (unsigned)hello->worker, group->rank, group->ranks);
        refuse(link, GW_EINVAL, words);
        return NULL;
    }
    struct tcp_peer *peer = &engine->peers[hello->worker];
    if (!peer->link && peer->state == TCP_ABSENT)
        return peer;
    snprintf(words, sizeof words, "rank %d has a connection to rank %d already", group->rank,
             peer->rank);
    refuse(link, GW_ESTATE, words);
    return NULL;
}

/* Who has other terms is let through to them, because they tell what the difference is. */
static bool is_foreign(const struct tcp_link *link)
{
    return gw_session_peer(gw_stream_session(link->stream))->job != link->engine->group.job;
}

static void said_hello(struct tcp_link *link)
{
    struct tcp_engine *engine = link->engine;
    if (!is_foreign(link) && !expected_peer(link))
        return;
    (void)gw_session_welcome(gw_stream_session(link->stream), ++engine->epoch,
                             gw_net_now(engine->net));
    gw_stream_flush(link->stream);
}

/* The text as a whole has to be equal, so whatever a version adds to it is compared. */
static void said_terms(struct tcp_link *link, const struct gw_event *event)
{
    struct tcp_engine *engine = link->engine;
    char ours[256], theirs[160], words[512];
    const char *text = event->payload ? (const char *)event->payload : "";
    int worker = (int)(gw_session_peer(gw_stream_session(link->stream))->worker & INT32_MAX);
    gw_tcp_group_terms(&engine->group, worker, engine->group.rank, ours, sizeof ours);
    if (strcmp(text, ours) == 0) {
        if (!expected_peer(link))
            return;
        (void)gw_session_ready(gw_stream_session(link->stream), NULL, 0, gw_net_now(engine->net));
        gw_stream_flush(link->stream);
        return;
    }
    snprintf(theirs, sizeof theirs, "%.*s", (int)sizeof theirs - 1, text);
    gw_make_printable(theirs, strlen(theirs));
    snprintf(words, sizeof words, "rank %d says \"%s\", rank %d says \"%s\"", worker, theirs,
             engine->group.rank, ours);
    if (gw_tcp_group_knows(&engine->group, text))
        fail(engine, GW_EMISMATCH, words);
    refuse(link, GW_EMISMATCH, words);
}

static void became_ready(struct tcp_link *link)
{
    struct tcp_engine *engine = link->engine;
    struct tcp_peer *peer = link->peer ? link->peer : expected_peer(link);
    if (!peer)
        return;
    gw_tcp_lock(engine);
    link->peer = peer;
    peer->link = link;
    peer->connecting = false;
    peer->state = TCP_READY;
    peer->out_sequence = peer->in_sequence = 0;
    engine->ready++;
    gw_tcp_ring(engine);
    gw_tcp_unlock(engine);
    gw_tcp_pump(peer);
}

/* ---- the stream's calls ---------------------------------------------------------------------- */

static void on_event(void *user, struct gw_stream *stream, struct gw_event *event)
{
    struct tcp_link *link = user;
    (void)stream;
    if (!link)
        return;
    switch (event->kind) {
    case GW_EVENT_HELLO:
        said_hello(link);
        break;
    case GW_EVENT_TERMS:
        said_terms(link, event);
        break;
    case GW_EVENT_READY:
        became_ready(link);
        break;
    case GW_EVENT_FRAME:
        gw_tcp_frame(link, event);
        break;
    case GW_EVENT_CLOSED:
        ended(link, event);
        break;
    default:
        break;
    }
}

static void on_accepted(void *user, struct gw_stream *stream, void **stream_user)
{
    struct tcp_link *link = new_link(user);
    *stream_user = link;
    if (link)
        link->stream = stream;
    else
        gw_stream_drop(stream, false);
}

static void on_gone(void *user, struct gw_stream *stream)
{
    struct tcp_link *link = user;
    (void)stream;
    if (!link)
        return;
    struct tcp_engine *engine = link->engine;
    if (gw_tcp_link_is_ready(link))
        gw_tcp_lose(link->peer, GW_ETRANSPORT, "the connection was given up");
    else if (link->peer)
        link->peer->connecting = false;
    free_link(link);
    if (engine->closing && !engine->links)
        (void)uv_async_send(&engine->async);
}

const struct gw_stream_calls gw_tcp_calls = { .event = on_event,
                                              .accepted = on_accepted,
                                              .gone = on_gone };

/* ---- the two ways ---------------------------------------------------------------------------- */

static struct gw_session_setup setup_of(const struct tcp_engine *engine, struct tcp_link *link)
{
    return (struct gw_session_setup){
        .worker = (uint32_t)engine->group.rank,
        .instance = engine->instance,
        .times = gw_session_times_default,
        .rules = { .admit = gw_tcp_admit, .user = link, .terms_bytes = 256 }
    };
}

gw_status gw_tcp_listen(struct tcp_engine *engine, struct gw_error *error)
{
    const struct gw_tcp_group *group = &engine->group;
    struct gw_session_setup setup = setup_of(engine, NULL);
    setup.serves = true; /* of any job: the terms are what tells the difference in words */
    if (group->rank == group->ranks - 1)
        return GW_OK;
    return gw_listener_open(&engine->listener, engine->net, &group->addresses[group->rank],
                            engine->serve_tls, &setup, 0, &gw_tcp_calls, engine, error);
}

static void connect_to(struct tcp_peer *peer)
{
    struct tcp_engine *engine = peer->engine;
    struct tcp_link *link = new_link(engine);
    struct gw_error error = { 0 };
    char terms[256];
    if (!link) {
        fail(engine, GW_ENOMEM, "out of memory for a connection");
        return;
    }
    struct gw_session_setup setup = setup_of(engine, link);
    gw_tcp_group_terms(&engine->group, engine->group.rank, peer->rank, terms, sizeof terms);
    setup.job = engine->group.job;
    setup.terms = terms;
    gw_status s =
        gw_stream_connect(&link->stream, engine->net, &engine->group.addresses[peer->rank],
                          engine->connect_tls, &setup, &gw_tcp_calls, link, &error);
    if (s) {
        free_link(link);
        error.status = s;
        try_again(peer, &error);
        return;
    }
    link->peer = peer;
    peer->connecting = true;
}

void gw_tcp_connect_absent(struct tcp_engine *engine)
{
    int64_t now = gw_net_now(engine->net);
    for (int r = 0; r < engine->group.rank; r++) {
        struct tcp_peer *peer = &engine->peers[r];
        if (peer->state == TCP_ABSENT && !peer->connecting && now >= peer->next_try)
            connect_to(peer);
    }
}
