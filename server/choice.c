/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A name out of a table, then its parameters, and back. */
#include "server/choice.h"

#include "base/types.h"

#include <stdio.h>
#include <string.h>

static gw_status unknown(const char *what, const struct gw_choice *choices, size_t count,
                         const char *name, size_t length, struct gw_error *error)
{
    const char *names[GW_CHOICES_MAX];
    char list[GW_SPEC_TEXT] = "";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(list);
        names[i] = choices[i].name;
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    if (length == 0)
        return gw_fail(error, GW_ESPEC, "the name of the %s is missing; valid: %s", what, list);
    const char *near = gw_nearest(name, length, names, count);
    return gw_fail(error, GW_ESPEC, "there is no %s '%.*s'%s%s%s; valid: %s", what,
                   (int)gw_min_size(length, 64), name, near ? " (did you mean '" : "",
                   near ? near : "", near ? "'?)" : "", list);
}

gw_status gw_choice_parse(size_t *which, struct gw_values *values, const char *what,
                          const struct gw_choice *choices, size_t count, const char *spec,
                          struct gw_error *error)
{
    size_t length = strcspn(spec, ":"), i = 0;
    while (i < count &&
           (strlen(choices[i].name) != length || memcmp(choices[i].name, spec, length) != 0))
        i++;
    if (i == count)
        return unknown(what, choices, count, spec, length, error);
    const char *rest = spec + length + (spec[length] == ':');
    gw_status s =
        gw_spec_parse(values, choices[i].name, choices[i].params, rest, strlen(rest), error);
    if (!s)
        *which = i;
    return s;
}

gw_status gw_choice_format(const struct gw_choice *choice, const struct gw_values *values,
                           char *canonical, size_t capacity, struct gw_error *error)
{
    if (!canonical)
        return GW_OK;
    char text[GW_SPEC_TEXT];
    int length = gw_spec_format(text, sizeof text, choice->name, choice->params, values);
    if ((size_t)length >= gw_min_size(capacity, sizeof text))
        return gw_fail(error, GW_ECAPACITY, "the spec of %s needs %d bytes, there are %zu",
                       choice->name, length + 1, capacity);
    memcpy(canonical, text, (size_t)length + 1);
    return GW_OK;
}
