/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The parser of addresses. It is strict where the C library's own are generous ("127.1", "0x7f.1",
 * a port of " 80"): whether a session may be plain is decided by the text, so a text must not have
 * two readings. */
#include "session/address.h"

#include "base/types.h"
#include "session/printable.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

enum {
    QUOTED = 64,        /* so much of a wrong text is shown in words */
    HOST_LONGEST = 240, /* so that text in full has room for it */
    LIST_LONGEST = 4096
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static gw_status wrong(const char *text, size_t length, const char *why, struct gw_error *error)
{
    char shown[QUOTED + 1];
    size_t n = gw_min_size(length, QUOTED);
    if (n > 0)
        memcpy(shown, text, n);
    shown[n] = '\0';
    gw_make_printable(shown, n);
    return gw_fail(error, GW_ESPEC,
                   "the address \"%s%s\" %s; expected tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH",
                   shown, length > n ? "..." : "", why);
}

static bool begins(const char *text, size_t length, const char *with)
{
    return length >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

/* NULL: fine. */
static const char *take_path(struct gw_address *out, const char *path, size_t length)
{
    if (length == 0)
        return "has no path";
    if (length >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return "has a path of more than 107 bytes, which no Unix socket can have";
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
            return "has control characters in its path";
    out->is_unix = true;
    memcpy(out->host, path, length);
    snprintf(out->text, sizeof out->text, "unix:%.107s", out->host);
    return NULL;
}

void gw_address_set_port(struct gw_address *address, unsigned port)
{
    snprintf(address->port, sizeof address->port, "%u", port & 65535);
    snprintf(address->text, sizeof address->text,
             strchr(address->host, ':') ? "tcp:[%.240s]:%s" : "tcp:%.240s:%s", address->host,
             address->port);
}

/* The host stands already. */
static const char *take_port(struct gw_address *out, const char *port, size_t length)
{
    unsigned value = 0;
    if (length == 0 || length > 5)
        return "has no port from 0 to 65535";
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(port[i]))
            return "has no port from 0 to 65535";
        value = value * 10 + (unsigned)(port[i] - '0');
    }
    if (value > 65535)
        return "has no port from 0 to 65535";
    gw_address_set_port(out, value);
    return NULL;
}

/* Digits and dots alone are an IPv4 address in full, or nothing. */
static const char *take_name(struct gw_address *out, const char *host, size_t length)
{
    bool numeric = true;
    if (length == 0)
        return "has no host";
    if (length > HOST_LONGEST)
        return "has a host of more than 240 bytes";
    for (size_t i = 0; i < length; i++) {
        char c = host[i];
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '.' && c != '_')
            return "has a host that is neither a name nor an IPv4 address nor [an IPv6 one]";
        numeric = numeric && (is_digit(c) || c == '.');
    }
    if (host[0] == '-' || host[0] == '.')
        return "has a host that begins with a dash or a dot";
    memcpy(out->host, host, length);
    struct in_addr address;
    if (numeric && inet_pton(AF_INET, out->host, &address) != 1)
        return "has a host of digits and dots that is no IPv4 address";
    return NULL;
}

/* `host` without its brackets; a zone ("%eth0") may stand behind. */
static const char *take_ipv6(struct gw_address *out, const char *host, size_t length)
{
    const char *zone = memchr(host, '%', length);
    size_t digits = zone ? (size_t)(zone - host) : length;
    char plain[INET6_ADDRSTRLEN] = "";
    struct in6_addr address;
    if (digits >= sizeof plain || length - digits > 16)
        return "has no IPv6 address between its brackets";
    memcpy(plain, host, digits);
    if (strlen(plain) != digits || inet_pton(AF_INET6, plain, &address) != 1)
        return "has no IPv6 address between its brackets";
    for (size_t i = digits + 1; i < length; i++)
        if (!is_letter(host[i]) && !is_digit(host[i]))
            return "has a zone that is not of letters and digits";
    if (zone && digits + 1 == length)
        return "has a zone without a name";
    memcpy(out->host, host, length);
    return NULL;
}

static const char *take_tcp(struct gw_address *out, const char *text, size_t length)
{
    const char *end = text + length, *colon = NULL;
    for (const char *c = text; c < end; c++)
        if (*c == ':')
            colon = c;
    if (length > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', length);
        if (!close)
            return "has a bracket that is not closed";
        if (close + 1 >= end || close[1] != ':')
            return "has no port behind its bracket";
        const char *why = take_ipv6(out, text + 1, (size_t)(close - text - 1));
        return why ? why : take_port(out, close + 2, (size_t)(end - close - 2));
    }
    if (!colon)
        return "has no port";
    if (memchr(text, ':', length) != colon)
        return "has more than one colon: an IPv6 address stands in brackets";
    const char *why = take_name(out, text, (size_t)(colon - text));
    return why ? why : take_port(out, colon + 1, (size_t)(end - colon - 1));
}

gw_status gw_address_parse(struct gw_address *out, const char *text, size_t length,
                           struct gw_error *error)
{
    struct gw_address address = { .is_unix = false };
    const char *why;
    if (begins(text, length, "unix:"))
        why = take_path(&address, text + 5, length - 5);
    else if (begins(text, length, "tcp:"))
        why = take_tcp(&address, text + 4, length - 4);
    else
        why = take_tcp(&address, text, length);
    if (why)
        return wrong(text, length, why, error);
    *out = address;
    return GW_OK;
}

gw_status gw_address_list(struct gw_address **out, int *count, const char *text,
                          struct gw_error *error)
{
    size_t commas = 0;
    for (const char *c = text; *c; c++)
        commas += *c == ',';
    if (commas >= LIST_LONGEST)
        return gw_fail(error, GW_ESPEC, "a list of %zu addresses; at most %d", commas + 1,
                       LIST_LONGEST);
    struct gw_address *list = calloc(commas + 1, sizeof *list);
    if (!list)
        return gw_fail(error, GW_ENOMEM, "no memory for %zu addresses", commas + 1);
    for (size_t i = 0; i <= commas; i++) {
        size_t length = strcspn(text, ",");
        gw_status status = gw_address_parse(&list[i], text, length, error);
        for (size_t j = 0; j < i && !status; j++)
            if (strcmp(list[i].text, list[j].text) == 0)
                status = gw_fail(error, GW_ESPEC, "the address %s stands twice in the list",
                                 list[i].text);
        if (status) {
            free(list);
            return status;
        }
        text += length + 1;
    }
    *out = list;
    *count = (int)commas + 1;
    return GW_OK;
}

bool gw_address_is_local(const struct gw_address *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (address->is_unix || strcasecmp(address->host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, address->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
