/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What workers hold: versions, copies, the payloads of the last steps for those who missed some,
 * and the choice between these and the whole. */
#include "server/shard_inside.h"

#include "compress/rows.h"

#include <math.h>
#include <stdlib.h>

/* ---- payloads -------------------------------------------------------------------------------- */

struct gw_blob *gw_raw_blob(const gw_f32 *x, size_t count)
{
    size_t bytes = count * sizeof *x;
    struct gw_blob *blob = gw_blob_new(GW_HEADER_BYTES + bytes);
    if (!blob)
        return NULL;
    memcpy(blob->data + GW_HEADER_BYTES, x, bytes);
    gw_payload_seal(blob->data, GW_WIRE_RAW, 0, count, bytes);
    gw_blob_seal(blob);
    return blob;
}

size_t gw_whole_bytes(const struct gw_shard *shard)
{
    return shard->parts * GW_HEADER_BYTES + shard->elements * sizeof(float);
}

void gw_pieces_free(struct gw_piece *pieces, size_t parts)
{
    for (size_t i = 0; pieces && i < parts; i++)
        gw_blob_drop(pieces[i].payload);
    free(pieces);
}

static void whole_free(struct gw_blob **whole, size_t parts)
{
    for (size_t i = 0; whole && i < parts; i++)
        gw_blob_drop(whole[i]);
    free(whole);
}

/* ---- holders --------------------------------------------------------------------------------- */

/* Where the worker is, or would stand. */
static size_t position(const struct gw_shard *shard, uint32_t worker)
{
    size_t low = 0, high = shard->holders_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shard->holders[middle]->worker < worker)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct gw_holder *gw_holder_find(const struct gw_shard *shard, uint32_t worker)
{
    if (!shard->per_worker)
        return (struct gw_holder *)&shard->shared;
    size_t at = position(shard, worker);
    bool there = at < shard->holders_count && shard->holders[at]->worker == worker;
    return there ? shard->holders[at] : NULL;
}

static bool give_copy(const struct gw_shard *shard, struct gw_holder *holder)
{
    if (shard->difference && !holder->copy)
        holder->copy = malloc(gw_max_size(shard->elements, 1) * sizeof *holder->copy);
    return !shard->difference || holder->copy;
}

static struct gw_holder *insert(struct gw_shard *shard, uint32_t worker)
{
    struct gw_holder *holder = calloc(1, sizeof *holder);
    size_t count = shard->holders_count, at = position(shard, worker);
    if (!holder)
        return NULL;
    struct gw_holder **longer = realloc(shard->holders, (count + 1) * sizeof(struct gw_holder *));
    if (!longer) {
        free(holder);
        return NULL;
    }
    holder->worker = worker;
    memmove(longer + at + 1, longer + at, (count - at) * sizeof(struct gw_holder *));
    longer[at] = holder;
    shard->holders = longer;
    shard->holders_count++;
    return holder;
}

struct gw_holder *gw_holder_make(struct gw_shard *shard, uint32_t worker)
{
    struct gw_holder *holder = gw_holder_find(shard, worker);
    if (!holder)
        holder = insert(shard, worker);
    return holder && give_copy(shard, holder) ? holder : NULL;
}

static void drop_oldest(struct gw_holder *holder, size_t parts)
{
    gw_pieces_free(holder->steps[0].pieces, parts);
    holder->kept--;
    memmove(holder->steps, holder->steps + 1, (size_t)holder->kept * sizeof *holder->steps);
}

static void holder_empty(struct gw_holder *holder, size_t parts)
{
    while (holder->kept > 0)
        drop_oldest(holder, parts);
    whole_free(holder->whole, parts);
    free(holder->copy);
    *holder = (struct gw_holder){ .worker = holder->worker };
}

void gw_holders_forget(struct gw_shard *shard)
{
    holder_empty(&shard->shared, shard->parts);
    for (size_t i = 0; i < shard->holders_count; i++) {
        holder_empty(shard->holders[i], shard->parts);
        free(shard->holders[i]);
    }
    free(shard->holders);
    shard->holders = NULL;
    shard->holders_count = 0;
}

void gw_shard_forget_worker(struct gw_shard *shard, uint32_t worker)
{
    struct gw_holder *holder = gw_holder_find(shard, worker);
    if (!shard->per_worker || !holder)
        return;
    size_t at = position(shard, worker);
    holder_empty(holder, shard->parts);
    free(holder);
    shard->holders_count--;
    memmove(shard->holders + at, shard->holders + at + 1,
            (shard->holders_count - at) * sizeof(struct gw_holder *));
}

/* ---- versions -------------------------------------------------------------------------------- */

static size_t bytes_of(const struct gw_piece *pieces, size_t parts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < parts; i++)
        bytes += pieces[i].payload ? pieces[i].payload->bytes : 0;
    return bytes;
}

void gw_holder_keep(const struct gw_shard *shard, struct gw_holder *holder, struct gw_piece *pieces)
{
    size_t whole = gw_whole_bytes(shard), bytes = 0;
    if (holder->kept == GW_KEPT_MAX || (holder->kept > 0 && !shard->difference))
        drop_oldest(holder, shard->parts);
    holder->steps[holder->kept++] = (struct gw_kept_step){ pieces, bytes_of(pieces, shard->parts) };
    for (int k = 0; k < holder->kept; k++)
        bytes += holder->steps[k].bytes;
    while (shard->difference && holder->kept > 0 && bytes > whole) {
        bytes -= holder->steps[0].bytes;
        drop_oldest(holder, shard->parts);
    }
    whole_free(holder->whole, shard->parts);
    holder->whole = NULL;
    holder->version++;
    holder->changes = shard->changes;
}

uint64_t gw_shard_version(const struct gw_shard *shard, uint32_t worker)
{
    const struct gw_holder *holder = gw_holder_find(shard, worker);
    return holder ? holder->version : 0;
}

double gw_shard_kept_back(const struct gw_shard *shard, uint32_t worker)
{
    const struct gw_holder *holder = gw_holder_find(shard, worker);
    double squares = 0;
    if (!shard->difference || !holder || holder->version == 0)
        return 0;
    for (size_t p = 0; p < shard->parts; p++) {
        const gw_f32 *values = shard->part[p].values, *copy = holder->copy + shard->start[p];
        for (size_t i = 0; i < shard->part[p].part.count; i++) {
            double d = (double)values[i] - (double)copy[i];
            squares += d * d;
        }
    }
    return sqrt(squares);
}

/* ---- pull ------------------------------------------------------------------------------------ */

/* Raw payloads of the copy; many workers may ask for them at one version. */
static bool make_whole(const struct gw_shard *shard, struct gw_holder *holder)
{
    if (holder->whole)
        return true;
    struct gw_blob **whole = calloc(gw_max_size(shard->parts, 1), sizeof(struct gw_blob *));
    bool made = whole != NULL;
    for (size_t p = 0; made && p < shard->parts; p++) {
        whole[p] = gw_raw_blob(holder->copy + shard->start[p], shard->part[p].part.count);
        made = whole[p] != NULL;
    }
    if (made)
        holder->whole = whole;
    else
        whole_free(whole, shard->parts);
    return made;
}

static size_t give_pieces(const struct gw_shard *shard, const struct gw_piece *pieces,
                          struct gw_pull_item *items)
{
    for (size_t p = 0; p < shard->parts; p++)
        items[p] = (struct gw_pull_item){ .part = (uint32_t)p,
                                          .whole = pieces[p].raw || !shard->difference,
                                          .raw = pieces[p].raw,
                                          .payload = gw_blob_share(pieces[p].payload) };
    return shard->parts;
}

static size_t give_whole(const struct gw_shard *shard, const struct gw_holder *holder,
                         struct gw_pull_item *items)
{
    for (size_t p = 0; p < shard->parts; p++)
        items[p] = (struct gw_pull_item){ .part = (uint32_t)p,
                                          .whole = true,
                                          .raw = true,
                                          .payload = gw_blob_share(holder->whole[p]) };
    return shard->parts;
}

/* The first kept step that brings on who holds `has`; -1: it needs the whole. */
static int first_step(const struct gw_shard *shard, const struct gw_holder *holder, uint64_t has)
{
    uint64_t behind = holder->version - has;
    size_t bytes = 0;
    if (!shard->difference)
        return holder->kept - 1;
    if (has == 0 || has > holder->version || behind > (uint64_t)holder->kept)
        return -1;
    for (int k = holder->kept - (int)behind; k < holder->kept; k++)
        bytes += holder->steps[k].bytes;
    return bytes <= gw_whole_bytes(shard) ? holder->kept - (int)behind : -1;
}

gw_status gw_shard_pull(struct gw_shard *shard, uint32_t worker, uint64_t has,
                        struct gw_pull_item **items, size_t *count, struct gw_error *error)
{
    struct gw_holder *holder = gw_holder_find(shard, worker);
    bool newest = !holder || holder->version == has || holder->version == 0;
    int first = newest ? 0 : first_step(shard, holder, has);
    size_t steps = newest ? 0 : first < 0 ? 1 : (size_t)(holder->kept - first);
    struct gw_pull_item *list = calloc(gw_max_size(steps * shard->parts, 1), sizeof *list);
    if (!list || (first < 0 && !make_whole(shard, holder))) {
        free(list);
        return gw_fail(error, GW_ENOMEM, "out of memory for a pull of %zu payloads",
                       steps * shard->parts);
    }
    size_t given = 0;
    if (first < 0)
        given = give_whole(shard, holder, list);
    else
        for (size_t k = 0; k < steps; k++)
            given += give_pieces(shard, holder->steps[first + (int)k].pieces, list + given);
    *items = list;
    *count = given;
    return GW_OK;
}
