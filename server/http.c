/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Metrics over HTTP/1.0: GET /metrics is answered with Prometheus' text format, everything else
 * with an error; then the connection is closed. A request that does not come whole within two
 * seconds, or is longer than its buffer, is not answered. That is all of HTTP that a scraper
 * needs, and little enough to be safe; it listens on local addresses only. */
#include "server/serve_inside.h"

#include <stdlib.h>
#include <string.h>

enum { REQUEST_BYTES = 4096, CLIENTS_MAX = 16, REQUEST_MS = 2000 };

struct client {
    struct client *next, *before;
    struct gw_http *http;
    uv_tcp_t socket;
    uv_timer_t timer;
    uv_write_t write;
    int handles; /* not closed yet */
    char request[REQUEST_BYTES];
    size_t used;
    char *answer;
};

struct gw_http {
    struct gw_server *server;
    uv_tcp_t listener;
    struct gw_address address;
    struct client *first;
    int clients;
};

/* ---- one client ------------------------------------------------------------------------------ */

static void free_client(uv_handle_t *handle)
{
    struct client *client = handle->data;
    if (--client->handles > 0)
        return;
    if (client->before)
        client->before->next = client->next;
    else
        client->http->first = client->next;
    if (client->next)
        client->next->before = client->before;
    client->http->clients--;
    free(client->answer);
    free(client);
}

static void close_client(struct client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->socket))
        uv_close((uv_handle_t *)&client->socket, free_client);
    if (!uv_is_closing((uv_handle_t *)&client->timer))
        uv_close((uv_handle_t *)&client->timer, free_client);
}

static void end_answer(uv_write_t *write, int status)
{
    (void)status;
    close_client(write->data);
}

static void end_time(uv_timer_t *timer)
{
    close_client(timer->data);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The whole answer, malloced; NULL: out of memory. */
static char *answer_to(struct gw_http *http, const char *request, size_t *bytes)
{
    const char *status = "200 OK";
    char *body = NULL, *answer = NULL;
    if (begins(request, "GET /metrics ") || begins(request, "GET /metrics?"))
        body = gw_core_metrics(http->server->core, gw_net_now(http->server->net));
    else if (begins(request, "GET "))
        status = "404 Not Found", body = strdup("see /metrics\n");
    else
        status = "405 Method Not Allowed", body = strdup("GET /metrics\n");
    FILE *out = body ? open_memstream(&answer, bytes) : NULL;
    if (out) {
        fprintf(out,
                "HTTP/1.0 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                status, strlen(body), body);
        if (fclose(out) != 0) {
            free(answer);
            answer = NULL;
        }
    }
    free(body);
    return answer;
}

static void answer(struct client *client)
{
    size_t bytes = 0;
    uv_read_stop((uv_stream_t *)&client->socket);
    client->answer = answer_to(client->http, client->request, &bytes);
    if (!client->answer) {
        close_client(client);
        return;
    }
    uv_buf_t buffer = uv_buf_init(client->answer, (unsigned)bytes);
    client->write.data = client;
    if (uv_write(&client->write, (uv_stream_t *)&client->socket, &buffer, 1, end_answer) != 0)
        close_client(client);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct client *client = handle->data;
    (void)suggested;
    *buffer =
        uv_buf_init(client->request + client->used, (unsigned)(REQUEST_BYTES - 1 - client->used));
}

static void take_bytes(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    (void)buffer;
    if (bytes < 0) {
        close_client(client);
        return;
    }
    client->used += (size_t)bytes;
    client->request[client->used] = '\0';
    if (strstr(client->request, "\r\n\r\n") || strstr(client->request, "\n\n"))
        answer(client);
    else if (client->used == REQUEST_BYTES - 1)
        close_client(client);
}

static void take_client(uv_stream_t *listener, int status)
{
    struct gw_http *http = listener->data;
    struct client *client = status == 0 ? calloc(1, sizeof *client) : NULL;
    if (!client)
        return;
    client->http = http;
    client->next = http->first;
    if (http->first)
        http->first->before = client;
    http->first = client;
    client->handles = 2;
    client->socket.data = client->timer.data = client;
    uv_tcp_init(listener->loop, &client->socket);
    uv_timer_init(listener->loop, &client->timer);
    http->clients++;
    if (uv_accept(listener, (uv_stream_t *)&client->socket) != 0 || http->clients > CLIENTS_MAX ||
        uv_timer_start(&client->timer, end_time, REQUEST_MS, 0) != 0 ||
        uv_read_start((uv_stream_t *)&client->socket, give_room, take_bytes) != 0)
        close_client(client);
}

/* ---- open and close -------------------------------------------------------------------------- */

static gw_status fail_listen(struct gw_error *error, const char *address, int code)
{
    return gw_fail(error, GW_EIO, "cannot listen on %s for HTTP: %s", address, uv_strerror(code));
}

/* The port may have been the system's choice. */
static void name_address(struct gw_http *http)
{
    struct sockaddr_storage name;
    int length = sizeof name;
    char ip[64] = "";
    if (uv_tcp_getsockname(&http->listener, (struct sockaddr *)&name, &length) != 0)
        return;
    unsigned port;
    if (name.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&name;
        uv_ip6_name(six, ip, sizeof ip);
        port = ntohs(six->sin6_port);
        snprintf(http->address.text, sizeof http->address.text, "[%s]:%u", ip, port);
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&name;
        uv_ip4_name(four, ip, sizeof ip);
        port = ntohs(four->sin_port);
        snprintf(http->address.text, sizeof http->address.text, "%s:%u", ip, port);
    }
}

static int bind_to(struct gw_http *http, const struct gw_address *address)
{
    struct sockaddr_storage name = { 0 };
    const char *host = strcmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host;
    int port = (int)strtol(address->port, NULL, 10);
    int code = uv_ip4_addr(host, port, (struct sockaddr_in *)&name);
    if (code)
        code = uv_ip6_addr(host, port, (struct sockaddr_in6 *)&name);
    if (!code)
        code = uv_tcp_bind(&http->listener, (const struct sockaddr *)&name, 0);
    return code ? code : uv_listen((uv_stream_t *)&http->listener, CLIENTS_MAX, take_client);
}

gw_status gw_http_open(struct gw_http **out, struct gw_server *server, const char *address,
                       struct gw_error *error)
{
    struct gw_http *http = calloc(1, sizeof *http);
    if (!http)
        return gw_fail(error, GW_ENOMEM, "out of memory for HTTP");
    http->server = server;
    gw_status s = gw_address_parse(&http->address, address, strlen(address), error);
    if (!s && (http->address.is_unix || !gw_address_is_local(&http->address)))
        s = gw_fail(error, GW_ENOTSUP,
                    "HTTP on %s: only on local addresses, 127.0.0.1:PORT for example; to be seen "
                    "from elsewhere put a proxy before it that knows who asks",
                    address);
    if (s) {
        free(http);
        return s;
    }
    http->listener.data = http;
    uv_tcp_init(&server->loop, &http->listener);
    *out = http; /* from here on the handle has to be closed by the loop */
    int code = bind_to(http, &http->address);
    if (code)
        return fail_listen(error, address, code);
    name_address(http);
    return GW_OK;
}

const char *gw_http_address(const struct gw_http *http)
{
    return http->address.text;
}

void gw_http_close(struct gw_http *http)
{
    if (!http)
        return;
    if (!uv_is_closing((uv_handle_t *)&http->listener))
        uv_close((uv_handle_t *)&http->listener, NULL);
    for (struct client *client = http->first; client; client = client->next)
        close_client(client);
}

void gw_http_free(struct gw_http *http)
{
    free(http);
}
