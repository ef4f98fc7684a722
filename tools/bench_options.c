/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The flags of `gradwire bench`; the short ones are those of nccl-tests. */
#include "tools/bench.h"

#include <argp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/numbers.h"

enum key {
    KEY_CODEC = 256,
    KEY_ALGORITHM,
    KEY_GATE,
    KEY_OP,
    KEY_DIST,
    KEY_LINK,
    KEY_JSON,
    KEY_MIN_BUSBW,
    KEY_TIMEOUT,
    KEY_TUNE,
    KEY_RANKS,
    KEY_OVERLAP,
    KEY_TESTS,
    KEY_PROGRESS,
    KEY_THREADS,
    KEY_PIECE,
    KEY_WORKERS,
    KEY_UNIX,
    KEY_PULL
};

static const struct argp_option flags[] = {
    { NULL, 'b', "SIZE", 0, "smallest tensor, in bytes, K, M or G (default 64K)", 0 },
    { NULL, 'e', "SIZE", 0, "largest tensor (default 16M)", 0 },
    { NULL, 'f', "FACTOR", 0, "from one size to the next (default 4)", 0 },
    { NULL, 'n', "RUNS", 0, "timed runs of each codec (default 20)", 0 },
    { NULL, 'w', "RUNS", 0, "runs before them, not timed (default 3)", 0 },
    { NULL, 'c', NULL, 0, "check results against a double sum: fills nmse, cosine, bias", 0 },
    { "codec", KEY_CODEC, "SPECS", 0,
      "codec specs, separated by spaces; may be given again (default GRADWIRE_CODEC, else "
      "qsgd:bits=4)",
      1 },
    { "algorithm", KEY_ALGORITHM, "NAME", 0, "default GRADWIRE_ALGORITHM, else the cheapest", 1 },
    { "gate", KEY_GATE, "MODE", 0,
      "auto, off or live: whether raw may be sent where the codec is slower (default "
      "GRADWIRE_GATE, "
      "else auto)",
      1 },
    { "op", KEY_OP, "NAME", 0,
      "allreduce (default), reduce_scatter, allgather, broadcast, or pushpull: workers of a "
      "parameter server on loopback",
      1 },
    { "dist", KEY_DIST, "NAME", 0,
      "input: normal (default), laplace, sparse (1 in 100 not zero) or file:PATH (floats of 4 "
      "bytes, as they lie in memory)",
      1 },
    { "link", KEY_LINK, "RATE,LATENCY", 0, "simulate a link: 1gbit,50us", 1 },
    { "ranks", KEY_RANKS, "N", 0, "run N ranks as threads of this process, without mpirun", 1 },
    { "overlap", KEY_OVERLAP, NULL, 0,
      "measure instead what share of the collective hides behind computing", 1 },
    { "tests", KEY_TESTS, "N", 0,
      "calls of gw_test in the computation of --overlap (default 64, with progress by a thread 0)",
      1 },
    { "progress", KEY_PROGRESS, "WHO", 0,
      "who moves runs: caller or thread (default GRADWIRE_PROGRESS)", 1 },
    { "threads", KEY_THREADS, "N", 0, "threads that compute (default GRADWIRE_THREADS)", 1 },
    { "piece", KEY_PIECE, "N", 0, "elements per piece of a block (default GRADWIRE_PIECE)", 1 },
    { "workers", KEY_WORKERS, "N,...", 0,
      "of --op pushpull, one number after the other (default 1,2,4; under a launcher its ranks)",
      1 },
    { "unix", KEY_UNIX, NULL, 0, "--op pushpull over Unix sockets instead of TCP", 1 },
    { "pull", KEY_PULL, "SPEC", 0, "codec of pulls of --op pushpull (default raw)", 1 },
    { "json", KEY_JSON, "FILE", 0,
      "write one JSON object per line; - is standard output, in place of the table", 2 },
    { "tune", KEY_TUNE, "FILE", 0,
      "measure all algorithms with each codec and write a tuning file, for GRADWIRE_TUNING", 2 },
    { "min-busbw", KEY_MIN_BUSBW, "X", 0, "exit with 4 if a row's busbw is below X GB/s", 2 },
    { "timeout", KEY_TIMEOUT, "SECONDS", 0,
      "limit of every wait (default GRADWIRE_TIMEOUT); exit with 3 behind it", 2 },
    { 0 }
};

static const char doc[] =
    "Bandwidth and error of a collective, alone or under mpirun or gradwire run. Raw and fp16 runs "
    "are interleaved with those of the codecs: vs_raw and vs_fp16 above 1 mean that the codec is "
    "faster."
    "\vGRADWIRE_TRACE=PREFIX in the environment makes PREFIX.json, a trace of all ranks for "
    "chrome://tracing or Perfetto.\n"
    "Exit status: 0 good, 1 bad use, 2 wrong result, 3 time limit, 4 below the floor.";

/* Another list of specs behind those that there are. */
static int add_codecs(struct bench_options *options, const char *specs)
{
    const char *before = options->specs ? options->specs : "";
    size_t bytes = strlen(before) + strlen(specs) + 2;
    char *joined = malloc(bytes);
    if (!joined)
        return -1;
    snprintf(joined, bytes, "%s %s", before, specs);
    free(options->specs);
    options->specs = joined;
    return 0;
}

/* Cut the list at its blanks. */
static int split_codecs(struct bench_options *options)
{
    char *rest = NULL;
    size_t most = strlen(options->specs) / 2 + 1;
    options->codecs = calloc(most, sizeof *options->codecs);
    if (!options->codecs)
        return -1;
    for (char *spec = strtok_r(options->specs, " ", &rest); spec; spec = strtok_r(NULL, " ", &rest))
        options->codecs[options->codecs_count++] = spec;
    return 0;
}

static int is_link(const char *text)
{
    const char *comma = strchr(text, ',');
    return comma && comma != text && comma[1] && !strchr(comma + 1, ',');
}

/* The flags with a letter. 0, -1 for a bad value, ARGP_ERR_UNKNOWN. */
static int parse_letter(int key, const char *arg, struct bench_options *options)
{
    switch (key) {
    case 'b':
        return bench_parse_size(&options->min_bytes, arg);
    case 'e':
        return bench_parse_size(&options->max_bytes, arg);
    case 'f':
        return bench_parse_number(&options->factor, arg, 1);
    case 'n':
        return tool_parse_int(&options->runs, arg, 1, INT_MAX);
    case 'w':
        return tool_parse_int(&options->warmup, arg, 0, INT_MAX);
    case 'c':
        options->check = 1;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int parse_gate(gw_gate *out, const char *text)
{
    static const char *const names[] = { "", "auto", "off", "live" };
    for (int i = GW_GATE_AUTO; i <= GW_GATE_LIVE; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (gw_gate)i;
            return 0;
        }
    }
    return -1;
}

/* How runs are moved and cut. 0, -1 for a bad value, ARGP_ERR_UNKNOWN. */
static int parse_engine(int key, const char *arg, struct bench_options *options)
{
    static const char *const movers[] = { [GW_PROGRESS_DEFAULT] = "default",
                                          [GW_PROGRESS_CALLER] = "caller",
                                          [GW_PROGRESS_THREAD] = "thread",
                                          NULL };
    int number = 0, result;
    switch (key) {
    case KEY_OVERLAP:
        options->overlap = 1;
        return 0;
    case KEY_TESTS:
        return tool_parse_int(&options->tests, arg, 0, INT_MAX);
    case KEY_PROGRESS:
        result = bench_parse_word(&number, arg, movers);
        options->progress = (gw_progress)number;
        return result;
    case KEY_THREADS:
        return tool_parse_int(&options->threads, arg, 1, INT_MAX);
    case KEY_PIECE:
        result = tool_parse_int(&number, arg, 1, INT_MAX);
        options->piece_count = (size_t)number;
        return result;
    default:
        return parse_letter(key, arg, options);
    }
}

/* "1,2,4". */
static int parse_workers(struct bench_options *options, const char *text)
{
    char one[16];
    options->workers_count = 0;
    for (const char *at = text; *at || at == text;) {
        size_t length = strcspn(at, ",");
        if (length >= sizeof one ||
            options->workers_count == (int)(sizeof options->workers / sizeof *options->workers))
            return -1;
        memcpy(one, at, length);
        one[length] = '\0';
        if (tool_parse_int(&options->workers[options->workers_count++], one, 1, INT_MAX))
            return -1;
        at += length;
        if (*at && !*++at)
            return -1;
    }
    return 0;
}

/* What --op pushpull needs. 0, -1 for a bad value, ARGP_ERR_UNKNOWN. */
static int parse_server(int key, const char *arg, struct bench_options *options)
{
    switch (key) {
    case KEY_WORKERS:
        return parse_workers(options, arg);
    case KEY_UNIX:
        options->unix_socket = 1;
        return 0;
    case KEY_PULL:
        options->pull = arg;
        return *arg ? 0 : -1;
    default:
        return parse_engine(key, arg, options);
    }
}

static int parse_word(int key, const char *arg, struct bench_options *options)
{
    switch (key) {
    case KEY_CODEC:
        return add_codecs(options, arg);
    case KEY_ALGORITHM:
        options->algorithm = arg;
        return 0;
    case KEY_GATE:
        return parse_gate(&options->gate, arg);
    case KEY_OP:
        return bench_parse_op(&options->op, arg);
    case KEY_DIST:
        options->dist = arg;
        return 0;
    case KEY_LINK:
        options->link = arg;
        return is_link(arg) ? 0 : -1;
    case KEY_JSON:
        options->json = arg;
        return 0;
    case KEY_TUNE:
        options->tune = arg;
        return 0;
    case KEY_MIN_BUSBW:
        return bench_parse_number(&options->min_busbw, arg, 0);
    case KEY_TIMEOUT:
        return bench_parse_number(&options->timeout, arg, 0);
    case KEY_RANKS:
        return tool_parse_int(&options->ranks, arg, 1, INT_MAX);
    default:
        return parse_server(key, arg, options);
    }
}

static void name_flag(char *name, size_t capacity, int key)
{
    snprintf(name, capacity, "-%c", key);
    for (const struct argp_option *flag = flags; flag->key; flag++)
        if (flag->key == key && flag->name)
            snprintf(name, capacity, "--%s", flag->name);
}

/* Where one end of the sizes is given, the other's default keeps clear of it. */
static int choose_sizes(struct bench_options *options)
{
    const size_t smallest = 64 << 10, largest = 16 << 20;
    size_t min = options->min_bytes, max = options->max_bytes;
    if (!min)
        options->min_bytes = max && max < smallest ? max : smallest;
    if (!max)
        options->max_bytes = min > largest ? min : largest;
    return options->max_bytes < options->min_bytes ? -1 : 0;
}

/* -1: flags that do not go together. */
static int choose_workers(struct bench_options *options)
{
    static const int standard[] = { 1, 2, 4 };
    if (options->op != BENCH_PUSHPULL)
        return options->workers_count || options->unix_socket || options->pull ? -1 : 0;
    if (options->overlap || options->tune || options->gate != GW_GATE_DEFAULT)
        return -1;
    if (!options->pull)
        options->pull = "raw";
    if (options->workers_count || options->ranks || bench_is_launched())
        return 0;
    memcpy(options->workers, standard, sizeof standard);
    options->workers_count = sizeof standard / sizeof *standard;
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct bench_options *options = state->input;
    if (key == ARGP_KEY_ARG)
        argp_error(state, "unexpected argument %s", arg);
    if (key == ARGP_KEY_END && choose_sizes(options))
        argp_error(state, "the largest size (-e) is below the smallest (-b)");
    if (key == ARGP_KEY_END && choose_workers(options))
        argp_error(state, "--workers, --unix and --pull go with --op pushpull, and that not with "
                          "--overlap, --tune, --algorithm or --gate");
    int result = parse_word(key, arg, options);
    if (result < 0) {
        char name[32];
        name_flag(name, sizeof name, key);
        argp_error(state, "%s %s: not a valid value", name, arg);
    }
    return result;
}

/* With --tune. */
static const char tuned_codecs[] =
    "raw fp16 qsgd:bits=8 qsgd:bits=4 ef+qsgd:bits=4 ef+sign ef+topk";

/* A setting of the environment, which gives defaults; NULL where there is none. */
static const char *environment(const char *variable)
{
    gw_setting_info setting;
    for (size_t i = 0; gw_info_setting(i, &setting); i++)
        if (strcmp(setting.variable, variable) == 0)
            return strcmp(setting.origin, "environment") == 0 ? setting.value : NULL;
    return NULL;
}

int bench_options_parse(struct bench_options *options, int argc, char **argv)
{
    static const struct argp argp = { .options = flags, .parser = parse, .doc = doc };
    *options = (struct bench_options){ .factor = 4,
                                       .runs = 20,
                                       .warmup = 3,
                                       .tests = -1,
                                       .dist = "normal",
                                       .algorithm = environment("GRADWIRE_ALGORITHM") };
    if (argp_parse(&argp, argc, argv, 0, NULL, options) != 0)
        return -1;
    const char *codec = environment("GRADWIRE_CODEC");
    if (!codec)
        codec = options->tune ? tuned_codecs : "qsgd:bits=4";
    int failed = !options->specs && add_codecs(options, codec);
    if (failed || split_codecs(options)) {
        tool_complain("bench", "out of memory");
        return -1;
    }
    if (options->codecs_count)
        return 0;
    tool_complain("bench", "--codec: expected a spec, as in qsgd:bits=4");
    return -1;
}

void bench_options_close(struct bench_options *options)
{
    free(options->codecs);
    free(options->specs);
}
