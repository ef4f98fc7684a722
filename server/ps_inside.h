/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of gw_ps share: ps.c (opening, registering, ending), ps_step.c (pushes, pulls,
 * waiting), ps_thread.c (the thread and its sockets).
 *
 * One lock is around all that the two threads share: the worker's core, its sessions, and the loop
 * itself, which the thread gives up only while it sleeps in poll(2). Encoding and decoding are the
 * caller's, without the lock, so that beats go on meanwhile. */
#ifndef GW_SERVER_PS_INSIDE_H
#define GW_SERVER_PS_INSIDE_H

#include <gradwire/ps.h>

#include <pthread.h>

#include "server/decoder.h"
#include "server/encoder.h"
#include "server/worker.h"
#include "session/stream.h"

/* One call's work: a push, a pull or both. */
struct ticket {
    gw_ps_ticket number;
    uint64_t push; /* 0: none, or acknowledged */
    bool pulls;    /* its values are to be written yet */
};

/* The connection to one server. */
struct endpoint {
    struct gw_ps *ps;
    int server;
    struct gw_stream *stream; /* NULL: none */
};

enum { TICKETS = GW_PS_PUSHES + 1 };

struct gw_ps {
    struct gw_error error;
    struct gw_job *job; /* until it is the worker's */
    struct gw_address *addresses;
    const char **names;
    int servers;
    struct gw_keys *keys;
    struct gw_tls_context *tls;
    char *codec;
    gw_rule *rules;
    size_t rules_count;
    gw_nonfinite nonfinite;
    uint32_t worker_number;
    bool observer, left;
    int64_t timeout_ns;

    size_t tensors;
    struct gw_worker *worker;
    struct gw_encoder *encoder;
    struct gw_decoder *decoder;
    char *terms; /* text */

    struct ticket tickets[TICKETS];
    gw_ps_ticket last_ticket;
    void **values;                  /* of the pull under way, by tensor */
    struct gw_worker_result result; /* of the last pull */
    double rate; /* of the last push; NaN: the optimizer's own, and 0: there was none */
    double encode_s, decode_s;
    int64_t norm_at;
    double norm;

    /* ps_thread.c */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool has_thread, ending;
    uv_loop_t loop;
    uv_async_t wake;
    struct gw_net *net;
    struct endpoint *endpoints; /* by server */
    bool touched;               /* the loop has to look at its handles again */
};

gw_status gw_ps_start_thread(struct gw_ps *ps, struct gw_error *error);
void gw_ps_end_thread(struct gw_ps *ps);
extern const struct gw_worker_world gw_ps_world; /* but for its user */

void gw_ps_lock(struct gw_ps *ps);
void gw_ps_unlock(struct gw_ps *ps); /* what the call has queued goes out */
/* Under the lock. False: `until` has come. */
bool gw_ps_await(struct gw_ps *ps, int64_t until);

/* Under the lock: wait until `holds`, at most until `until`. */
gw_status gw_ps_wait_for(struct gw_ps *ps, bool (*holds)(struct gw_ps *ps, const void *what),
                         const void *what, int64_t until, const char *call);

#endif
