/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker of a parameter server as a process of its own, for tests that kill things. It pushes
 * `--steps` gradients, each followed by a pull, hands in what its codec kept back, leaves, and
 * prints one line: digests of all that it pushed and of the last values, and its counts.
 *
 * With --ledger the sum of all pushes can be read off the values, exactly: learning rate 1,
 * aggregator sum, and every gradient is a small multiple of 1/8 that depends on worker and element
 * alone. Element k belongs to worker k: 1 in its pushes, 0 in those of the others. So the values
 * at k are minus the number of pushes of worker k that count, and all others follow from these.
 * `--observer --ledger` pulls once, as nobody's worker, checks that, and prints the counts: exit
 * status 2 if an element differs.
 *
 * An observer has to be told the same codec: layout and codecs are agreed on.
 *
 * --until FILE: no more steps when there is such a file.
 *
 * --hold: after the steps, print, and leave when standard input ends. --stay: close without handing
 * in what is kept back.
 *
 * --acks-fd N: the number of each acknowledged push, from --first on, as a line to descriptor N,
 * written whole; what is read there was acknowledged, whatever is killed when. */
#include <gradwire.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct task {
    const char *servers, *until;
    gw_ps_options options;
    int steps, first, acks_fd, ledger, stay, hold, pause_ms;
    size_t count;
};

struct arrays {
    float *gradient, *values;
    gw_tensor tensors[2]; /* the whole, in two parts */
    const void *gradients[2];
    void *pulled[2];
    uint64_t pushed; /* digest */
};

static uint64_t digest(uint64_t so_far, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++)
        so_far = (so_far ^ at[i]) * 0x100000001b3u;
    return so_far;
}

#define DIGEST_START 0xcbf29ce484222325u

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static float ledger_gradient(int worker, int workers, size_t i)
{
    if (i < (size_t)workers)
        return i == (size_t)worker ? 1.0f : 0.0f;
    return (float)((int)(mix((uint64_t)worker << 40 | i) % 17) - 8) / 8;
}

static void fill_gradient(const struct task *task, struct arrays *arrays, int step)
{
    const int worker = task->options.worker;
    for (size_t i = 0; i < task->count; i++)
        arrays->gradient[i] =
            task->ledger
                ? ledger_gradient(worker, task->options.workers, i)
                : (float)((int)(mix(mix((uint64_t)worker << 32 | (unsigned)step) + i) % 2001) -
                          1000) /
                      1000;
}

static void complain(const char *what, const char *words)
{
    fprintf(stderr, "ps_worker: %s: %s\n", what, words);
}

/* ---- options --------------------------------------------------------------------------------- */

enum { AT_TEXT, AT_INT, AT_COUNT, AT_TIME, AT_FLAG };

struct flag {
    const char *name;
    int kind;
    void *to;
};

static int take_flag(const struct flag *flag, const char *text)
{
    char *end = "";
    double number = text ? strtod(text, &end) : 1;
    if (flag->kind != AT_TEXT && (end == text || *end || number < 0 || number > 1e9))
        return -1;
    if (flag->kind == AT_TEXT)
        *(const char **)flag->to = text;
    else if (flag->kind == AT_COUNT)
        *(size_t *)flag->to = (size_t)number;
    else if (flag->kind == AT_TIME)
        *(double *)flag->to = number;
    else
        *(int *)flag->to = (int)number;
    return 0;
}

static int parse(struct task *task, int argc, char **argv)
{
    gw_ps_options *o = &task->options;
    const struct flag flags[] = {
        { "servers", AT_TEXT, &task->servers },  { "job", AT_TEXT, &o->job },
        { "keys", AT_TEXT, &o->keys },           { "codec", AT_TEXT, &o->codec },
        { "pull", AT_TEXT, &o->pull },           { "mode", AT_TEXT, &o->mode },
        { "optimizer", AT_TEXT, &o->optimizer }, { "aggregator", AT_TEXT, &o->aggregator },
        { "worker", AT_INT, &o->worker },        { "workers", AT_INT, &o->workers },
        { "steps", AT_INT, &task->steps },       { "first", AT_INT, &task->first },
        { "acks-fd", AT_INT, &task->acks_fd },   { "pause", AT_INT, &task->pause_ms },
        { "count", AT_COUNT, &task->count },     { "timeout", AT_TIME, &o->timeout_s },
        { "ledger", AT_FLAG, &task->ledger },    { "stay", AT_FLAG, &task->stay },
        { "observer", AT_FLAG, &o->observer },   { "hold", AT_FLAG, &task->hold },
        { "until", AT_TEXT, &task->until },
    };
    enum { FLAGS = sizeof flags / sizeof flags[0] };
    struct option names[FLAGS + 1] = { { 0 } };
    for (int i = 0; i < FLAGS; i++)
        names[i] =
            (struct option){ flags[i].name,
                             flags[i].kind == AT_FLAG ? no_argument : required_argument, NULL, i };
    for (int i; (i = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (i == '?' || take_flag(&flags[i], optarg)) {
            complain("wrong option", argv[optind - 1]);
            return -1;
        }
    }
    return optind == argc && task->servers ? 0 : -1;
}

/* ---- work ------------------------------------------------------------------------------------ */

static int open_arrays(struct arrays *arrays, size_t count)
{
    const size_t half = (count + 1) / 2;
    arrays->gradient = calloc(count, sizeof *arrays->gradient);
    arrays->values = calloc(count, sizeof *arrays->values);
    if (!arrays->gradient || !arrays->values)
        return -1;
    arrays->tensors[0] = (gw_tensor){ .name = "front", .count = half };
    arrays->tensors[1] = (gw_tensor){ .name = "back", .count = count - half };
    arrays->gradients[0] = arrays->gradient;
    arrays->gradients[1] = arrays->gradient + half;
    arrays->pulled[0] = arrays->values;
    arrays->pulled[1] = arrays->values + half;
    arrays->pushed = DIGEST_START;
    return 0;
}

static int note_ack(const struct task *task, int step)
{
    char line[32];
    int bytes = snprintf(line, sizeof line, "%d\n", step);
    if (task->acks_fd < 0 || write(task->acks_fd, line, (size_t)bytes) == bytes)
        return 0;
    complain("--acks-fd", strerror(errno));
    return -1;
}

/* The acknowledgement is noted before the pull is waited for: it came first. */
static int step(const struct task *task, gw_ps *ps, struct arrays *arrays, int number)
{
    gw_ps_ticket push, pull;
    fill_gradient(task, arrays, number);
    gw_status s = gw_ps_push(ps, arrays->gradients, NULL, &push);
    if (!s)
        s = gw_ps_pull(ps, arrays->pulled, &pull);
    if (!s)
        s = gw_ps_wait(ps, push);
    if (!s && note_ack(task, number))
        return -1;
    if (!s)
        s = gw_ps_wait(ps, pull);
    if (s) {
        complain(gw_status_name(s), gw_ps_error(ps));
        return -1;
    }
    arrays->pushed = digest(arrays->pushed, arrays->gradient, task->count * sizeof(float));
    return 0;
}

static int print_counts(const struct task *task, gw_ps *ps, const struct arrays *arrays)
{
    gw_ps_figures stats;
    if (gw_ps_stats(ps, &stats) != GW_OK)
        return -1;
    printf("worker=%d steps=%d pushed=%016" PRIx64 " values=%016" PRIx64 " round=%" PRIu64
           " pushes=%" PRIu64 " resent=%" PRIu64 " reconnects=%" PRIu64 "\n",
           task->options.worker, task->steps, arrays->pushed,
           digest(DIGEST_START, arrays->values, task->count * sizeof(float)), stats.round,
           stats.pushes, stats.resent, stats.reconnects);
    return fflush(stdout);
}

static int is_over(const struct task *task)
{
    return task->until && access(task->until, F_OK) == 0;
}

static int work(const struct task *task, gw_ps *ps, struct arrays *arrays)
{
    const struct timespec pause = { task->pause_ms / 1000, task->pause_ms % 1000 * 1000000L };
    for (int i = 0; i < task->steps && !is_over(task); i++) {
        if (step(task, ps, arrays, task->first + i))
            return 1;
        if (task->pause_ms)
            nanosleep(&pause, NULL);
    }
    if (print_counts(task, ps, arrays))
        return 1;
    while (task->hold && getchar() != EOF)
        ;
    if (task->stay || gw_ps_leave(ps) == GW_OK)
        return 0;
    complain("leave", gw_ps_error(ps));
    return 1;
}

static int check_ledger(const struct task *task, const struct arrays *arrays)
{
    const int workers = task->options.workers;
    const float *values = arrays->values;
    for (int k = 0; k < workers; k++)
        printf("%s%g", k ? "," : " counts=", values[k] == 0 ? 0 : -(double)values[k]);
    for (size_t i = (size_t)workers; i < task->count; i++) {
        double sum = 0;
        for (int k = 0; k < workers; k++)
            sum += (double)values[k] * (double)ledger_gradient(k, workers, i);
        if (sum == (double)values[i])
            continue;
        printf(" ledger=wrong element=%zu expected=%g got=%g\n", i, sum, (double)values[i]);
        return 2;
    }
    printf(" ledger=exact\n");
    return 0;
}

static int observe(const struct task *task, gw_ps *ps, struct arrays *arrays)
{
    gw_ps_ticket ticket;
    gw_ps_figures stats;
    gw_status s = gw_ps_pull(ps, arrays->pulled, &ticket);
    if (!s)
        s = gw_ps_wait(ps, ticket);
    if (!s)
        s = gw_ps_stats(ps, &stats);
    if (s) {
        complain(gw_status_name(s), gw_ps_error(ps));
        return 1;
    }
    printf("values=%016" PRIx64 " round=%" PRIu64,
           digest(DIGEST_START, arrays->values, task->count * sizeof(float)), stats.round);
    if (task->ledger)
        return check_ledger(task, arrays);
    printf("\n");
    return 0;
}

int main(int argc, char **argv)
{
    struct task task = { .steps = 10, .acks_fd = -1, .count = 1000, .options.workers = 1 };
    struct arrays arrays = { 0 };
    gw_ps *ps = NULL;
    if (parse(&task, argc, argv)) {
        fprintf(stderr,
                "usage: ps_worker --servers A,B --worker K --workers N [--steps S] [--first F] "
                "[--codec C] [--pull P] [--mode M] [--optimizer O] [--aggregator A] [--job J] "
                "[--keys FILE] [--count ELEMENTS] [--timeout S] [--pause MS] [--ledger] [--stay] "
                "[--hold] [--until FILE] "
                "[--observer] [--acks-fd N]\n");
        return 1;
    }
    if (task.ledger && !task.options.optimizer)
        task.options.optimizer = "sgd:lr=1";
    if (task.ledger && !task.options.aggregator)
        task.options.aggregator = "sum";
    if (task.count < (size_t)task.options.workers || task.count < 2) {
        complain("--count", "at least 2, and at least an element for each worker");
        return 1;
    }
    int result = 1;
    if (open_arrays(&arrays, task.count))
        complain("--count", "out of memory");
    else if (gw_ps_open(&ps, task.servers, &task.options) != GW_OK)
        complain("open", gw_ps_error(NULL));
    else if (gw_ps_register(ps, arrays.tensors, 2, NULL) != GW_OK)
        complain("register", gw_ps_error(ps));
    else
        result = task.options.observer ? observe(&task, ps, &arrays) : work(&task, ps, &arrays);
    gw_ps_close(ps);
    free(arrays.gradient);
    free(arrays.values);
    return result;
}
