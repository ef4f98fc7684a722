/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Comms that share an engine end one by one. A rank that closes a comm tells its members (LEAVE),
 * so that who still needs it there hears at once. An entry lives until both sides have closed;
 * either may come first, also before the other has opened. */
#include <stdlib.h>

#include "comm/tcp.h"

void gw_tcp_contexts_free(struct tcp_context *contexts)
{
    for (struct tcp_context *next, *at = contexts; at; at = next) {
        next = at->next;
        free(at);
    }
}

struct tcp_context *gw_tcp_contexts_new(int count)
{
    struct tcp_context *list = NULL;
    for (int i = 0; i < count; i++) {
        struct tcp_context *one = calloc(1, sizeof *one);
        if (!one) {
            gw_tcp_contexts_free(list);
            return NULL;
        }
        one->next = list;
        list = one;
    }
    return list;
}

static struct tcp_context *find(const struct tcp_peer *peer, uint64_t context)
{
    struct tcp_context *at = peer->contexts;
    while (at && at->context != context)
        at = at->next;
    return at;
}

static void add(struct tcp_peer *peer, struct tcp_context *fresh, uint64_t context)
{
    fresh->context = context;
    fresh->next = peer->contexts;
    peer->contexts = fresh;
    peer->contexts_count++;
}

/* Nobody will ask for it any more. */
static void forget(struct tcp_peer *peer, struct tcp_context *gone)
{
    struct tcp_context **at = &peer->contexts;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    peer->contexts_count--;
    free(gone);
}

void gw_tcp_context_open(struct tcp_peer *peer, struct tcp_context *fresh, uint64_t context)
{
    if (find(peer, context))
        free(fresh); /* the peer has left it already */
    else
        add(peer, fresh, context);
}

void gw_tcp_context_close(struct tcp_peer *peer, uint64_t context)
{
    struct tcp_context *entry = find(peer, context);
    if (!entry)
        return;
    entry->closed = true;
    if (peer->state != TCP_READY)
        forget(peer, entry);
}

gw_status gw_tcp_context_left(struct tcp_peer *peer, uint64_t context)
{
    struct tcp_context *entry = find(peer, context);
    if (!entry) {
        if (peer->contexts_count >= GW_TCP_ENTRIES)
            return GW_EPAYLOAD;
        entry = calloc(1, sizeof *entry);
        if (!entry)
            return GW_ENOMEM;
        add(peer, entry, context);
    }
    entry->left = true;
    if (entry->told)
        forget(peer, entry);
    return GW_OK;
}

bool gw_tcp_context_gone(const struct tcp_peer *peer, uint64_t context)
{
    const struct tcp_context *entry = find(peer, context);
    return entry && entry->left;
}

bool gw_tcp_context_shut(const struct tcp_peer *peer, uint64_t context)
{
    const struct tcp_context *entry = find(peer, context);
    return entry && entry->closed;
}

bool gw_tcp_context_untold(struct tcp_peer *peer, uint64_t *context)
{
    struct tcp_context *entry = peer->contexts;
    while (entry && (!entry->closed || entry->told))
        entry = entry->next;
    if (!entry)
        return false;
    *context = entry->context;
    entry->told = true;
    if (entry->left)
        forget(peer, entry);
    return true;
}
