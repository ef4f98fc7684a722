/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The flags of `gradwire serve`. Specs go to the library as they stand: its words name the valid
 * ones. */
#include "tools/serve.h"

#include <argp.h>
#include <string.h>

#include "tools/numbers.h"

enum key {
    KEY_LISTEN = 256,
    KEY_HTTP,
    KEY_JOB,
    KEY_KEYS,
    KEY_WORKERS,
    KEY_SEED,
    KEY_MODE,
    KEY_AGGREGATOR,
    KEY_OPTIMIZER,
    KEY_PULL,
    KEY_FEEDBACK,
    KEY_DURABILITY,
    KEY_FOLDER,
    KEY_LOST,
    KEY_DEAD,
    KEY_DRAIN,
    KEY_THREADS,
    KEY_LOG,
    KEY_QUIET,
    KEY_ADDRESS_FILE
};

static const struct argp_option flags[] = {
    { "listen", KEY_LISTEN, "ADDRESS,...", 0,
      "tcp:HOST:PORT or unix:PATH, separated by commas; port 0 is chosen by the system (default "
      "tcp:127.0.0.1:4500)",
      0 },
    { "http", KEY_HTTP, "HOST:PORT", 0,
      "metrics in Prometheus' text format at /metrics, on a local address", 0 },
    { "keys", KEY_KEYS, "FILE", 0,
      "key file; needed to listen on addresses that are not local (gradwire key makes it)", 0 },
    { "job", KEY_JOB, "NAME", 0, "the job's name (default gradwire)", 1 },
    { "workers", KEY_WORKERS, "N", 0, "workers that the first round waits for", 1 },
    { "seed", KEY_SEED, "N", 0, "of random numbers", 1 },
    { "mode", KEY_MODE, "SPEC", 0, "sync, quorum:k=K, async or ssp:s=S", 1 },
    { "aggregator", KEY_AGGREGATOR, "SPEC", 0, "mean, sum, vote, median, trimmed or clip", 1 },
    { "optimizer", KEY_OPTIMIZER, "SPEC", 0, "sgd, momentum, adam and others, or none", 1 },
    { "pull", KEY_PULL, "SPEC", 0, "codec of pulls", 1 },
    { "feedback", KEY_FEEDBACK, "NAME", 0, "what a pull keeps back, for whom: shared or worker",
      1 },
    { "durability", KEY_DURABILITY, "SPEC", 0, "none (default), snapshot:every=N or log:every=N",
      2 },
    { "folder", KEY_FOLDER, "DIR", 0, "of snapshots and logs; needed unless the durability is none",
      2 },
    { "lost", KEY_LOST, "SECONDS", 0,
      "how long a worker whose connection broke is waited for (default 2)", 3 },
    { "dead", KEY_DEAD, "SECONDS", 0, "silence after which a peer is dead (default 1.9)", 3 },
    { "drain", KEY_DRAIN, "SECONDS", 0, "how long a stop lets a round go on (default 5)", 3 },
    { "threads", KEY_THREADS, "N", 0, "threads that decode and sum (default: the cores)", 3 },
    { "log", KEY_LOG, "FILE", 0, "append the log to FILE (default standard error)", 4 },
    { "quiet", KEY_QUIET, NULL, 0, "log warnings and errors only", 4 },
    { "address-file", KEY_ADDRESS_FILE, "FILE", 0,
      "write the addresses to FILE, one per line, once all are open", 4 },
    { 0 }
};

static const char doc[] =
    "A parameter server: keeps a shard of a job's parameters, which workers push gradients to and "
    "pull values from. What is said neither here nor by another server's worker is taken from the "
    "first worker. Prints the addresses that it listens on."
    "\vSIGTERM or SIGINT ends the round, writes a last snapshot and leaves; a second one leaves at "
    "once.\n"
    "Exit status: 0 good, 1 bad use or another error.";

static const char *name_of(int key)
{
    for (const struct argp_option *flag = flags; flag->key; flag++)
        if (flag->key == key)
            return flag->name;
    return "";
}

/* Specs and names. 0, or ARGP_ERR_UNKNOWN. */
static int parse_text(int key, const char *arg, struct serve_options *options)
{
    gw_server_options *server = &options->server;
    const struct {
        int key;
        const char **to;
    } texts[] = {
        { KEY_LISTEN, &server->listen },
        { KEY_HTTP, &server->http },
        { KEY_JOB, &server->job },
        { KEY_KEYS, &server->keys },
        { KEY_MODE, &server->mode },
        { KEY_AGGREGATOR, &server->aggregator },
        { KEY_OPTIMIZER, &server->optimizer },
        { KEY_PULL, &server->pull },
        { KEY_FEEDBACK, &server->feedback },
        { KEY_DURABILITY, &server->durability },
        { KEY_FOLDER, &server->folder },
        { KEY_LOG, &options->log },
        { KEY_ADDRESS_FILE, &options->address_file },
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].key == key) {
            *texts[i].to = arg;
            return 0;
        }
    }
    return ARGP_ERR_UNKNOWN;
}

/* 0, -1 for a bad value, ARGP_ERR_UNKNOWN. */
static int parse_number(int key, const char *arg, struct serve_options *options)
{
    gw_server_options *server = &options->server;
    switch (key) {
    case KEY_WORKERS:
        return tool_parse_int(&server->workers, arg, 1, 65536);
    case KEY_THREADS:
        return tool_parse_int(&server->threads, arg, 1, 1024);
    case KEY_SEED:
        return tool_parse_seed(&server->seed, arg);
    case KEY_LOST:
        return tool_parse_seconds(&server->lost_s, arg);
    case KEY_DEAD:
        return tool_parse_seconds(&server->dead_s, arg);
    case KEY_DRAIN:
        return tool_parse_seconds(&server->drain_s, arg);
    case KEY_QUIET:
        options->quiet = 1;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void check(const struct serve_options *options, struct argp_state *state)
{
    const char *durability = options->server.durability;
    int none = !durability || strcmp(durability, "none") == 0;
    if (options->server.folder && none)
        argp_error(state, "--folder keeps nothing without --durability snapshot or log");
    if (!options->server.folder && !none)
        argp_error(state, "--durability %s needs --folder", durability);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct serve_options *options = state->input;
    if (key == ARGP_KEY_ARG)
        argp_error(state, "unexpected argument %s", arg);
    if (key == ARGP_KEY_END)
        check(options, state);
    if (parse_text(key, arg, options) == 0)
        return 0;
    int result = parse_number(key, arg, options);
    if (result < 0)
        argp_error(state, "--%s %s: not a valid value", name_of(key), arg);
    return result;
}

int serve_options_parse(struct serve_options *options, int argc, char **argv)
{
    static const struct argp argp = { .options = flags, .parser = parse, .doc = doc };
    *options = (struct serve_options){ 0 };
    return argp_parse(&argp, argc, argv, 0, NULL, options) == 0 ? 0 : -1;
}
