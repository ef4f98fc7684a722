/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a parameter server may be told, in `gradwire info`. */
#include "tools/info.h"

#include <stdio.h>
#include <string.h>

const struct info_methods info_methods[] = {
    { "Modes", "modes", gw_info_mode },
    { "Aggregators", "aggregators", gw_info_aggregator },
    { "Optimizers", "optimizers", gw_info_optimizer },
    { "Durabilities", "durabilities", gw_info_durability },
    { NULL, NULL, NULL },
};

static void print_method(const gw_method_info *method)
{
    printf("  %-10s %s\n", method->name, method->sentence);
    if (method->paper && *method->paper)
        printf("  %-10s %s\n", "", method->paper);
    info_print_params(method->params);
}

void info_print_methods(const char *name)
{
    gw_method_info method;
    for (const struct info_methods *table = info_methods; table->title; table++) {
        if (!name)
            printf("\n%s of a parameter server\n", table->title);
        for (size_t i = 0; table->row(i, &method); i++)
            if (!name || strcmp(name, method.name) == 0)
                print_method(&method);
    }
}

int info_knows_method(const char *name)
{
    gw_method_info method;
    for (const struct info_methods *table = info_methods; table->title; table++)
        for (size_t i = 0; table->row(i, &method); i++)
            if (strcmp(name, method.name) == 0)
                return 1;
    return 0;
}
