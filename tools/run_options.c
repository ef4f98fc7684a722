/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The flags of `gradwire run`. The first word that is none is the program, and what follows is the
 * program's. */
#include <gradwire.h>

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "tools/numbers.h"
#include "tools/run.h"

enum key { KEY_LINK = 256, KEY_TCP, KEY_PLAIN, KEY_TIMEOUT };

static const struct argp_option flags[] = {
    { NULL, 'n', "RANKS", 0, "how many processes (default: one)", 0 },
    { "link", KEY_LINK, "RATE,LATENCY", 0, "simulate a link: 1gbit,50us", 0 },
    { "tcp", KEY_TCP, NULL, 0, "TCP on 127.0.0.1 between ranks, in place of Unix sockets", 0 },
    { "no-prefix", KEY_PLAIN, NULL, 0, "output without [RANK] in front of each line", 0 },
    { "timeout", KEY_TIMEOUT, "SECONDS", 0, "end the job after that time, with status 3", 0 },
    { 0 }
};

static const char doc[] =
    "Starts N processes of a program on this machine, which env: and programs without a comm spec "
    "connect by sockets: no MPI is needed."
    "\vThe exit status is 0 if all ranks end with 0, else that of the first that did not (128 + "
    "the signal that killed it); 1 bad use, 3 time limit.";

/* The library's own words for what it would refuse in every rank. */
static int check_link(struct argp_state *state, const char *link)
{
    char spec[256];
    gw_comm *comm;
    const char *comma = strchr(link, ',');
    if (!comma || comma == link || !comma[1] || strchr(comma + 1, ','))
        return -1;
    snprintf(spec, sizeof spec, "shaped:rate=%.*s,latency=%s/self:", (int)(comma - link), link,
             comma + 1);
    if (gw_comm_open(&comm, spec))
        argp_error(state, "--link %s: %s", link, gw_comm_error(NULL));
    else
        gw_comm_close(comm);
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct run_options *options = state->input;
    int result = 0;
    switch (key) {
    case 'n':
        result = tool_parse_int(&options->ranks, arg, 1, RUN_RANKS_MAX);
        break;
    case KEY_LINK:
        options->link = arg;
        result = check_link(state, arg);
        break;
    case KEY_TCP:
        options->tcp = true;
        break;
    case KEY_PLAIN:
        options->plain = true;
        break;
    case KEY_TIMEOUT:
        result = tool_parse_seconds(&options->timeout, arg);
        break;
    case ARGP_KEY_ARG:
        options->command = state->argv + state->next - 1;
        state->next = state->argc;
        break;
    case ARGP_KEY_END:
        if (!options->command)
            argp_error(state, "no program is given");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    if (result)
        argp_error(state, "%s is not a valid value", arg);
    return 0;
}

int run_options_parse(struct run_options *options, int argc, char **argv)
{
    static const struct argp argp = {
        .options = flags, .parser = parse, .args_doc = "[--] PROGRAM [ARGUMENT...]", .doc = doc
    };
    *options = (struct run_options){ .ranks = 1 };
    return argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, options) ? -1 : 0;
}
