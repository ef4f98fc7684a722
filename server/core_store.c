/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the server's core writes down, and when. With durability "log" an acknowledgement waits
 * until its record is on disk, and a pull until the record of the round whose result it shows is:
 * nobody is told what a kill could take back. Records that come while the disk works are flushed
 * together by the next operation. */
#include "server/core_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STORE_RETRY_NS = 1000000000 };

static bool keeps_log(const struct gw_core *core)
{
    return core->durability.kind == GW_DURABLE_LOG;
}

/* Before the first snapshot stands a kill would leave nothing at all. */
bool gw_core_is_safe(const struct gw_core *core, uint64_t serial)
{
    if (core->durability.kind == GW_DURABLE_NONE)
        return true;
    return core->based && (!keeps_log(core) || serial <= core->durable);
}

/* ---- records --------------------------------------------------------------------------------- */

/* A record that found no memory leaves a gap, which a snapshot closes. */
static void append(struct gw_core *core, enum gw_record type, const struct iovec *pieces, int count)
{
    if (!keeps_log(core))
        return;
    core->appended++;
    if (gw_store_append(core->store, type, pieces, count, &core->store_error))
        core->sick = core->snapshot_wanted = true;
}

void gw_core_log_member(struct gw_core *core, enum gw_record type, const struct member *member)
{
    uint8_t body[24];
    gw_put_u32(body, member->worker);
    gw_put_u32(body + 4, member->epoch);
    gw_put_u64(body + 8, member->instance);
    gw_put_u64(body + 16, member->clock);
    append(core, type, &(struct iovec){ body, sizeof body }, 1);
}

void gw_core_log_late(struct gw_core *core, const struct member *member)
{
    uint8_t body[24] = { 0 };
    gw_put_u32(body, member->worker);
    gw_put_u64(body + 8, member->accepted);
    gw_put_u64(body + 16, member->clock);
    append(core, GW_RECORD_LATE, &(struct iovec){ body, sizeof body }, 1);
}

static void gap(struct gw_core *core)
{
    core->appended++;
    core->sick = core->snapshot_wanted = true;
    gw_error_set(&core->store_error, GW_ENOMEM, "out of memory for a record of the log");
}

void gw_core_log_push(struct gw_core *core, const struct push *push)
{
    size_t parts = gw_shard_parts(core->shard);
    if (!keeps_log(core))
        return;
    uint8_t head[GW_PUSH_HEAD];
    struct iovec *pieces = malloc((parts + 2) * sizeof *pieces);
    uint8_t *sizes = malloc(parts * 4 + 1);
    if (pieces && sizes) {
        gw_core_write_push_head(head, push, parts);
        pieces[0] = (struct iovec){ head, sizeof head };
        pieces[1] = (struct iovec){ sizes, parts * 4 };
        for (size_t i = 0; i < parts; i++) {
            gw_put_u32(sizes + 4 * i, (uint32_t)push->part[i]->bytes);
            pieces[i + 2] = (struct iovec){ push->part[i]->data, push->part[i]->bytes };
        }
        append(core, GW_RECORD_PUSH, pieces, (int)(parts + 2));
    } else {
        gap(core);
    }
    free(pieces);
    free(sizes);
}

/* The pushes in core->taken. */
void gw_core_log_round(struct gw_core *core, size_t count)
{
    if (!keeps_log(core))
        return;
    uint8_t *body = malloc(16 + 16 * count);
    if (body) {
        uint8_t *at = body + 16;
        gw_put_u64(body, core->policy.round + 1);
        gw_put_u64(body + 8, count);
        for (const struct push *p = core->taken; p; p = p->next, at += 16) {
            gw_put_u32(at, p->worker);
            gw_put_u32(at + 4, 0);
            gw_put_u64(at + 8, p->sequence);
        }
        append(core, GW_RECORD_ROUND, &(struct iovec){ body, 16 + 16 * count }, 1);
    } else {
        gap(core);
    }
    free(body);
    core->round_serial = core->appended;
}

/* ---- operations ------------------------------------------------------------------------------ */

static void run_flush(struct gw_core *core)
{
    (void)gw_store_flush(core->store, &core->task_error);
}

static void run_snapshot(struct gw_core *core)
{
    (void)gw_store_snapshot(core->store, core->image, core->image_bytes, &core->task_error);
}

static void note_failure(struct gw_core *core, const char *what)
{
    core->store_error = core->task_error;
    core->store_retry_ns = core->now + STORE_RETRY_NS;
    gw_core_say(core, "level=error event=%s why=\"%s\"", what, core->store_error.text);
}

static void end_flush(struct gw_core *core)
{
    core->storing = false;
    if (core->task_error.status) {
        note_failure(core, "flush-failed");
        core->store_retry_ns = 0; /* another file is tried at once */
        core->sick = core->snapshot_wanted = true;
    } else {
        core->flushes++;
        core->durable = core->storing_serial;
    }
    gw_core_release_all_acks(core);
    gw_core_go_on(core);
}

static void end_snapshot(struct gw_core *core)
{
    core->storing = core->snapshotting = false;
    free(core->image);
    core->image = NULL;
    if (core->task_error.status) {
        note_failure(core, "snapshot-failed");
        core->sick |= core->healing; /* the gap is still there */
        core->snapshot_wanted = !core->final;
        if (core->final) /* nobody will try again */
            core->result = core->store_error;
    } else {
        core->snapshots++;
        core->based = true;
        core->snapshot_round = core->image_round;
        if (core->durable < core->storing_serial)
            core->durable = core->storing_serial;
        gw_core_say(core, "level=info event=snapshot round=%" PRIu64 " bytes=%zu",
                    core->snapshot_round, core->image_bytes);
    }
    gw_core_release_all_acks(core);
    gw_core_go_on(core);
}

static bool snapshot_is_due(const struct gw_core *core)
{
    return core->snapshot_wanted ||
           core->policy.round - core->snapshot_round >= core->durability.every;
}

bool gw_core_wants_snapshot(const struct gw_core *core)
{
    return core->durability.kind != GW_DURABLE_NONE && core->has_values && !core->snapshotting &&
           core->store_retry_ns == 0 && snapshot_is_due(core);
}

/* With durability "snapshot" it is taken before anybody has seen the round that it is of, so that
 * no push of the next one is in it: workers who save states of their own at the same rounds find a
 * server that fits them. If the one before is still being written, all wait for the disk, and a
 * kill takes back as many rounds as were asked for. */
bool gw_core_waits_for_snapshot(const struct gw_core *core)
{
    return core->durability.kind == GW_DURABLE_SNAPSHOT &&
           (gw_core_wants_snapshot(core) ||
            (core->snapshotting &&
             core->policy.round - core->image_round >= core->durability.every));
}

static void start_snapshot(struct gw_core *core)
{
    gw_error_clear(&core->task_error);
    core->healing = core->sick;
    gw_status s = gw_core_write_image(core, &core->image, &core->image_bytes, &core->task_error);
    if (s) {
        end_snapshot(core);
        return;
    }
    gw_store_turn(core->store);
    core->storing = core->snapshotting = true;
    core->storing_serial = core->appended;
    core->image_round = core->policy.round;
    core->snapshot_wanted = core->sick = false; /* what is appended from now on has a new file */
    core->again = true;                         /* pulls that waited for this */
    core->world.background(core->world.user, run_snapshot, end_snapshot, core);
}

static void start_flush(struct gw_core *core)
{
    gw_error_clear(&core->task_error);
    core->storing = true;
    core->storing_serial = core->appended;
    core->world.background(core->world.user, run_flush, end_flush, core);
}

/* A server that stops ends with a snapshot of what it has. */
static void stop(struct gw_core *core)
{
    if (!core->final) {
        core->final = core->again = true;
        core->snapshot_wanted = core->has_values && core->durability.kind != GW_DURABLE_NONE;
        core->store_retry_ns = 0;
    } else if (!core->snapshot_wanted) {
        core->stopped = true;
    }
}

void gw_core_store(struct gw_core *core)
{
    if (core->storing)
        return;
    if (gw_core_wants_snapshot(core) && !core->work)
        start_snapshot(core);
    else if (keeps_log(core) && core->based && !core->sick && core->appended > core->durable)
        start_flush(core);
    else if (core->stopping && !core->work && !core->again && !gw_core_drains(core))
        stop(core);
}
