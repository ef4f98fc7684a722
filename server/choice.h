/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Specs of modes, aggregators, optimizers and durabilities, "trimmed:cut=0.2": a name out of a
 * table, then its parameters. The tables have rows of their own kinds; this is what the parser
 * needs of one. */
#ifndef GW_SERVER_CHOICE_H
#define GW_SERVER_CHOICE_H

#include "base/error.h"
#include "base/spec.h"

enum { GW_CHOICES_MAX = 16 };

struct gw_choice {
    const char *name;
    const gw_param *params;
};

/* `what` is the kind of thing, for messages. GW_ESPEC names the valid names and the nearest. */
gw_status gw_choice_parse(size_t *which, struct gw_values *values, const char *what,
                          const struct gw_choice *choices, size_t count, const char *spec,
                          struct gw_error *error);

/* With every parameter written out; NULL is fine. GW_ECAPACITY. */
gw_status gw_choice_format(const struct gw_choice *choice, const struct gw_values *values,
                           char *canonical, size_t capacity, struct gw_error *error);

#endif
