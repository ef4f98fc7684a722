/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* TLS 1.3 with pre-shared keys, by OpenSSL over memory BIOs, so that it too is without input or
 * output: cipher bytes and plain bytes go in and come out. (EC)DHE always (psk_dhe_ke), no tickets,
 * no early data, no certificates, no older version; one key per worker, which is always the client
 * (RFC 9257: a key belongs to one client and one server, in fixed roles). The identity is
 * "gradwire/1 JOB worker N". An unknown identity and a wrong key look and last the same. */
#ifndef GW_SESSION_TLS_H
#define GW_SESSION_TLS_H

#include "session/keys.h"

#include <stdbool.h>

struct gw_tls_context; /* shared by the connections of one end */
struct gw_tls;         /* one connection */

/* `keys` must stay. Servers take any worker of the file, clients speak as `worker`. Errors:
 * GW_EINVAL (no key for this worker), GW_ENOMEM, GW_ETRANSPORT (OpenSSL's words). */
gw_status gw_tls_context_open(struct gw_tls_context **out, const struct gw_keys *keys, bool serves,
                              uint32_t worker, struct gw_error *error);
void gw_tls_context_close(struct gw_tls_context *context); /* NULL is fine */

struct gw_tls *gw_tls_open(struct gw_tls_context *context); /* NULL: out of memory */
void gw_tls_close(struct gw_tls *tls);                      /* NULL is fine */

/* Cipher bytes from the wire; all are taken. Errors close the connection: GW_ETRANSPORT. */
gw_status gw_tls_feed(struct gw_tls *tls, const void *cipher, size_t bytes, struct gw_error *error);
/* Plain bytes that came, up to `capacity`; 0: none now. */
gw_status gw_tls_read(struct gw_tls *tls, void *plain, size_t capacity, size_t *bytes,
                      struct gw_error *error);

/* Plain bytes to be sent; `*taken` of them are (none before the handshake is done). */
gw_status gw_tls_write(struct gw_tls *tls, const void *plain, size_t bytes, size_t *taken,
                       struct gw_error *error);
/* Cipher bytes for the wire, up to `capacity`; 0: none now. */
size_t gw_tls_output(struct gw_tls *tls, void *cipher, size_t capacity);

bool gw_tls_is_ready(const struct gw_tls *tls); /* the handshake is done */
/* The peer has said that it ends here (close_notify): without, an end is a cut. */
bool gw_tls_has_ended(const struct gw_tls *tls);
void gw_tls_end(struct gw_tls *tls); /* say so */
/* Server, when ready: whose key it was. */
uint32_t gw_tls_worker(const struct gw_tls *tls);

#endif
