/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * The command line. Numbers and words go through two small tables; what an option may not be is an
 * error of argp's, which names the option.
 *
 * The learning rate's default depends on the last codec of the spec. A vote gives +1 or -1 for
 * every element, so its rate is the length of a step. Coarse codecs under error feedback send late
 * what they could not send at once; momentum on top of that overshoots, so they get a larger rate
 * and no momentum. Without momentum a residual is worth rate times itself, so it is rescaled when
 * the rate changes (Zheng et al. 2019, Algorithm 2); momentum mixes gradients of many rates anyway.
 */
#include "options.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { /* keys of options without a letter */
       KEY_COMM = 256,
       KEY_TIMEOUT,
       KEY_RULE,
       KEY_BUCKET,
       KEY_THREADS,
       KEY_DRIVER,
       KEY_GATE,
       KEY_INVERT,
       KEY_RESCALE,
       KEY_PS,
       KEY_SERVE,
       KEY_WORKER,
       KEY_WORKERS,
       KEY_MODE,
       KEY_AGGREGATOR,
       KEY_PULL,
       KEY_FEEDBACK,
       KEY_KEYS,
       KEY_JOB,
       KEY_TEXT,
       KEY_IMAGES,
       KEY_CONTEXT,
       KEY_EMBED,
       KEY_HIDDEN,
       KEY_ACTIVATION,
       KEY_WARMUP,
       KEY_SEED,
       KEY_OPTIMIZER,
       KEY_SCHEDULE,
       KEY_RATE,
       KEY_RATE_END,
       KEY_MOMENTUM,
       KEY_TARGET,
       KEY_EVAL_EVERY,
       KEY_EVAL_COUNT,
       KEY_JSON,
       KEY_CURVE,
       KEY_SHOW_PROGRESS,
       KEY_VERIFY,
       KEY_CHECKPOINT,
       KEY_CHECKPOINT_EVERY,
       KEY_RESUME,
       KEY_DIE_AT,
};

static const struct argp_option option_table[] = {
    { NULL, 0, NULL, 0, "Exchange of gradients:", 1 },
    { "comm", KEY_COMM, "SPEC", 0, "group of ranks (default: GRADWIRE_COMM, else env:)", 0 },
    { "codec", 'c', "SPEC", 0, "how gradients travel (default: GRADWIRE_CODEC, else raw)", 0 },
    { "algorithm", 'a', "NAME", 0, "how they are summed (default: the cheapest)", 0 },
    { "rule", KEY_RULE, "GLOB=SPEC", 0,
      "codec of the tensors whose name matches, such as '*.bias=raw'; may be repeated, the first "
      "match wins",
      0 },
    { "timeout", KEY_TIMEOUT, "SECONDS", 0, "limit of every wait for other ranks", 0 },
    { "bucket", KEY_BUCKET, "BYTES", 0,
      "tensors that travel together (default: GRADWIRE_BUCKET, else 4 MiB)", 0 },
    { "progress", KEY_DRIVER, "WHO", 0,
      "who moves them while gradients are computed: caller or thread (default: GRADWIRE_PROGRESS, "
      "else caller)",
      0 },
    { "threads", KEY_THREADS, "N", 0, "that encode and add (default: GRADWIRE_THREADS)", 0 },
    { "gate", KEY_GATE, "WHEN", 0,
      "send raw where the codec would be slower: off, auto or live (default: GRADWIRE_GATE, else "
      "off, so that a run can be repeated)",
      0 },
    { "invert-ranks", KEY_INVERT, "N", 0, "the last N ranks send the opposite of their gradient",
      0 },
    { "rescale", KEY_RESCALE, "yes|no", 0,
      "rescale residuals when the rate changes (yes for sgd without momentum, else no)", 0 },
    { NULL, 0, NULL, 0,
      "Parameter servers instead (--codec is of pushes, the optimizer is theirs):", 2 },
    { "ps", KEY_PS, "ADDRESS,..", 0, "push to and pull from these, such as tcp:127.0.0.1:4500", 0 },
    { "serve", KEY_SERVE, "S", 0, "the first S ranks of this job are the servers", 0 },
    { "worker", KEY_WORKER, "K", 0, "number of the worker that rank 0 of this job is (0)", 0 },
    { "workers", KEY_WORKERS, "N", 0, "that the first round waits for (this job's)", 0 },
    { "mode", KEY_MODE, "SPEC", 0, "sync, quorum:k=3, async or ssp:s=2 (the server's, else sync)",
      0 },
    { "aggregator", KEY_AGGREGATOR, "SPEC", 0,
      "mean, vote, median, trimmed, clip (vote for codecs that vote; the server's, else mean)", 0 },
    { "pull", KEY_PULL, "SPEC", 0, "codec of pulls, such as fp16 (the server's, else raw)", 0 },
    { "feedback", KEY_FEEDBACK, "WHOSE", 0,
      "what a pull keeps back: shared, or by worker (the server's, else shared)", 0 },
    { "keys", KEY_KEYS, "FILE", 0, "key file, for servers on other machines", 0 },
    { "job", KEY_JOB, "NAME", 0, "that servers, workers and keys share (gradwire)", 0 },
    { NULL, 0, NULL, 0, "Data and model:", 3 },
    { "text", KEY_TEXT, "FILE", 0, "text to learn (default: /usr/share/common-licenses)", 0 },
    { "images", KEY_IMAGES, "DIR", 0, "learn to classify images in the MNIST format instead", 0 },
    { "context", KEY_CONTEXT, "N", 0, "characters that the next is told from (16)", 0 },
    { "embed", KEY_EMBED, "N", 0, "numbers per character (32)", 0 },
    { "hidden", KEY_HIDDEN, "N,N..", 0, "widths of the hidden layers (1024,512)", 0 },
    { "activation", KEY_ACTIVATION, "NAME", 0, "relu or tanh (relu)", 0 },
    { NULL, 0, NULL, 0, "Training:", 4 },
    { "steps", 'n', "N", 0, "steps (120)", 0 },
    { "batch", 'b', "N", 0, "examples per rank and step (48)", 0 },
    { "seed", KEY_SEED, "N", 0, "of parameters, examples and codecs (1)", 0 },
    { "optimizer", KEY_OPTIMIZER, "NAME", 0, "sgd or adam (sgd)", 0 },
    { "lr", KEY_RATE, "X", 0,
      "learning rate (sgd 0.5, adam 0.003; vote 0.003; sgd with sign, onebit, terngrad and topk 4)",
      0 },
    { "lr-end", KEY_RATE_END, "X", 0, "what is left of it at the last step (0.05)", 0 },
    { "schedule", KEY_SCHEDULE, "NAME", 0, "constant, linear or cosine (cosine)", 0 },
    { "warmup", KEY_WARMUP, "N", 0, "steps over which the rate rises (15, at most steps / 4)", 0 },
    { "momentum", KEY_MOMENTUM, "X", 0,
      "of sgd, or beta1 of adam (0.9; 0 for sgd with vote, sign, onebit, terngrad and topk)", 0 },
    { "target-loss", KEY_TARGET, "X", 0, "stop when the held-out loss is at most this", 0 },
    { NULL, 0, NULL, 0, "Reports:", 5 },
    { "eval-every", KEY_EVAL_EVERY, "N", 0,
      "steps between held-out losses (10; 0: first and last only)", 0 },
    { "eval-count", KEY_EVAL_COUNT, "N", 0, "held-out examples to use (2048; 0: all)", 0 },
    { "json", KEY_JSON, "FILE", 0, "write one JSON object at the end; - is standard output", 0 },
    { "curve", KEY_CURVE, "FILE", 0, "write columns: step seconds bytes train_loss heldout_loss",
      0 },
    { "show-progress", KEY_SHOW_PROGRESS, NULL, 0, "show progress even when no terminal is there",
      0 },
    { "verify", KEY_VERIFY, NULL, 0, "compare the ranks' parameters at every held-out loss", 0 },
    { NULL, 0, NULL, 0, "Checkpoints:", 6 },
    { "checkpoint", KEY_CHECKPOINT, "FILE", 0, "save to FILE.RANK", 0 },
    { "checkpoint-every", KEY_CHECKPOINT_EVERY, "N", 0, "steps between two (50)", 0 },
    { "resume", KEY_RESUME, NULL, 0, "go on from the newest step that every rank has saved", 0 },
    { "die-at", KEY_DIE_AT, "STEP", 0,
      "the last rank kills itself before this step: a test of "
      "--resume",
      0 },
    { NULL, 0, NULL, 0, NULL, 0 },
};

static uint64_t read_integer(const char *word, uint64_t least, uint64_t most,
                             struct argp_state *state, const char *name)
{
    char *end;
    unsigned long long value = strtoull(word, &end, 10);
    if (end == word || *end || word[0] == '-' || value < least || value > most)
        argp_error(state, "--%s is a whole number from %" PRIu64 " to %" PRIu64 ", not \"%s\"",
                   name, least, most, word);
    return value;
}

static double read_real(const char *word, double least, double most, struct argp_state *state,
                        const char *name)
{
    char *end;
    double value = strtod(word, &end);
    if (end == word || *end || !(value >= least && value <= most))
        argp_error(state, "--%s is a number from %g to %g, not \"%s\"", name, least, most, word);
    return value;
}

static int read_word(const char *word, const char *const *words, struct argp_state *state,
                     const char *name)
{
    int i = 0;
    while (words[i] && strcmp(words[i], word) != 0)
        i++;
    if (!words[i])
        argp_error(state, "--%s does not know \"%s\"; see --help", name, word);
    return i;
}

static void read_hidden(tr_options *options, const char *list, struct argp_state *state)
{
    char number[24];
    options->hidden_count = 0;
    while (*list) {
        size_t length = strcspn(list, ",");
        if (options->hidden_count == MODEL_HIDDEN_MAX)
            argp_error(state, "--hidden takes at most %d layers", MODEL_HIDDEN_MAX);
        snprintf(number, sizeof number, "%.*s", (int)length, list);
        options->hidden[options->hidden_count++] = read_integer(number, 1, 65536, state, "hidden");
        list += length + (list[length] == ',');
    }
}

static void read_rule(tr_options *options, char *text, struct argp_state *state)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1]) {
        argp_error(state, "--rule is GLOB=SPEC, not \"%s\"", text);
        return;
    }
    if (options->rules_count == OPTIONS_RULES_MAX)
        argp_error(state, "--rule may be given at most %d times", OPTIONS_RULES_MAX);
    *equals = '\0';
    options->rules[options->rules_count++] = (gw_rule){ text, equals + 1 };
}

static int parse_integer(int key, const char *word, tr_options *options, struct argp_state *state)
{
    const struct {
        int key;
        const char *name;
        uint64_t least, most, *to;
    } table[] = {
        { KEY_INVERT, "invert-ranks", 0, 1 << 20, &options->invert_ranks },
        { KEY_CONTEXT, "context", 1, 1024, &options->context },
        { KEY_EMBED, "embed", 1, 1024, &options->embed },
        { 'n', "steps", 1, 1 << 30, &options->steps },
        { 'b', "batch", 1, 4096, &options->batch },
        { KEY_BUCKET, "bucket", 1, 1ull << 40, &options->bucket_bytes },
        { KEY_THREADS, "threads", 1, 1024, &options->threads },
        { KEY_SEED, "seed", 1, UINT64_MAX, &options->seed },
        { KEY_WARMUP, "warmup", 0, 1 << 30, &options->warmup },
        { KEY_EVAL_EVERY, "eval-every", 0, 1 << 30, &options->eval_every },
        { KEY_EVAL_COUNT, "eval-count", 0, 1 << 30, &options->eval_count },
        { KEY_CHECKPOINT_EVERY, "checkpoint-every", 1, 1 << 30, &options->checkpoint_every },
        { KEY_DIE_AT, "die-at", 1, 1 << 30, &options->die_at },
        { KEY_SERVE, "serve", 1, 256, &options->serve },
        { KEY_WORKER, "worker", 0, 65535, &options->worker },
        { KEY_WORKERS, "workers", 1, 65536, &options->workers },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].key == key) {
            *table[i].to = read_integer(word, table[i].least, table[i].most, state, table[i].name);
            return 1;
        }
    return 0;
}

static int parse_real(int key, const char *word, tr_options *options, struct argp_state *state)
{
    const struct {
        int key;
        const char *name;
        double least, most, *to;
    } table[] = {
        { KEY_TIMEOUT, "timeout", 1e-3, 1e6, &options->timeout_s },
        { KEY_RATE, "lr", 1e-12, 1e6, &options->rate },
        { KEY_RATE_END, "lr-end", 1e-6, 1, &options->rate_end },
        { KEY_MOMENTUM, "momentum", 0, 0.9999, &options->momentum },
        { KEY_TARGET, "target-loss", 0, 1e6, &options->target_loss },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].key == key) {
            *table[i].to = read_real(word, table[i].least, table[i].most, state, table[i].name);
            return 1;
        }
    return 0;
}

static int parse_text(int key, const char *word, tr_options *options)
{
    const struct {
        int key;
        const char **to;
    } table[] = {
        { KEY_COMM, &options->comm },     { 'c', &options->codec },
        { 'a', &options->algorithm },     { KEY_TEXT, &options->text },
        { KEY_IMAGES, &options->images }, { KEY_JSON, &options->json },
        { KEY_CURVE, &options->curve },   { KEY_CHECKPOINT, &options->checkpoint },
        { KEY_PS, &options->ps },         { KEY_MODE, &options->mode },
        { KEY_PULL, &options->pull },     { KEY_AGGREGATOR, &options->aggregator },
        { KEY_KEYS, &options->keys },     { KEY_FEEDBACK, &options->feedback },
        { KEY_JOB, &options->job },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].key == key) {
            *table[i].to = word;
            return 1;
        }
    return 0;
}

/* Options that mean something for an allreduce only, and those for servers only. */
static void check_exchange(tr_options *options, struct argp_state *state)
{
    options->pushes = options->ps || options->serve;
    int summing = options->algorithm || options->bucket_bytes || options->threads ||
                  options->driver || options->gate || options->rescale == 1;
    int serving = options->worker || options->workers || options->mode || options->aggregator ||
                  options->pull || options->feedback || options->keys || options->job;
    if (options->ps && options->serve)
        argp_error(state, "--serve makes servers, --ps names some that run: give one of the two");
    if (options->pushes && summing)
        argp_error(state, "--algorithm, --bucket, --progress, --threads, --gate and --rescale are "
                          "of the allreduce, not of parameter servers");
    if (!options->pushes && serving)
        argp_error(state, "--worker, --workers, --mode, --aggregator, --pull, --feedback, --keys "
                          "and --job need --ps or --serve");
    if (options->serve && options->keys)
        argp_error(state, "--serve makes the keys that it needs: leave --keys out");
}

static error_t parse(int key, char *word, struct argp_state *state)
{
    static const char *const answers[] = { "no", "yes", NULL };
    static const char *const activations[] = { "tanh", "relu", NULL };
    static const char *const optimizers[] = { "sgd", "adam", NULL };
    static const char *const schedules[] = { "constant", "linear", "cosine", NULL };
    static const char *const drivers[] = { [GW_PROGRESS_DEFAULT] = "default",
                                           [GW_PROGRESS_CALLER] = "caller",
                                           [GW_PROGRESS_THREAD] = "thread",
                                           NULL };
    static const char *const gates[] = { [GW_GATE_DEFAULT] = "default",
                                         [GW_GATE_AUTO] = "auto",
                                         [GW_GATE_OFF] = "off",
                                         [GW_GATE_LIVE] = "live",
                                         NULL };
    tr_options *options = state->input;
    switch (key) {
    case KEY_RULE:
        read_rule(options, word, state);
        break;
    case KEY_HIDDEN:
        read_hidden(options, word, state);
        break;
    case KEY_ACTIVATION:
        options->activation = (tr_activation)read_word(word, activations, state, "activation");
        break;
    case KEY_OPTIMIZER:
        options->optimizer = (optimizer_kind)read_word(word, optimizers, state, "optimizer");
        break;
    case KEY_SCHEDULE:
        options->schedule = (tr_schedule)read_word(word, schedules, state, "schedule");
        break;
    case KEY_RESCALE:
        options->rescale = read_word(word, answers, state, "rescale");
        break;
    case KEY_DRIVER:
        options->driver = (gw_progress)read_word(word, drivers, state, "progress");
        break;
    case KEY_GATE:
        options->gate = (gw_gate)read_word(word, gates, state, "gate");
        break;
    case KEY_SHOW_PROGRESS:
        options->show_progress = 1;
        break;
    case KEY_VERIFY:
        options->verify = 1;
        break;
    case KEY_RESUME:
        options->resume = 1;
        break;
    case ARGP_KEY_END:
        if (options->resume && !options->checkpoint)
            argp_error(state, "--resume needs --checkpoint FILE");
        check_exchange(options, state);
        break;
    default:
        if (!parse_integer(key, word, options, state) && !parse_real(key, word, options, state) &&
            !parse_text(key, word, options))
            return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Does the spec end in this codec, whatever wrappers and parameters it has? */
static int ends_in(const char *spec, const char *codec)
{
    const char *plus = strrchr(spec, '+'), *core = plus ? plus + 1 : spec;
    size_t length = strcspn(core, ":");
    return length == strlen(codec) && strncmp(core, codec, length) == 0;
}

static void choose_defaults(tr_options *options)
{
    if (!options->codec)
        options->codec = getenv("GRADWIRE_CODEC");
    if (!options->codec)
        options->codec = "raw";
    if (options->gate == GW_GATE_DEFAULT && !getenv("GRADWIRE_GATE"))
        options->gate = GW_GATE_OFF;
    const char *codec = options->codec;
    options->vote = ends_in(codec, "vote");
    int coarse = ends_in(codec, "sign") || ends_in(codec, "onebit") || ends_in(codec, "topk") ||
                 ends_in(codec, "terngrad");
    int sgd = options->optimizer == OPTIMIZER_SGD;
    if (options->rate < 0)
        options->rate = options->vote ? 0.003 : !sgd ? 0.003 : coarse ? 4 : 0.5;
    if (options->momentum < 0)
        options->momentum = sgd && (options->vote || coarse) ? 0 : 0.9;
    if (options->rescale < 0)
        options->rescale = sgd && options->momentum == 0 && !options->pushes;
    if (options->pushes && options->vote && !options->aggregator)
        options->aggregator = "vote";
    if (options->warmup > options->steps / 4)
        options->warmup = options->steps / 4;
}

void options_parse(tr_options *out, int argc, char **argv)
{
    static const struct argp argp = {
        option_table,
        parse,
        NULL,
        "Train a small model on data spread over ranks, and report what the exchange of gradients "
        "cost.\vGRADWIRE_TRACE=PREFIX in the environment makes PREFIX.json, a trace of all ranks.\n"
        "Status: 0 good, 1 bad use, 2 the ranks' parameters differ or the loss is not "
        "finite, 3 other ranks failed or did not answer.",
        NULL,
        NULL,
        NULL
    };
    *out = (tr_options){
        .context = 16,
        .embed = 32,
        .hidden = { 1024, 512 },
        .hidden_count = 2,
        .activation = ACTIVATION_RELU,
        .steps = 120,
        .batch = 48,
        .warmup = 15,
        .seed = 1,
        .schedule = SCHEDULE_COSINE,
        .rescale = -1,
        .rate = -1,
        .rate_end = 0.05,
        .momentum = -1,
        .eval_every = 10,
        .eval_count = 2048,
        .checkpoint_every = 50,
    };
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, out);
    choose_defaults(out);
}

static const char *or_server(const char *term)
{
    return term ? term : "the server's";
}

void options_describe(const tr_options *options, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(
        text, capacity,
        "codec %s, algorithm %s, gate %d, batch %" PRIu64 ", steps %" PRIu64 ", warmup %" PRIu64
        ", seed %" PRIu64 ", optimizer %d, schedule %d, lr %.17g to %.17g, momentum %.17g, "
        "rescale %d, inverted %" PRIu64 ", context %" PRIu64 ", embed %" PRIu64
        ", activation %d, hidden",
        options->codec, options->algorithm ? options->algorithm : "default", (int)options->gate,
        options->batch, options->steps, options->warmup, options->seed, options->optimizer,
        options->schedule, options->rate, options->rate_end, options->momentum, options->rescale,
        options->invert_ranks, options->context, options->embed, options->activation);
    for (size_t i = 0; i < options->hidden_count && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, " %zu", options->hidden[i]);
    for (size_t i = 0; i < options->rules_count && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, ", rule %s=%s",
                                 options->rules[i].glob, options->rules[i].codec);
    if (options->pushes && used < capacity)
        snprintf(text + used, capacity - used, ", mode %s, aggregator %s, pull %s, feedback %s",
                 or_server(options->mode), or_server(options->aggregator), or_server(options->pull),
                 or_server(options->feedback));
}
