/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Where servers listen. On one machine that is a Unix socket in a folder that only this user can
 * enter. Between machines it is TCP, for which workers need keys: rank 0 makes one for each, and
 * hands them out over the comm, which is trusted as much as the network of the job's launcher is.
 * They lie in files of mode 0600 until both ends have read them.
 */
#include "trainer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const gw_options exact = { .codec = "raw" };

/* Bytes of rank 0 for everyone. */
static int spread(gw_comm *comm, void *bytes, size_t count)
{
    gw_status status = gw_broadcast(comm, bytes, bytes, count / 4, GW_I32, &exact);
    return status == GW_OK ? EXIT_GOOD
                           : report_status(status, "telling the ranks", gw_comm_error(comm));
}

static int make_folder(tr_serving *serving)
{
    const char *base = getenv("TMPDIR");
    snprintf(serving->folder, sizeof serving->folder, "%s/gradwire-train-XXXXXX",
             base && *base ? base : "/tmp");
    if (mkdtemp(serving->folder))
        return EXIT_GOOD;
    int code = report_error(EXIT_USAGE, "%s: %s", serving->folder, strerror(errno));
    serving->folder[0] = '\0';
    return code;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The line of one worker, and those that are of all. */
static void keep_own_line(char *text, int worker)
{
    char own[32], *to = text;
    int length = snprintf(own, sizeof own, "worker %d ", worker);
    for (const char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n';
        if (strncmp(line, "worker ", 7) == 0 && strncmp(line, own, (size_t)length) != 0)
            continue;
        memmove(to, line, (size_t)(end - line));
        to += end - line;
    }
    memset(to, 0, strlen(to));
}

static int write_secret(const char *path, const char *text)
{
    size_t length = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int good = fd >= 0 && write(fd, text, length) == (ssize_t)length;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    return good ? EXIT_GOOD : report_error(EXIT_USAGE, "%s: %s", path, strerror(errno));
}

/* At most `capacity` - 1 bytes and a 0. */
static int read_secret(const char *path, char *text, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, capacity - 1) : -1;
    if (length >= 0)
        text[length] = '\0';
    else
        report_words_of_error("%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return length >= 0 ? EXIT_GOOD : EXIT_USAGE;
}

static int make_keys(const tr_trainer *trainer, int workers, char *text, size_t capacity)
{
    const tr_serving *serving = &trainer->serving;
    gw_status status = gw_key_make(serving->keys, trainer->options->job, trainer->worker, workers);
    if (status != GW_OK)
        return report_status(status, "making keys", gw_server_error(NULL));
    return read_secret(serving->keys, text, capacity);
}

/* Every rank gets a file: servers all keys, a worker its own. */
static int share_keys(tr_trainer *trainer, int rank, int ranks)
{
    tr_serving *serving = &trainer->serving;
    int workers = ranks - serving->servers;
    size_t capacity = 256 + 96 * (size_t)workers;
    char *text = calloc(capacity, 1);
    if (!text)
        return report_error(EXIT_COMM, "no memory for %d keys", workers);
    int code = EXIT_GOOD;
    if (rank == 0 && *serving->folder)
        code = make_keys(trainer, workers, text, capacity);
    int told = spread(serving->everyone, text, capacity);
    if (told == EXIT_GOOD && rank > 0 && *serving->folder) {
        if (!serving->serves)
            keep_own_line(text, trainer->worker);
        code = write_secret(serving->keys, text);
    }
    explicit_bzero(text, capacity);
    free(text);
    return told != EXIT_GOOD ? told : code;
}

void serve_forget_keys(tr_serving *serving)
{
    if (!*serving->keys)
        return;
    unlink(serving->keys);
    serving->keys[0] = '\0';
    serve_forget_folder(serving);
}

void serve_forget_folder(tr_serving *serving)
{
    if (*serving->folder)
        rmdir(serving->folder);
    serving->folder[0] = '\0';
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* An address of this machine that others can reach, an IPv4 one if there is any; else loopback. */
static void find_host(char *host, size_t capacity)
{
    struct ifaddrs *all = NULL;
    int found = 0;
    snprintf(host, capacity, "127.0.0.1");
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i && found != AF_INET; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
        if ((i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP))
            continue;
        if (family == AF_INET) {
            const struct sockaddr_in *in = (const void *)i->ifa_addr;
            snprintf(host, capacity, "%s", inet_ntop(family, &in->sin_addr, text, sizeof text));
            found = family;
        } else if (family == AF_INET6 && !found) {
            const struct sockaddr_in6 *in = (const void *)i->ifa_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&in->sin6_addr))
                continue;
            snprintf(host, capacity, "[%s]", inet_ntop(family, &in->sin6_addr, text, sizeof text));
            found = family;
        }
    }
    freeifaddrs(all);
}

/* Rank 0's folder, which all ranks of one machine see. */
static int share_folder(tr_serving *serving, int rank)
{
    int code = rank == 0 ? make_folder(serving) : EXIT_GOOD;
    int told = spread(serving->everyone, serving->folder, sizeof serving->folder);
    if (told != EXIT_GOOD)
        return told;
    if (!*serving->folder && rank > 0)
        return EXIT_USAGE; /* rank 0 has said why */
    return code;
}

int serve_choose_place(tr_trainer *trainer, char *listen, size_t capacity)
{
    tr_serving *serving = &trainer->serving;
    int rank = gw_comm_rank(serving->everyone), ranks = gw_comm_size(serving->everyone);
    if (gw_comm_node_ranks(serving->everyone) == ranks) {
        int code = share_folder(serving, rank);
        snprintf(listen, capacity, "unix:%s/%d", serving->folder, rank);
        return code;
    }
    char host[INET6_ADDRSTRLEN + 2];
    find_host(host, sizeof host);
    snprintf(listen, capacity, "tcp:%s:0", host);
    int code = make_folder(serving);
    snprintf(serving->keys, sizeof serving->keys, "%s/keys", serving->folder);
    int shared = share_keys(trainer, rank, ranks);
    return code != EXIT_GOOD ? code : shared;
}
