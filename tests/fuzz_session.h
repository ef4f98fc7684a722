/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A session whose peer, clock, stream and room above all do what an input says (fuzz_session.c
 * tells how it is read). Aborts where a promise of session.h is broken. */
#ifndef GW_TESTS_FUZZ_SESSION_H
#define GW_TESTS_FUZZ_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void fuzz_session(bool serves, const uint8_t *data, size_t size);

#endif
