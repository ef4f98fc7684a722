/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire key`: the keys by which a server and its workers know each other. Keys go to files
 * that only their owner reads, never to a terminal. */
#include <gradwire.h>

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/numbers.h"
#include "tools/tool.h"

enum { KEY_JOB = 256, KEY_WORKERS, KEY_FIRST, KEY_SPLIT, WORKERS_MAX = 65536 };

struct request {
    const char *job, *path;
    int workers, first, split;
};

static const struct argp_option flags[] = {
    { "job", KEY_JOB, "NAME", 0, "the job's name (default gradwire)", 0 },
    { "workers", KEY_WORKERS, "N", 0, "make keys for N workers", 0 },
    { "first", KEY_FIRST, "K", 0, "the first worker's number (default 0)", 0 },
    { "output", 'o', "FILE", 0, "the new key file (default NAME.keys)", 0 },
    { "split", KEY_SPLIT, NULL, 0,
      "also make FILE.K for each worker K, with its own key alone, for its machine", 0 },
    { 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case KEY_JOB:
        request->job = arg;
        return 0;
    case 'o':
        request->path = arg;
        return 0;
    case KEY_WORKERS:
        if (tool_parse_int(&request->workers, arg, 1, WORKERS_MAX))
            argp_error(state, "--workers %s is not a number from 1 to %d", arg, WORKERS_MAX);
        return 0;
    case KEY_FIRST:
        if (tool_parse_int(&request->first, arg, 0, 2000000000))
            argp_error(state, "--first %s is not a worker's number", arg);
        return 0;
    case KEY_SPLIT:
        request->split = 1;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument %s", arg);
        return EINVAL;
    case ARGP_KEY_END:
        if (!request->workers)
            argp_error(state, "--workers N tells how many keys to make");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Keys that were made a moment ago are nobody's yet: without its parts the file goes too, so that
 * the same command can be given again. */
static int make(const struct request *request, const char *path)
{
    gw_status status = gw_key_make(path, request->job, request->first, request->workers);
    if (status == GW_OK && request->split) {
        status = gw_key_split(path);
        if (status)
            unlink(path);
    }
    if (status) {
        tool_complain("key", "%s", gw_server_error(NULL));
        return TOOL_BAD_USE;
    }
    const int last = request->first + request->workers - 1;
    printf("%s: keys of workers %d to %d of job %s\n", path, request->first, last, request->job);
    if (request->split)
        printf("%s.%d to %s.%d: one worker's key each\n", path, request->first, path, last);
    return fflush(stdout) == 0 ? TOOL_GOOD : TOOL_BAD_USE;
}

int tool_key(int argc, char **argv)
{
    static const struct argp argp = {
        .options = flags,
        .parser = parse,
        .doc = "Make a file of mode 0600 with a random key for each worker of a job. A server has "
               "the whole file; a worker needs its own line only, which --split puts into a file "
               "of its own. No key is printed, and no file is written over."
               "\vExit status: 0 good, 1 bad use or another error."
    };
    struct request request = { .job = "gradwire" };
    char *standard = NULL;
    if (argp_parse(&argp, argc, argv, 0, NULL, &request) != 0)
        return TOOL_BAD_USE;
    if (!request.path) {
        size_t bytes = strlen(request.job) + sizeof ".keys";
        standard = malloc(bytes);
        if (!standard) {
            tool_complain("key", "out of memory");
            return TOOL_BAD_USE;
        }
        snprintf(standard, bytes, "%s.keys", request.job);
    }
    int status = make(&request, request.path ? request.path : standard);
    free(standard);
    return status;
}
