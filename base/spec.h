/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Spec strings: "name:key=value,key=value". One parameter table per name is all there is to know;
 * the parser, `gradwire info` and the man page read the same table. */
#ifndef GW_BASE_SPEC_H
#define GW_BASE_SPEC_H

#include <gradwire/info.h>

#include "base/error.h"

enum { GW_PARAMS_MAX = 8, GW_SPEC_TEXT = 256 };

/* A value in force, in the order of the table: numbers, rates in bits per second and times in
 * seconds as they are, a name as its index in `names`. GW_PARAM_TEXT points into the spec. */
struct gw_values {
    double number[GW_PARAMS_MAX];
    const char *text[GW_PARAMS_MAX];
    size_t text_length[GW_PARAMS_MAX];
    unsigned given; /* bit i: the spec set parameter i */
};

/* Parse "key=value,..." of `length` bytes (may be 0) against a table that ends with a NULL key.
 * `owner` names the codec or transport in messages. Errors (GW_ESPEC) name the valid keys, the
 * valid names, or the range, and the nearest key to an unknown one. */
gw_status gw_spec_parse(struct gw_values *values, const char *owner, const gw_param *params,
                        const char *text, size_t length, struct gw_error *error);

/* Write "name:key=value,..." with every parameter written out, names as names; returns the length
 * it needed, as snprintf. */
int gw_spec_format(char *out, size_t capacity, const char *name, const gw_param *params,
                   const struct gw_values *values);

/* The value of one number, rate ("100mbit") or time ("50us") text; GW_ESPEC with words. */
gw_status gw_spec_number(double *out, const char *owner, const gw_param *param, const char *text,
                         size_t length, struct gw_error *error);

/* Among `count` candidates the one with the smallest edit distance to text; NULL if none is near.
 */
const char *gw_nearest(const char *text, size_t length, const char *const *candidates,
                       size_t count);

#endif
