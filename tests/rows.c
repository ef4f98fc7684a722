/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Prints what the library's tables hold, one "KIND NAME" per line, for lint_codecs.sh. */
#include <gradwire.h>

#include <stdio.h>

int main(void)
{
    const gw_codec_info *codec;
    const gw_algorithm_info *algorithm;
    for (size_t i = 0; (codec = gw_info_codec(i)) != NULL; i++) {
        printf("%s %s\n", (codec->traits & GW_WRAPPER) ? "wrapper" : "codec", codec->name);
    }
    for (size_t i = 0; (algorithm = gw_info_algorithm(i)) != NULL; i++) {
        printf("algorithm %s\n", algorithm->name);
    }
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
