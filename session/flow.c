/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A stream's bytes. Without TLS the kernel reads from where payloads lie, all that waits in one
 * call. With TLS they are encrypted to a buffer that all streams share as long as sockets take
 * everything; a stream whose socket does not keeps the buffer until it does. */
#include "session/net.h"

#include "base/types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* With the peer's address in front of the words. */
static void fail(struct gw_stream *stream, gw_status status, const char *words)
{
    struct gw_error whole;
    gw_error_set(&whole, status, "%s: %s", stream->peer, words);
    gw_stream_fail(stream, status, whole.text);
}

static void tls_failed(struct gw_stream *stream, const struct gw_error *error)
{
    fail(stream, error->status, error->text);
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

static void connection_ended(struct gw_stream *stream, int reason)
{
    stream->ended = true;
    if (stream->phase == GW_STREAM_LINGERING)
        return; /* it may still read */
    if (reason == 0 && stream->session) {
        gw_session_cut(stream->session, GW_OK, NULL);
        return;
    }
    fail(stream, GW_ETRANSPORT,
         reason ? strerror(reason) : "closed the connection before TLS stood");
}

/* A handshake of TLS goes on: only a session can be told that nobody reads. */
static bool reads(const struct gw_stream *stream)
{
    return stream->fd >= 0 && !stream->ended && !(stream->paused && stream->session);
}

/* As much as there is, or as is one stream's turn. */
static void read_some(struct gw_stream *stream)
{
    size_t total = 0;
    while (reads(stream) && total < GW_NET_TURN) {
        ssize_t n = recv(stream->fd, stream->net->input, GW_NET_INPUT, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0)
            connection_ended(stream, n < 0 ? errno : 0);
        else if (stream->tls)
            take_cipher(stream, stream->net->input, (size_t)n);
        else
            take_plain(stream, stream->net->input, (size_t)n);
        total += n > 0 ? (size_t)n : 0;
        if (n < GW_NET_INPUT && !stream->hung)
            break; /* that was all */
    }
    gw_stream_due(stream); /* answers, and a deadline that may have moved */
}

void gw_stream_read_rest(struct gw_stream *stream)
{
    if (stream->fd < 0 || stream->ended)
        return;
    if (!reads(stream)) {
        /* Whoever does not read has to hear of it in another way. */
        connection_ended(stream, ECONNRESET);
        gw_stream_tell(stream);
    } else {
        read_some(stream);
    }
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void something_happened(uv_poll_t *poll, int status, int events)
{
    struct gw_stream *stream = poll->data;
    if (status < 0) {
        /* libuv watches no more: the socket has an error, which a read or write will tell. */
        stream->watched = 0;
        stream->hung = true;
        events = UV_WRITABLE;
    }
    if (stream->phase == GW_STREAM_CONNECTING && !stream->tls) {
        gw_connect_go_on(stream);
        return;
    }
    if (events & UV_WRITABLE)
        stream->blocked = false;
    if (events & UV_READABLE)
        read_some(stream);
    gw_stream_due(stream);
}

static void closed_socket(uv_handle_t *handle)
{
    gw_stream_release(handle->data);
}

int gw_stream_adopt(struct gw_stream *stream, int fd)
{
    int status = uv_poll_init(stream->net->loop, &stream->poll, fd);
    if (status != 0)
        return status;
    stream->poll.data = stream;
    stream->fd = fd;
    stream->watched = 0;
    stream->users++;
    return 0;
}

void gw_stream_close_socket(struct gw_stream *stream, uv_close_cb closed)
{
    if (stream->fd < 0)
        return;
    uv_close((uv_handle_t *)&stream->poll, closed ? closed : closed_socket);
    close(stream->fd);
    stream->fd = -1;
    stream->watched = 0;
    stream->hung = stream->blocked = false;
}

void gw_stream_watch(struct gw_stream *stream)
{
    if (stream->fd < 0 || stream->phase == GW_STREAM_CLOSING || stream->hung)
        return;
    bool stands = stream->tls || stream->phase != GW_STREAM_CONNECTING;
    int wanted = (stands && reads(stream) ? UV_READABLE : 0) |
                 (!stands || stream->blocked ? UV_WRITABLE : 0);
    if (wanted == stream->watched)
        return;
    stream->watched = wanted;
    if (wanted)
        uv_poll_start(&stream->poll, wanted, something_happened);
    else
        uv_poll_stop(&stream->poll);
}

/* ---- to the socket --------------------------------------------------------------------------- */

/* Nothing can be written any more. What the peer said before it went may still be there to be
 * read, a REFUSE say, so the reader tells of the end, unless it does not read. */
static void broke(struct gw_stream *stream, int reason)
{
    stream->broken = true;
    if (reads(stream) && reason != ENOMEM)
        return;
    fail(stream, reason == ENOMEM ? GW_ENOMEM : GW_ETRANSPORT, strerror(reason));
}

static void left(struct gw_stream *stream, size_t bytes)
{
    if (bytes > 0)
        gw_session_sent(stream->session, bytes, gw_net_now(stream->net));
}

/* How many of the bytes the socket took; the stream is blocked or broken if not all. */
static size_t send_pieces(struct gw_stream *stream, struct iovec *pieces, int count, size_t total)
{
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = (size_t)count };
    ssize_t n;
    do
        n = sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
        broke(stream, errno);
        return 0;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    stream->blocked = sent < total;
    if (sent > 0 && stream->phase == GW_STREAM_LINGERING)
        stream->answered = true;
    return sent;
}

static size_t write_plain(struct gw_stream *stream)
{
    struct iovec pieces[GW_NET_PIECES];
    int count = gw_session_output(stream->session, pieces, GW_NET_PIECES), used = 0;
    size_t total = 0;
    for (; used < count && total < GW_NET_WRITE; used++) {
        pieces[used].iov_len = gw_min_size(pieces[used].iov_len, GW_NET_WRITE - total);
        total += pieces[used].iov_len;
    }
    size_t sent = used > 0 ? send_pieces(stream, pieces, used, total) : 0;
    left(stream, sent); /* may call who lent us the payload, and that may end the stream */
    return sent;
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

/* The buffer goes round: all streams that have nothing waiting share the net's. */
static bool take_buffer(struct gw_stream *stream)
{
    struct gw_net *net = stream->net;
    stream->cipher = net->cipher ? net->cipher : malloc(GW_NET_CIPHER);
    net->cipher = NULL;
    stream->cipher_sent = stream->cipher_bytes = 0;
    return stream->cipher != NULL;
}

static void return_buffer(struct gw_stream *stream)
{
    if (stream->net->cipher)
        free(stream->cipher);
    else
        stream->net->cipher = stream->cipher;
    stream->cipher = NULL;
}

static size_t write_cipher(struct gw_stream *stream)
{
    if (!stream->cipher) {
        if (!take_buffer(stream)) {
            broke(stream, ENOMEM);
            return 0;
        }
        stream->cipher_bytes = fill_cipher(stream, stream->cipher);
    }
    size_t left_over = stream->cipher_bytes - stream->cipher_sent, sent = 0;
    if (left_over > 0 && !stream->broken && stream->phase != GW_STREAM_CLOSING) {
        struct iovec piece = { stream->cipher + stream->cipher_sent, left_over };
        sent = send_pieces(stream, &piece, 1, left_over);
        stream->cipher_sent += sent;
    }
    if (stream->cipher_sent == stream->cipher_bytes)
        return_buffer(stream);
    return sent;
}

void gw_stream_write(struct gw_stream *stream)
{
    size_t total = 0, n = 1;
    if (stream->phase == GW_STREAM_LINGERING && stream->blocked)
        stream->answered = true;
    while (n > 0 && stream->fd >= 0 && !stream->blocked && !stream->broken && total < GW_NET_TURN) {
        n = stream->tls ? write_cipher(stream) : stream->session ? write_plain(stream) : 0;
        total += n;
    }
    if (total == 0 || stream->phase == GW_STREAM_CLOSING)
        return;
    if (!stream->blocked && n > 0)
        gw_stream_due(stream); /* others come first */
    if (stream->calls.drained && stream->phase == GW_STREAM_TALKING)
        stream->calls.drained(stream->user, stream);
}
