/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire serve`: a parameter server as a process. The library serves; here are what a program
 * has and a library must not: signals, a log, and words on standard output. */
#include "tools/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/tool.h"

/* ---- the log --------------------------------------------------------------------------------- */

struct log {
    FILE *stream;
    int quiet;
};

static void print_time(FILE *stream)
{
    struct timespec now;
    struct tm parts;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    fprintf(stream, "time=%s.%03ldZ ", text, now.tv_nsec / 1000000);
}

/* A log that cannot be written is no reason to stop serving. */
static void write_line(void *user, const char *line)
{
    struct log *log = user;
    if (log->quiet && strncmp(line, "level=info ", 11) == 0)
        return;
    print_time(log->stream);
    fprintf(log->stream, "%s\n", line);
    fflush(log->stream);
}

static int open_log(struct log *log, const struct serve_options *options)
{
    log->quiet = options->quiet;
    log->stream = stderr;
    if (options->log)
        log->stream = fopen(options->log, "ae");
    if (log->stream)
        return 0;
    tool_complain("serve", "--log %s: %s", options->log, strerror(errno));
    return -1;
}

static void close_log(struct log *log)
{
    if (log->stream != stderr)
        fclose(log->stream);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static int print_addresses(FILE *stream, const gw_server *server, const char *before)
{
    const char *address;
    for (int i = 0; (address = gw_server_address(server, i)); i++)
        fprintf(stream, "%s%s\n", before, address);
    return ferror(stream) ? -1 : 0;
}

/* Whoever sees the file sees all of it: it gets its name when it is complete. */
static int write_addresses(const gw_server *server, const char *path)
{
    size_t bytes = strlen(path) + 32;
    char *part = malloc(bytes);
    if (!part) {
        errno = ENOMEM;
        return -1;
    }
    snprintf(part, bytes, "%s.%ld.part", path, (long)getpid());
    FILE *stream = fopen(part, "we");
    int failed = !stream || print_addresses(stream, server, "");
    if (stream && fclose(stream) != 0)
        failed = 1;
    failed = failed || rename(part, path) != 0;
    if (failed && stream) {
        int why = errno;
        unlink(part);
        errno = why;
    }
    free(part);
    return failed ? -1 : 0;
}

static int tell_addresses(const gw_server *server, const struct serve_options *options)
{
    if (options->address_file && write_addresses(server, options->address_file)) {
        tool_complain("serve", "--address-file %s: %s", options->address_file, strerror(errno));
        return -1;
    }
    int failed = print_addresses(stdout, server, "listening on ");
    if (gw_server_http(server))
        printf("metrics on http://%s/metrics\n", gw_server_http(server));
    if (!failed && fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    tool_complain("serve", "the output could not be written");
    return -1;
}

static void log_addresses(const gw_server *server, struct log *log)
{
    char line[512];
    const char *address;
    for (int i = 0; (address = gw_server_address(server, i)); i++) {
        snprintf(line, sizeof line, "level=info event=listening address=%s version=%s pid=%ld",
                 address, gw_version(), (long)getpid());
        write_line(log, line);
    }
}

/* ---- signals --------------------------------------------------------------------------------- */

/* A handler is handed nothing. NULL while there is nothing to stop. */
static _Atomic(gw_server *) served;

static void take_signal(int number)
{
    (void)number;
    gw_server_stop(atomic_load(&served));
}

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* ---- serving --------------------------------------------------------------------------------- */

static int run(gw_server *server, struct log *log)
{
    char line[640];
    atomic_store(&served, server);
    set_handler(SIGTERM, take_signal);
    set_handler(SIGINT, take_signal);
    gw_status status = gw_server_run(server);
    atomic_store(&served, NULL); /* what is left cannot be hurried */
    if (status)
        snprintf(line, sizeof line, "level=error event=stopped status=%s why=\"%.500s\"",
                 gw_status_name(status), gw_server_error(server));
    else
        snprintf(line, sizeof line, "level=info event=stopped status=%s", gw_status_name(status));
    write_line(log, line);
    if (status)
        tool_complain("serve", "%s", gw_server_error(server));
    return status ? TOOL_BAD_USE : TOOL_GOOD;
}

int tool_serve(int argc, char **argv)
{
    struct serve_options options;
    struct log log;
    gw_server *server;
    if (serve_options_parse(&options, argc, argv))
        return TOOL_BAD_USE;
    if (open_log(&log, &options))
        return TOOL_BAD_USE;
    set_handler(SIGPIPE, SIG_IGN); /* a reader of the log that went away */
    options.server.say = write_line;
    options.server.user = &log;
    int status = TOOL_BAD_USE;
    if (gw_server_open(&server, &options.server) != GW_OK) {
        tool_complain("serve", "%s", gw_server_error(NULL));
        close_log(&log);
        return TOOL_BAD_USE;
    }
    if (tell_addresses(server, &options) == 0) {
        log_addresses(server, &log);
        status = run(server, &log);
    }
    gw_server_close(server);
    close_log(&log);
    return status;
}
