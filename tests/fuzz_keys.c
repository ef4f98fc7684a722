/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any text as a key file is refused with words, or gives keys that can be found. */
#include "session/keys.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_keys *keys = NULL;
    struct gw_error error = { 0 };
    gw_status s = gw_keys_parse(&keys, (const char *)data, size, &error);
    if (s) {
        if (keys || !*error.text)
            abort();
        return 0;
    }
    size_t found = 0;
    for (uint32_t worker = 0; worker < 64; worker++)
        found += gw_keys_find(keys, worker) != NULL;
    if (!gw_keys_count(keys) || found > gw_keys_count(keys) || !*gw_keys_job(keys) ||
        strlen(gw_keys_job(keys)) > 64)
        abort();
    gw_keys_close(keys);
    return 0;
}
