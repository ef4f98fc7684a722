/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* To open a store whose contents do not matter: they are passed over. */
#ifndef GW_TESTS_SKIP_RECOVERY_H
#define GW_TESTS_SKIP_RECOVERY_H

#include "server/store.h"

static inline gw_status skip_image(void *user, const uint8_t *image, size_t bytes,
                                   struct gw_error *error)
{
    (void)user;
    (void)image;
    (void)bytes;
    (void)error;
    return GW_OK;
}

static inline gw_status skip_record(void *user, uint32_t type, const uint8_t *body, size_t bytes,
                                    struct gw_error *error)
{
    (void)type;
    return skip_image(user, body, bytes, error);
}

static const struct gw_recovery skip_recovery = { NULL, skip_image, skip_record };

#endif
