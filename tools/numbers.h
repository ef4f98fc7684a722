/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Numbers of the command line. Each gives 0, or -1 and changes nothing. */
#ifndef GW_TOOLS_NUMBERS_H
#define GW_TOOLS_NUMBERS_H

#include <stdint.h>

int tool_parse_int(int *out, const char *text, int min, int max); /* digits alone */
int tool_parse_seed(uint64_t *out, const char *text);             /* above 0 */
int tool_parse_seconds(double *out, const char *text);            /* above 0, up to 1e6 */

#endif
