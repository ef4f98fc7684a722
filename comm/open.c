/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Opening, splitting and closing a comm, and what it says of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "comm/comm.h"

/* ---- building blocks ------------------------------------------------------------------------- */

gw_status gw_comm_new(gw_comm **out, const struct gw_transport_row *row, struct gw_error *error)
{
    gw_comm *comm = calloc(1, sizeof *comm);
    if (!comm)
        return gw_fail(error, GW_ENOMEM, "out of memory for a comm");
    comm->row = row;
    comm->timeout_ns = (int64_t)(gw_setting_number(GW_SET_TIMEOUT) * 1e9);
    comm->next_channel = GW_CHANNEL_FIRST_PLAN;
    *out = comm;
    return GW_OK;
}

gw_status gw_comm_name(gw_comm *comm, const char *params, const char *inner, struct gw_error *error)
{
    const char *name = comm->row->info.name;
    size_t bytes = strlen(name) + strlen(params) + (inner ? strlen(inner) : 0) + 3;
    comm->spec = malloc(bytes);
    if (!comm->spec)
        return gw_fail(error, GW_ENOMEM, "out of memory for a comm");
    snprintf(comm->spec, bytes, "%s:%s%s%s", name, params, inner ? "/" : "", inner ? inner : "");
    return GW_OK;
}

/* Everything but the transport's part. */
static void release(gw_comm *comm)
{
    gw_control_close(comm);
    gw_comm_close_access(comm);
    free(comm->nodes);
    free(comm->costs);
    free(comm->pins);
    free(comm->tuning);
    free(comm->spec);
    free(comm);
}

void gw_comm_close(gw_comm *comm)
{
    if (!comm)
        return;
    if (comm->attached)
        comm->attached->close(comm->attached, comm);
    comm->row->close(comm);
    release(comm);
}

/* ---- open ------------------------------------------------------------------------------------ */

static gw_status open_row(gw_comm *comm, const char *params, size_t length, const char *rest,
                          struct gw_error *error)
{
    const struct gw_transport_row *row = comm->row;
    struct gw_values values;
    if (row->decorates && !rest)
        return gw_fail(error, GW_ESPEC,
                       "%s: stands in front of another transport: %s:.../mpi:", row->info.name,
                       row->info.name);
    gw_status s = gw_spec_parse(&values, row->info.name, row->info.params, params, length, error);
    return s ? s : row->open(comm, &values, rest, error);
}

static gw_status name_after(gw_comm *comm, const char *params, size_t length,
                            struct gw_error *error)
{
    char text[GW_SPEC_TEXT];
    if (comm->spec) /* decorators know their inner spec, so they have done it */
        return GW_OK;
    snprintf(text, sizeof text, "%.*s", (int)length, params);
    return gw_comm_name(comm, text, NULL, error);
}

gw_status gw_comm_open_bare(gw_comm **out, const char *spec, struct gw_error *error)
{
    const char *colon = strchr(spec, ':');
    if (!colon)
        return gw_fail(error, GW_ESPEC,
                       "comm spec '%s' has no ':'; a spec is TRANSPORT:key=value,..., "
                       "for example self: or mpi:",
                       spec);
    const struct gw_transport_row *row = gw_transport_find(spec, (size_t)(colon - spec), error);
    if (!row)
        return GW_ESPEC;
    const char *params = colon + 1;
    const char *slash = row->decorates ? strchr(params, '/') : NULL;
    size_t length = slash ? (size_t)(slash - params) : strlen(params);
    if (length >= GW_SPEC_TEXT)
        return gw_fail(error, GW_ESPEC, "comm spec is longer than %d", GW_SPEC_TEXT - 1);

    gw_comm *comm;
    gw_status s = gw_comm_new(&comm, row, error);
    if (s)
        return s;
    s = open_row(comm, params, length, slash ? slash + 1 : NULL, error);
    if (s) {
        release(comm);
        return s;
    }
    s = name_after(comm, params, length, error);
    if (!s)
        s = gw_control_open(comm, error);
    if (s)
        gw_comm_close(comm);
    else
        *out = comm;
    return s;
}

static const gw_param link_params[] = {
    { "rate", GW_PARAM_RATE, "1gbit", 1, 1e15, NULL, "bit/s", "of each rank's lanes" },
    { "latency", GW_PARAM_SECONDS, "50us", 0, 1000, NULL, "s", "of each message" },
    { 0 }
};

/* "RATE,LATENCY" as the parameters of shaped: */
static gw_status shape_by_setting(gw_comm **comm, const char *link, struct gw_error *error)
{
    struct gw_values values;
    char params[GW_SPEC_TEXT];
    const char *comma = strchr(link, ',');
    int rate = comma ? (int)(comma - link) : (int)strlen(link);
    int n = snprintf(params, sizeof params, "rate=%.*s%s%s", rate, link, comma ? ",latency=" : "",
                     comma ? comma + 1 : "");
    if (n >= (int)sizeof params)
        return gw_fail(error, GW_ESPEC, "GRADWIRE_LINK is too long");
    gw_status s =
        gw_spec_parse(&values, "GRADWIRE_LINK", link_params, params, strlen(params), error);
    return s ? s : gw_shaped_wrap(comm, &values, error);
}

gw_status gw_comm_complete(gw_comm **comm, struct gw_error *error)
{
    const char *link = gw_setting_text(GW_SET_LINK);
    gw_status s = GW_OK;
    if (*link && !(*comm)->shaped)
        s = shape_by_setting(comm, link, error);
    if (!s)
        s = gw_topology_fill(*comm, error);
    if (s) {
        gw_comm_close(*comm);
        *comm = NULL;
    }
    return s;
}

gw_status gw_comm_open_spec(gw_comm **out, const char *spec, struct gw_error *error)
{
    gw_comm *comm;
    gw_status s = gw_settings_check(error);
    if (!s)
        s = gw_comm_open_bare(&comm, spec ? spec : gw_setting_text(GW_SET_COMM), error);
    if (!s)
        s = gw_comm_complete(&comm, error);
    if (!s)
        *out = comm;
    return s;
}

gw_status gw_comm_open(gw_comm **out, const char *spec)
{
    struct gw_error *error = gw_open_error();
    gw_error_clear(error);
    if (!out)
        return gw_fail(error, GW_EINVAL, "gw_comm_open: out is NULL");
    return gw_comm_open_spec(out, spec, error);
}

/* ---- split ----------------------------------------------------------------------------------- */

struct seat {
    int32_t colour, key, status;
};

/* This rank's place in its new group. */
static void place(gw_comm *out, const gw_comm *comm, const struct seat *seats)
{
    const struct seat *mine = &seats[comm->rank];
    if (mine->colour < 0)
        return;
    for (int r = 0; r < comm->size; r++) {
        if (seats[r].colour != mine->colour)
            continue;
        out->size++;
        if (seats[r].key < mine->key || (seats[r].key == mine->key && r < comm->rank))
            out->rank++;
    }
}

static gw_status split_row(gw_comm *out, gw_comm *comm, const struct seat *seats, unsigned serial,
                           struct gw_error *error)
{
    for (int r = 0; r < comm->size; r++)
        if (seats[r].status)
            return gw_fail(error, seats[r].status, "gw_comm_split: rank %d is out of memory", r);
    if (!out) /* said by this rank's seat already */
        return gw_fail(error, GW_ENOMEM, "gw_comm_split: out of memory");
    place(out, comm, seats);
    return comm->row->split(out, comm, seats[comm->rank].colour, serial, error);
}

/* The part of a split that may run out of memory comes before the others are told. */
static gw_status prepare_part(gw_comm **part, const gw_comm *comm)
{
    gw_status s = gw_comm_new(part, comm->row, NULL);
    if (s)
        return s;
    (*part)->timeout_ns = comm->timeout_ns;
    (*part)->simulated = comm->simulated;
    (*part)->island = comm->island;
    (*part)->spec = strdup(comm->spec);
    return (*part)->spec ? GW_OK : GW_ENOMEM;
}

static gw_status split(gw_comm **out, gw_comm *comm, int colour, int key, struct gw_error *error)
{
    gw_comm *part = NULL;
    unsigned serial = comm->next_split++;
    struct seat *seats = calloc((size_t)comm->size, sizeof *seats);
    if (!seats) {
        (void)gw_comm_break(comm, GW_ENOMEM, "gw_comm_split: out of memory");
        return gw_fail(error, GW_ENOMEM, "gw_comm_split: out of memory");
    }
    struct seat mine = { colour, key, prepare_part(&part, comm) };
    if (part)
        snprintf(part->branch, sizeof part->branch, "%.8s-%u.%d", comm->branch, serial, colour);
    gw_status s = gw_control_allgather(comm, &mine, sizeof mine, seats, error);
    if (!s)
        s = split_row(part, comm, seats, serial, error);
    free(seats);
    if (s || !part || part->size == 0) {
        if (part)
            release(part);
        if (!s)
            *out = NULL;
        return s;
    }
    s = gw_control_open(part, error);
    if (!s)
        s = gw_topology_fill(part, error);
    if (s)
        gw_comm_close(part);
    else
        *out = part;
    return s;
}

gw_status gw_comm_split(gw_comm **out, gw_comm *comm, int colour, int key)
{
    if (!comm)
        return GW_EINVAL;
    gw_error_clear(&comm->error);
    if (!out)
        return gw_fail(&comm->error, GW_EINVAL, "gw_comm_split: out is NULL");
    gw_comm_enter(comm);
    gw_status s = gw_comm_check(comm, &comm->error);
    if (!s)
        s = split(out, comm, colour, key, &comm->error);
    gw_comm_leave(comm);
    return s;
}

/* ---- what a comm says of itself -------------------------------------------------------------- */

int gw_comm_rank(const gw_comm *comm)
{
    return comm->rank;
}

int gw_comm_size(const gw_comm *comm)
{
    return comm->size;
}

int gw_comm_node_ranks(const gw_comm *comm)
{
    return comm->node_ranks;
}

int gw_comm_node_rank(const gw_comm *comm)
{
    return comm->node_rank;
}

int gw_comm_node_cores(const gw_comm *comm)
{
    return comm->node_cores;
}

int gw_comm_node(const gw_comm *comm, int rank)
{
    return rank >= 0 && rank < comm->size ? comm->nodes[rank] : -1;
}

const char *gw_comm_spec(const gw_comm *comm)
{
    return comm->spec;
}

gw_status gw_comm_set_timeout(gw_comm *comm, double seconds)
{
    if (!comm)
        return GW_EINVAL;
    gw_error_clear(&comm->error);
    if (!(seconds > 0) || seconds > 1e9)
        return gw_fail(&comm->error, GW_EINVAL,
                       "gw_comm_set_timeout: %g is not a number of seconds above 0", seconds);
    comm->timeout_ns = (int64_t)gw_max_size((size_t)(seconds * 1e9), 1);
    return GW_OK;
}

const char *gw_comm_error(const gw_comm *comm)
{
    return comm ? comm->error.text : gw_open_error()->text;
}
