/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport "self:": a group of one, which is local: without anyone to meet. */
#include <stdlib.h>

#include "comm/local.h"

static gw_status open_alone(gw_comm *comm, struct gw_error *error)
{
    struct local_group *group;
    struct local_impl *impl = gw_local_impl_new(error);
    if (!impl)
        return GW_ENOMEM;
    gw_status s = gw_local_group_new(&group, 1);
    if (s) {
        free(impl);
        return gw_fail(error, s, "self: out of memory for a comm");
    }
    gw_local_join(comm, impl, group, 0);
    return GW_OK;
}

static gw_status open_self(gw_comm *comm, const struct gw_values *values, const char *rest,
                           struct gw_error *error)
{
    (void)values;
    (void)rest;
    return open_alone(comm, error);
}

static gw_status split_self(gw_comm *out, gw_comm *comm, int colour, unsigned serial,
                            struct gw_error *error)
{
    (void)comm;
    (void)colour;
    (void)serial;
    return out->size == 0 ? GW_OK : open_alone(out, error);
}

static const gw_param no_params[] = { { 0 } };

const struct gw_transport_row gw_self_row = {
    .info = { "self", "a group of one", no_params },
    .open = open_self,
    .close = gw_local_close,
    .split = split_self,
    .send = gw_local_send,
    .recv = gw_local_recv,
    .test = gw_local_test,
    .cancel = gw_local_cancel,
    .pause = gw_local_pause,
};
