/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The table of optimizers. A new one needs its row here and a paragraph in the manual. */
#include "server/choice.h"
#include "server/optimize_rows.h"

const struct gw_optimizer *const gw_optimizers[] = {
    &gw_optimizer_none,     &gw_optimizer_sgd,     &gw_optimizer_momentum,
    &gw_optimizer_nesterov, &gw_optimizer_adam,    &gw_optimizer_adamw,
    &gw_optimizer_lamb,     &gw_optimizer_adagrad, NULL,
};

enum { ROWS = sizeof gw_optimizers / sizeof *gw_optimizers - 1 };

gw_status gw_optimizer_parse(const struct gw_optimizer **row, struct gw_values *values,
                             const char *spec, char *canonical, size_t capacity,
                             struct gw_error *error)
{
    struct gw_choice choices[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        choices[i] = (struct gw_choice){ gw_optimizers[i]->name, gw_optimizers[i]->params };
    size_t which = 0;
    gw_status s = gw_choice_parse(&which, values, "optimizer", choices, ROWS, spec, error);
    if (!s)
        s = gw_choice_format(&choices[which], values, canonical, capacity, error);
    if (!s)
        *row = gw_optimizers[which];
    return s;
}
