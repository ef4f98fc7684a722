/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Every allocation of addresses, keys, TLS and streams fails once: a status comes back or the
 * stream is closed with words, nothing hangs and nothing is left behind. What OpenSSL and libuv
 * allocate is not walked: the one has some ten thousand blocks, the other aborts where its table of
 * descriptors cannot grow. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/stream.h"
#include "tests/scarce_memory.h"

/* ---- files and texts ------------------------------------------------------------------------- */

static char folder[] = "/tmp/gradwire-memory-XXXXXX";
static char path[64], other[64], unix_text[80];

static gw_status use_files(void)
{
    struct gw_error error = { .status = GW_OK };
    struct gw_keys *keys = NULL;
    struct gw_address *list = NULL;
    int count = 0;
    gw_status s = gw_address_list(&list, &count, "localhost:1,unix:x,[::1]:9", &error);
    free(list);
    unlink(path);
    unlink(other);
    s = s ? s : gw_keys_make(path, "j", 0, 3, &error);
    s = s ? s : gw_keys_load(&keys, path, &error);
    s = s ? s : gw_keys_save_one(keys, 1, other, &error);
    gw_keys_close(keys);
    return s;
}

/* ---- a session from connect to bye ----------------------------------------------------------- */

struct play {
    uv_loop_t loop;
    struct gw_net *net;
    struct gw_listener *listener;
    struct gw_keys *keys;
    struct gw_tls_context *serving, *asking;
    int open, frames;
    bool accepted;
    gw_status status; /* the first error */
};

static gw_status admit(void *user, const struct gw_frame *frame, uint8_t **room,
                       struct gw_error *error)
{
    (void)user;
    (void)frame;
    (void)room;
    (void)error;
    return GW_OK;
}

static void on_event(void *user, struct gw_stream *stream, struct gw_event *event)
{
    struct play *play = user;
    struct gw_session *session = gw_stream_session(stream);
    int64_t now = gw_net_now(play->net);
    struct gw_frame frame = { .type = GW_FRAME_FIRST_USE };
    struct gw_blob *blob;
    switch (event->kind) {
    case GW_EVENT_HELLO:
        (void)gw_session_welcome(session, 1, now);
        break;
    case GW_EVENT_TERMS:
        (void)gw_session_ready(session, "x", 1, now);
        break;
    case GW_EVENT_READY:
        blob = gw_blob_new(1 << 20); /* so much that libuv has to wait */
        if (blob) {
            memset(blob->data, 1, blob->bytes);
            gw_blob_seal(blob);
        }
        if (!blob || gw_session_send(session, &frame, blob, now) != GW_OK)
            gw_session_refuse(session, GW_ENOMEM, "no memory for a frame", now);
        gw_blob_drop(blob);
        break;
    case GW_EVENT_FRAME:
        if (++play->frames == 2)
            gw_session_bye(session, now);
        break;
    case GW_EVENT_CLOSED:
        if (event->error.status && !play->status)
            play->status = event->error.status;
        break;
    default:
        break;
    }
    gw_stream_flush(stream);
}

static void on_accepted(void *user, struct gw_stream *stream, void **stream_user)
{
    struct play *play = user;
    (void)stream;
    (void)stream_user;
    play->open++;
    play->accepted = true;
}

static void on_gone(void *user, struct gw_stream *stream)
{
    (void)stream;
    ((struct play *)user)->open--;
}

static const struct gw_stream_calls calls = { .event = on_event,
                                              .accepted = on_accepted,
                                              .gone = on_gone };

static gw_status talk(struct play *play, const char *text)
{
    struct gw_address address;
    struct gw_stream *stream = NULL;
    struct gw_error error = { .status = GW_OK };
    struct gw_session_setup setup = { .worker = 1,
                                      .terms = "t",
                                      .times = { .handshake_ns = 300000000 },
                                      .rules = { .admit = admit, .terms_bytes = 10 } };
    gw_status s = gw_address_parse(&address, text, strlen(text), &error);
    s = s ? s
          : gw_listener_open(&play->listener, play->net, &address, play->serving, &setup, 0, &calls,
                             play, &error);
    if (s)
        return s;
    const char *where = gw_listener_address(play->listener);
    s = gw_address_parse(&address, where, strlen(where), &error);
    s = s ? s
          : gw_stream_connect(&stream, play->net, &address, play->asking, &setup, &calls, play,
                              &error);
    if (s)
        return s;
    play->open++;
    while (play->open > 0)
        uv_run(&play->loop, UV_RUN_ONCE);
    return play->status;
}

static gw_status open_tls(struct play *play)
{
    static const char file[] =
        "job j\nworker 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddee01\n";
    struct gw_error error = { .status = GW_OK };
    gw_status s = gw_keys_parse(&play->keys, file, sizeof file - 1, &error);
    s = s ? s : gw_tls_context_open(&play->serving, play->keys, true, 0, &error);
    return s ? s : gw_tls_context_open(&play->asking, play->keys, false, 1, &error);
}

static gw_status live(const char *text, bool secret)
{
    struct play play = { .open = 0 };
    struct gw_error error = { .status = GW_OK };
    /* No ck_assert in here: Check's allocations are counted too. */
    if (uv_loop_init(&play.loop) != 0)
        abort();
    gw_status s = secret ? open_tls(&play) : GW_OK;
    s = s ? s : gw_net_open(&play.net, &play.loop, &error);
    s = s ? s : talk(&play, text);
    gw_net_close(play.net);
    uv_run(&play.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&play.loop) != 0)
        abort();
    gw_tls_context_close(play.serving);
    gw_tls_context_close(play.asking);
    gw_keys_close(play.keys);
    return s;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static gw_status walk_one(int which)
{
    switch (which) {
    case 0:
        return use_files();
    case 1:
        return live(unix_text, false);
    case 2:
        return live("tcp:127.0.0.1:0", false);
    case 3:
        return live(unix_text, true);
    default:
        return live("tcp:127.0.0.1:0", true);
    }
}

START_TEST(walk)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/keys", folder);
    snprintf(other, sizeof other, "%s/one", folder);
    snprintf(unix_text, sizeof unix_text, "unix:%s/socket", folder);
    for (int site = 0;; site++) {
        long before = scarce_alive();
        scarce_at(site);
        gw_status s = walk_one(_i);
        bool walked = scarce_end() == 0;
        long left = scarce_alive() - before;
        ck_assert_msg(left == 0, "case %d, allocation %d: %ld blocks are left", _i, site, left);
        if (walked) {
            ck_assert_msg(s == GW_OK, "case %d: %s", _i, gw_status_name(s));
            ck_assert_int_gt(site, 5);
            break;
        }
        ck_assert_msg(s < 0 || site > 5, "case %d, allocation %d failed, and nobody minded", _i,
                      site);
    }
    unlink(path);
    unlink(other);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_memory");
    TCase *t = tcase_create("walk");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, walk, 0, 5);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
