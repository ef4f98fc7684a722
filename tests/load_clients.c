/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Workers' cores (server/worker.h) on one loop, each with a TLS connection and a key of its own:
 * a thread for each would measure threads. */
#include "tests/load_clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/decoder.h"
#include "server/encoder.h"
#include "server/worker.h"
#include "session/instance.h"
#include "session/stream.h"

static const int64_t guard_ns = 120000000000; /* no progress for so long is a failure */

struct load;

struct client {
    struct load *load;
    uint32_t number;
    struct gw_worker *worker;
    struct gw_tls_context *tls;
    struct gw_stream *stream; /* NULL: none */
    struct client *next;      /* of those that something has changed for */
    bool dirty, joined, wrong;
    int rounds; /* that it has seen the end of */
};

struct load {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_prepare_t prepare;
    struct gw_net *net;
    struct gw_address address;
    const char *name; /* in it */
    struct gw_keys *keys;
    struct gw_encoder *encoder; /* all use one: the codec is raw, which keeps nothing */
    struct gw_decoder *decoder; /* likewise */
    struct client *clients, *dirty;
    const struct load_setup *setup;
    struct load_result *result;
    int clients_count, rounds, joined, done, streams;
    size_t count;
    float *gradient, *values, *sum;
    int64_t began, last, round_began;
    int *seen; /* how many have seen the end of a round */
};

static void complain(struct load *load, const char *words)
{
    if (!load->result->failed)
        fprintf(stderr, "ps_load: %s\n", words);
    load->result->failed = 1;
    uv_stop(&load->loop);
}

/* A whole number of eighths. */
static float gradient_of(uint32_t worker, size_t i)
{
    return (float)((int)((worker * 7919u + (uint32_t)i * 104729u) % 129) - 64) / 8;
}

/* ---- a worker's core over a stream ----------------------------------------------------------- */

static void take_event(void *user, struct gw_stream *stream, struct gw_event *event)
{
    struct client *client = user;
    gw_worker_bound(client->worker, 0, gw_stream_session(stream));
    gw_worker_event(client->worker, 0, event, gw_net_now(client->load->net));
}

static void take_gone(void *user, struct gw_stream *stream)
{
    struct client *client = user;
    client->load->streams--;
    if (client->stream != stream)
        return;
    client->stream = NULL;
    gw_worker_gone(client->worker, 0, NULL, gw_net_now(client->load->net));
}

static const struct gw_stream_calls calls = { .event = take_event, .gone = take_gone };

static void connect_server(void *user, int server)
{
    struct client *client = user;
    struct load *load = client->load;
    struct gw_session_setup setup;
    struct gw_error why = { 0 };
    char *terms = NULL;
    gw_status s = gw_worker_session_setup(client->worker, server, &setup, &terms, &why);
    setup.times = gw_session_times_default;
    /* A thousand handshakes at once take longer than one may. */
    setup.times.handshake_ns = 30000000000;
    if (!s)
        s = gw_stream_connect(&client->stream, load->net, &load->address, client->tls, &setup,
                              &calls, client, &why);
    free(terms);
    if (s) {
        client->stream = NULL;
        gw_worker_gone(client->worker, server, &why, gw_net_now(load->net));
    } else {
        load->streams++;
    }
}

static void flush_server(void *user, int server)
{
    struct client *client = user;
    (void)server;
    if (client->stream)
        gw_stream_flush(client->stream);
}

static void note_changed(void *user)
{
    struct client *client = user;
    if (client->dirty)
        return;
    client->dirty = true;
    client->next = client->load->dirty;
    client->load->dirty = client;
}

static gw_status open_codecs(void *user, const struct gw_job *terms, struct gw_error *error)
{
    struct client *client = user;
    size_t count;
    const struct gw_part *parts = gw_worker_parts(client->load->clients[0].worker, &count);
    return client->load->decoder
               ? GW_OK
               : gw_decoder_open(&client->load->decoder, terms, parts, count, error);
}

static gw_status check_payload(void *user, size_t part, bool raw, const void *payload, size_t bytes,
                               struct gw_error *error)
{
    const struct client *client = user;
    return gw_decoder_check(client->load->decoder, part, raw, payload, bytes, error);
}

static size_t payload_bound(void *user, size_t part, bool raw)
{
    const struct client *client = user;
    return gw_decoder_bound(client->load->decoder, part, raw);
}

static uint64_t push_spec(void *user, size_t part)
{
    const struct client *client = user;
    return gw_encoder_spec(client->load->encoder, part);
}

static bool remembers(void *user)
{
    (void)user;
    return false;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static struct gw_blob **blobs_of(size_t count)
{
    return calloc(count, sizeof(struct gw_blob *));
}

static void push_and_pull(struct client *client)
{
    struct load *load = client->load;
    size_t count;
    struct gw_error error = { 0 };
    (void)gw_worker_parts(client->worker, &count);
    struct gw_blob **blobs = blobs_of(count);
    for (size_t i = 0; i < load->count; i++)
        load->gradient[i] = gradient_of(client->number, i);
    const void *const gradients[] = { load->gradient };
    const struct gw_worker_push what = { .rate = 0.0 / 0.0 };
    gw_status s = blobs ? gw_encoder_encode(load->encoder, gradients,
                                            gw_worker_next_push(client->worker), blobs, &error)
                        : GW_ENOMEM;
    if (!s)
        s = gw_worker_push(client->worker, blobs, &what, gw_net_now(load->net));
    if (!s)
        s = gw_worker_pull(client->worker, gw_net_now(load->net));
    if (s)
        complain(load, error.text);
    free(blobs);
}

static void check_values(struct client *client)
{
    struct load *load = client->load;
    struct gw_worker_result result;
    char words[128];
    void *const values[] = { load->values };
    gw_worker_take_pull(client->worker, &result);
    gw_decoder_apply(load->decoder, result.items, values);
    gw_worker_free_items(result.items);
    client->rounds++;
    for (size_t i = 0; i < load->count && !client->wrong; i++) {
        float expected = -load->sum[i] * (float)client->rounds;
        client->wrong = load->values[i] != expected;
        if (!client->wrong)
            continue;
        snprintf(words, sizeof words, "worker %u, round %d, element %zu: got %g, expected %g",
                 client->number, client->rounds, i, (double)load->values[i], (double)expected);
        complain(load, words);
    }
    if (++load->seen[client->rounds] < load->clients_count)
        return;
    int64_t now = gw_net_now(load->net), took = now - load->round_began;
    if (took > load->result->slowest_ns)
        load->result->slowest_ns = took;
    load->round_began = now;
}

static void step(struct client *client)
{
    struct load *load = client->load;
    struct gw_error error = { 0 };
    load->last = gw_net_now(load->net);
    if (gw_worker_broken(client->worker, &error)) {
        complain(load, error.text);
        return;
    }
    if (!client->joined) {
        if (!gw_worker_has_joined(client->worker))
            return;
        client->joined = true;
        if (++load->joined == load->clients_count) {
            load->result->joined_ns = load->last - load->began;
            load->round_began = load->last;
        }
        push_and_pull(client);
        return;
    }
    if (client->rounds == load->rounds || gw_worker_pushes(client->worker) > 0 ||
        !gw_worker_pull_is_done(client->worker))
        return;
    check_values(client);
    if (client->rounds < load->rounds)
        push_and_pull(client);
    else if (++load->done == load->clients_count)
        uv_stop(&load->loop);
}

static void before_waiting(uv_prepare_t *prepare)
{
    struct load *load = prepare->data;
    while (load->dirty) {
        struct client *client = load->dirty;
        load->dirty = client->next;
        client->dirty = false;
        step(client);
    }
}

static void tick(uv_timer_t *timer)
{
    struct load *load = timer->data;
    int64_t now = gw_net_now(load->net);
    for (int i = 0; i < load->clients_count; i++)
        if (now >= gw_worker_deadline(load->clients[i].worker))
            gw_worker_tick(load->clients[i].worker, now);
    if (now - load->last > guard_ns)
        complain(load, "nothing has happened for two minutes");
}

/* ---- opening and closing --------------------------------------------------------------------- */

static gw_status make_job(struct gw_job **out, const struct load *load, struct gw_error *error)
{
    char workers[16];
    const gw_tensor tensor = { "w", load->count };
    snprintf(workers, sizeof workers, "%d", load->setup->workers);
    gw_status s = gw_job_open(out, "gradwire", error);
    if (!s)
        s = gw_job_set(*out, GW_TERM_WORKERS, workers, error);
    if (!s)
        s = gw_job_set(*out, GW_TERM_OPTIMIZER, "sgd:lr=1", error);
    if (!s)
        s = gw_job_set(*out, GW_TERM_AGGREGATOR, "sum", error);
    return s ? s : gw_job_set_layout(*out, &tensor, 1, "raw", NULL, 0, error);
}

static gw_status open_client(struct load *load, struct client *client, struct gw_error *error)
{
    struct gw_job *job;
    size_t count;
    const struct gw_worker_world world = { client, connect_server, flush_server, note_changed };
    const struct gw_worker_codecs codecs = { client,        open_codecs, check_payload,
                                             payload_bound, push_spec,   remembers };
    load->name = load->address.text;
    gw_status s = gw_tls_context_open(&client->tls, load->keys, false, client->number, error);
    if (!s)
        s = make_job(&job, load, error);
    if (!s)
        s = gw_worker_open(&client->worker,
                           &(struct gw_worker_setup){ .job = job,
                                                      .names = &load->name,
                                                      .worker = client->number,
                                                      .instance = gw_instance_new() },
                           &world, error);
    if (s)
        return s;
    gw_worker_set_codecs(client->worker, &codecs);
    const struct gw_part *parts = gw_worker_parts(client->worker, &count);
    if (!load->encoder)
        s = gw_encoder_open(&load->encoder, job, parts, count, 0, GW_NONFINITE_REFUSE, error);
    return s;
}

static gw_status start_client(struct client *client, struct gw_error *error)
{
    struct load *load = client->load;
    size_t count;
    (void)gw_worker_parts(client->worker, &count);
    struct gw_blob **zeros = blobs_of(count);
    if (!zeros)
        return gw_fail(error, GW_ENOMEM, "out of memory");
    gw_status s = gw_encoder_residuals(load->encoder, zeros, error);
    if (!s)
        gw_worker_start(client->worker, zeros, gw_net_now(load->net));
    return s;
}

static gw_status open_all(struct load *load, struct gw_error *error)
{
    const struct load_setup *setup = load->setup;
    load->clients = calloc((size_t)load->clients_count, sizeof *load->clients);
    load->gradient = calloc(load->count * 3, sizeof(float));
    load->seen = calloc((size_t)load->rounds + 1, sizeof *load->seen);
    if (!load->clients || !load->gradient || !load->seen)
        return gw_fail(error, GW_ENOMEM, "out of memory");
    load->values = load->gradient + load->count;
    load->sum = load->values + load->count;
    for (int k = 0; k < setup->workers; k++)
        for (size_t i = 0; i < load->count; i++)
            load->sum[i] += gradient_of((uint32_t)k, i);
    uv_loop_init(&load->loop);
    load->timer.data = load->prepare.data = load;
    uv_timer_init(&load->loop, &load->timer);
    uv_prepare_init(&load->loop, &load->prepare);
    uv_timer_start(&load->timer, tick, 20, 20);
    uv_prepare_start(&load->prepare, before_waiting);
    gw_status s = gw_net_open(&load->net, &load->loop, error);
    if (!s)
        s = gw_address_parse(&load->address, setup->address, strlen(setup->address), error);
    if (!s)
        s = gw_keys_load(&load->keys, setup->keys, error);
    for (int k = 0; k < load->clients_count && !s; k++) {
        load->clients[k] = (struct client){ .load = load, .number = (uint32_t)(setup->first + k) };
        s = open_client(load, &load->clients[k], error);
    }
    load->began = load->last = load->net ? gw_net_now(load->net) : 0;
    for (int k = 0; k < load->clients_count && !s; k++)
        s = start_client(&load->clients[k], error);
    return s;
}

static void close_all(struct load *load)
{
    for (int k = 0; k < load->clients_count && load->clients; k++) {
        struct client *client = &load->clients[k];
        if (client->worker)
            gw_worker_bye(client->worker, gw_net_now(load->net));
        if (client->stream)
            gw_stream_drop(client->stream, true);
    }
    while (load->streams > 0 && uv_run(&load->loop, UV_RUN_ONCE) != 0)
        ;
    gw_net_close(load->net);
    uv_close((uv_handle_t *)&load->timer, NULL);
    uv_close((uv_handle_t *)&load->prepare, NULL);
    while (uv_run(&load->loop, UV_RUN_DEFAULT) != 0)
        ;
    uv_loop_close(&load->loop);
    for (int k = 0; k < load->clients_count && load->clients; k++) {
        gw_worker_close(load->clients[k].worker);
        gw_tls_context_close(load->clients[k].tls);
    }
    gw_encoder_close(load->encoder);
    gw_decoder_close(load->decoder);
    gw_keys_close(load->keys);
    free(load->clients);
    free(load->gradient);
    free(load->seen);
}

void load_run(const struct load_setup *setup, struct load_result *result)
{
    struct gw_error error = { 0 };
    struct load load = { .setup = setup,
                         .result = result,
                         .clients_count = setup->count,
                         .rounds = setup->rounds,
                         .count = setup->elements };
    *result = (struct load_result){ 0 };
    if (open_all(&load, &error))
        complain(&load, error.text);
    while (!result->failed && load.done < setup->count)
        (void)uv_run(&load.loop, UV_RUN_DEFAULT);
    result->all_ns = load.net ? gw_net_now(load.net) - load.began : 0;
    close_all(&load);
}
