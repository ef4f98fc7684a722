/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A plain libuv echo. Reads are of 64 KiB, which stay in the cache, and what has been read goes
 * back in one write; the client hands over all it has at once. Nothing is copied but by the kernel.
 */
#include "tools/bench_echo.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { READ_BYTES = 64 << 10 };

union wire {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

/* A path, or a port of 127.0.0.1. */
static int is_port(const char *address)
{
    return address[0] != '/';
}

static struct sockaddr_in local(const char *port)
{
    struct sockaddr_in at;
    (void)uv_ip4_addr("127.0.0.1", (int)strtol(port, NULL, 10), &at);
    return at;
}

static int open_wire(uv_loop_t *loop, union wire *wire, int tcp)
{
    return tcp ? uv_tcp_init(loop, &wire->tcp) : uv_pipe_init(loop, &wire->pipe, 0);
}

/* ---- the server ------------------------------------------------------------------------------ */

struct echo_server {
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop;
    union wire listener;
    int tcp, connections;
};

struct answer {
    uv_write_t request;
    char bytes[READ_BYTES];
};

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct answer *answer = malloc(sizeof *answer);
    (void)handle;
    (void)wanted;
    *room = uv_buf_init(answer ? answer->bytes : NULL, answer ? READ_BYTES : 0);
}

static struct answer *answer_of(const uv_buf_t *room)
{
    return room->base ? (struct answer *)(room->base - offsetof(struct answer, bytes)) : NULL;
}

static void answered(uv_write_t *request, int status)
{
    if (status && !uv_is_closing((uv_handle_t *)request->handle))
        uv_close((uv_handle_t *)request->handle, free_handle);
    free(request->data);
}

static void send_back(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct answer *answer = answer_of(room);
    uv_buf_t bytes = uv_buf_init(room->base, count > 0 ? (unsigned)count : 0);
    if (count > 0) {
        answer->request.data = answer;
        if (uv_write(&answer->request, stream, &bytes, 1, answered) == 0)
            return;
        count = -1;
    }
    free(answer);
    if (count < 0 && !uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, free_handle);
}

static void take_connection(uv_stream_t *listener, int status)
{
    struct echo_server *server = listener->data;
    union wire *wire = status ? NULL : calloc(1, sizeof *wire);
    if (!wire)
        return;
    if (open_wire(&server->loop, wire, server->tcp)) {
        free(wire);
        return;
    }
    if (uv_accept(listener, &wire->stream) || uv_read_start(&wire->stream, give_room, send_back))
        uv_close(&wire->handle, free_handle);
    else if (server->tcp)
        uv_tcp_nodelay(&wire->tcp, 1);
}

static void close_one(uv_handle_t *handle, void *user)
{
    struct echo_server *server = user;
    if (!uv_is_closing(handle))
        uv_close(handle, handle == &server->listener.handle || handle == (void *)&server->stop
                             ? NULL
                             : free_handle);
}

static void take_stop(uv_async_t *stop)
{
    uv_walk(stop->loop, close_one, stop->data);
}

static void *serve(void *argument)
{
    struct echo_server *server = argument;
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int bind_to(struct echo_server *server, const char *path, char *address, size_t capacity)
{
    struct sockaddr_in at = local("0");
    int length = sizeof at;
    int bad = server->tcp ? uv_tcp_bind(&server->listener.tcp, (const struct sockaddr *)&at, 0)
                          : uv_pipe_bind(&server->listener.pipe, path);
    if (!bad)
        bad = uv_listen(&server->listener.stream, 128, take_connection);
    if (!bad && server->tcp)
        bad = uv_tcp_getsockname(&server->listener.tcp, (struct sockaddr *)&at, &length);
    if (server->tcp)
        snprintf(address, capacity, "%d", ntohs(at.sin_port));
    else
        snprintf(address, capacity, "%s", path);
    return bad;
}

struct echo_server *echo_open(const char *path, char *address, size_t capacity)
{
    struct echo_server *server = calloc(1, sizeof *server);
    if (!server || uv_loop_init(&server->loop)) {
        free(server);
        return NULL;
    }
    server->tcp = !path;
    server->stop.data = server->listener.handle.data = server;
    int bad = uv_async_init(&server->loop, &server->stop, take_stop);
    if (!bad)
        bad = open_wire(&server->loop, &server->listener, server->tcp);
    server->stop.data = server->listener.handle.data = server;
    if (!bad)
        bad = bind_to(server, path, address, capacity);
    if (!bad && pthread_create(&server->thread, NULL, serve, server) == 0)
        return server;
    uv_walk(&server->loop, close_one, server);
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_loop_close(&server->loop);
    free(server);
    return NULL;
}

void echo_close(struct echo_server *server)
{
    if (!server)
        return;
    uv_async_send(&server->stop);
    pthread_join(server->thread, NULL);
    uv_loop_close(&server->loop);
    free(server);
}

/* ---- the client ------------------------------------------------------------------------------ */

struct echo_client {
    uv_loop_t loop;
    union wire wire;
    uv_connect_t connect;
    uv_write_t write;
    int bad;
    char *in; /* where the rest goes */
    size_t left;
};

static void take_connected(uv_connect_t *request, int status)
{
    struct echo_client *client = request->data;
    client->bad = status;
}

static void give_rest(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct echo_client *client = handle->data;
    (void)wanted;
    *room =
        uv_buf_init(client->in, client->left < READ_BYTES ? (unsigned)client->left : READ_BYTES);
}

static void take_back(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct echo_client *client = stream->data;
    (void)room;
    if (count > 0) {
        client->in += count;
        client->left -= (size_t)count;
    }
    client->bad = client->bad || count < 0;
    if (client->bad || client->left == 0)
        uv_read_stop(stream);
}

static void take_sent(uv_write_t *request, int status)
{
    struct echo_client *client = request->data;
    if (status) {
        client->bad = status;
        uv_read_stop(&client->wire.stream);
    }
}

struct echo_client *echo_connect(const char *address)
{
    struct echo_client *client = calloc(1, sizeof *client);
    int tcp = is_port(address);
    if (!client || uv_loop_init(&client->loop)) {
        free(client);
        return NULL;
    }
    client->bad = open_wire(&client->loop, &client->wire, tcp);
    client->wire.handle.data = client->connect.data = client->write.data = client;
    if (!client->bad && tcp) {
        const struct sockaddr_in at = local(address);
        uv_tcp_nodelay(&client->wire.tcp, 1);
        client->bad = uv_tcp_connect(&client->connect, &client->wire.tcp,
                                     (const struct sockaddr *)&at, take_connected);
    } else if (!client->bad) {
        uv_pipe_connect(&client->connect, &client->wire.pipe, address, take_connected);
    }
    (void)uv_run(&client->loop, UV_RUN_DEFAULT);
    if (!client->bad)
        return client;
    echo_disconnect(client);
    return NULL;
}

int echo_run(struct echo_client *client, const void *out, void *in, size_t bytes)
{
    enum { PIECE = 1 << 30 };
    client->in = in;
    client->left = bytes;
    for (size_t sent = 0; sent < bytes && !client->bad; sent += PIECE) {
        size_t count = bytes - sent < PIECE ? bytes - sent : PIECE;
        client->left = count;
        uv_buf_t piece = uv_buf_init((char *)out + sent, (unsigned)count);
        client->bad = uv_write(&client->write, &client->wire.stream, &piece, 1, take_sent);
        if (!client->bad)
            client->bad = uv_read_start(&client->wire.stream, give_rest, take_back);
        (void)uv_run(&client->loop, UV_RUN_DEFAULT);
    }
    return client->bad ? -1 : 0;
}

void echo_disconnect(struct echo_client *client)
{
    if (!client)
        return;
    if (client->wire.handle.type != UV_UNKNOWN_HANDLE)
        uv_close(&client->wire.handle, NULL);
    (void)uv_run(&client->loop, UV_RUN_DEFAULT);
    uv_loop_close(&client->loop);
    free(client);
}
