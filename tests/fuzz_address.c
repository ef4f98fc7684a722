/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any bytes as an address are refused with words, or have a full form that is its own
 * full form and as local as they are. */
#include "session/address.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_address one, two;
    struct gw_error error = { 0 };
    gw_status s = gw_address_parse(&one, (const char *)data, size, &error);
    if (s && !*error.text)
        abort();
    if (!s && (gw_address_parse(&two, one.text, strlen(one.text), &error) ||
               strcmp(one.text, two.text) != 0 || strcmp(one.host, two.host) != 0 ||
               gw_address_is_local(&one) != gw_address_is_local(&two)))
        abort();
    return 0;
}
