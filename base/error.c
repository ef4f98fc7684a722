/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Errors with words. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

void gw_error_set(struct gw_error *error, gw_status status, const char *format, ...)
{
    if (!error)
        return;
    /* The words may quote the error they replace. */
    char text[GW_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error->status = status;
    snprintf(error->text, sizeof error->text, "%s", text);
}

void gw_error_clear(struct gw_error *error)
{
    error->status = GW_OK;
    error->text[0] = '\0';
}

struct gw_error *gw_open_error(void)
{
    static _Thread_local struct gw_error error;
    return &error;
}
