/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* gradwire/ps.h: a step. Payloads are made and taken apart here, on the caller's thread. */
#include "server/ps_inside.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define NORM_EVERY_NS 1000000000 /* a pass over all residuals, for people only */

/* ---- tickets --------------------------------------------------------------------------------- */

static struct ticket *find(gw_ps *ps, gw_ps_ticket number)
{
    for (int i = 0; i < TICKETS; i++)
        if (ps->tickets[i].number == number)
            return &ps->tickets[i];
    return NULL;
}

static gw_status check_step(gw_ps *ps, const char *call, bool pushes, bool pulls)
{
    gw_error_clear(&ps->error);
    if (!ps->worker || !gw_worker_has_joined(ps->worker))
        return gw_fail(&ps->error, GW_ESTATE, "%s: gw_ps_register has not succeeded", call);
    if (ps->left)
        return gw_fail(&ps->error, GW_ESTATE, "%s: this worker has left the job", call);
    if (pushes && ps->observer)
        return gw_fail(&ps->error, GW_ESTATE, "%s: an observer pushes nothing", call);
    if (pushes && gw_worker_pushes(ps->worker) >= GW_PS_PUSHES)
        return gw_fail(&ps->error, GW_ESTATE, "%s: %d pushes are under way; wait for one of them",
                       call, GW_PS_PUSHES);
    for (int i = 0; pulls && i < TICKETS; i++)
        if (ps->tickets[i].number && ps->tickets[i].pulls)
            return gw_fail(&ps->error, GW_ESTATE, "%s: a pull is under way; wait for it first",
                           call);
    if (!find(ps, 0))
        return gw_fail(&ps->error, GW_ESTATE, "%s: %d tickets were never waited for", call,
                       TICKETS);
    return gw_worker_broken(ps->worker, &ps->error);
}

static void issue(gw_ps *ps, uint64_t push, bool pulls, gw_ps_ticket *out)
{
    struct ticket *ticket = find(ps, 0);
    *ticket = (struct ticket){ ++ps->last_ticket, push, pulls };
    *out = ticket->number;
}

/* ---- push and pull --------------------------------------------------------------------------- */

static double norm_of(gw_ps *ps)
{
    int64_t now = gw_now_ns();
    if (now - ps->norm_at >= NORM_EVERY_NS) {
        ps->norm = gw_encoder_norm(ps->encoder);
        ps->norm_at = now;
    }
    return ps->norm;
}

static gw_status check_arrays(gw_ps *ps, const char *call, const void *const *arrays)
{
    for (size_t i = 0; i < ps->tensors; i++)
        if (!arrays || !arrays[i])
            return gw_fail(&ps->error, GW_EINVAL, "%s: the array of tensor %zu is NULL", call, i);
    return GW_OK;
}

/* Encode and hand to the core. The residual changes here: from now on the payloads are kept until
 * they count. */
static gw_status push(gw_ps *ps, const void *const *gradients, const gw_ps_push_options *options,
                      uint64_t *number)
{
    size_t count;
    (void)gw_worker_parts(ps->worker, &count);
    struct gw_blob **blobs = calloc(count, sizeof(struct gw_blob *));
    if (!blobs)
        return gw_fail(&ps->error, GW_ENOMEM, "out of memory for a push");
    int64_t began = gw_now_ns();
    *number = gw_worker_next_push(ps->worker);
    gw_status s = gw_encoder_encode(ps->encoder, gradients, *number, blobs, &ps->error);
    ps->encode_s = (double)(gw_now_ns() - began) / 1e9;
    if (s) {
        free(blobs);
        return s;
    }
    double rate = options && options->rate != 0 ? options->rate : NAN;
    ps->rate = rate;
    const struct gw_worker_push what = { .rate = rate, .norm = norm_of(ps) };
    gw_ps_lock(ps);
    s = gw_worker_push(ps->worker, blobs, &what, gw_net_now(ps->net));
    if (s) { /* the payloads are gone and so is what they said: nothing may follow */
        gw_worker_break(ps->worker, s, "out of memory for a push that was encoded");
        s = gw_worker_broken(ps->worker, &ps->error);
    }
    gw_ps_unlock(ps);
    free(blobs);
    return s;
}

static void pull(gw_ps *ps, void *const *values)
{
    memcpy(ps->values, values, ps->tensors * sizeof(void *));
    gw_ps_lock(ps);
    (void)gw_worker_pull(ps->worker, gw_net_now(ps->net));
    gw_ps_unlock(ps);
}

static gw_status begin(gw_ps *ps, const char *call, bool pushes, bool pulls)
{
    if (!ps)
        return GW_EINVAL;
    if (!ps->has_thread)
        return gw_fail(&ps->error, GW_ESTATE, "%s: gw_ps_register has not succeeded", call);
    gw_ps_lock(ps);
    gw_status s = check_step(ps, call, pushes, pulls);
    gw_ps_unlock(ps);
    return s;
}

gw_status gw_ps_push(gw_ps *ps, const void *const *gradients, const gw_ps_push_options *options,
                     gw_ps_ticket *ticket)
{
    uint64_t number;
    gw_status s = begin(ps, "gw_ps_push", true, false);
    if (!s)
        s = check_arrays(ps, "gw_ps_push", gradients);
    if (!s)
        s = push(ps, gradients, options, &number);
    if (!s)
        issue(ps, number, false, ticket);
    return s;
}

gw_status gw_ps_pull(gw_ps *ps, void *const *values, gw_ps_ticket *ticket)
{
    gw_status s = begin(ps, "gw_ps_pull", false, true);
    if (!s)
        s = check_arrays(ps, "gw_ps_pull", (const void *const *)values);
    if (s)
        return s;
    pull(ps, values);
    issue(ps, 0, true, ticket);
    return GW_OK;
}

gw_status gw_ps_push_pull(gw_ps *ps, const void *const *gradients, void *const *values,
                          const gw_ps_push_options *options, gw_ps_ticket *ticket)
{
    uint64_t number;
    gw_status s = begin(ps, "gw_ps_push_pull", true, true);
    if (!s)
        s = check_arrays(ps, "gw_ps_push_pull", gradients);
    if (!s)
        s = check_arrays(ps, "gw_ps_push_pull", (const void *const *)values);
    if (!s)
        s = push(ps, gradients, options, &number);
    if (s)
        return s;
    pull(ps, values);
    issue(ps, number, true, ticket);
    return GW_OK;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool is_done(struct gw_ps *ps, const void *what)
{
    const struct ticket *ticket = what;
    return (!ticket->push || gw_worker_push_is_done(ps->worker, ticket->push)) &&
           (!ticket->pulls || gw_worker_pull_is_done(ps->worker));
}

gw_status gw_ps_wait_for(struct gw_ps *ps, bool (*holds)(struct gw_ps *ps, const void *what),
                         const void *what, int64_t until, const char *call)
{
    char missing[GW_ERROR_TEXT - 64];
    while (!holds(ps, what)) {
        gw_status s = gw_worker_broken(ps->worker, &ps->error);
        if (s)
            return s;
        if (gw_ps_await(ps, until))
            continue;
        (void)gw_worker_missing(ps->worker, missing, sizeof missing);
        return gw_fail(&ps->error, GW_ETIMEOUT, "%s: %s", call, missing);
    }
    return GW_OK;
}

/* The values go to the caller's arrays, all of them at once. */
static void finish(gw_ps *ps, struct ticket *ticket)
{
    if (ticket->pulls) {
        struct gw_worker_result result;
        int64_t began = gw_now_ns();
        gw_ps_lock(ps);
        gw_worker_take_pull(ps->worker, &result);
        gw_ps_unlock(ps);
        gw_decoder_apply(ps->decoder, result.items, ps->values);
        gw_worker_free_items(result.items);
        result.items = NULL;
        ps->result = result;
        ps->decode_s = (double)(gw_now_ns() - began) / 1e9;
    }
    *ticket = (struct ticket){ 0 };
}

static gw_status wait_one(gw_ps *ps, struct ticket *ticket, int64_t until, const char *call)
{
    gw_ps_lock(ps);
    gw_status s = gw_ps_wait_for(ps, is_done, ticket, until, call);
    gw_ps_unlock(ps);
    if (!s)
        finish(ps, ticket);
    return s;
}

gw_status gw_ps_wait(gw_ps *ps, gw_ps_ticket number)
{
    if (!ps)
        return GW_EINVAL;
    gw_error_clear(&ps->error);
    int64_t until = gw_now_ns() + ps->timeout_ns;
    if (number) {
        struct ticket *ticket = find(ps, number);
        if (!ticket)
            return gw_fail(&ps->error, GW_EINVAL, "gw_ps_wait: there is no ticket %" PRIu64,
                           number);
        return wait_one(ps, ticket, until, "gw_ps_wait");
    }
    gw_status s = GW_OK;
    for (int i = 0; i < TICKETS && !s; i++)
        if (ps->tickets[i].number)
            s = wait_one(ps, &ps->tickets[i], until, "gw_ps_wait");
    return s;
}

static gw_status test_one(gw_ps *ps, struct ticket *ticket)
{
    gw_ps_lock(ps);
    bool done = is_done(ps, ticket);
    gw_status s = done ? GW_OK : gw_worker_broken(ps->worker, &ps->error);
    gw_ps_unlock(ps);
    if (done)
        finish(ps, ticket);
    return done || s ? s : GW_PENDING;
}

gw_status gw_ps_test(gw_ps *ps, gw_ps_ticket number)
{
    if (!ps)
        return GW_EINVAL;
    gw_error_clear(&ps->error);
    if (number) {
        struct ticket *ticket = find(ps, number);
        return ticket ? test_one(ps, ticket)
                      : gw_fail(&ps->error, GW_EINVAL, "gw_ps_test: there is no ticket %" PRIu64,
                                number);
    }
    gw_status s = GW_OK;
    for (int i = 0; i < TICKETS && s >= 0; i++) {
        gw_status one = ps->tickets[i].number ? test_one(ps, &ps->tickets[i]) : GW_OK;
        s = one < 0 || s == GW_OK ? one : s;
    }
    return s;
}

/* ---- leaving --------------------------------------------------------------------------------- */

static gw_status hand_in(gw_ps *ps, uint64_t *number)
{
    size_t count;
    (void)gw_worker_parts(ps->worker, &count);
    struct gw_blob **blobs = calloc(count, sizeof(struct gw_blob *));
    if (!blobs)
        return gw_fail(&ps->error, GW_ENOMEM, "out of memory for the residuals");
    gw_status s = gw_encoder_residuals(ps->encoder, blobs, &ps->error);
    if (!s) {
        const struct gw_worker_push what = { .rate = ps->rate != 0 ? ps->rate : NAN,
                                             .raw = true,
                                             .leaving = true };
        gw_ps_lock(ps);
        *number = gw_worker_next_push(ps->worker);
        s = gw_worker_push(ps->worker, blobs, &what, gw_net_now(ps->net));
        gw_ps_unlock(ps);
        if (s)
            (void)gw_fail(&ps->error, s, "out of memory for the residuals");
    }
    free(blobs);
    return s;
}

gw_status gw_ps_leave(gw_ps *ps)
{
    uint64_t number = 0;
    gw_status s = begin(ps, "gw_ps_leave", false, false);
    if (s || ps->observer)
        return s;
    s = gw_ps_wait(ps, 0);
    if (!s && gw_encoder_has_residuals(ps->encoder))
        s = hand_in(ps, &number);
    if (s)
        return s;
    ps->left = true;
    gw_encoder_clear_residuals(ps->encoder);
    const struct ticket last = { .push = number };
    gw_ps_lock(ps);
    s = gw_ps_wait_for(ps, is_done, &last, gw_now_ns() + ps->timeout_ns, "gw_ps_leave");
    if (!s)
        gw_worker_bye(ps->worker, gw_net_now(ps->net));
    gw_ps_unlock(ps);
    return s;
}

/* ---- looking --------------------------------------------------------------------------------- */

static double quotient(uint64_t raw, uint64_t sent)
{
    return sent ? (double)raw / (double)sent : 0;
}

gw_status gw_ps_stats(gw_ps *ps, gw_ps_figures *stats)
{
    struct gw_worker_counts c = { 0 };
    if (!ps || !stats)
        return GW_EINVAL;
    if (ps->has_thread) {
        gw_ps_lock(ps);
        gw_worker_get_counts(ps->worker, &c);
        gw_ps_unlock(ps);
    }
    *stats = (gw_ps_figures){ .pushes = c.pushes,
                              .pulls = c.pulls,
                              .round = ps->result.round,
                              .staleness = ps->result.ahead,
                              .contributors = ps->result.contributors,
                              .members = ps->result.members,
                              .dropped = c.late,
                              .resent = c.resent,
                              .reconnects = c.reconnects,
                              .sent_bytes = c.sent_bytes,
                              .received_bytes = c.received_bytes,
                              .raw_sent_bytes = c.raw_sent_bytes,
                              .raw_received_bytes = c.raw_received_bytes,
                              .push_ratio = quotient(c.raw_sent_bytes, c.sent_bytes),
                              .pull_ratio = quotient(c.raw_received_bytes, c.received_bytes),
                              .encode_s = ps->encode_s,
                              .decode_s = ps->decode_s,
                              .error_norm = ps->encoder ? gw_encoder_norm(ps->encoder) : 0 };
    return GW_OK;
}
