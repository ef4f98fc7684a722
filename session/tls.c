/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* TLS by OpenSSL, as narrow as it goes: one version, two ciphers with SHA-256 (which the keys are
 * bound to), (EC)DHE in every handshake, and the pre-shared key as the only proof of who the peer
 * is. Both ends ask OpenSSL at the end whether that proof was given: a server that showed a
 * certificate instead would otherwise be as good as one that has the key.
 *
 * The context has an OpenSSL library context of its own, so that what the host program does to the
 * default one (providers, settings) does not reach here, nor ours there. The error queue is the
 * thread's: it is empty before and after every call.
 *
 * Before a peer has proved itself its connection costs what OpenSSL needs for a handshake, some
 * tens of KiB, whatever the peer sends: handshake messages have a limit there. */
#include "session/tls.h"

#include "base/types.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IDENTITY_LONGEST = 128,
    OUTPUT_MOST = 1 << 14, /* cipher bytes that wait; more plain ones are not taken then */
    /* After so many records the key is changed. AES-GCM is good for 2^24.5 (RFC 8446, 5.5). */
    RECORDS_PER_KEY = 1 << 16
};

struct gw_tls_context {
    OSSL_LIB_CTX *library;
    SSL_CTX *ssl;
    const struct gw_keys *keys;
    bool serves;
    uint32_t worker;
    char identity[IDENTITY_LONGEST]; /* a client's */
    uint8_t decoy[GW_KEY_BYTES];     /* stands in for the key of who is not known */
};

struct gw_tls {
    struct gw_tls_context *context;
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    uint32_t worker;
    bool known; /* the identity is that of `worker`, who has a key */
    bool ready, ended;
    uint32_t records;      /* written under the present key */
    struct gw_error error; /* the first; all calls give it from then on */
};

/* ---- errors ---------------------------------------------------------------------------------- */

/* OpenSSL's own words for the oldest error, and the queue emptied. */
static gw_status take_words(char *words, size_t capacity)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    snprintf(words, capacity, "%s", reason ? reason : "failed without a reason");
    ERR_clear_error();
    return code && ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE ? GW_ENOMEM : GW_ETRANSPORT;
}

static gw_status fail(struct gw_tls *tls, const char *what, struct gw_error *error)
{
    char words[200];
    gw_status status = take_words(words, sizeof words);
    gw_error_set(&tls->error, status, "TLS %s: %s%s", what, words,
                 tls->ready ? "" : " (is it the key of this worker, the same on both ends?)");
    if (error)
        *error = tls->error;
    return status;
}

static gw_status failed_before(const struct gw_tls *tls, struct gw_error *error)
{
    if (error)
        *error = tls->error;
    return tls->error.status;
}

/* ---- who ------------------------------------------------------------------------------------- */

static int write_identity(char out[IDENTITY_LONGEST], const char *job, uint32_t worker)
{
    return snprintf(out, IDENTITY_LONGEST, "gradwire/1 %s worker %u", job, worker);
}

/* True: it is the identity of `*worker` of this job, byte for byte. */
static bool read_identity(uint32_t *worker, const char *job, const uint8_t *identity, size_t length)
{
    char own[IDENTITY_LONGEST];
    size_t digits = 0;
    uint64_t value = 0;
    while (digits < length && digits < 10 && identity[length - 1 - digits] >= '0' &&
           identity[length - 1 - digits] <= '9')
        digits++;
    for (size_t i = length - digits; i < length; i++)
        value = value * 10 + (uint64_t)(identity[i] - '0');
    *worker = (uint32_t)value;
    int n = write_identity(own, job, *worker);
    return value <= UINT32_MAX && (size_t)n == length && memcmp(own, identity, length) == 0;
}

/* A key in the form in which OpenSSL takes it. */
static SSL_SESSION *session_of(SSL *ssl, const uint8_t key[GW_KEY_BYTES])
{
    static const unsigned char aes_128_gcm_sha256[] = { 0x13, 0x01 };
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
    SSL_SESSION *session = SSL_SESSION_new();
    if (cipher && session && SSL_SESSION_set1_master_key(session, key, GW_KEY_BYTES) &&
        SSL_SESSION_set_cipher(session, cipher) &&
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

/* Server: the key of an identity. Who is not known gets a key that nobody has, and fails where a
 * wrong key does. */
static int find_session(SSL *ssl, const unsigned char *identity, size_t length, SSL_SESSION **out)
{
    struct gw_tls *tls = SSL_get_app_data(ssl);
    struct gw_tls_context *context = tls->context;
    const uint8_t *key = NULL;
    if (read_identity(&tls->worker, gw_keys_job(context->keys), identity, length))
        key = gw_keys_find(context->keys, tls->worker);
    tls->known = key != NULL;
    *out = session_of(ssl, key ? key : context->decoy);
    return *out != NULL;
}

/* Client: its own. */
static int use_session(SSL *ssl, const EVP_MD *digest, const unsigned char **identity,
                       size_t *length, SSL_SESSION **out)
{
    struct gw_tls *tls = SSL_get_app_data(ssl);
    struct gw_tls_context *context = tls->context;
    (void)digest; /* all ciphers that are allowed have the same */
    *identity = (const unsigned char *)context->identity;
    *length = strlen(context->identity);
    *out = session_of(ssl, gw_keys_find(context->keys, context->worker));
    return *out != NULL;
}

/* Whoever shows a certificate has not shown the key. */
static int refuse_certificate(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 0;
}

/* ---- contexts -------------------------------------------------------------------------------- */

static bool set_up(SSL_CTX *ssl, bool serves)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_clear_options(ssl, SSL_OP_ALLOW_NO_DHE_KEX);
    /* Idle connections of a thousand workers keep no buffers. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (serves)
        SSL_CTX_set_psk_find_session_callback(ssl, find_session);
    else {
        SSL_CTX_set_psk_use_session_callback(ssl, use_session);
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, refuse_certificate);
    }
    return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) &&
           SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) &&
           SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") &&
           SSL_CTX_set1_groups_list(ssl, "X25519:P-256") && SSL_CTX_set_num_tickets(ssl, 0) &&
           SSL_CTX_set_max_early_data(ssl, 0) && SSL_CTX_set_recv_max_early_data(ssl, 0);
}

static bool open_library(struct gw_tls_context *context)
{
    /* At exit other threads may still be at it, and a host that is unloaded must not be called. */
    if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL))
        return false;
    context->library = OSSL_LIB_CTX_new();
    if (!context->library)
        return false;
    context->ssl = SSL_CTX_new_ex(context->library, NULL,
                                  context->serves ? TLS_server_method() : TLS_client_method());
    return context->ssl && set_up(context->ssl, context->serves) &&
           RAND_bytes_ex(context->library, context->decoy, GW_KEY_BYTES, 0) == 1;
}

gw_status gw_tls_context_open(struct gw_tls_context **out, const struct gw_keys *keys, bool serves,
                              uint32_t worker, struct gw_error *error)
{
    if (!serves && !gw_keys_find(keys, worker))
        return gw_fail(error, GW_EINVAL, "the key file of job %s has no key for worker %u",
                       gw_keys_job(keys), worker);
    struct gw_tls_context *context = calloc(1, sizeof *context);
    if (!context)
        return gw_fail(error, GW_ENOMEM, "no memory for TLS");
    context->keys = keys;
    context->serves = serves;
    context->worker = worker;
    write_identity(context->identity, gw_keys_job(keys), worker);
    ERR_clear_error();
    if (!open_library(context)) {
        char words[200];
        gw_status status = take_words(words, sizeof words);
        gw_tls_context_close(context);
        return gw_fail(error, status, "OpenSSL: %s", words);
    }
    *out = context;
    return GW_OK;
}

void gw_tls_context_close(struct gw_tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ssl);
    OSSL_LIB_CTX_free(context->library);
    ERR_clear_error();
    OPENSSL_cleanse(context->decoy, sizeof context->decoy);
    free(context);
}

/* ---- connections ----------------------------------------------------------------------------- */

static bool open_connection(struct gw_tls *tls)
{
    tls->ssl = SSL_new(tls->context->ssl);
    if (!tls->ssl)
        return false;
    SSL_set_app_data(tls->ssl, tls);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->in || !tls->out) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        return false;
    }
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    if (tls->context->serves) {
        SSL_set_accept_state(tls->ssl);
        return true;
    }
    /* The hello goes out at once. */
    SSL_set_connect_state(tls->ssl);
    return SSL_do_handshake(tls->ssl) == -1 && SSL_want_read(tls->ssl);
}

struct gw_tls *gw_tls_open(struct gw_tls_context *context)
{
    struct gw_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->context = context;
    ERR_clear_error();
    bool good = open_connection(tls);
    ERR_clear_error();
    if (good)
        return tls;
    gw_tls_close(tls);
    return NULL;
}

void gw_tls_close(struct gw_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    ERR_clear_error();
    free(tls);
}

/* GW_OK: done, or more bytes are needed. */
static gw_status shake_hands(struct gw_tls *tls, struct gw_error *error)
{
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1)
        return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ
                   ? GW_OK
                   : fail(tls, "handshake", error);
    /* "Reused" is OpenSSL's word for a handshake that a pre-shared key has proved. */
    if (!SSL_session_reused(tls->ssl) || (tls->context->serves && !tls->known))
        return fail(tls, "handshake without the key", error);
    tls->ready = true;
    return GW_OK;
}

gw_status gw_tls_feed(struct gw_tls *tls, const void *cipher, size_t bytes, struct gw_error *error)
{
    if (tls->error.status)
        return failed_before(tls, error);
    const uint8_t *at = cipher;
    ERR_clear_error();
    while (bytes > 0) {
        int part = (int)gw_min_size(bytes, 1 << 30);
        if (BIO_write(tls->in, at, part) != part)
            return fail(tls, "input", error);
        at += part;
        bytes -= (size_t)part;
    }
    gw_status status = tls->ready ? GW_OK : shake_hands(tls, error);
    ERR_clear_error();
    return status;
}

gw_status gw_tls_read(struct gw_tls *tls, void *plain, size_t capacity, size_t *bytes,
                      struct gw_error *error)
{
    *bytes = 0;
    if (tls->error.status)
        return failed_before(tls, error);
    ERR_clear_error();
    while (tls->ready && !tls->ended && *bytes < capacity) {
        size_t part = 0;
        if (SSL_read_ex(tls->ssl, (uint8_t *)plain + *bytes, capacity - *bytes, &part)) {
            *bytes += part;
            continue;
        }
        int reason = SSL_get_error(tls->ssl, 0);
        if (reason == SSL_ERROR_ZERO_RETURN)
            tls->ended = true;
        else if (reason != SSL_ERROR_WANT_READ) {
            /* What came before was good; the next call tells. */
            gw_status status = fail(tls, "input", error);
            return *bytes > 0 ? GW_OK : status;
        } else
            break;
    }
    ERR_clear_error();
    return GW_OK;
}

static bool change_key(struct gw_tls *tls)
{
    if (++tls->records < RECORDS_PER_KEY)
        return true;
    tls->records = 0;
    return SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1;
}

gw_status gw_tls_write(struct gw_tls *tls, const void *plain, size_t bytes, size_t *taken,
                       struct gw_error *error)
{
    *taken = 0;
    if (tls->error.status)
        return failed_before(tls, error);
    ERR_clear_error();
    while (tls->ready && *taken < bytes && BIO_ctrl_pending(tls->out) < OUTPUT_MOST) {
        size_t part = 0;
        if (!change_key(tls) ||
            !SSL_write_ex(tls->ssl, (const uint8_t *)plain + *taken, bytes - *taken, &part))
            return fail(tls, "output", error);
        *taken += part;
    }
    ERR_clear_error();
    return GW_OK;
}

size_t gw_tls_output(struct gw_tls *tls, void *cipher, size_t capacity)
{
    int n = BIO_read(tls->out, cipher, (int)gw_min_size(capacity, 1 << 30));
    return n > 0 ? (size_t)n : 0;
}

bool gw_tls_is_ready(const struct gw_tls *tls)
{
    return tls->ready;
}

bool gw_tls_has_ended(const struct gw_tls *tls)
{
    return tls->ended;
}

void gw_tls_end(struct gw_tls *tls)
{
    if (!tls->ready || tls->error.status)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl); /* 0: said, and not answered yet */
    ERR_clear_error();
}

uint32_t gw_tls_worker(const struct gw_tls *tls)
{
    return tls->worker;
}
