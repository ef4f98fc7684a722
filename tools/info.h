/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the two ways to print `gradwire info` share. */
#ifndef GW_TOOLS_INFO_H
#define GW_TOOLS_INFO_H

#include <gradwire.h>

struct info_trait {
    unsigned bit;
    const char *name, *sentence;
};

extern const struct info_trait info_traits[]; /* ends with a row whose bit is 0 */

const char *info_kind_name(gw_param_kind kind);

/* "integer 1 .. 8 bits", "max|l2". */
void info_describe_range(char *text, size_t capacity, const gw_param *param);

/* The tables of a parameter server. */
struct info_methods {
    const char *title, *key; /* for people, in JSON */
    int (*row)(size_t index, gw_method_info *out);
};

extern const struct info_methods info_methods[]; /* ends with a row whose title is NULL */

/* Rows named `name`, or all under titles if it is NULL, as text on standard output. */
void info_print_methods(const char *name);
int info_knows_method(const char *name);

/* Each parameter on lines of its own, on standard output. */
void info_print_params(const gw_param *params);

/* The page gradwire-codecs(7), which is made from the same tables, on standard output. */
void info_print_man(void);

/* Rows named `name`, or all if it is NULL, as JSON on standard output. 0, or -1. */
int info_print_json(const char *name);

enum { INFO_CODECS_MAX = 32 };

/* What --costs shall show. */
struct info_costs {
    const char *codecs[INFO_CODECS_MAX];
    int codecs_count;
    const char *comm; /* NULL: as gw_comm_open */
    int ranks;        /* threads of this process instead; 0: none */
    int json;
};

/* An exit status. */
int info_print_costs(const struct info_costs *request);

#endif
