/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any text as a codec spec is refused with words, or has a full form that is its own
 * full form. */
#include "compress/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *spec = malloc(size + 1), full[1024], again[1024];
    if (!spec)
        abort();
    memcpy(spec, data, size);
    spec[size] = '\0';
    struct gw_error error = { 0 };
    const struct gw_codec_row *core = NULL;
    gw_status s = gw_codec_canonical(spec, full, sizeof full, &core, &error);
    if (s && !*error.text)
        abort();
    if (!s && (!core || gw_codec_canonical(full, again, sizeof again, NULL, &error) ||
               strcmp(full, again) != 0))
        abort();
    free(spec);
    return 0;
}
