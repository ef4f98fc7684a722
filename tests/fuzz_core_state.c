/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a server reads back from its disk: an image and records with any bytes, behind checksums
 * that the store has written right. Whatever recovery takes has to work: it is saved again, and
 * read back to the same.
 *
 * The input: a byte that chooses the job, u16 length of the image, the image; then records, each
 * u8 type, u16 length, body. An image of length 0 is the one that a fresh server of this job
 * writes, with bytes changed that stand next: u8 how many, then u16 where and u8 what. A record of
 * type 128 and above is a push with a payload that is right: worker, sequence, flags, clock. */
#include "server/core_inside.h"
#include "server/shard_inside.h"
#include "tests/sim_files.h"
#include "tests/skip_recovery.h"

#include "base/types.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT = 3 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct gw_job *new_job(uint8_t choice)
{
    static const char *const modes[] = { "sync", "quorum:k=2,late=drop", "async", "ssp:s=1" };
    static const char *const optimizers[] = { "sgd", "adam", "lamb", "none" };
    const gw_tensor tensor = { .name = "w", .count = COUNT };
    struct gw_job *job;
    must(gw_job_open(&job, "fuzz", NULL) == GW_OK);
    must(gw_job_set(job, GW_TERM_MODE, modes[choice & 3], NULL) == GW_OK);
    must(gw_job_set(job, GW_TERM_OPTIMIZER, optimizers[choice >> 2 & 3], NULL) == GW_OK);
    must(gw_job_set_layout(job, &tensor, 1, choice & 16 ? "sign" : "raw", NULL, 0, NULL) == GW_OK);
    return job;
}

static void compute(void *user, struct gw_work *work, void (*done)(struct gw_core *core),
                    struct gw_core *core)
{
    (void)user;
    gw_work_run(work);
    done(core);
}

static void background(void *user, void (*task)(struct gw_core *core),
                       void (*done)(struct gw_core *core), struct gw_core *core)
{
    (void)user;
    task(core);
    done(core);
}

static void flush(void *user, void *link)
{
    (void)user;
    (void)link;
}

static struct gw_core *open_core(struct sim_files *disk, uint8_t choice, const char *durability)
{
    const struct gw_core_world world = { NULL, compute, background, flush, NULL };
    struct gw_core_setup setup = { .job = new_job(choice),
                                   .folder = "/state",
                                   .files = &disk->files,
                                   .incarnation = 1,
                                   .threads = 1 };
    struct gw_core *core = NULL;
    must(gw_durability_parse(&setup.durability, durability, NULL) == GW_OK);
    if (gw_core_open(&core, &setup, &world, 0, NULL)) {
        gw_job_close(setup.job);
        return NULL;
    }
    return core;
}

static void append_push(struct gw_store *store, const uint8_t *body, size_t bytes)
{
    uint8_t in[4] = { 0 }, head[GW_PUSH_HEAD], size[4];
    const float values[COUNT] = { 1, 2, 3 };
    memcpy(in, body, gw_min_size(bytes, sizeof in));
    struct gw_blob *blob = gw_raw_blob(values, COUNT);
    const struct push push = { .worker = in[0],
                               .sequence = in[1],
                               .raw = true,
                               .leaving = in[2] & 1,
                               .rate = in[2],
                               .clock = in[3] };
    must(blob != NULL);
    gw_core_write_push_head(head, &push, 1);
    gw_put_u32(size, (uint32_t)blob->bytes);
    const struct iovec pieces[3] = { { head, sizeof head },
                                     { size, sizeof size },
                                     { blob->data, blob->bytes } };
    must(gw_store_append(store, GW_RECORD_PUSH, pieces, 3, NULL) == GW_OK);
    gw_blob_drop(blob);
}

/* What the input says, to a disk, as a server would have written it. */
static void write_disk(struct sim_files *disk, const uint8_t *image, size_t image_bytes,
                       const uint8_t *records, size_t bytes)
{
    struct gw_store *store;
    char said[GW_ERROR_TEXT];
    must(gw_store_open(&store, "/state", true, &disk->files, &skip_recovery, said, NULL) == GW_OK);
    gw_store_turn(store);
    must(gw_store_snapshot(store, image, image_bytes, NULL) == GW_OK);
    while (bytes >= 3) {
        size_t length = gw_min_size(gw_get_u16(records + 1), bytes - 3);
        struct iovec body = { (uint8_t *)records + 3, length };
        if (records[0] >= 128)
            append_push(store, records + 3, length);
        else
            must(gw_store_append(store, records[0] % 8, &body, 1, NULL) == GW_OK);
        records += 3 + length;
        bytes -= 3 + length;
    }
    must(gw_store_flush(store, NULL) == GW_OK);
    gw_store_close(store);
}

static void fresh_image(uint8_t choice, uint8_t **image, size_t *bytes)
{
    struct sim_files *disk = sim_files_new();
    struct gw_core *core = open_core(disk, choice, "none");
    must(core && gw_core_open_shard(core, NULL) == GW_OK);
    must(gw_core_write_image(core, image, bytes, NULL) == GW_OK);
    gw_core_close(core);
    sim_files_free(disk);
}

/* Returns how many bytes of the input that took. */
static size_t change(uint8_t *image, size_t image_bytes, const uint8_t *data, size_t size)
{
    size_t count = size > 0 ? data[0] : 0;
    count = gw_min_size(count, size > 0 ? (size - 1) / 3 : 0);
    for (size_t i = 0; i < count; i++)
        image[gw_get_u16(data + 1 + 3 * i) % image_bytes] = data[3 + 3 * i];
    return size > 0 ? 1 + 3 * count : 0;
}

/* It goes on, stops, and comes back as it was. */
static void use(struct gw_core *core, struct sim_files *disk, uint8_t choice)
{
    uint8_t *before, *after;
    size_t before_bytes, after_bytes;
    free(gw_core_status(core, 0));
    gw_core_tick(core, 0);
    gw_core_stop(core, 0, INT64_C(1000000000));
    must(gw_core_has_stopped(core) && gw_core_result(core, NULL) == GW_OK);
    if (!core->has_values) {
        gw_core_close(core);
        return;
    }
    must(gw_core_write_image(core, &before, &before_bytes, NULL) == GW_OK);
    gw_core_close(core);
    core = open_core(disk, choice, "log");
    must(core != NULL);
    must(gw_core_write_image(core, &after, &after_bytes, NULL) == GW_OK);
    must(before_bytes == after_bytes && memcmp(before, after, after_bytes) == 0);
    free(before);
    free(after);
    gw_core_close(core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    uint8_t choice = data[0], *fresh = NULL;
    size_t image_bytes = gw_min_size(gw_get_u16(data + 1), size - 3);
    const uint8_t *image = data + 3, *records = image + image_bytes;
    size_t bytes = size - 3 - image_bytes;
    if (image_bytes == 0) {
        fresh_image(choice, &fresh, &image_bytes);
        image = fresh;
        size_t used = change(fresh, image_bytes, records, bytes);
        records += used;
        bytes -= used;
    }
    struct sim_files *disk = sim_files_new();
    write_disk(disk, image, image_bytes, records, bytes);
    struct gw_core *core = open_core(disk, choice, "log");
    if (core)
        use(core, disk, choice);
    sim_files_free(disk);
    free(fresh);
    return 0;
}
