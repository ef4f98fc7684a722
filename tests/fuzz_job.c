/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any bytes as a job's text are refused with words and a line, or are a job whose text
 * is its own text; which then agrees with itself and is cut into all of its elements. */
#include "server/job.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut(const struct gw_job *job)
{
    struct gw_part *parts;
    size_t count = 0, total = 0, cut = 0;
    struct gw_error error = { 0 };
    for (size_t i = 0; i < job->tensors; i++)
        total += job->tensor[i].count;
    if (total > (size_t)1 << 30 || gw_job_cut(&parts, &count, job, &error))
        return;
    for (size_t i = 0; i < count; i++) {
        cut += parts[i].count;
        if (parts[i].server < 0 || parts[i].server >= job->servers)
            abort();
    }
    free(parts);
    if (cut != total)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_job *job = NULL, *again = NULL;
    struct gw_error error = { 0 };
    gw_status s = gw_job_read(&job, (const char *)data, size, &error);
    if (s) {
        if (job || !strstr(error.text, "job") || (s != GW_EPAYLOAD && s != GW_ESPEC))
            abort();
        return 0;
    }
    char *text = gw_job_write(job);
    if (!text || gw_job_read(&again, text, strlen(text), &error))
        abort();
    char *text_again = gw_job_write(again);
    if (!text_again || strcmp(text, text_again) != 0)
        abort();
    if (gw_job_agree(job, again, 0, &error))
        abort();
    cut(job);
    free(text);
    free(text_again);
    gw_job_close(job);
    gw_job_close(again);
    return 0;
}
