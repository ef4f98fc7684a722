/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a server says of itself, out of its JSON. A member that is not there is 0 or "?": servers
 * of other versions may lack some. */
#include "tools/top.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key)); /* 0 for what is no number */
}

static void copy_text(char out[TOP_TEXT], const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, TOP_TEXT, "%s", text ? text : "?");
    for (char *at = out; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
}

static int whole(double number, int max)
{
    return number >= 0 && number <= max ? (int)number : 0;
}

static struct top_worker read_worker(const json_t *object)
{
    double id = number(object, "worker");
    return (struct top_worker){
        .number = id >= 0 && id <= UINT32_MAX ? (uint32_t)id : 0,
        .live = number(object, "live") > 0,
        .connected = number(object, "connected") > 0,
        .awaited = json_is_true(json_object_get(object, "awaited")),
        .clock = number(object, "clock"),
        .pushes = number(object, "pushes"),
        .pulls = number(object, "pulls"),
        .in_bytes = number(object, "in_bytes"),
        .out_bytes = number(object, "out_bytes"),
        .raw_in_bytes = number(object, "raw_in_bytes"),
        .raw_out_bytes = number(object, "raw_out_bytes"),
        .residual_norm = number(object, "residual_norm"),
        .waiting = number(object, "waiting"),
        .late = number(object, "late"),
    };
}

static int by_number(const void *a, const void *b)
{
    const struct top_worker *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int read_workers(struct top_state *state, const json_t *list)
{
    state->count = json_array_size(list);
    state->workers = calloc(state->count + 1, sizeof *state->workers);
    if (!state->workers)
        return -1;
    for (size_t i = 0; i < state->count; i++)
        state->workers[i] = read_worker(json_array_get(list, i));
    qsort(state->workers, state->count, sizeof *state->workers, by_number);
    return 0;
}

int top_state_read(struct top_state *out, const char *json, char *why, size_t capacity)
{
    json_error_t error;
    json_t *object = json_loads(json, 0, &error);
    if (!json_is_object(object)) {
        snprintf(why, capacity, "the server's answer is not a JSON object%s%s", object ? "" : ": ",
                 object ? "" : error.text);
        json_decref(object);
        return -1;
    }
    struct top_state state = { .server = whole(number(object, "server"), 65535),
                               .servers = whole(number(object, "servers"), 65535),
                               .round = number(object, "round"),
                               .members = number(object, "members"),
                               .live = number(object, "live"),
                               .sick = number(object, "sick"),
                               .uptime_s = number(object, "uptime_s") };
    copy_text(state.job, object, "job");
    copy_text(state.mode, object, "mode");
    copy_text(state.optimizer, object, "optimizer");
    copy_text(state.durability, object, "durability");
    int failed = read_workers(&state, json_object_get(object, "list"));
    json_decref(object);
    if (failed) {
        snprintf(why, capacity, "out of memory for the server's answer");
        return -1;
    }
    *out = state;
    return 0;
}

void top_state_free(struct top_state *state)
{
    free(state->workers);
    *state = (struct top_state){ 0 };
}

const struct top_worker *top_state_find(const struct top_state *state, uint32_t number)
{
    const struct top_worker sought = { .number = number };
    if (!state->count)
        return NULL;
    return bsearch(&sought, state->workers, state->count, sizeof sought, by_number);
}
