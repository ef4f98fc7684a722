/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The peers file: one address per line in the order of ranks, '#' begins a comment. And the text
 * by which two ranks find out that they mean the same group. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gradwire/info.h>

#include "base/digest.h"
#include "base/random.h"
#include "comm/tcp.h"

enum { FILE_MAX = GW_TCP_RANKS_MAX * (GW_ADDRESS_TEXT + 64) };

/* The line without comment and blanks. */
static size_t trim(const char **line, size_t length)
{
    const char *comment = memchr(*line, '#', length);
    if (comment)
        length = (size_t)(comment - *line);
    while (length > 0 && strchr(" \t\r", (*line)[length - 1]))
        length--;
    while (length > 0 && strchr(" \t\r", **line)) {
        ++*line;
        length--;
    }
    return length;
}

static gw_status parse_line(struct gw_address *address, const char *line, size_t length,
                            const char *path, int number, struct gw_error *error)
{
    struct gw_error inner = { 0 };
    if (memchr(line, '\0', length))
        return gw_fail(error, GW_ESPEC, "tcp: %s:%d: a byte 0", path, number);
    gw_status s = gw_address_parse(address, line, length, &inner);
    return s ? gw_fail(error, s, "tcp: %s:%d: %s", path, number, inner.text) : GW_OK;
}

static gw_status parse_lines(struct gw_tcp_group *group, const char *text, size_t length,
                             const char *path, struct gw_error *error)
{
    int number = 0, found = 0;
    for (const char *at = text, *end = text + length; at < end;) {
        const char *line = at, *stop = memchr(at, '\n', (size_t)(end - at));
        at = stop ? stop + 1 : end;
        number++;
        size_t count = trim(&line, (size_t)((stop ? stop : end) - line));
        if (count == 0 || found == group->ranks)
            continue;
        gw_status s = parse_line(&group->addresses[found++], line, count, path, number, error);
        if (s)
            return s;
    }
    if (found < group->ranks)
        return gw_fail(error, GW_ESPEC, "tcp: %s: %d addresses, expected one for each of %d ranks",
                       path, found, group->ranks);
    return GW_OK;
}

gw_status gw_tcp_group_parse(struct gw_tcp_group *group, const char *text, size_t length,
                             const char *path, struct gw_error *error)
{
    group->addresses = calloc((size_t)group->ranks, sizeof *group->addresses);
    if (!group->addresses)
        return gw_fail(error, GW_ENOMEM, "tcp: out of memory for %d addresses", group->ranks);
    gw_status s = parse_lines(group, text, length, path, error);
    if (s) {
        free(group->addresses);
        group->addresses = NULL;
        return s;
    }
    group->digest = gw_digest(text, length, 0);
    group->job = gw_mix64(group->digest ^ (uint64_t)group->ranks);
    return GW_OK;
}

gw_status gw_tcp_group_read(struct gw_tcp_group *group, const char *path, struct gw_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return gw_fail(error, GW_EIO, "tcp: peers=%s: %s", path, strerror(errno));
    char *text = malloc(FILE_MAX);
    size_t length = text ? fread(text, 1, FILE_MAX, file) : 0;
    bool failed = ferror(file) != 0;
    fclose(file);
    gw_status s = GW_OK;
    if (!text)
        s = gw_fail(error, GW_ENOMEM, "tcp: out of memory for the peers file");
    else if (failed || length == FILE_MAX)
        s = gw_fail(error, GW_EIO, "tcp: peers=%s: %s", path,
                    failed ? "cannot be read" : "is too long for a list of addresses");
    if (!s)
        s = gw_tcp_group_parse(group, text, length, path, error);
    free(text);
    return s;
}

void gw_tcp_group_terms(const struct gw_tcp_group *group, int client, int server, char *text,
                        size_t capacity)
{
    snprintf(text, capacity,
             "transport tcp 1, %d ranks, rank %d to rank %d, gradwire %s, peers %016llx",
             group->ranks, client, server, gw_version(), (unsigned long long)group->digest);
}

bool gw_tcp_group_knows(const struct gw_tcp_group *group, const char *terms)
{
    char digest[32];
    snprintf(digest, sizeof digest, "peers %016llx", (unsigned long long)group->digest);
    return strstr(terms, digest) != NULL;
}
