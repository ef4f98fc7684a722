/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* TLS against peers that are not ours: plain OpenSSL with what we never offer. Older versions, no
 * key, early data, a certificate in place of the key: none of it gets through. */
#include <check.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "session/tls.h"

#define KEY1 "00112233445566778899aabbccddeeff00112233445566778899aabbccddee01"

static struct gw_keys *keys;
static struct gw_tls_context *context;
static struct gw_tls *ours;
static SSL_CTX *their_context;
static SSL *theirs;
static struct gw_error error;

static void open_ours(bool serves)
{
    static const char file[] = "job j\nworker 1 " KEY1 "\n";
    ck_assert_int_eq(gw_keys_parse(&keys, file, sizeof file - 1, &error), GW_OK);
    ck_assert_int_eq(gw_tls_context_open(&context, keys, serves, 1, &error), GW_OK);
    ck_assert_ptr_nonnull(ours = gw_tls_open(context));
    their_context = SSL_CTX_new(serves ? TLS_client_method() : TLS_server_method());
    ck_assert_ptr_nonnull(their_context);
}

static void open_theirs(void)
{
    ck_assert_ptr_nonnull(theirs = SSL_new(their_context));
    SSL_set_bio(theirs, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (SSL_is_server(theirs))
        SSL_set_accept_state(theirs);
    else
        SSL_set_connect_state(theirs);
}

static void close_both(void)
{
    SSL_free(theirs);
    SSL_CTX_free(their_context);
    gw_tls_close(ours);
    gw_tls_context_close(context);
    gw_keys_close(keys);
}

/* Let them talk until nothing moves; how far theirs came. */
static int talk(void)
{
    uint8_t wire[16384];
    int theirs_done = 0, n;
    for (bool moved = true; moved;) {
        moved = false;
        ERR_clear_error();
        theirs_done = SSL_do_handshake(theirs) == 1;
        if ((n = BIO_read(SSL_get_wbio(theirs), wire, sizeof wire)) > 0) {
            moved = true;
            (void)gw_tls_feed(ours, wire, (size_t)n, &error);
        }
        size_t out = gw_tls_output(ours, wire, sizeof wire);
        if (out > 0) {
            moved = true;
            ck_assert_int_eq(BIO_write(SSL_get_rbio(theirs), wire, (int)out), (int)out);
        }
    }
    return theirs_done;
}

static int use_right_key(SSL *ssl, const EVP_MD *digest, const unsigned char **identity,
                         size_t *length, SSL_SESSION **session)
{
    static const unsigned char cipher[] = { 0x13, 0x01 };
    static const char name[] = "gradwire/1 j worker 1";
    (void)digest;
    *identity = (const unsigned char *)name;
    *length = sizeof name - 1;
    *session = SSL_SESSION_new();
    SSL_SESSION_set1_master_key(*session, gw_keys_find(keys, 1), GW_KEY_BYTES);
    SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, cipher));
    SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION);
    SSL_SESSION_set_max_early_data(*session, 1000);
    return 1;
}

START_TEST(no_key)
{
    open_ours(true);
    open_theirs();
    ck_assert_int_eq(talk(), 0);
    ck_assert(!gw_tls_is_ready(ours));
    ck_assert_int_eq(error.status, GW_ETRANSPORT);
    close_both();
}
END_TEST

START_TEST(older_versions)
{
    static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION };
    open_ours(true);
    SSL_CTX_set_security_level(their_context, 0);
    SSL_CTX_set_max_proto_version(their_context, versions[_i]);
    SSL_CTX_set_psk_use_session_callback(their_context, use_right_key);
    open_theirs();
    ck_assert_int_eq(talk(), 0);
    ck_assert(!gw_tls_is_ready(ours));
    ck_assert_int_eq(error.status, GW_ETRANSPORT);
    close_both();
}
END_TEST

/* With the key, in the right version: this is what the others lack. */
START_TEST(right_key)
{
    open_ours(true);
    SSL_CTX_set_psk_use_session_callback(their_context, use_right_key);
    SSL_CTX_set_options(their_context, SSL_OP_ALLOW_NO_DHE_KEX);
    open_theirs();
    ck_assert_msg(talk() == 1 && gw_tls_is_ready(ours), "%s", error.text);
    ck_assert_uint_eq(gw_tls_worker(ours), 1);
    /* With a key exchange, although the client would have gone without. */
    ck_assert_int_ne(SSL_get_negotiated_group(theirs), NID_undef);
    /* No ticket came. */
    uint8_t byte;
    ck_assert_int_le(SSL_read(theirs, &byte, 1), 0);
    SSL_SESSION *session = SSL_get1_session(theirs);
    ck_assert(!SSL_SESSION_has_ticket(session));
    SSL_SESSION_free(session);
    close_both();
}
END_TEST

START_TEST(early_data)
{
    size_t taken = 0, came = 1;
    uint8_t plain[64];
    open_ours(true);
    SSL_CTX_set_psk_use_session_callback(their_context, use_right_key);
    open_theirs();
    ck_assert_int_eq(SSL_write_early_data(theirs, "too early", 9, &taken), 1);
    (void)talk();
    ck_assert_int_ne(SSL_get_early_data_status(theirs), SSL_EARLY_DATA_ACCEPTED);
    gw_status s = gw_tls_read(ours, plain, sizeof plain, &came, &error);
    ck_assert_msg(came == 0, "%s: early data were read", gw_status_name(s));
    close_both();
}
END_TEST

/* A server that has a certificate, of any kind, and not the key. */
START_TEST(certificate_for_key)
{
    open_ours(false);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    ck_assert_int_eq(SSL_CTX_use_certificate(their_context, certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(their_context, key), 1);
    open_theirs();
    ck_assert_int_eq(talk(), 0);
    ck_assert_msg(!gw_tls_is_ready(ours), "a certificate was taken for the key");
    ck_assert_int_eq(error.status, GW_ETRANSPORT);
    X509_free(certificate);
    EVP_PKEY_free(key);
    close_both();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_foreign");
    TCase *t = tcase_create("foreign");
    tcase_add_test(t, no_key);
    tcase_add_loop_test(t, older_versions, 0, 3);
    tcase_add_test(t, right_key);
    tcase_add_test(t, early_data);
    tcase_add_test(t, certificate_for_key);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
