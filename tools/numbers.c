/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Numbers of the command line: the whole word is the number, and it is in its range. */
#include "tools/numbers.h"

#include <errno.h>
#include <stdlib.h>

int tool_parse_int(int *out, const char *text, int min, int max)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number < min || number > max)
        return -1;
    *out = (int)number;
    return 0;
}

int tool_parse_seed(uint64_t *out, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number == 0)
        return -1;
    *out = number;
    return 0;
}

int tool_parse_seconds(double *out, const char *text)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !(number > 0 && number <= 1e6))
        return -1;
    *out = number;
    return 0;
}
