/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the internet does to an open port: connections that say what scanners say (HTTP, TLS, SSH,
 * noise, nothing) and end; and others that stay and say nothing, or a byte now and then. Those that
 * are dropped come again a second or two later.
 *
 * prober HOST PORT PROBES STAYING [MILLISECONDS]: until all probes were made and that time is over.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 64, DRIP_MS = 100, PROBE_MS = 1000, RETURN_MS = 1000, KINDS = 6 };

struct visit {
    int fd; /* -1: none */
    int stays, kind, connected;
    int64_t next_ms; /* when it drips, or gives up */
};

struct prober {
    struct sockaddr_storage at;
    socklen_t at_bytes;
    struct visit *visits;
    struct pollfd *polls;
    int count;
    long left, made, failed, answered, dropped, dripped;
    uint64_t random;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t next_random(struct prober *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random;
}

/* The first bytes of a recorded probe; how many. */
static size_t probe_bytes(struct prober *p, int kind, uint8_t *out, size_t capacity)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nUser-Agent: zgrab/0.x\r\n\r\n";
    static const char ssh[] = "SSH-2.0-Go\r\n";
    /* A record of a ClientHello of TLS 1.2, which ends early. */
    static const uint8_t tls[] = { 0x16, 3,    1,    0,    0xc8, 1,    0,    0,    0xc4, 3,   3,
                                   0x5f, 0x1d, 0x3c, 0x9a, 0x77, 0x21, 0x08, 0xee, 0x4b, 0x90 };
    static const uint8_t rdp[] = {
        3, 0, 0, 0x13, 0x0e, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0
    };
    const void *from = http;
    size_t bytes = sizeof http - 1;
    switch (kind) {
    case 1:
        from = ssh;
        bytes = sizeof ssh - 1;
        break;
    case 2:
        from = tls;
        bytes = sizeof tls;
        break;
    case 3:
        from = rdp;
        bytes = sizeof rdp;
        break;
    case 4: /* noise */
        bytes = 1 + next_random(p) % capacity;
        for (size_t i = 0; i < bytes; i++)
            out[i] = (uint8_t)next_random(p);
        return bytes;
    case 5:
        return 0;
    default:
        break;
    }
    memcpy(out, from, bytes);
    return bytes;
}

/* One that stays comes again, not all of them at once. */
static void end_visit(struct prober *p, struct visit *v)
{
    if (v->fd >= 0)
        close(v->fd);
    v->fd = -1;
    if (v->stays)
        v->next_ms = now_ms() + RETURN_MS + (int64_t)(next_random(p) % RETURN_MS);
}

static void begin_visit(struct prober *p, struct visit *v)
{
    v->connected = 0;
    v->next_ms = now_ms() + PROBE_MS;
    v->kind = (int)(next_random(p) % KINDS);
    v->fd = socket(p->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (v->fd >= 0 && connect(v->fd, (struct sockaddr *)&p->at, p->at_bytes) != 0 &&
        errno != EINPROGRESS)
        end_visit(p, v);
    p->failed += v->fd < 0;
    if (!v->stays) {
        p->left--;
        p->made++;
    }
}

/* It stands: a probe says its word, one that stays says the first byte of a TLS record, or nothing.
 */
static void speak(struct prober *p, struct visit *v)
{
    uint8_t bytes[512];
    size_t count = probe_bytes(p, v->kind, bytes, sizeof bytes);
    v->connected = 1;
    if (v->stays) {
        bytes[0] = 0x16;
        count = v->kind & 1;
        v->next_ms = now_ms() + DRIP_MS;
    }
    if (count > 0 && send(v->fd, bytes, count, MSG_NOSIGNAL) < 0)
        end_visit(p, v);
}

static void drip(struct prober *p, struct visit *v)
{
    uint8_t byte = 3;
    v->next_ms = now_ms() + DRIP_MS;
    if (!(v->kind & 1))
        return;
    p->dripped++;
    if (send(v->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN) {
        p->dropped++;
        end_visit(p, v);
    }
}

static void look(struct prober *p, struct visit *v, int events)
{
    char heard[256];
    if (!v->connected && events & (POLLERR | POLLHUP)) {
        p->failed++;
        end_visit(p, v);
    } else if (!v->connected && events & POLLOUT) {
        speak(p, v);
    } else if (events) {
        ssize_t count = recv(v->fd, heard, sizeof heard, MSG_DONTWAIT);
        p->answered += count > 0 && !v->stays;
        p->dropped += count <= 0 && v->stays;
        if (count <= 0 || !v->stays)
            end_visit(p, v);
    } else if (now_ms() >= v->next_ms) {
        if (v->stays && v->connected)
            drip(p, v);
        else
            end_visit(p, v);
    }
}

static int turn(struct prober *p)
{
    int open = 0;
    int64_t now = now_ms();
    for (int i = 0; i < p->count; i++) {
        struct visit *v = &p->visits[i];
        if (v->fd < 0 && (v->stays ? now >= v->next_ms : p->left > 0))
            begin_visit(p, v);
        short events = v->connected ? POLLIN : POLLOUT;
        p->polls[i] = (struct pollfd){ .fd = v->fd, .events = events };
        open += v->fd >= 0 && !v->stays;
    }
    if (poll(p->polls, (nfds_t)p->count, 20) < 0)
        return -1;
    for (int i = 0; i < p->count; i++)
        if (p->visits[i].fd >= 0)
            look(p, &p->visits[i], p->polls[i].revents);
    return open;
}

static int find(struct prober *p, const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code) {
        fprintf(stderr, "prober: %s port %s: %s\n", host, port, gai_strerror(code));
        return -1;
    }
    memcpy(&p->at, found->ai_addr, found->ai_addrlen);
    p->at_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int main(int argc, char **argv)
{
    struct prober p = { .random = 88172645463325252u };
    if (argc < 5 || find(&p, argv[1], argv[2])) {
        fprintf(stderr, "usage: prober HOST PORT PROBES STAYING [MILLISECONDS]\n");
        return 1;
    }
    int staying = (int)strtol(argv[4], NULL, 10);
    p.left = strtol(argv[3], NULL, 10);
    p.count = AT_ONCE + staying;
    const struct rlimit limit = { (rlim_t)p.count + 64, (rlim_t)p.count + 64 };
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < limit.rlim_cur &&
        setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fprintf(stderr, "prober: descriptors for %d connections: %s\n", p.count, strerror(errno));
    p.visits = calloc((size_t)p.count, sizeof *p.visits);
    p.polls = calloc((size_t)p.count, sizeof *p.polls);
    if (!p.visits || !p.polls) {
        free(p.visits);
        free(p.polls);
        return 1;
    }
    for (int i = 0; i < p.count; i++)
        p.visits[i] = (struct visit){ .fd = -1, .stays = i >= AT_ONCE };
    int64_t until = now_ms() + (argc > 5 ? strtol(argv[5], NULL, 10) : 0);
    for (int open = 1; open > 0 || p.left > 0 || now_ms() < until;)
        open = turn(&p);
    printf("probes=%ld failed=%ld answered=%ld staying=%d dropped=%ld dripped=%ld\n", p.made,
           p.failed, p.answered, staying, p.dropped, p.dripped);
    for (int i = 0; i < p.count; i++)
        end_visit(&p, &p.visits[i]);
    free(p.visits);
    free(p.polls);
    return 0;
}
