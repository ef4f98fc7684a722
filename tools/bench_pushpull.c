/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* --op pushpull: every rank is a worker of a parameter server that runs beside rank 0, on loopback,
 * and in a round pushes a gradient and pulls the sum. Each codec has a server of its own. In turns
 * with them run what they are measured against: the same with raw floats; an echo of the same bytes
 * by libuv alone, which is the limit; and MPI_Allreduce, where MPI is what connects the ranks. */
#include "tools/bench.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench_echo.h"

enum { ECHO, MPI, RAW, BASELINES };

enum { ADDRESS = 128 }; /* bytes, a multiple of 4 */

enum cost { ENCODE, DECODE, WIRE, RAW_BYTES, COSTS };

struct contender {
    const char *codec;
    struct gw_server *server; /* rank 0's */
    pthread_t thread;
    gw_ps *ps;
    char *address;
    double *seconds, *cost; /* of this rank; later of the slowest */
    double encoded_s, decoded_s;
    uint64_t wire, raw; /* bytes before the timed runs */
    struct bench_errors errors;
    double wrong;
};

struct field {
    struct bench *bench;
    struct contender *contenders;
    size_t count; /* of contenders */
    size_t floats;
    double *numbers;
    size_t numbers_count;
    char *addresses;
    char folder[32]; /* of Unix sockets */
    struct echo_server *echo;
    struct echo_client *client;
    int has_mpi;
};

/* ---- opening --------------------------------------------------------------------------------- */

static int open_field(struct field *field)
{
    const struct bench_options *options = field->bench->options;
    size_t runs = (size_t)options->runs, each = runs + COSTS;
    field->count = BASELINES + options->codecs_count;
    field->numbers_count = field->count * each;
    field->contenders = calloc(field->count, sizeof *field->contenders);
    field->numbers = calloc(field->numbers_count, sizeof *field->numbers);
    field->addresses = calloc(field->count, ADDRESS);
    if (!field->contenders || !field->numbers || !field->addresses)
        return -1;
    for (size_t i = 0; i < field->count; i++) {
        struct contender *c = &field->contenders[i];
        c->seconds = field->numbers + i * each;
        c->cost = c->seconds + runs;
        c->address = field->addresses + i * ADDRESS;
        c->codec = i < BASELINES ? "raw" : options->codecs[i - BASELINES];
    }
    field->has_mpi =
        strcmp(gw_comm_spec(field->bench->comm), "mpi:") == 0 && field->floats <= INT32_MAX;
    return 0;
}

static void *serve(void *argument)
{
    if (gw_server_run(argument) != GW_OK)
        tool_complain("bench", "the server: %s", gw_server_error(argument));
    return NULL;
}

static int open_server(struct field *field, size_t i)
{
    struct contender *c = &field->contenders[i];
    char listen[ADDRESS];
    if (*field->folder)
        snprintf(listen, sizeof listen, "unix:%s/%zu", field->folder, i);
    else
        snprintf(listen, sizeof listen, "tcp:127.0.0.1:0");
    const gw_server_options options = { .listen = listen,
                                        .threads = field->bench->options->threads };
    if (gw_server_open(&c->server, &options) != GW_OK) {
        tool_complain("bench", "the server: %s", gw_server_error(NULL));
        return TOOL_BAD_USE;
    }
    snprintf(c->address, ADDRESS, "%s", gw_server_address(c->server, 0));
    if (pthread_create(&c->thread, NULL, serve, c->server) == 0)
        return TOOL_GOOD;
    gw_server_close(c->server);
    c->server = NULL;
    tool_complain("bench", "no thread for a server");
    return TOOL_BAD_USE;
}

/* On rank 0. */
static int open_servers(struct field *field)
{
    char path[64];
    if (field->bench->options->unix_socket) {
        snprintf(field->folder, sizeof field->folder, "/tmp/gwbench.XXXXXX");
        if (!mkdtemp(field->folder)) {
            tool_complain("bench", "%s: %m", field->folder);
            return TOOL_BAD_USE;
        }
    }
    snprintf(path, sizeof path, "%s/echo", field->folder);
    field->echo = echo_open(*field->folder ? path : NULL, field->contenders[ECHO].address, ADDRESS);
    if (!field->echo) {
        tool_complain("bench", "no echo to measure against");
        return TOOL_BAD_USE;
    }
    int status = TOOL_GOOD;
    for (size_t i = RAW; i < field->count && !status; i++)
        status = open_server(field, i);
    return status;
}

static int join_server(struct field *field, struct contender *c)
{
    const struct bench *bench = field->bench;
    const struct bench_options *options = bench->options;
    const gw_tensor tensor = { "bench", field->floats };
    const gw_ps_options what = { .worker = bench->rank,
                                 .workers = bench->ranks,
                                 .codec = c->codec,
                                 .aggregator = "sum",
                                 .optimizer = "none",
                                 .pull = options->pull,
                                 .timeout_s = options->timeout };
    gw_status s = gw_ps_open(&c->ps, c->address, &what);
    if (s)
        return bench_fail(bench, s, c->codec, gw_ps_error(NULL));
    s = gw_ps_register(c->ps, &tensor, 1, NULL);
    return s ? bench_fail(bench, s, c->codec, gw_ps_error(c->ps)) : TOOL_GOOD;
}

/* Has every rank come so far? */
static int agree(struct field *field, int status)
{
    double worst = status;
    int reduced = bench_reduce(field->bench, &worst, 1, GW_MAX);
    return reduced ? reduced : (int)worst;
}

static int join_all(struct field *field)
{
    struct bench *bench = field->bench;
    const gw_options options = { .codec = "raw", .name = "bench.addresses" };
    int status = agree(field, bench->rank == 0 ? open_servers(field) : TOOL_GOOD);
    if (status)
        return status;
    gw_status s = gw_broadcast(bench->comm, field->addresses, field->addresses,
                               field->count * ADDRESS / sizeof(float), GW_I32, &options);
    if (s)
        return bench_fail(bench, s, "telling addresses", gw_comm_error(bench->comm));
    field->client = echo_connect(field->contenders[ECHO].address);
    if (!field->client)
        status = bench_fail(bench, GW_ETRANSPORT, "the echo", "cannot be reached");
    for (size_t i = RAW; i < field->count && !status; i++)
        status = join_server(field, &field->contenders[i]);
    return agree(field, status);
}

/* Workers leave before their servers end. */
static int close_field(struct field *field, int status)
{
    for (size_t i = RAW; field->contenders && i < field->count; i++)
        gw_ps_close(field->contenders[i].ps);
    echo_disconnect(field->client);
    for (size_t i = RAW; field->contenders && i < field->count; i++) {
        struct contender *c = &field->contenders[i];
        if (!c->server)
            continue;
        gw_server_stop(c->server);
        pthread_join(c->thread, NULL);
        gw_server_close(c->server);
    }
    echo_close(field->echo);
    if (*field->folder)
        rmdir(field->folder);
    free(field->contenders);
    free(field->numbers);
    free(field->addresses);
    return status;
}

/* ---- running --------------------------------------------------------------------------------- */

static int run_ps(struct contender *c, const struct bench *bench)
{
    const void *const gradients[] = { bench->in };
    void *const values[] = { bench->out };
    gw_ps_ticket ticket;
    gw_status s = gw_ps_push_pull(c->ps, gradients, values, NULL, &ticket);
    if (!s)
        s = gw_ps_wait(c->ps, ticket);
    return s ? bench_fail(bench, s, c->codec, gw_ps_error(c->ps)) : TOOL_GOOD;
}

/* Run once; `*seconds` gets this rank's time. */
static int run(struct field *field, size_t i, double *seconds)
{
    struct bench *bench = field->bench;
    int status = TOOL_GOOD;
    bench_report_progress(bench, field->floats, field->contenders[i].codec);
    gw_status s = gw_barrier(bench->comm);
    if (s)
        return bench_fail(bench, s, "barrier", gw_comm_error(bench->comm));
    double before = bench_clock();
    if (i == ECHO && echo_run(field->client, bench->in, bench->out, field->floats * sizeof(float)))
        status = bench_fail(bench, GW_ETRANSPORT, "the echo", "failed");
    if (i == MPI && field->has_mpi && !bench_mpi_allreduce(bench, field->floats))
        status = bench_fail(bench, GW_ETRANSPORT, "MPI_Allreduce", "failed");
    if (i >= RAW)
        status = run_ps(&field->contenders[i], bench);
    *seconds = bench_clock() - before;
    return status;
}

static int check(struct field *field, struct contender *c)
{
    struct bench *bench = field->bench;
    int status = bench_check_replicas(bench, field->floats, &c->wrong);
    if (status || !bench->options->check)
        return status;
    int exact = strcmp(c->codec, "raw") == 0 && strcmp(bench->options->pull, "raw") == 0;
    status = bench_check_errors(bench, field->floats, exact, &c->errors);
    c->wrong += c->errors.wrong;
    return status;
}

static int warm_up(struct field *field)
{
    double ignored;
    for (int k = 0; k < field->bench->options->warmup || k == 0; k++) {
        for (size_t i = 0; i < field->count; i++) {
            int status = run(field, i, &ignored);
            if (!status && k == 0 && i >= BASELINES)
                status = check(field, &field->contenders[i]);
            if (status)
                return status;
        }
    }
    return TOOL_GOOD;
}

static gw_ps_figures stats_of(const struct contender *c)
{
    gw_ps_figures stats = { 0 };
    if (gw_ps_stats(c->ps, &stats) != GW_OK)
        return (gw_ps_figures){ 0 };
    return stats;
}

/* Before the timed runs, and after them: what a run of each cost. */
static void note_costs(struct field *field, int after)
{
    double runs = field->bench->options->runs;
    double bytes = (double)(field->floats * sizeof(float)) * runs;
    for (size_t i = RAW; i < field->count; i++) {
        struct contender *c = &field->contenders[i];
        const gw_ps_figures stats = stats_of(c);
        uint64_t wire = stats.sent_bytes + stats.received_bytes;
        uint64_t raw = stats.raw_sent_bytes + stats.raw_received_bytes;
        if (after) {
            c->cost[WIRE] = (double)(wire - c->wire) / runs;
            c->cost[RAW_BYTES] = (double)(raw - c->raw) / runs;
            c->cost[ENCODE] = c->encoded_s / bytes;
            c->cost[DECODE] = c->decoded_s / bytes;
        }
        c->wire = wire;
        c->raw = raw;
    }
}

static int run_timed(struct field *field)
{
    struct bench *bench = field->bench;
    note_costs(field, 0);
    for (int k = 0; k < bench->options->runs; k++) {
        for (size_t j = 0; j < field->count; j++) {
            /* Another one begins each round, so that none always follows the same one. */
            size_t i = (j + (size_t)k) % field->count;
            struct contender *c = &field->contenders[i];
            int status = run(field, i, &c->seconds[k]);
            if (status)
                return status;
            if (i < RAW)
                continue;
            const gw_ps_figures stats = stats_of(c);
            c->encoded_s += stats.encode_s;
            c->decoded_s += stats.decode_s;
            if (k == bench->options->runs - 1 && i >= BASELINES)
                status = bench_check_replicas(bench, field->floats, &c->wrong);
            if (status)
                return status;
        }
    }
    note_costs(field, 1);
    return bench_reduce(bench, field->numbers, field->numbers_count, GW_MAX);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static double p50_of(const struct field *field, size_t i)
{
    return bench_summarize(field->contenders[i].seconds, (size_t)field->bench->options->runs).p50;
}

static struct bench_row make_row(const struct field *field, struct contender *c)
{
    const struct bench *bench = field->bench;
    size_t runs = (size_t)bench->options->runs;
    struct bench_row row = { .codec = c->codec,
                             .count = field->floats,
                             .times = bench_summarize(c->seconds, runs),
                             .wire_bytes = c->cost[WIRE],
                             .encode = bench_speed(c->cost[ENCODE]),
                             .decode = bench_speed(c->cost[DECODE]),
                             .vs_mpi = NAN,
                             .wrong = c->wrong };
    row.ratio = c->cost[WIRE] > 0 ? c->cost[RAW_BYTES] / c->cost[WIRE] : NAN;
    row.algbw = (double)(field->floats * sizeof(float)) * bench->ranks / row.times.p50 * 1e-9;
    row.busbw = row.algbw; /* for --min-busbw */
    row.vs_raw = p50_of(field, RAW) / row.times.p50;
    row.vs_echo = p50_of(field, ECHO) / row.times.p50;
    if (field->has_mpi)
        row.vs_mpi = p50_of(field, MPI) / row.times.p50;
    bench_row_errors(bench, &row, &c->errors);
    return row;
}

int bench_pushpull(struct bench *bench, size_t count)
{
    struct field field = { .bench = bench, .floats = count };
    if (open_field(&field))
        return close_field(&field, bench_fail(bench, GW_ENOMEM, "preparing", NULL));
    bench_input_fill(bench->input, bench->rank, count, 0, count, bench->in);
    int status = join_all(&field);
    if (!status)
        status = warm_up(&field);
    if (!status)
        status = run_timed(&field);
    bench_report_progress(bench, count, NULL);
    for (size_t i = BASELINES; i < field.count && !status; i++) {
        struct bench_row row = make_row(&field, &field.contenders[i]);
        bench_report_row(bench, &row);
    }
    return close_field(&field, status);
}
