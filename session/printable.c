/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Not isprint, which says in each locale something else. */
#include "session/printable.h"

void gw_make_printable(void *text, size_t bytes)
{
    unsigned char *at = text;
    for (size_t i = 0; i < bytes; i++)
        if (at[i] < ' ' || at[i] > '~')
            at[i] = '?';
}
