/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A program of someone else: knows the installed headers and pkg-config's words, nothing more. */
#include <gradwire.h>

#include <stdio.h>
#include <string.h>

static int fails(const char *what, gw_status status, const char *words)
{
    fprintf(stderr, "consumer: %s: expected GW_OK, got %s: %s\n", what, gw_status_name(status),
            words);
    return 1;
}

static int same_version(void)
{
    char headers[32];
    snprintf(headers, sizeof headers, "%d.%d.%d", GW_VERSION_MAJOR, GW_VERSION_MINOR,
             GW_VERSION_PATCH);
    if (strcmp(headers, gw_version()) != 0) {
        fprintf(stderr, "consumer: headers are %s, the library %s\n", headers, gw_version());
        return 0;
    }
    return 1;
}

int main(void)
{
    gw_comm *comm;
    gw_plan *plan;
    float gradient[1000], mean[1000];
    gw_status status;

    if (!same_version()) {
        return 1;
    }
    for (int i = 0; i < 1000; i++) {
        gradient[i] = (float)i;
    }
    if ((status = gw_comm_open(&comm, "self:")) != GW_OK) {
        return fails("gw_comm_open", status, gw_comm_error(NULL));
    }
    status = gw_plan_allreduce(&plan, comm, 1000, GW_F32, GW_MEAN, NULL);
    if (status != GW_OK) {
        return fails("gw_plan_allreduce", status, gw_comm_error(comm));
    }
    if ((status = gw_start(plan, gradient, mean)) != GW_OK || (status = gw_wait(plan)) != GW_OK) {
        return fails("gw_start or gw_wait", status, gw_plan_error(plan));
    }
    for (int i = 0; i < 1000; i++) {
        if (mean[i] != (float)i) {
            fprintf(stderr, "consumer: element %d: expected %d, got %g\n", i, i, (double)mean[i]);
            return 1;
        }
    }
    gw_plan_close(plan);
    gw_comm_close(comm);
    puts("consumer: done");
    return 0;
}
