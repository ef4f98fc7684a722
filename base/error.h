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

/* Set status and words (longer words are cut); `error` may be NULL. */
void gw_error_set(struct gw_error *error, gw_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, and its value is the status. A macro, so that compilers and analyzers see in the caller
 * that the status is an error. */
#define gw_fail(error, status, ...)                                                                \
    (gw_error_set((error), (status), __VA_ARGS__), gw_status_same(status))

static inline gw_status gw_status_same(gw_status status)
{
    return status;
}

void gw_error_clear(struct gw_error *error);

/* The calling thread's last failed open, for gw_comm_error(NULL): errno's manner, because a
 * constructor that fails has no handle to hold the words. */
struct gw_error *gw_open_error(void);

#endif
