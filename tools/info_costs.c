/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire info --costs`: what plans choose by on a comm, and what they would choose. */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/info.h"
#include "tools/tool.h"

/* Elements; shown as bytes of floats. */
static const struct {
    size_t count;
    const char *name;
} sizes[] = { { 1 << 10, "4 KiB" },
              { 1 << 14, "64 KiB" },
              { 1 << 18, "1 MiB" },
              { 1 << 22, "16 MiB" },
              { 1 << 26, "256 MiB" } };

enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* ---- asking ------------------------------------------------------------------------------------
 */

/* Milliseconds at each size; 0 if the algorithm does not apply, -1 on an error. */
static int predict(gw_comm *comm, const char *codec, const char *algorithm, double *ms)
{
    for (int i = 0; i < SIZES; i++) {
        gw_status s = gw_info_predict(comm, codec, algorithm, sizes[i].count, &ms[i]);
        if (s)
            return s == GW_ENOTSUP ? 0 : -1;
        ms[i] *= 1e3;
    }
    return 1;
}

/* ---- text --------------------------------------------------------------------------------------
 */

static void print_link(const char *name, double bits_per_s, double latency_s, double message_s)
{
    if (bits_per_s > 0)
        printf("  %-24s %10.3f Gbit/s  latency %9.2f us  %6.2f us a message\n", name,
               bits_per_s * 1e-9, latency_s * 1e6, message_s * 1e6);
}

static void print_comm(const gw_comm *comm, const gw_costs_info *costs)
{
    printf("%s: %d ranks, %.3g per core\n\nLinks\n", gw_comm_spec(comm), gw_comm_size(comm),
           costs->crowding);
    print_link("within a node", costs->near_bits_per_s, costs->near_latency_s,
               costs->near_message_s);
    print_link("between nodes", costs->far_bits_per_s, costs->far_latency_s, costs->far_message_s);
    if (costs->near_bits_per_s + costs->far_bits_per_s <= 0)
        printf("  none: there is one rank\n");
    printf("\nMemory, GB/s of one rank while all are busy\n");
    printf("  past the caches: read %.2f, write %.2f; in the cache: copy %.2f, add %.2f\n",
           costs->read_bytes_per_s * 1e-9, costs->write_bytes_per_s * 1e-9,
           costs->copy_bytes_per_s * 1e-9, costs->sum_bytes_per_s * 1e-9);
}

static void print_rate(double bytes_per_s)
{
    if (bytes_per_s > 0)
        printf(" %9.2f", bytes_per_s * 1e-9);
    else
        printf(" %9s", "-");
}

static void print_codecs(const struct info_costs *request, const gw_costs_info *costs)
{
    printf("\nCodecs, GB of floats per second, in the cache\n  %-28s %9s %9s %9s %9s %9s\n", "",
           "encode", "decode", "add", "merge", "bytes per float");
    for (int i = 0; i < request->codecs_count; i++) {
        printf("  %-28s", request->codecs[i]);
        print_rate(costs[i].encode_bytes_per_s);
        print_rate(costs[i].decode_bytes_per_s);
        print_rate(costs[i].add_bytes_per_s);
        print_rate(costs[i].merge_bytes_per_s);
        printf(" %9.4f\n", costs[i].payload_bytes);
    }
}

static int print_predictions(gw_comm *comm, const struct info_costs *request)
{
    const gw_algorithm_info *algorithm;
    printf("\nPredicted milliseconds of an allreduce\n  %-28s %-10s", "", "");
    for (int i = 0; i < SIZES; i++)
        printf(" %10s", sizes[i].name);
    putchar('\n');
    for (int c = 0; c < request->codecs_count; c++) {
        for (size_t a = 0; (algorithm = gw_info_algorithm(a)); a++) {
            double ms[SIZES];
            int applies = predict(comm, request->codecs[c], algorithm->name, ms);
            if (applies < 0)
                return -1;
            if (!applies)
                continue;
            printf("  %-28s %-10s", request->codecs[c], algorithm->name);
            for (int i = 0; i < SIZES; i++)
                printf(" %10.4g", ms[i]);
            putchar('\n');
        }
    }
    return 0;
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

static json_t *link_json(double bits_per_s, double latency_s, double message_s)
{
    if (bits_per_s <= 0)
        return json_null();
    return json_pack("{s:f, s:f, s:f}", "bits_per_s", bits_per_s, "latency_s", latency_s,
                     "message_s", message_s);
}

static json_t *codec_json(gw_comm *comm, const char *codec, const gw_costs_info *costs)
{
    json_t *row =
        json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:{}}", "codec", codec, "encode_bytes_per_s",
                  costs->encode_bytes_per_s, "decode_bytes_per_s", costs->decode_bytes_per_s,
                  "add_bytes_per_s", costs->add_bytes_per_s, "merge_bytes_per_s",
                  costs->merge_bytes_per_s, "payload_bytes", costs->payload_bytes, "predicted_ms");
    const gw_algorithm_info *algorithm;
    int failed = !row;
    for (size_t a = 0; !failed && (algorithm = gw_info_algorithm(a)); a++) {
        double ms[SIZES];
        int applies = predict(comm, codec, algorithm->name, ms);
        failed = applies < 0;
        if (applies <= 0)
            continue;
        json_t *array = json_array();
        for (int i = 0; i < SIZES; i++)
            failed |= json_array_append_new(array, json_real(ms[i]));
        failed |= json_object_set_new(json_object_get(row, "predicted_ms"), algorithm->name, array);
    }
    if (!failed)
        return row;
    json_decref(row);
    return NULL;
}

static int print_json(gw_comm *comm, const struct info_costs *request, const gw_costs_info *costs)
{
    json_t *counts = json_array(), *codecs = json_array();
    int failed = 0;
    for (int i = 0; i < SIZES; i++)
        failed |= json_array_append_new(counts, json_integer((json_int_t)sizes[i].count));
    for (int i = 0; i < request->codecs_count; i++)
        failed |= json_array_append_new(codecs, codec_json(comm, request->codecs[i], &costs[i]));
    json_t *all = json_pack(
        "{s:s, s:i, s:f, s:o, s:o, s:f, s:f, s:o, s:o}", "comm", gw_comm_spec(comm), "ranks",
        gw_comm_size(comm), "crowding", costs->crowding, "near",
        link_json(costs->near_bits_per_s, costs->near_latency_s, costs->near_message_s), "far",
        link_json(costs->far_bits_per_s, costs->far_latency_s, costs->far_message_s),
        "read_bytes_per_s", costs->read_bytes_per_s, "write_bytes_per_s", costs->write_bytes_per_s,
        "counts", counts, "codecs", codecs);
    failed |= !all || json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
    return failed ? -1 : 0;
}

/* ---- ranks -------------------------------------------------------------------------------------
 */

struct seat {
    const struct info_costs *request;
    char spec[64];
    pthread_t thread;
    int status;
};

static int show(gw_comm *comm, const struct info_costs *request, gw_costs_info *costs)
{
    for (int i = 0; i < request->codecs_count; i++)
        if (gw_info_costs(comm, request->codecs[i], &costs[i]))
            return -1;
    if (gw_comm_rank(comm) != 0)
        return 0;
    if (request->json)
        return print_json(comm, request, costs);
    print_comm(comm, costs);
    print_codecs(request, costs);
    return print_predictions(comm, request);
}

static int run_rank(const struct info_costs *request, const char *spec)
{
    gw_comm *comm;
    if (gw_comm_open(&comm, spec)) {
        tool_complain("info", "%s", gw_comm_error(NULL));
        return TOOL_BAD_USE;
    }
    gw_costs_info *costs = calloc((size_t)request->codecs_count, sizeof *costs);
    int failed = !costs || show(comm, request, costs) != 0;
    const char *words = gw_comm_error(comm);
    if (failed && gw_comm_rank(comm) == 0)
        tool_complain("info", "%s", *words ? words : "out of memory");
    free(costs);
    gw_comm_close(comm);
    return failed ? TOOL_BAD_USE : TOOL_GOOD;
}

static void *sit(void *argument)
{
    struct seat *seat = argument;
    seat->status = run_rank(seat->request, seat->spec);
    return NULL;
}

int info_print_costs(const struct info_costs *request)
{
    if (request->ranks == 0)
        return run_rank(request, request->comm);
    struct seat *seats = calloc((size_t)request->ranks, sizeof *seats);
    int status = seats ? TOOL_GOOD : TOOL_BAD_USE, started = 0;
    for (; seats && started < request->ranks; started++) {
        struct seat *seat = &seats[started];
        seat->request = request;
        snprintf(seat->spec, sizeof seat->spec, "local:ranks=%d,rank=%d,name=info", request->ranks,
                 started);
        int error = pthread_create(&seat->thread, NULL, sit, seat);
        if (error) { /* those that did start give up at their deadline */
            tool_complain("info", "cannot start the thread of rank %d: %s", started,
                          strerror(error));
            status = TOOL_BAD_USE;
            break;
        }
    }
    for (int r = 0; r < started; r++) {
        pthread_join(seats[r].thread, NULL);
        status = seats[r].status ? seats[r].status : status;
    }
    free(seats);
    return status;
}
