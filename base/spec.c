/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The parser of spec strings. */
#include "base/spec.h"

#include "base/types.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEAREST_MAX = 64 };

static size_t edit_distance(const char *a, size_t a_length, const char *b)
{
    size_t b_length = strlen(b);
    size_t row[NEAREST_MAX + 1];
    if (a_length > NEAREST_MAX || b_length > NEAREST_MAX)
        return NEAREST_MAX;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (best > row[j] + 1)
                best = row[j] + 1;
            if (best > row[j - 1] + 1)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *gw_nearest(const char *text, size_t length, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t best_distance = length / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(text, length, candidates[i]);
        if (distance <= best_distance && (!best || distance < best_distance)) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}

/* ---- one value ------------------------------------------------------------------------------- */

static int name_index(const char *names, const char *text, size_t length)
{
    for (int index = 0; *names; index++) {
        size_t n = strcspn(names, "|");
        if (n == length && memcmp(names, text, n) == 0)
            return index;
        names += n;
        names += *names == '|';
    }
    return -1;
}

struct suffix {
    const char *text;
    double factor;
};

static const struct suffix rate_suffixes[] = {
    { "gbit", 1e9 }, { "mbit", 1e6 }, { "kbit", 1e3 }, { "bit", 1 }, { NULL, 0 }
};
static const struct suffix time_suffixes[] = { { "ns", 1e-9 }, { "us", 1e-6 }, { "ms", 1e-3 },
                                               { "s", 1 },     { "", 1 },      { NULL, 0 } };
static const struct suffix no_suffix[] = { { "", 1 }, { NULL, 0 } };

static const struct suffix *suffixes_of(gw_param_kind kind)
{
    if (kind == GW_PARAM_RATE)
        return rate_suffixes;
    return kind == GW_PARAM_SECONDS ? time_suffixes : no_suffix;
}

static int parse_scaled(double *out, gw_param_kind kind, const char *text, size_t length)
{
    char copy[64];
    if (length == 0 || length >= sizeof copy)
        return 0;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *end;
    double value = strtod(copy, &end);
    if (end == copy || !isfinite(value))
        return 0;
    for (const struct suffix *s = suffixes_of(kind); s->text; s++) {
        if (strcmp(end, s->text) == 0) {
            *out = value * s->factor;
            return 1;
        }
    }
    return 0;
}

static const char *kind_words(gw_param_kind kind)
{
    switch (kind) {
    case GW_PARAM_INTEGER:
        return "a whole number";
    case GW_PARAM_RATE:
        return "a rate such as 100mbit or 1gbit";
    case GW_PARAM_SECONDS:
        return "a time such as 50us or 2ms";
    default:
        return "a number";
    }
}

gw_status gw_spec_number(double *out, const char *owner, const gw_param *param, const char *text,
                         size_t length, struct gw_error *error)
{
    int n = (int)length;
    double value;
    if (!parse_scaled(&value, param->kind, text, length))
        return gw_fail(error, GW_ESPEC, "%s: %s=%.*s is not %s", owner, param->key, n, text,
                       kind_words(param->kind));
    if (param->kind == GW_PARAM_INTEGER && value != floor(value))
        return gw_fail(error, GW_ESPEC, "%s: %s=%.*s is not a whole number", owner, param->key, n,
                       text);
    if (value < param->min || value > param->max)
        return gw_fail(error, GW_ESPEC, "%s: %s=%.*s is out of range: %.10g to %.10g%s%s", owner,
                       param->key, n, text, param->min, param->max, *param->unit ? " " : "",
                       param->unit);
    *out = value;
    return GW_OK;
}

static gw_status parse_value(struct gw_values *values, int index, const char *owner,
                             const gw_param *param, const char *text, size_t length,
                             struct gw_error *error)
{
    if (param->kind == GW_PARAM_TEXT) {
        values->text[index] = text;
        values->text_length[index] = length;
        return GW_OK;
    }
    if (param->kind != GW_PARAM_NAME)
        return gw_spec_number(&values->number[index], owner, param, text, length, error);
    int name = name_index(param->names, text, length);
    if (name < 0)
        return gw_fail(error, GW_ESPEC, "%s: %s=%.*s is not valid; valid: %s", owner, param->key,
                       (int)length, text, param->names);
    values->number[index] = name;
    return GW_OK;
}

/* ---- the list of them ------------------------------------------------------------------------ */

static gw_status unknown_key(const char *owner, const gw_param *params, const char *key,
                             size_t length, struct gw_error *error)
{
    const char *keys[GW_PARAMS_MAX];
    char list[GW_SPEC_TEXT] = "";
    size_t count = 0;
    for (; params[count].key; count++) {
        keys[count] = params[count].key;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", count ? ", " : "", keys[count]);
    }
    if (count == 0)
        return gw_fail(error, GW_ESPEC, "%s takes no parameters, got '%.*s'", owner, (int)length,
                       key);
    const char *near = gw_nearest(key, length, keys, count);
    return gw_fail(error, GW_ESPEC, "%s has no parameter '%.*s'%s%s%s; valid: %s", owner,
                   (int)length, key, near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "", list);
}

static int find_param(const gw_param *params, const char *key, size_t length)
{
    for (int i = 0; params[i].key; i++)
        if (strlen(params[i].key) == length && memcmp(params[i].key, key, length) == 0)
            return i;
    return -1;
}

static gw_status parse_pair(struct gw_values *values, const char *owner, const gw_param *params,
                            const char *pair, size_t length, struct gw_error *error)
{
    const char *equals = memchr(pair, '=', length);
    size_t key_length = equals ? (size_t)(equals - pair) : length;
    int index = find_param(params, pair, key_length);
    if (index < 0)
        return unknown_key(owner, params, pair, key_length, error);
    if (!equals)
        return gw_fail(error, GW_ESPEC, "%s: '%s' needs a value: %s=...", owner, params[index].key,
                       params[index].key);
    if (values->given & 1u << index)
        return gw_fail(error, GW_ESPEC, "%s: '%s' is given twice", owner, params[index].key);
    values->given |= 1u << index;
    return parse_value(values, index, owner, &params[index], equals + 1, length - key_length - 1,
                       error);
}

gw_status gw_spec_parse(struct gw_values *values, const char *owner, const gw_param *params,
                        const char *text, size_t length, struct gw_error *error)
{
    *values = (struct gw_values){ 0 };
    for (int i = 0; params[i].key; i++) {
        const char *standard = params[i].standard;
        if (!*standard && params[i].kind != GW_PARAM_TEXT)
            continue;
        gw_status s = parse_value(values, i, owner, &params[i], standard, strlen(standard), error);
        if (s)
            return s;
    }
    while (length > 0) {
        const char *comma = memchr(text, ',', length);
        size_t pair = comma ? (size_t)(comma - text) : length;
        gw_status s = parse_pair(values, owner, params, text, pair, error);
        if (s)
            return s;
        if (comma && pair + 1 == length)
            return gw_fail(error, GW_ESPEC, "%s: nothing after the last comma", owner);
        text += pair + (comma != NULL);
        length -= pair + (comma != NULL);
    }
    return GW_OK;
}

/* ---- and back -------------------------------------------------------------------------------- */

static void format_value(char *out, size_t capacity, const gw_param *param, double number,
                         const char *text, size_t text_length)
{
    const char *name = param->names;
    switch (param->kind) {
    case GW_PARAM_NAME:
        for (int i = 0; i < (int)number; i++)
            name += strcspn(name, "|") + 1;
        snprintf(out, capacity, "%.*s", (int)strcspn(name, "|"), name);
        break;
    case GW_PARAM_TEXT:
        snprintf(out, capacity, "%.*s", (int)text_length, text ? text : "");
        break;
    case GW_PARAM_RATE:
        snprintf(out, capacity, "%.9gmbit", number / 1e6);
        break;
    case GW_PARAM_SECONDS:
        snprintf(out, capacity, "%.9gus", number * 1e6);
        break;
    default:
        snprintf(out, capacity, "%.9g", number);
    }
}

int gw_spec_format(char *out, size_t capacity, const char *name, const gw_param *params,
                   const struct gw_values *values)
{
    int length = snprintf(out, capacity, "%s", name);
    char separator = ':';
    for (int i = 0; params[i].key; i++) {
        int absent = !*params[i].standard && !(values->given & 1u << i);
        if (absent)
            continue;
        char value[GW_SPEC_TEXT];
        format_value(value, sizeof value, &params[i], values->number[i], values->text[i],
                     values->text_length[i]);
        size_t used = gw_min_size((size_t)length, capacity);
        length += snprintf(out + used, capacity - used, "%c%s=%s", separator, params[i].key, value);
        separator = ',';
    }
    return length;
}
