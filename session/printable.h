/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Text of a peer goes into messages, logs and terminals, and none of them is to be steered by it.
 */
#ifndef GW_SESSION_PRINTABLE_H
#define GW_SESSION_PRINTABLE_H

#include <stddef.h>

/* '?' in place of each byte that is not printable ASCII; a line's end is none either. */
void gw_make_printable(void *text, size_t bytes);

#endif
