/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any bytes as a peers file. The first byte is the number of ranks. */
#include <stdlib.h>

#include "comm/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_error error = { 0 };
    if (size == 0)
        return 0;
    struct gw_tcp_group group = { .ranks = 1 + data[0] % 16 };
    char terms[256];
    gw_status s = gw_tcp_group_parse(&group, (const char *)data + 1, size - 1, "file", &error);
    if ((s != GW_OK) != (error.text[0] != '\0') || (s != GW_OK) != (group.addresses == NULL))
        abort();
    if (s)
        return 0;
    gw_tcp_group_terms(&group, 1, 0, terms, sizeof terms);
    if (!gw_tcp_group_knows(&group, terms))
        abort();
    free(group.addresses);
    return 0;
}
