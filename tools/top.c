/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire top`: what a job's servers do, again and again on a terminal, once elsewhere. A server
 * counts and does not know rates: those are differences between two of its answers, over the time
 * that its own clock says lies between them. */
#include <gradwire.h>

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/numbers.h"
#include "tools/tool.h"
#include "tools/top.h"

enum { KEY_JOB = 256, KEY_KEYS, KEY_WORKER, KEY_EVERY, KEY_ONCE, KEY_JSON, KEY_TIMEOUT };

enum { ADDRESSES_MAX = 256, WHY = 640, BLOCK_LINES_LEAST = 5 };

struct server {
    const char *address;
    struct top_state state, before;
    int has_state, has_before;
    char why[WHY]; /* of a question that failed; "" for none */
};

struct request {
    char *addresses;
    const char *job, *keys;
    int worker, once, json;
    double every_s, timeout_s; /* 0: not given */
    struct server *servers;
    int count;
};

static const struct argp_option flags[] = {
    { "job", KEY_JOB, "NAME", 0, "the job's name (default gradwire)", 0 },
    { "keys", KEY_KEYS, "FILE", 0, "key file, for servers on other machines", 0 },
    { "worker", KEY_WORKER, "K", 0, "speak with the key of worker K (default 0)", 0 },
    { "every", KEY_EVERY, "SECONDS", 0,
      "time between two looks (default 2); with --once, look twice, that far apart", 1 },
    { "once", KEY_ONCE, NULL, 0, "one table, as without a terminal", 1 },
    { "json", KEY_JSON, NULL, 0,
      "each server's answer as it is, a line of JSON, once, or again and again with --every", 1 },
    { "timeout", KEY_TIMEOUT, "SECONDS", 0, "limit of each question (default 5)", 1 },
    { 0 }
};

static int parse_number(int key, const char *arg, struct request *request)
{
    switch (key) {
    case KEY_WORKER:
        return tool_parse_int(&request->worker, arg, 0, 2000000000);
    case KEY_EVERY:
        return tool_parse_seconds(&request->every_s, arg);
    case KEY_TIMEOUT:
        return tool_parse_seconds(&request->timeout_s, arg);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case KEY_JOB:
        request->job = arg;
        return 0;
    case KEY_KEYS:
        request->keys = arg;
        return 0;
    case KEY_ONCE:
        request->once = 1;
        return 0;
    case KEY_JSON:
        request->json = 1;
        return 0;
    case ARGP_KEY_ARG:
        if (request->addresses)
            argp_error(state, "unexpected argument %s: several addresses are joined by commas",
                       arg);
        request->addresses = arg;
        return 0;
    case ARGP_KEY_END:
        if (!request->addresses)
            argp_error(state, "whom to ask? tcp:HOST:PORT or unix:PATH, several joined by commas");
        return 0;
    default:
        break;
    }
    int result = parse_number(key, arg, request);
    if (result < 0)
        argp_error(state, "%s: not a valid value", arg);
    return result;
}

/* ---- questions ------------------------------------------------------------------------------- */

/* The answer as text, or NULL and the reason. */
static char *ask(const struct request *request, struct server *server)
{
    char *json;
    gw_status status = gw_server_query(&json, server->address, request->job, request->keys,
                                       request->worker, request->timeout_s);
    server->why[0] = '\0';
    if (status == GW_OK)
        return json;
    snprintf(server->why, WHY, "%s", gw_server_error(NULL));
    return NULL;
}

static void look(const struct request *request, struct server *server)
{
    struct top_state state;
    char *json = ask(request, server);
    if (!json || top_state_read(&state, json, server->why, WHY)) {
        free(json);
        return;
    }
    free(json);
    top_state_free(&server->before);
    server->before = server->state;
    server->has_before = server->has_state;
    server->state = state;
    server->has_state = 1;
}

static void look_at_all(const struct request *request)
{
    for (int i = 0; i < request->count && !top_terminal_quits(); i++)
        look(request, &request->servers[i]);
}

/* ---- output ---------------------------------------------------------------------------------- */

static int complain_all(const struct request *request)
{
    int bad = 0;
    for (int i = 0; i < request->count; i++) {
        if (!request->servers[i].why[0])
            continue;
        tool_complain("top", "%s", request->servers[i].why);
        bad = 1;
    }
    return bad;
}

static int print_all(FILE *stream, const struct request *request, size_t lines_each)
{
    int failed = 0, blocks = 0;
    for (int i = 0; i < request->count; i++) {
        const struct server *server = &request->servers[i];
        const struct top_state *before = server->has_before ? &server->before : NULL;
        if (!server->has_state && !server->why[0])
            continue;
        if (blocks++)
            fputc('\n', stream);
        if (lines_each && server->why[0])
            fprintf(stream, "%s: %s\n", server->address, server->why);
        else
            failed |= top_table_print(stream, server->address, &server->state, before, lines_each);
    }
    return failed;
}

static int finish_output(int failed)
{
    if (fflush(stdout) == 0 && !ferror(stdout) && !failed)
        return 0;
    tool_complain("top", failed ? "out of memory" : "the output could not be written");
    return -1;
}

static int show_once(const struct request *request)
{
    look_at_all(request);
    if (request->every_s > 0 && top_terminal_wait(request->every_s) == TOP_TIME)
        look_at_all(request);
    int bad = complain_all(request);
    for (int i = 0; i < request->count; i++) /* of whom there is nothing to show */
        if (!request->servers[i].has_state)
            request->servers[i].why[0] = '\0';
    int failed = print_all(stdout, request, 0);
    return finish_output(failed) || bad ? TOOL_BAD_USE : TOOL_GOOD;
}

static int show_json(const struct request *request)
{
    int bad = 0;
    do {
        for (int i = 0; i < request->count && !top_terminal_quits(); i++) {
            char *json = ask(request, &request->servers[i]);
            if (json)
                printf("%.*s\n", (int)strcspn(json, "\n"), json);
            free(json);
        }
        bad = complain_all(request);
        if (finish_output(0))
            return TOOL_BAD_USE;
    } while (request->every_s > 0 && !request->once &&
             top_terminal_wait(request->every_s) != TOP_QUIT);
    return bad ? TOOL_BAD_USE : TOOL_GOOD;
}

static int draw(const struct request *request)
{
    size_t lines, columns, bytes;
    char *text = NULL;
    top_terminal_size(&lines, &columns);
    /* An empty line between blocks. */
    size_t each = (lines + 1) / (size_t)request->count;
    each = each > BLOCK_LINES_LEAST + 1 ? each - 1 : BLOCK_LINES_LEAST;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return -1;
    int failed = print_all(stream, request, each);
    failed |= fclose(stream) != 0;
    if (!failed)
        top_terminal_draw(text);
    free(text);
    return failed ? -1 : 0;
}

static int show_live(const struct request *request)
{
    const double every_s = request->every_s > 0 ? request->every_s : 2;
    int failed = 0;
    enum top_event event = TOP_TIME;
    top_terminal_open();
    while (event != TOP_QUIT && !failed) {
        if (event == TOP_TIME)
            look_at_all(request);
        failed = draw(request);
        event = top_terminal_wait(every_s);
    }
    top_terminal_close();
    putchar('\n');
    return finish_output(failed) ? TOOL_BAD_USE : TOOL_GOOD;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Cut the list at its commas. */
static int open_servers(struct request *request)
{
    char *rest = NULL;
    request->servers = calloc(ADDRESSES_MAX, sizeof *request->servers);
    if (!request->servers) {
        tool_complain("top", "out of memory");
        return -1;
    }
    for (char *address = strtok_r(request->addresses, ",", &rest); address;
         address = strtok_r(NULL, ",", &rest)) {
        if (request->count == ADDRESSES_MAX) {
            tool_complain("top", "more than %d addresses", ADDRESSES_MAX);
            return -1;
        }
        request->servers[request->count++].address = address;
    }
    if (request->count)
        return 0;
    tool_complain("top", "no address in the list");
    return -1;
}

static void close_servers(struct request *request)
{
    for (int i = 0; i < request->count; i++) {
        top_state_free(&request->servers[i].state);
        top_state_free(&request->servers[i].before);
    }
    free(request->servers);
}

static int show(const struct request *request)
{
    if (request->json)
        return show_json(request);
    if (request->once || !isatty(STDOUT_FILENO))
        return show_once(request);
    return show_live(request);
}

int tool_top(int argc, char **argv)
{
    static const struct argp argp = {
        .options = flags,
        .parser = parse,
        .args_doc = "ADDRESS,...",
        .doc = "What the servers of a job do: rounds, and for each worker its clock, how far it is "
               "behind, rates, ratios and what it keeps back. On a terminal the table is drawn "
               "anew until q or Ctrl-C."
               "\vA * marks workers whom the round waits for. Rates need two looks.\n"
               "Exit status: 0 good, 1 bad use or a server that did not answer."
    };
    struct request request = { .timeout_s = 5 };
    int status = TOOL_BAD_USE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &request) != 0)
        return TOOL_BAD_USE;
    if (open_servers(&request) == 0) {
        top_terminal_catch();
        status = show(&request);
    }
    close_servers(&request);
    return status;
}
