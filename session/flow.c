/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A stream's bytes. Without TLS the kernel writes from where payloads lie: all that waits in one
 * call, the rest of it by libuv, one write under way at a time. With TLS they are encrypted to a
 * buffer that all streams share as long as the socket takes everything; a stream whose socket does
 * not keeps the buffer until it does. */
#include "session/net.h"

#include "base/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD = 16384 }; /* the most plain bytes of one TLS record */

/* ---- from the socket ------------------------------------------------------------------------- */

static void take_plain(struct gw_stream *stream, const uint8_t *bytes, size_t count)
{
    while (count > 0 && stream->phase == GW_STREAM_TALKING) {
        size_t taken = gw_session_feed(stream->session, bytes, count, gw_net_now(stream->net));
        bytes += taken;
        count -= taken;
        gw_stream_tell(stream);
    }
}

static void tls_failed(struct gw_stream *stream, const struct gw_error *error)
{
    struct gw_error whole;
    gw_error_set(&whole, error->status, "%s: %s", stream->peer, error->text);
    gw_stream_fail(stream, whole.status, whole.text);
    gw_stream_tell(stream);
}

/* What is decrypted now. */
static void take_decrypted(struct gw_stream *stream)
{
    struct gw_error error = { .status = GW_OK };
    size_t bytes = 1;
    while (bytes > 0 && stream->phase == GW_STREAM_TALKING) {
        uint8_t *plain = stream->net->plain;
        if (gw_tls_read(stream->tls, plain, GW_NET_INPUT, &bytes, &error) != GW_OK) {
            tls_failed(stream, &error);
            return;
        }
        take_plain(stream, plain, bytes);
    }
    if (stream->phase == GW_STREAM_TALKING && gw_tls_has_ended(stream->tls)) {
        gw_session_cut(stream->session, GW_OK, NULL);
        gw_stream_tell(stream);
    }
}

/* In parts of a record, so that what OpenSSL keeps of them stays small. */
static void take_cipher(struct gw_stream *stream, const uint8_t *bytes, size_t count)
{
    struct gw_error error = { .status = GW_OK };
    while (count > 0 && stream->phase < GW_STREAM_LINGERING) {
        size_t part = gw_min_size(count, RECORD);
        if (gw_tls_feed(stream->tls, bytes, part, &error) != GW_OK) {
            tls_failed(stream, &error);
            return;
        }
        bytes += part;
        count -= part;
        if (stream->phase == GW_STREAM_CONNECTING && gw_tls_is_ready(stream->tls))
            gw_connect_finish(stream);
        take_decrypted(stream);
    }
}

static void connection_ended(struct gw_stream *stream, ssize_t status)
{
    char reason[64];
    struct gw_error error;
    stream->ended = true;
    uv_read_stop(&stream->socket.stream);
    if (stream->phase == GW_STREAM_LINGERING)
        return; /* it may still read */
    if (status == UV_EOF && stream->session) {
        gw_session_cut(stream->session, GW_OK, NULL);
        return;
    }
    uv_strerror_r((int)status, reason, sizeof reason);
    gw_error_set(&error, GW_ETRANSPORT, "%s: %s", stream->peer,
                 status == UV_EOF ? "closed the connection before TLS stood" : reason);
    gw_stream_fail(stream, error.status, error.text);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct gw_stream *stream = handle->data;
    (void)suggested;
    *room = uv_buf_init((char *)stream->net->input, GW_NET_INPUT);
}

static void came(uv_stream_t *socket, ssize_t count, const uv_buf_t *room)
{
    struct gw_stream *stream = socket->data;
    const uint8_t *bytes = (const uint8_t *)room->base;
    if (count == 0)
        return;
    if (count < 0)
        connection_ended(stream, count);
    else if (stream->tls)
        take_cipher(stream, bytes, (size_t)count);
    else
        take_plain(stream, bytes, (size_t)count);
    gw_stream_due(stream); /* answers, and a deadline that may have moved */
}

void gw_stream_read(struct gw_stream *stream)
{
    if (!stream->paused && !stream->ended)
        uv_read_start(&stream->socket.stream, give_room, came);
}

/* ---- to the socket --------------------------------------------------------------------------- */

/* Nothing can be written any more. What the peer said before it went may still be there to be
 * read, a REFUSE say, so the reader tells of the end, unless it does not read. */
static void broke(struct gw_stream *stream, int status)
{
    char reason[64];
    struct gw_error error;
    stream->broken = true;
    if (!stream->paused && !stream->ended && status != UV_ENOMEM)
        return;
    uv_strerror_r(status, reason, sizeof reason);
    gw_error_set(&error, status == UV_ENOMEM ? GW_ENOMEM : GW_ETRANSPORT, "%s: %s", stream->peer,
                 reason);
    gw_stream_fail(stream, error.status, error.text);
}

static void left(struct gw_stream *stream, size_t bytes)
{
    if (bytes > 0)
        gw_session_sent(stream->session, bytes, gw_net_now(stream->net));
}

static void written(uv_write_t *request, int status)
{
    struct gw_stream *stream = request->data;
    stream->writing = false;
    free(stream->cipher);
    stream->cipher = NULL;
    if (stream->phase == GW_STREAM_CLOSING)
        return;
    if (status != 0) {
        broke(stream, status);
    } else {
        left(stream, stream->write_bytes);
        if (stream->calls.drained && stream->phase == GW_STREAM_TALKING)
            stream->calls.drained(stream->user, stream);
    }
    gw_stream_due(stream);
}

/* Have libuv write what the socket did not take. */
static void write_rest(struct gw_stream *stream, uv_buf_t *pieces, unsigned count, size_t done,
                       size_t session_bytes)
{
    while (count > 0 && done >= pieces->len) {
        done -= pieces->len;
        pieces++;
        count--;
    }
    if (count == 0)
        return;
    pieces->base += done;
    pieces->len -= done;
    stream->write.data = stream;
    stream->write_bytes = session_bytes;
    stream->writing = true;
    int status = uv_write(&stream->write, &stream->socket.stream, pieces, count, written);
    if (status != 0) {
        stream->writing = false;
        broke(stream, status);
    }
}

/* How many bytes the socket took; below 0: it broke. */
static ssize_t try_write(struct gw_stream *stream, const uv_buf_t *pieces, unsigned count)
{
    int n = uv_try_write(&stream->socket.stream, pieces, count);
    if (n == UV_EAGAIN)
        return 0;
    if (n < 0)
        broke(stream, n);
    else if (n > 0 && stream->phase == GW_STREAM_LINGERING)
        stream->answered = true;
    return n;
}

static size_t write_plain(struct gw_stream *stream)
{
    struct iovec pieces[GW_NET_PIECES];
    uv_buf_t buffers[GW_NET_PIECES];
    int count = gw_session_output(stream->session, pieces, GW_NET_PIECES), used = 0;
    size_t total = 0;
    for (; used < count && total < GW_NET_WRITE; used++) {
        size_t length = gw_min_size(pieces[used].iov_len, GW_NET_WRITE - total);
        buffers[used] = uv_buf_init(pieces[used].iov_base, (unsigned)length);
        total += length;
    }
    if (used == 0)
        return 0;
    ssize_t n = try_write(stream, buffers, (unsigned)used);
    if (n < 0)
        return 0;
    /* This may call who lent us the payload, and that may end the stream. */
    left(stream, (size_t)n);
    if (stream->phase != GW_STREAM_CLOSING && (size_t)n < total)
        write_rest(stream, buffers, (unsigned)used, (size_t)n, total - (size_t)n);
    return (size_t)n;
}

/* Some plain bytes to TLS, as one record where it can be: small frames are put together. */
static size_t encrypt_some(struct gw_stream *stream)
{
    struct iovec pieces[GW_NET_PIECES];
    struct gw_error error = { .status = GW_OK };
    int count = gw_session_output(stream->session, pieces, GW_NET_PIECES);
    uint8_t *together = stream->net->plain;
    size_t bytes = 0, taken = 0;
    if (count == 0)
        return 0;
    if (pieces[0].iov_len >= RECORD) {
        together = pieces[0].iov_base;
        bytes = pieces[0].iov_len;
    }
    for (int i = 0; i < count && bytes < RECORD; i++) {
        size_t part = gw_min_size(pieces[i].iov_len, RECORD - bytes);
        memcpy(together + bytes, pieces[i].iov_base, part);
        bytes += part;
    }
    if (gw_tls_write(stream->tls, together, bytes, &taken, &error) != GW_OK) {
        stream->broken = true;
        gw_stream_fail(stream, error.status, error.text);
        return 0;
    }
    left(stream, taken);
    return taken;
}

static size_t fill_cipher(struct gw_stream *stream, uint8_t *cipher)
{
    size_t bytes = gw_tls_output(stream->tls, cipher, GW_NET_CIPHER);
    bool ready = stream->session && gw_tls_is_ready(stream->tls);
    while (ready && bytes < GW_NET_CIPHER && stream->phase != GW_STREAM_CLOSING &&
           encrypt_some(stream) > 0)
        bytes += gw_tls_output(stream->tls, cipher + bytes, GW_NET_CIPHER - bytes);
    return bytes;
}

static size_t write_cipher(struct gw_stream *stream)
{
    struct gw_net *net = stream->net;
    if (!net->cipher)
        net->cipher = malloc(GW_NET_CIPHER);
    if (!net->cipher) {
        broke(stream, UV_ENOMEM);
        return 0;
    }
    size_t bytes = fill_cipher(stream, net->cipher);
    if (bytes == 0 || stream->phase == GW_STREAM_CLOSING)
        return 0;
    uv_buf_t buffer = uv_buf_init((char *)net->cipher, (unsigned)bytes);
    ssize_t n = try_write(stream, &buffer, 1);
    if (n >= 0 && (size_t)n < bytes) {
        stream->cipher = net->cipher;
        net->cipher = NULL;
        write_rest(stream, &buffer, 1, (size_t)n, 0);
    }
    return n > 0 ? bytes : 0;
}

void gw_stream_write(struct gw_stream *stream)
{
    size_t total = 0, n = 1;
    if (stream->phase == GW_STREAM_LINGERING && stream->writing)
        stream->answered = true;
    while (n > 0 && !stream->writing && !stream->broken && stream->phase != GW_STREAM_CLOSING &&
           total < GW_NET_TURN) {
        n = stream->tls ? write_cipher(stream) : stream->session ? write_plain(stream) : 0;
        total += n;
    }
    if (total == 0 || stream->phase == GW_STREAM_CLOSING)
        return;
    if (!stream->writing && n > 0)
        gw_stream_due(stream); /* others come first */
    if (stream->calls.drained && stream->phase == GW_STREAM_TALKING)
        stream->calls.drained(stream->user, stream);
}
