/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * A parameter server inside a program. `gradwire serve` is this with options and signals around it.
 *
 *     gw_server *server;
 *     gw_server_open(&server, &(gw_server_options){ .listen = "tcp:127.0.0.1:4500" });
 *     gw_server_run(server);          until gw_server_stop, from any thread or a signal handler
 *     gw_server_close(server);
 *
 * A server keeps one shard of one job's parameters. Terms it does not give are taken from the first
 * worker (ps.h).
 *
 * Threads: gw_server_run returns on the thread that called it; gw_server_stop may be called
 * from any thread meanwhile, the others may not.
 */
#ifndef GRADWIRE_SERVER_H
#define GRADWIRE_SERVER_H

#include "ps.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gw_server gw_server;

/* Zero in any field means the default. */
typedef struct gw_server_options {
    const char *listen; /* addresses, separated by commas; default "tcp:127.0.0.1:4500". A port 0 is
                         * chosen by the system: see gw_server_address */
    const char *http;   /* "HOST:PORT", local: metrics in Prometheus' text format at /metrics */
    const char *job;    /* default "gradwire" */
    const char *keys;   /* key file; needed to listen on addresses that are not local */

    /* Terms, as in gw_ps_options. */
    int workers;
    uint64_t seed;
    const char *mode, *aggregator, *optimizer, *pull, *feedback;

    const char *durability; /* "none" (default); "snapshot:every=100": rounds between snapshots,
                             * after a kill all rewind to the last; "log:every=1000": besides, an
                             * acknowledged push is on disk */
    const char *folder;     /* of snapshots and logs; needed unless "none" */

    double lost_s;  /* how long a worker whose connection broke is still waited for; default 2 */
    double dead_s;  /* silence after which a peer is dead; default 1.9 */
    double drain_s; /* how long gw_server_stop lets workers that wait have their round; default 5 */
    int threads;    /* that decode and sum; default: the cores that hwloc tells */

    /* Told what happens, a structured line without newline each ("level=info event=joined worker=3
     * ..."), on the thread that runs the server. NULL: nobody is. */
    void (*say)(void *user, const char *line);
    void *user;
    uint64_t reserved[8];
} gw_server_options;

/* Read the folder, listen. Errors: GW_ESPEC, GW_EINVAL, GW_ENOTSUP (an address that is not local
 * and no keys: the words give the command that makes them), GW_EIO, GW_EPAYLOAD (a snapshot, log or
 * key file that is damaged), GW_ESTATE (another server has the folder), GW_ENOMEM; the words are in
 * gw_server_error(NULL). */
GW_API GW_MUST_CHECK gw_status gw_server_open(gw_server **out, const gw_server_options *options);

/* The i-th address listened on, NULL past the last; and that of the HTTP port, or NULL. */
GW_API const char *gw_server_address(const gw_server *server, int i);
GW_API const char *gw_server_http(const gw_server *server);

/* Serve until stopped: GW_OK after a drain and, where there is durability, a last snapshot.
 * Errors: GW_EIO (that could not be written), GW_ENOMEM. */
GW_API GW_MUST_CHECK gw_status gw_server_run(gw_server *server);

/* Ask gw_server_run to drain and return. Safe in signal handlers. A second call stops at once. */
GW_API void gw_server_stop(gw_server *server);

/* Close; NULL is fine. */
GW_API void gw_server_close(gw_server *server);

/* The last error in words; NULL: that of the thread's last failed gw_server_open. */
GW_API const char *gw_server_error(const gw_server *server);

/* What `gradwire top` shows: ask a server for its state, as JSON text (malloced; free it), with the
 * keys job, round, mode, members, list (of workers: worker, live, clock, waiting, ...). `keys` as
 * in gw_ps_options, speaking as `worker`; NULL for local servers. Errors: GW_ESPEC, GW_ETIMEOUT,
 * GW_EMISMATCH, GW_ETRANSPORT and so on; the words are in gw_server_error(NULL). */
GW_API GW_MUST_CHECK gw_status gw_server_query(char **json, const char *address, const char *job,
                                               const char *keys, int worker, double timeout_s);

/* ---- keys ------------------------------------------------------------------------------------ */

/* Make a file, mode 0600, of one random key for each of `count` workers from `first` on. Errors:
 * GW_EIO (it exists, ...), GW_EINVAL; words in gw_server_error(NULL). */
GW_API GW_MUST_CHECK gw_status gw_key_make(const char *path, const char *job, int first, int count);

/* Write each worker's key of the file `path` to a new file of its own, `path`.K for worker K, mode
 * 0600: a worker's machine needs no other. All or none. Errors: as gw_key_make; GW_EPAYLOAD (the
 * file is damaged), GW_ENOMEM. */
GW_API GW_MUST_CHECK gw_status gw_key_split(const char *path);

/* ---- tables, for programs that list them: 1 and row i, or 0 past the last -------------------- */

typedef struct gw_method_info {
    const char *name, *sentence, *paper;
    const gw_param *params; /* ends with a row whose key is NULL */
} gw_method_info;

GW_API int gw_info_mode(size_t index, gw_method_info *out);
GW_API int gw_info_aggregator(size_t index, gw_method_info *out);
GW_API int gw_info_optimizer(size_t index, gw_method_info *out);
GW_API int gw_info_durability(size_t index, gw_method_info *out);

#ifdef __cplusplus
}
#endif

#endif
