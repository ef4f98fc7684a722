/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the two files of `gradwire serve` share. */
#ifndef GW_TOOLS_SERVE_H
#define GW_TOOLS_SERVE_H

#include <gradwire.h>

struct serve_options {
    gw_server_options server;
    const char *log;          /* NULL: standard error */
    const char *address_file; /* NULL: none */
    int quiet;
};

/* 0, or -1 after words on standard error. */
int serve_options_parse(struct serve_options *options, int argc, char **argv);

#endif
