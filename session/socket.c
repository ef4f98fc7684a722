/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the system says of sockets: whose they are, where they lead, how they are made to listen. */
#define _GNU_SOURCE /* struct ucred */
#include "session/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char gw_plain_words[] =
    "%s is not this machine alone, and plain sessions are for Unix sockets and loopback. Make keys "
    "with \"gradwire key --job NAME --workers N -o FILE\" and give them to both ends";

/* ---- addresses ------------------------------------------------------------------------------- */

/* The IPv4 address, also where it is written as an IPv6 one. */
static bool v4_of(const struct sockaddr *address, uint32_t *v4)
{
    if (address->sa_family == AF_INET) {
        *v4 = ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(v6))
        return false;
    memcpy(v4, v6->s6_addr + 12, sizeof *v4);
    *v4 = ntohl(*v4);
    return true;
}

bool gw_socket_is_loopback(const struct sockaddr *address)
{
    uint32_t v4;
    if (v4_of(address, &v4))
        return v4 >> 24 == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

void gw_socket_text(char *text, size_t bytes, const struct sockaddr *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    uint32_t v4;
    if (v4_of(address, &v4)) {
        struct in_addr plain = { htonl(v4) };
        inet_ntop(AF_INET, &plain, host, sizeof host);
    } else if (address->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, host,
                  sizeof host);
    }
    /* The port is at the same place in both. */
    unsigned port = ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    snprintf(text, bytes, strchr(host, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", host, port);
}

/* Of IPv6 the first half: who has one address there has 2^64 of them. */
uint64_t gw_socket_home(const struct sockaddr *address)
{
    uint32_t v4;
    uint64_t half = 0;
    if (v4_of(address, &v4))
        return v4;
    if (address->sa_family == AF_INET6)
        memcpy(&half, ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr,
               sizeof half);
    return half;
}

/* ---- options --------------------------------------------------------------------------------- */

static void set_option(int fd, int level, int option, int value)
{
    /* An old kernel that lacks one of them is slower to notice, and that is all. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

/* Beats notice a peer that is gone. The kernel's means are for what beats do not see: a stream that
 * is paused, and bytes of ours that nobody acknowledges. The limit is that of a frame, since a peer
 * that is merely slow closes its window and is not to be cut off for it. */
void gw_socket_tune(int fd, const struct gw_session_times *times)
{
    int64_t ms = times->frame_ns / 1000000;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
    if (ms > 0 && ms <= INT32_MAX)
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)ms);
}

bool gw_socket_is_ours(int fd, int *process)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
        return false;
    *process = (int)peer.pid;
    return peer.uid == geteuid();
}

/* ---- listening ------------------------------------------------------------------------------- */

enum {
    BACKLOG = 4096
}; /* the kernel has a limit of its own; a thousand workers may come at once */

static gw_status failed(int fd, const char *where, const char *what, struct gw_error *error)
{
    int reason = errno;
    if (fd >= 0)
        close(fd);
    return gw_fail(error, GW_EIO, "cannot listen on %s: %s: %s", where, what, strerror(reason));
}

struct sockaddr_un gw_socket_unix(const struct gw_address *address)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    memcpy(name.sun_path, address->host, strnlen(address->host, sizeof name.sun_path - 1));
    return name;
}

/* A socket's file outlives a server that was killed. One that refuses connections is such a file;
 * anything else is somebody's. */
static gw_status clear_path(const struct gw_address *address, struct gw_error *error)
{
    struct sockaddr_un name = gw_socket_unix(address);
    struct stat info;
    if (lstat(name.sun_path, &info) != 0)
        return errno == ENOENT ? GW_OK : failed(-1, address->text, "its file", error);
    if (!S_ISSOCK(info.st_mode))
        return gw_fail(error, GW_EIO, "cannot listen on %s: in use: a file that is no socket",
                       address->text);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(fd, address->text, "socket", error);
    int status = connect(fd, (struct sockaddr *)&name, sizeof name);
    int reason = errno;
    close(fd);
    if (status == 0 || reason != ECONNREFUSED)
        return gw_fail(error, GW_EIO, "cannot listen on %s: in use: %s", address->text,
                       status == 0 || reason == EAGAIN ? "somebody listens there"
                                                       : strerror(reason));
    if (unlink(name.sun_path) != 0 && errno != ENOENT)
        return failed(-1, address->text, "its old file", error);
    return GW_OK;
}

static gw_status listen_unix(int *out, const struct gw_address *address, struct gw_error *error)
{
    struct sockaddr_un name = gw_socket_unix(address);
    gw_status status = clear_path(address, error);
    if (status)
        return status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(fd, address->text, "socket", error);
    /* The file gets the socket's mode, so there is no moment in which others may connect. */
    if (fchmod(fd, 0600) != 0)
        return failed(fd, address->text, "fchmod", error);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) != 0)
        return failed(fd, address->text, "bind", error);
    if (listen(fd, BACKLOG) != 0) {
        (void)unlink(name.sun_path);
        return failed(fd, address->text, "listen", error);
    }
    *out = fd;
    return GW_OK;
}

static gw_status listen_tcp(int *out, const struct addrinfo *at, const char *where,
                            struct gw_error *error)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(fd, where, "socket", error);
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0)
        return failed(fd, where, "bind", error);
    if (listen(fd, BACKLOG) != 0)
        return failed(fd, where, "listen", error);
    *out = fd;
    return GW_OK;
}

gw_status gw_socket_listen(int *out, struct gw_address *address, bool plain, struct gw_error *error)
{
    if (address->is_unix)
        return listen_unix(out, address, error);
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int code = getaddrinfo(address->host, address->port, &hints, &found);
    if (code == EAI_MEMORY)
        return gw_fail(error, GW_ENOMEM, "no memory to look up %s", address->host);
    if (code != 0)
        return gw_fail(error, GW_EIO, "cannot listen on %s: %s", address->text,
                       code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
    gw_status status =
        gw_fail(error, GW_EIO, "cannot listen on %s: the name has no address", address->text);
    for (struct addrinfo *at = found; at && status; at = at->ai_next) {
        /* A name says "this machine", and what it leads to has the last word. */
        if (plain && !gw_socket_is_loopback(at->ai_addr))
            status = gw_fail(error, GW_ENOTSUP, gw_plain_words, address->text);
        else
            status = listen_tcp(out, at, address->text, error);
    }
    freeaddrinfo(found);
    if (status)
        return status;
    struct sockaddr_in6 bound = { .sin6_family = AF_UNSPEC };
    socklen_t bytes = sizeof bound;
    if (getsockname(*out, (struct sockaddr *)&bound, &bytes) != 0)
        return failed(*out, address->text, "getsockname", error);
    gw_address_set_port(address, ntohs(bound.sin6_port)); /* an IPv4 address has it there too */
    return GW_OK;
}
