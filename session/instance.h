/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Numbers that no other process has: who is the same as before, and who is not. */
#ifndef GW_SESSION_INSTANCE_H
#define GW_SESSION_INSTANCE_H

#include <stdint.h>

/* From the system's random numbers; never 0. */
uint64_t gw_instance_new(void);

#endif
