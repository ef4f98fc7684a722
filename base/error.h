/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* An error with words. Handles hold one; gw_fail fills it and hands the status back. */
#ifndef GW_BASE_ERROR_H
#define GW_BASE_ERROR_H

#include <gradwire/status.h>

enum { GW_ERROR_TEXT = 640 };

struct gw_error {
    gw_status status;
    char text[GW_ERROR_TEXT];
};

/* Set status and words (longer words are cut) and return the status; `error` may be NULL. */
gw_status gw_fail(struct gw_error *error, gw_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void gw_error_clear(struct gw_error *error);

/* The calling thread's last failed open, for gw_comm_error(NULL): errno's manner, because a
 * constructor that fails has no handle to hold the words. */
struct gw_error *gw_open_error(void);

#endif
