/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Reducers: from arguments to buckets of plans, and back to nothing. */
#include "collectives/reducer.h"

#include <stdlib.h>
#include <string.h>

#include "base/settings.h"

/* ---- agreement --------------------------------------------------------------------------------*/

struct statement {
    uint64_t status, count, bytes, value;
};

static gw_status compare(const struct gw_reducer *r, const struct statement *all, const char *what,
                         struct gw_error *error)
{
    for (int k = 0; k < r->comm->size; k++) {
        gw_status s = (gw_status)(int64_t)all[k].status;
        if (s)
            return gw_fail(error, GW_EPEER, "rank %d: %s", k, gw_status_text(s));
    }
    for (int k = 1; k < r->comm->size; k++) {
        if (all[k].count != all[0].count || all[k].bytes != all[0].bytes)
            return gw_fail(error, GW_EMISMATCH,
                           "ranks disagree: rank 0 has a reducer of %llu tensors in buckets of "
                           "%llu bytes, rank %d of %llu in buckets of %llu",
                           (unsigned long long)all[0].count, (unsigned long long)all[0].bytes, k,
                           (unsigned long long)all[k].count, (unsigned long long)all[k].bytes);
        if (all[k].value != all[0].value)
            return gw_fail(error, GW_EMISMATCH,
                           "ranks disagree: %s is %llu on rank 0, %llu on rank %d", what,
                           (unsigned long long)all[0].value, (unsigned long long)all[k].value, k);
    }
    return GW_OK;
}

gw_status gw_reducer_agree(struct gw_reducer *r, gw_status local, uint64_t value, const char *what,
                           struct gw_error *error)
{
    struct statement mine = { (uint64_t)(int64_t)local, r->count, r->set.bytes, value };
    struct statement *all = calloc((size_t)r->comm->size, sizeof *all);
    if (!all && !local)
        local = gw_fail(error, GW_ENOMEM, "not enough memory to compare reducers");
    if (!all) /* others wait for this rank: their deadline tells them */
        return local;
    struct gw_error own = *error;
    gw_status s = gw_control_allgather(r->comm, &mine, sizeof mine, all, error);
    if (!s)
        s = compare(r, all, what, error);
    free(all);
    if (local)
        *error = own;
    return local ? local : s;
}

/* ---- buckets ----------------------------------------------------------------------------------*/

size_t gw_reducer_bucket_default(void)
{
    return (size_t)gw_setting_number(GW_SET_BUCKET);
}

static size_t *tensor_bytes(const struct gw_reducer *r)
{
    size_t *bytes = calloc(r->count + 1, sizeof *bytes);
    for (size_t t = 0; bytes && t < r->count; t++)
        bytes[t] = r->tensors[t].count * gw_type_bytes(r->type);
    return bytes;
}

static gw_status cut(struct gw_bucket_set *set, const struct gw_reducer *r)
{
    size_t *bytes = tensor_bytes(r);
    struct gw_bucket_range *ranges = calloc(r->count + 1, sizeof *ranges);
    set->buckets = calloc(r->count + 1, sizeof *set->buckets);
    set->of = calloc(r->count + 1, sizeof *set->of);
    bool good = bytes && ranges && set->buckets && set->of;
    if (good)
        set->count = gw_buckets_cut(ranges, bytes, r->kinds, r->count, set->bytes);
    for (size_t b = 0; b < set->count; b++) {
        set->buckets[b].range = ranges[b];
        set->buckets[b].unmarked = ranges[b].count;
        for (size_t t = 0; t < ranges[b].count; t++)
            set->of[ranges[b].first + t] = b;
    }
    free(bytes);
    free(ranges);
    return good ? GW_OK : GW_ENOMEM;
}

gw_status gw_bucket_set_open(struct gw_bucket_set *set, struct gw_reducer *r, size_t bytes,
                             struct gw_error *error)
{
    *set = (struct gw_bucket_set){ .bytes = bytes };
    gw_status s = cut(set, r);
    if (s)
        (void)gw_fail(error, s, "not enough memory for the buckets of %zu tensors", r->count);
    s = gw_reducer_agree(r, s, bytes, "the bucket size", error);
    for (size_t b = 0; !s && b < set->count; b++) {
        struct gw_bucket *bucket = &set->buckets[b];
        struct gw_request request = { .collective = GW_ALLREDUCE,
                                      .tensors = r->tensors + bucket->range.first,
                                      .tensors_count = bucket->range.count,
                                      .type = r->type,
                                      .operation = r->operation,
                                      .options = &r->options,
                                      .by_tensor = true };
        s = gw_plan_create(&bucket->plan, r->comm, &request);
        if (s)
            *error = r->comm->error;
    }
    if (s)
        gw_bucket_set_close(set);
    return s;
}

void gw_bucket_set_close(struct gw_bucket_set *set)
{
    for (size_t b = 0; b < set->count; b++)
        gw_plan_close(set->buckets[b].plan);
    free(set->buckets);
    free(set->of);
    *set = (struct gw_bucket_set){ 0 };
}

/* ---- what was asked ---------------------------------------------------------------------------*/

/* True without memory: then *to is NULL while `from` is not. */
static bool copy_text(const char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return from && !*to;
}

static gw_status copy_options(struct gw_reducer *r, const gw_options *options)
{
    r->options = *options;
    r->options.rules_count = 0;
    bool failed = copy_text(&r->options.codec, options->codec);
    failed |= copy_text(&r->options.algorithm, options->algorithm);
    failed |= copy_text(&r->options.pins, options->pins);
    r->options.name = NULL;
    r->options.root = 0;
    r->options.rules = r->rules = calloc(options->rules_count + 1, sizeof *r->rules);
    if (!r->rules || failed)
        return GW_ENOMEM;
    for (size_t i = 0; i < options->rules_count; i++) {
        r->options.rules_count++;
        failed |= copy_text(&r->rules[i].glob, options->rules[i].glob);
        failed |= copy_text(&r->rules[i].codec, options->rules[i].codec);
    }
    return failed ? GW_ENOMEM : GW_OK;
}

static gw_status open_arrays(struct gw_reducer *r, size_t count)
{
    size_t n = count + 1;
    r->tensors = calloc(n, sizeof *r->tensors);
    r->keys = calloc(n, sizeof *r->keys);
    r->specs = calloc(n, sizeof *r->specs);
    r->owner_specs = calloc(n, sizeof *r->owner_specs);
    r->kinds = calloc(n, sizeof *r->kinds);
    r->in = calloc(n, sizeof *r->in);
    r->out = calloc(n, sizeof *r->out);
    r->marked = calloc(n, sizeof *r->marked);
    r->results = calloc(n, sizeof *r->results);
    r->notes = calloc(n, 1 + (size_t)r->comm->size);
    bool good = r->tensors && r->keys && r->specs && r->owner_specs && r->kinds && r->in &&
                r->out && r->marked && r->results && r->notes;
    return good ? GW_OK : GW_ENOMEM;
}

static gw_status check_name(const struct gw_reducer *r, size_t t, const char *name,
                            struct gw_error *error)
{
    if (!name)
        return gw_fail(error, GW_EINVAL, "tensor %zu has no name", t);
    for (size_t i = 0; i < t; i++)
        if (strcmp(r->tensors[i].name, name) == 0)
            return gw_fail(error, GW_EINVAL, "tensors %zu and %zu are both named '%s'", i, t, name);
    return GW_OK;
}

static gw_status add_tensor(struct gw_reducer *r, size_t t, const gw_tensor *tensor,
                            struct gw_error *error)
{
    char spec[GW_SPEC_TEXT], owner[GW_SPEC_TEXT + 4];
    const struct gw_codec_row *core;
    gw_status s = check_name(r, t, tensor->name, error);
    if (s)
        return s;
    s = gw_codec_canonical(gw_plan_spec_of(&r->options, tensor->name), spec, sizeof spec, &core,
                           error);
    if (s)
        return s;
    gw_plan_owner_spec(spec, r->options.one_sided_ef != 0, owner, sizeof owner);
    r->tensors[t] = (gw_tensor){ strdup(tensor->name), tensor->count };
    if (!r->tensors[t].name)
        return gw_fail(error, GW_ENOMEM, "not enough memory for tensor '%s'", tensor->name);
    r->count = t + 1;
    r->keys[t] = gw_hash_text(tensor->name);
    r->specs[t] = gw_hash_text(spec);
    r->owner_specs[t] = gw_hash_text(owner);
    r->kinds[t] = core->merge && !(core->info.traits & GW_ANY_TYPE);
    return GW_OK;
}

/* Everything that needs no other rank. */
static gw_status prepare(struct gw_reducer *r, const gw_tensor *tensors, size_t count,
                         const gw_options *options, struct gw_error *error)
{
    if (count && !tensors)
        return gw_fail(error, GW_EINVAL, "gw_reducer_open: the list of tensors is NULL");
    if ((int)r->type < 0 || r->type > GW_I32)
        return gw_fail(error, GW_EINVAL, "unknown type %d", (int)r->type);
    gw_status s = gw_settings_check(error);
    if (s)
        return s;
    s = copy_options(r, options);
    if (!s)
        s = open_arrays(r, count);
    if (s)
        return gw_fail(error, s, "not enough memory for a reducer of %zu tensors", count);
    for (size_t t = 0; !s && t < count; t++)
        s = add_tensor(r, t, &tensors[t], error);
    r->set.bytes = r->options.bucket_bytes ? r->options.bucket_bytes : gw_reducer_bucket_default();
    return s;
}

gw_status gw_reducer_open(gw_reducer **out, gw_comm *comm, const gw_tensor *tensors, size_t count,
                          gw_type type, gw_operation operation, const gw_options *options)
{
    static const gw_options none;
    if (!comm)
        return GW_EINVAL;
    if (!out)
        return gw_fail(&comm->error, GW_EINVAL, "gw_reducer_open: out is NULL");
    gw_error_clear(&comm->error);
    gw_comm_enter(comm);
    gw_status s = gw_comm_check(comm, &comm->error);
    gw_comm_leave(comm);
    if (s)
        return s;
    struct gw_reducer nothing = { .comm = comm, .type = type, .operation = operation };
    struct gw_error error = { 0 };
    struct gw_reducer *r = calloc(1, sizeof *r);
    if (!r) {
        s = gw_fail(&error, GW_ENOMEM, "not enough memory for a reducer");
        s = gw_reducer_agree(&nothing, s, 0, "", &error);
        return gw_fail(&comm->error, s, "%s", error.text);
    }
    *r = nothing;
    s = prepare(r, tensors, count, options ? options : &none, &error);
    s = gw_reducer_agree(r, s, 0, "", &error);
    if (!s)
        s = gw_bucket_set_open(&r->set, r, r->set.bytes, &error);
    if (s) {
        gw_reducer_close(r);
        return gw_fail(&comm->error, s, "%s", error.text);
    }
    *out = r;
    return GW_OK;
}

void gw_reducer_close(gw_reducer *r)
{
    if (!r)
        return;
    gw_bucket_set_close(&r->set);
    for (size_t t = 0; t < r->count; t++)
        free((char *)r->tensors[t].name);
    for (size_t i = 0; i < r->options.rules_count; i++) {
        free((char *)r->rules[i].glob);
        free((char *)r->rules[i].codec);
    }
    free((char *)r->options.codec);
    free((char *)r->options.algorithm);
    free((char *)r->options.pins);
    free(r->rules);
    free(r->tensors);
    free(r->keys);
    free(r->specs);
    free(r->owner_specs);
    free(r->kinds);
    free(r->in);
    free(r->out);
    free(r->marked);
    free(r->results);
    free(r->notes);
    free(r);
}
