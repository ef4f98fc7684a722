/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A job's layout. It may come from a peer, so each number is checked as it is added and names are
 * compared by sorting them: a hundred thousand tensors take milliseconds, whatever they are called.
 */
#include "server/job_inside.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a layout in the making ------------------------------------------------------------------ */

static gw_status out_of_memory(const struct gw_layout *layout, struct gw_error *error)
{
    return gw_fail(error, GW_ENOMEM, "out of memory for a layout of more than %zu tensors",
                   layout->count);
}

static gw_status check_tensor(const struct gw_layout *layout, const char *name, size_t length,
                              uint64_t count, struct gw_error *error)
{
    size_t number = layout->count + 1;
    if (length == 0)
        return gw_fail(error, GW_EINVAL, "tensor %zu has no name", number);
    if (length > GW_TENSOR_NAME_MAX)
        return gw_fail(error, GW_EINVAL, "tensor %zu: a name of %zu characters; the most are %d",
                       number, length, GW_TENSOR_NAME_MAX);
    for (size_t i = 0; i < length; i++)
        if (name[i] < ' ' || name[i] > '~')
            return gw_fail(error, GW_EINVAL,
                           "tensor %zu: character %zu of its name is not printable ASCII", number,
                           i + 1);
    if (count == 0 || count > GW_TENSOR_COUNT_MAX || count > SIZE_MAX / sizeof(float))
        return gw_fail(error, GW_EINVAL,
                       "tensor '%.*s' has %" PRIu64 " elements, expected 1 to 2^40", (int)length,
                       name, count);
    if (layout->elements > SIZE_MAX / sizeof(float) - count)
        return gw_fail(error, GW_EINVAL, "with tensor '%.*s' there are too many elements to count",
                       (int)length, name);
    return GW_OK;
}

static bool make_room(struct gw_layout *layout)
{
    if (layout->count < layout->capacity)
        return true;
    size_t capacity = layout->capacity ? 2 * layout->capacity : 16;
    struct gw_job_tensor *tensor = realloc(layout->tensor, capacity * sizeof *tensor);
    if (!tensor)
        return false;
    layout->tensor = tensor;
    layout->capacity = capacity;
    return true;
}

gw_status gw_layout_add(struct gw_layout *layout, const char *name, size_t name_length,
                        uint64_t count, const char *push, struct gw_error *error)
{
    gw_status s = check_tensor(layout, name, name_length, count, error);
    if (s)
        return s;
    int head = snprintf(NULL, 0, "tensor: %" PRIu64 " ", count);
    size_t line = (size_t)head + strlen(push) + 1 + name_length + 1;
    if (layout->text_bytes + line > GW_JOB_TEXT_MAX - GW_JOB_HEAD_MAX)
        return gw_fail(error, GW_EINVAL,
                       "too many tensors: a layout's text has at most %d bytes, which tensor %zu "
                       "would exceed",
                       GW_JOB_TEXT_MAX - GW_JOB_HEAD_MAX, layout->count + 1);
    if (!make_room(layout))
        return out_of_memory(layout, error);
    struct gw_job_tensor *tensor = &layout->tensor[layout->count];
    *tensor = (struct gw_job_tensor){ malloc(name_length + 1), (size_t)count, strdup(push) };
    if (!tensor->name || !tensor->push) {
        free(tensor->name);
        free(tensor->push);
        return out_of_memory(layout, error);
    }
    memcpy(tensor->name, name, name_length);
    tensor->name[name_length] = '\0';
    layout->count++;
    layout->text_bytes += line;
    layout->elements += count;
    return GW_OK;
}

/* By name; by place among equal names, so that the later of two is known. */
static int compare_names(const void *a, const void *b)
{
    const struct gw_job_tensor *x = *(const struct gw_job_tensor *const *)a;
    const struct gw_job_tensor *y = *(const struct gw_job_tensor *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

gw_status gw_layout_find_twice(const struct gw_layout *layout, size_t *first, size_t *again,
                               struct gw_error *error)
{
    size_t count = layout->count;
    *first = *again = count;
    if (count < 2)
        return GW_OK;
    const struct gw_job_tensor **sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return out_of_memory(layout, error);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &layout->tensor[i];
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 1; i < count; i++) {
        size_t later = (size_t)(sorted[i] - layout->tensor);
        if (later < *again && strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
            *first = (size_t)(sorted[i - 1] - layout->tensor);
            *again = later;
        }
    }
    free(sorted);
    return GW_OK;
}

void gw_layout_clear(struct gw_layout *layout)
{
    for (size_t i = 0; i < layout->count; i++) {
        free(layout->tensor[i].name);
        free(layout->tensor[i].push);
    }
    free(layout->tensor);
    *layout = (struct gw_layout){ 0 };
}

void gw_layout_give(struct gw_layout *layout, struct gw_job *job)
{
    struct gw_layout old = { .tensor = job->tensor, .count = job->tensors };
    job->tensor = layout->tensor;
    job->tensors = layout->count;
    gw_layout_clear(&old);
    *layout = (struct gw_layout){ 0 };
}

/* ---- from a program -------------------------------------------------------------------------- */

static gw_status find_push(struct gw_codec_book *book, const char **push, const char *spec,
                           struct gw_error *error)
{
    const char *given = spec && *spec ? spec : "raw";
    return gw_codec_book_find(book, push, given, strlen(given), error);
}

/* A rule that no tensor matches has to be right as well. */
static gw_status check_rules(struct gw_codec_book *book, const gw_rule *rules, size_t count,
                             struct gw_error *error)
{
    const char *push;
    gw_status s = GW_OK;
    for (size_t i = 0; i < count && !s; i++)
        s = find_push(book, &push, rules[i].codec, error);
    return s;
}

static const char *find_spec(const char *name, const char *codec, const gw_rule *rules,
                             size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].glob && fnmatch(rules[i].glob, name, 0) == 0)
            return rules[i].codec;
    return codec;
}

static gw_status check_names(const struct gw_layout *layout, struct gw_error *error)
{
    size_t first, again;
    gw_status s = gw_layout_find_twice(layout, &first, &again, error);
    if (s || again == layout->count)
        return s;
    return gw_fail(error, GW_EINVAL, "tensors %zu and %zu are both called '%s'", first + 1,
                   again + 1, layout->tensor[again].name);
}

gw_status gw_job_set_layout(struct gw_job *job, const gw_tensor *tensors, size_t count,
                            const char *codec, const gw_rule *rules, size_t rules_count,
                            struct gw_error *error)
{
    if (count == 0)
        return gw_fail(error, GW_EINVAL, "a layout needs at least one tensor");
    struct gw_layout layout = { 0 };
    struct gw_codec_book book = { 0 };
    gw_status s = check_rules(&book, rules, rules_count, error);
    for (size_t i = 0; i < count && !s; i++) {
        const char *name = tensors[i].name ? tensors[i].name : "", *push = NULL;
        s = find_push(&book, &push, find_spec(name, codec, rules, rules_count), error);
        if (!s)
            s = gw_layout_add(&layout, name, strlen(name), tensors[i].count, push, error);
    }
    if (!s)
        s = check_names(&layout, error);
    if (!s)
        gw_layout_give(&layout, job);
    gw_layout_clear(&layout);
    gw_codec_book_clear(&book);
    return s;
}
