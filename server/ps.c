/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* gradwire/ps.h: opening, registering, leaving, state. */
#include "server/ps_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/settings.h"
#include "server/job_inside.h"
#include "server/key_calls.h"
#include "session/instance.h"

/* ---- open ------------------------------------------------------------------------------------ */

void gw_ps_close(gw_ps *ps)
{
    if (!ps)
        return;
    gw_ps_end_thread(ps);
    gw_worker_free_items(ps->result.items);
    gw_worker_close(ps->worker);
    gw_encoder_close(ps->encoder);
    gw_decoder_close(ps->decoder);
    gw_tls_context_close(ps->tls);
    gw_keys_close(ps->keys);
    gw_job_close(ps->job);
    for (size_t i = 0; i < ps->rules_count; i++) {
        free((char *)ps->rules[i].glob);
        free((char *)ps->rules[i].codec);
    }
    free(ps->rules);
    free(ps->codec);
    free(ps->addresses);
    free(ps->names);
    free(ps->terms);
    free(ps->endpoints);
    free(ps->values);
    free(ps);
}

static gw_status no_memory(struct gw_error *error)
{
    return gw_fail(error, GW_ENOMEM, "out of memory for a worker");
}

static gw_status copy_rules(gw_ps *ps, const gw_ps_options *o, struct gw_error *error)
{
    ps->codec = strdup(o->codec ? o->codec : gw_setting_text(GW_SET_CODEC));
    ps->rules = calloc(o->rules_count + 1, sizeof *ps->rules);
    if (!ps->codec || !ps->rules)
        return no_memory(error);
    for (size_t i = 0; i < o->rules_count; i++) {
        if (!o->rules[i].glob || !o->rules[i].codec)
            return gw_fail(error, GW_EINVAL, "rule %zu has no glob or no codec", i);
        ps->rules_count = i + 1;
        ps->rules[i].glob = strdup(o->rules[i].glob);
        ps->rules[i].codec = strdup(o->rules[i].codec);
        if (!ps->rules[i].glob || !ps->rules[i].codec)
            return no_memory(error);
    }
    return GW_OK;
}

static gw_status make_job(gw_ps *ps, const gw_ps_options *o, struct gw_error *error)
{
    const char *const terms[GW_TERMS] = { [GW_TERM_MODE] = o->mode,
                                          [GW_TERM_AGGREGATOR] = o->aggregator,
                                          [GW_TERM_OPTIMIZER] = o->optimizer,
                                          [GW_TERM_PULL] = o->pull,
                                          [GW_TERM_FEEDBACK] = o->feedback };
    gw_status s =
        gw_job_open_with(&ps->job, gw_job_name(o->job), o->workers, o->seed, terms, error);
    if (s)
        return s;
    ps->job->servers = ps->servers;
    if (o->part_count)
        ps->job->part_count = o->part_count;
    return GW_OK;
}

static gw_status open_addresses(gw_ps *ps, const char *addresses, struct gw_error *error)
{
    gw_status s = gw_address_list(&ps->addresses, &ps->servers, addresses, error);
    if (s)
        return s;
    ps->names = calloc((size_t)ps->servers, sizeof *ps->names);
    if (!ps->names)
        return no_memory(error);
    for (int i = 0; i < ps->servers; i++)
        ps->names[i] = ps->addresses[i].text;
    for (int i = 0; i < ps->servers && !ps->keys; i++)
        if (!gw_address_is_local(&ps->addresses[i]))
            return gw_fail(error, GW_ENOTSUP,
                           "%s may be another machine: that needs a key file. Make one with "
                           "`gradwire key`, give it to the server, and to this worker as "
                           "options.keys",
                           ps->names[i]);
    return GW_OK;
}

static gw_status check_options(const gw_ps_options *o, struct gw_error *error)
{
    if (o->worker < 0 || o->workers < 0)
        return gw_fail(error, GW_EINVAL, "worker %d of %d: numbers begin at 0", o->worker,
                       o->workers);
    if (o->timeout_s < 0 || o->timeout_s > 1e9)
        return gw_fail(error, GW_EINVAL, "a timeout of %g s", o->timeout_s);
    if (o->part_count && (o->part_count < GW_PART_MIN || o->part_count > GW_PART_MAX))
        return gw_fail(error, GW_EINVAL, "part_count %zu: parts have from %d to %d elements",
                       o->part_count, GW_PART_MIN, GW_PART_MAX);
    if (o->nonfinite > GW_NONFINITE_ZERO)
        return gw_fail(error, GW_EINVAL, "nonfinite may be refuse or zero: a server takes no NaN");
    return gw_settings_check(error);
}

static gw_status open_parts(gw_ps *ps, const char *addresses, const gw_ps_options *o,
                            struct gw_error *error)
{
    double timeout = o->timeout_s > 0 ? o->timeout_s : gw_setting_number(GW_SET_TIMEOUT);
    ps->worker_number = (uint32_t)o->worker;
    ps->observer = o->observer != 0;
    ps->nonfinite = o->nonfinite;
    ps->timeout_ns = (int64_t)(timeout * 1e9);
    gw_status s = gw_keys_open(&ps->keys, &ps->tls, o->keys, gw_job_name(o->job), false,
                               ps->worker_number, error);
    if (!s)
        s = open_addresses(ps, addresses, error);
    if (!s)
        s = copy_rules(ps, o, error);
    return s ? s : make_job(ps, o, error);
}

gw_status gw_ps_open(gw_ps **out, const char *addresses, const gw_ps_options *options)
{
    const gw_ps_options none = { 0 };
    const gw_ps_options *o = options ? options : &none;
    struct gw_error *error = gw_open_error();
    gw_error_clear(error);
    if (!out || !addresses)
        return gw_fail(error, GW_EINVAL, "gw_ps_open needs a place and addresses");
    gw_status s = check_options(o, error);
    if (s)
        return s;
    gw_ps *ps = calloc(1, sizeof *ps);
    if (!ps)
        return no_memory(error);
    s = open_parts(ps, addresses, o, error);
    if (s)
        gw_ps_close(ps);
    else
        *out = ps;
    return s;
}

const char *gw_ps_error(const gw_ps *ps)
{
    return ps ? ps->error.text : gw_open_error()->text;
}

const char *gw_ps_terms(const gw_ps *ps)
{
    return ps->terms ? ps->terms : "";
}

/* ---- what the core asks of the codecs -------------------------------------------------------- */

static gw_status open_codecs(void *user, const struct gw_job *terms, struct gw_error *error)
{
    gw_ps *ps = user;
    size_t count;
    const struct gw_part *parts = gw_worker_parts(ps->worker, &count);
    gw_encoder_set_seed(ps->encoder, gw_job_term_number(terms, GW_TERM_SEED));
    return gw_decoder_open(&ps->decoder, terms, parts, count, error);
}

static gw_status check_payload(void *user, size_t part, bool raw, const void *payload, size_t bytes,
                               struct gw_error *error)
{
    const gw_ps *ps = user;
    return gw_decoder_check(ps->decoder, part, raw, payload, bytes, error);
}

static size_t payload_bound(void *user, size_t part, bool raw)
{
    const gw_ps *ps = user;
    return gw_decoder_bound(ps->decoder, part, raw);
}

static uint64_t push_spec(void *user, size_t part)
{
    const gw_ps *ps = user;
    return gw_encoder_spec(ps->encoder, part);
}

static bool remembers(void *user)
{
    const gw_ps *ps = user;
    return gw_decoder_remembers(ps->decoder);
}

/* ---- register -------------------------------------------------------------------------------- */

static gw_status open_worker(gw_ps *ps, struct gw_error *error)
{
    struct gw_worker_world world = gw_ps_world;
    const struct gw_worker_setup setup = { .job = ps->job,
                                           .names = ps->names,
                                           .worker = ps->worker_number,
                                           .observer = ps->observer,
                                           .instance = gw_instance_new() };
    world.user = ps;
    gw_status s = gw_worker_open(&ps->worker, &setup, &world, error);
    if (s)
        return s;
    ps->job = NULL; /* the worker's */
    const struct gw_worker_codecs codecs = { .user = ps,
                                             .open = open_codecs,
                                             .check = check_payload,
                                             .bound = payload_bound,
                                             .push_spec = push_spec,
                                             .remembers = remembers };
    gw_worker_set_codecs(ps->worker, &codecs);
    size_t count;
    const struct gw_part *parts = gw_worker_parts(ps->worker, &count);
    return gw_encoder_open(&ps->encoder, setup.job, parts, count, ps->worker_number, ps->nonfinite,
                           error);
}

/* Zeros, where the caller gives no initial values. */
static gw_status encode_initial(gw_ps *ps, const void *const *initial, struct gw_blob ***out,
                                struct gw_error *error)
{
    size_t count;
    (void)gw_worker_parts(ps->worker, &count);
    struct gw_blob **blobs = calloc(count, sizeof(struct gw_blob *));
    if (!blobs)
        return no_memory(error);
    gw_status s = initial ? gw_encoder_raw(ps->encoder, initial, blobs, error)
                          : gw_encoder_residuals(ps->encoder, blobs, error); /* none yet: zeros */
    if (s)
        free(blobs);
    else
        *out = blobs;
    return s;
}

static bool has_joined(struct gw_ps *ps, const void *what)
{
    (void)what;
    return gw_worker_has_joined(ps->worker);
}

static gw_status join(gw_ps *ps, struct gw_blob **initial)
{
    int64_t now = gw_now_ns();
    gw_status s = gw_ps_start_thread(ps, &ps->error);
    if (s) {
        size_t count;
        (void)gw_worker_parts(ps->worker, &count);
        for (size_t i = 0; initial && i < count; i++)
            gw_blob_drop(initial[i]);
        free(initial);
        return s;
    }
    gw_ps_lock(ps);
    gw_worker_start(ps->worker, initial, gw_net_now(ps->net));
    s = gw_ps_wait_for(ps, has_joined, NULL, now + ps->timeout_ns, "gw_ps_register");
    if (s == GW_ETIMEOUT) {
        char words[GW_ERROR_TEXT];
        s = ps->error.status = gw_worker_missing(ps->worker, words, sizeof words);
    }
    if (!s && !ps->terms)
        ps->terms = gw_job_write(gw_worker_terms(ps->worker));
    gw_ps_unlock(ps);
    return s;
}

gw_status gw_ps_register(gw_ps *ps, const gw_tensor *tensors, size_t count,
                         const void *const *initial)
{
    struct gw_blob **blobs = NULL;
    if (!ps)
        return GW_EINVAL;
    gw_error_clear(&ps->error);
    if (!ps->job)
        return gw_fail(&ps->error, GW_ESTATE, "gw_ps_register: it has been called already");
    gw_status s = gw_job_set_layout(ps->job, tensors, count, ps->codec, ps->rules, ps->rules_count,
                                    &ps->error);
    for (size_t i = 0; !s && initial && i < count; i++)
        if (!initial[i])
            s = gw_fail(&ps->error, GW_EINVAL, "tensor '%s' has no initial values",
                        tensors[i].name);
    if (s)
        return s;
    free(ps->values);
    ps->values = calloc(count + 1, sizeof(void *));
    if (!ps->values)
        return no_memory(&ps->error);
    ps->tensors = count;
    s = open_worker(ps, &ps->error);
    if (!s && !ps->observer)
        s = encode_initial(ps, initial, &blobs, &ps->error);
    if (!s)
        return join(ps, blobs);
    gw_worker_close(ps->worker);
    gw_encoder_close(ps->encoder);
    ps->worker = NULL;
    ps->encoder = NULL;
    return s;
}

/* ---- state ----------------------------------------------------------------------------------- */

size_t gw_ps_state_bytes(const gw_ps *ps)
{
    return ps->encoder ? gw_encoder_state_bytes(ps->encoder) : 0;
}

static gw_status check_idle(gw_ps *ps, const char *call)
{
    gw_error_clear(&ps->error);
    if (!ps->encoder)
        return gw_fail(&ps->error, GW_ESTATE, "%s: call gw_ps_register first", call);
    gw_ps_lock(ps);
    size_t pushes = gw_worker_pushes(ps->worker);
    gw_ps_unlock(ps);
    if (pushes > 0)
        return gw_fail(&ps->error, GW_ESTATE, "%s: %zu pushes are under way; wait for them first",
                       call, pushes);
    return GW_OK;
}

gw_status gw_ps_save(gw_ps *ps, void *buffer, size_t capacity, size_t *written)
{
    gw_status s = check_idle(ps, "gw_ps_save");
    if (s)
        return s;
    size_t bytes = gw_encoder_state_bytes(ps->encoder);
    if (capacity < bytes)
        return gw_fail(&ps->error, GW_ECAPACITY, "gw_ps_save: a buffer of %zu bytes for %zu",
                       capacity, bytes);
    gw_encoder_save(ps->encoder, buffer);
    *written = bytes;
    return GW_OK;
}

gw_status gw_ps_load(gw_ps *ps, const void *buffer, size_t bytes)
{
    gw_status s = check_idle(ps, "gw_ps_load");
    return s ? s : gw_encoder_load(ps->encoder, buffer, bytes, &ps->error);
}
