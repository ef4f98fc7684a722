/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A store's files, each cut at every byte and with every byte changed: the damage is named, or the
 * older snapshot and all its records are taken, or what is missing could be the end that a crash
 * tore off; never are other records handed out. And what a folder holds after a generation. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "server/store_parts.h"
#include "tests/sim_files.h"
#include "tests/store_model.h"

enum { RECORDS = 4, GENERATIONS = 3 };

/* Generations 1 to 3, RECORDS in each log, each flushed alone: snapshot.2, snapshot.3, log.2 and
 * log.3 are left. */
struct world {
    struct sim_files *sim;
    struct store_model model;
};

static void must(gw_status s, const struct store_model *m)
{
    ck_assert_msg(!s && !m->wrong[0], "%s: %s %s", gw_status_name(s), m->error.text, m->wrong);
}

static struct world *make_world(void)
{
    struct world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    w->sim = sim_files_new();
    struct store_model *m = &w->model;
    m->files = &w->sim->files;
    m->folder = "/state";
    m->logs = true;
    must(store_model_open(m), m);
    for (int g = 1; g <= GENERATIONS; g++) {
        for (int i = 0; i < RECORDS; i++) {
            must(store_model_append(m), m);
            must(store_model_flush(m), m);
        }
        if (g < GENERATIONS) {
            store_model_turn(m);
            must(store_model_snapshot(m), m);
        }
    }
    store_model_close(m);
    m->durable = 0; /* what has to come back is said by each test */
    return w;
}

static struct world *copy_world(const struct world *w)
{
    struct world *copy = malloc(sizeof *copy);
    ck_assert_ptr_nonnull(copy);
    *copy = *w;
    copy->sim = sim_files_copy(w->sim);
    copy->model.files = &copy->sim->files;
    return copy;
}

static void free_world(struct world *w)
{
    sim_files_free(w->sim);
    free(w);
}

/* Change byte `at` of a file, or cut it there. */
static void damage(struct world *w, const char *path, size_t at, bool cut)
{
    size_t bytes;
    uint8_t *content = sim_files_bytes(w->sim, path, &bytes);
    ck_assert_msg(content && at < bytes, "%s has no byte %zu", path, at);
    if (cut)
        sim_files_cut(w->sim, path, at);
    else
        content[at] ^= (uint8_t)(1 << at % 8);
}

static size_t size_of(const struct world *w, const char *path)
{
    size_t bytes = 0;
    ck_assert_msg(sim_files_bytes(w->sim, path, &bytes), "there is no %s", path);
    return bytes;
}

static bool is_there(const struct world *w, const char *path)
{
    size_t bytes;
    return sim_files_bytes(w->sim, path, &bytes) != NULL;
}

/* Opens and closes; then opens again, which must find the same. */
static void expect(struct world *w, gw_status expected, uint64_t records, bool says,
                   const char *path, size_t at)
{
    struct store_model *m = &w->model;
    gw_status s = store_model_open(m);
    ck_assert_msg(s == expected && !m->wrong[0], "%s at %zu: expected %s, got %s (%s) %s", path, at,
                  gw_status_name(expected), gw_status_name(s), m->error.text, m->wrong);
    ck_assert_msg(!s || strstr(m->error.text, "/state/"), "%s at %zu: words without a file: %s",
                  path, at, m->error.text);
    if (s)
        return;
    ck_assert_msg(m->applied == records, "%s at %zu: expected %llu records, got %llu", path, at,
                  (unsigned long long)records, (unsigned long long)m->applied);
    ck_assert_msg((m->said[0] != '\0') == says, "%s at %zu: said '%s'", path, at, m->said);
    store_model_close(m);
    must(store_model_open(m), m);
    ck_assert_msg(m->applied == records, "%s at %zu: %llu records at first, %llu then", path, at,
                  (unsigned long long)records, (unsigned long long)m->applied);
    store_model_close(m);
}

static const uint64_t all = RECORDS * GENERATIONS;

START_TEST(a_damaged_snapshot_falls_back)
{
    struct world *w = make_world();
    for (size_t at = 0; at < size_of(w, "/state/snapshot.3"); at++) {
        struct world *copy = copy_world(w);
        damage(copy, "/state/snapshot.3", at, _i);
        expect(copy, GW_OK, all, true, "snapshot.3", at);
        free_world(copy);
        copy = copy_world(w);
        damage(copy, "/state/snapshot.3", at, _i);
        damage(copy, "/state/snapshot.2", 0, false);
        expect(copy, GW_EPAYLOAD, 0, false, "both snapshots", at);
        free_world(copy);
    }
    for (size_t at = 0; at < size_of(w, "/state/snapshot.2"); at++) {
        struct world *copy = copy_world(w);
        damage(copy, "/state/snapshot.2", at, _i);
        expect(copy, GW_OK, all, false, "snapshot.2", at);
        free_world(copy);
    }
    free_world(w);
}
END_TEST

/* Ends of the records of a log, the header's too. */
static void find_ends(const struct world *w, const char *path, size_t ends[RECORDS + 1])
{
    size_t bytes;
    const uint8_t *file = sim_files_bytes(w->sim, path, &bytes);
    ends[0] = GW_LOG_HEADER;
    for (int i = 0; i < RECORDS; i++)
        ends[i + 1] =
            gw_round_up(ends[i] + GW_RECORD_HEADER + gw_get_u32(file + ends[i]), GW_RECORD_ALIGN);
    ck_assert_uint_eq(ends[RECORDS], bytes);
}

START_TEST(a_changed_byte_of_the_newest_log)
{
    struct world *w = make_world();
    size_t ends[RECORDS + 1];
    find_ends(w, "/state/log.3", ends);
    for (size_t at = 0; at < ends[RECORDS]; at++) {
        struct world *copy = copy_world(w);
        damage(copy, "/state/log.3", at, false);
        bool last = at >= ends[RECORDS - 1]; /* can only be taken for a torn end */
        expect(copy, last ? GW_OK : GW_EPAYLOAD, all - 1, true, "log.3", at);
        free_world(copy);
    }
    free_world(w);
}
END_TEST

START_TEST(a_cut_newest_log)
{
    struct world *w = make_world();
    size_t ends[RECORDS + 1];
    find_ends(w, "/state/log.3", ends);
    for (size_t at = 0; at < ends[RECORDS]; at++) {
        struct world *copy = copy_world(w);
        int whole = RECORDS;
        while (whole > 0 && ends[whole] > at)
            whole--;
        damage(copy, "/state/log.3", at, true);
        expect(copy, GW_OK, all - RECORDS + (uint64_t)whole, at != ends[whole] && at > 0,
               "cut log.3", at);
        if (whole > 0)
            ck_assert_uint_eq(size_of(copy, "/state/log.3"), ends[whole]);
        free_world(copy);
    }
    free_world(w);
}
END_TEST

/* What a newer log stands on cannot be missing. */
START_TEST(damage_in_an_older_log)
{
    struct world *w = make_world();
    damage(w, "/state/snapshot.3", 0, false);
    for (size_t at = 0; at < size_of(w, "/state/log.2"); at++) {
        struct world *copy = copy_world(w);
        damage(copy, "/state/log.2", at, _i);
        expect(copy, GW_EPAYLOAD, 0, false, "log.2", at);
        free_world(copy);
    }
    free_world(w);
}
END_TEST

START_TEST(files_of_other_generations)
{
    struct world *w = make_world();
    struct world *copy = copy_world(w);
    const struct gw_files *files = &copy->sim->files;
    ck_assert_int_eq(files->rename(copy->sim, "/state/snapshot.3", "/state/snapshot.4"), 0);
    expect(copy, GW_OK, all, true, "renamed snapshot", 0);
    free_world(copy);
    copy = copy_world(w);
    ck_assert_int_eq(copy->sim->files.rename(copy->sim, "/state/log.3", "/state/log.4"), 0);
    expect(copy, GW_EPAYLOAD, 0, false, "snapshot of another generation, renamed log", 0);
    free_world(copy);
    free_world(w);
}
END_TEST

/* ---- what is left in the folder -------------------------------------------------------------- */

START_TEST(two_generations_are_kept)
{
    struct world *w = make_world();
    struct store_model *m = &w->model;
    int fd = w->sim->files.open(w->sim, "/state/snapshot.3.tmp", 0100 /* O_CREAT */, 0600);
    ck_assert_int_ge(fd, 0);
    w->sim->files.close(w->sim, fd);
    sim_files_cut(w->sim, "/state/snapshot.3.tmp", 5);
    ck_assert(is_there(w, "/state/snapshot.3.tmp"));
    ck_assert(!is_there(w, "/state/snapshot.1") && !is_there(w, "/state/log.1"));
    must(store_model_open(m), m);
    ck_assert_msg(!is_there(w, "/state/snapshot.3.tmp"), "a temporary file was left");
    ck_assert(is_there(w, "/state/log.4"));
    store_model_turn(m);
    must(store_model_snapshot(m), m);
    ck_assert(is_there(w, "/state/snapshot.5") && is_there(w, "/state/snapshot.3"));
    ck_assert(is_there(w, "/state/log.3") && is_there(w, "/state/log.4"));
    ck_assert(!is_there(w, "/state/snapshot.2") && !is_there(w, "/state/log.2"));
    store_model_close(m);
    /* One that is not whole is not one of the two. */
    damage(w, "/state/snapshot.5", 50, false);
    must(store_model_open(m), m);
    store_model_turn(m);
    must(store_model_snapshot(m), m);
    ck_assert(is_there(w, "/state/snapshot.3") && !is_there(w, "/state/snapshot.5"));
    store_model_close(m);
    damage(w, "/state/snapshot.7", 50, false);
    m->durable = all;
    must(store_model_open(m), m);
    store_model_close(m);
    free_world(w);
}
END_TEST

START_TEST(openings_leave_no_logs_behind)
{
    struct world *w = make_world();
    for (int i = 0; i < 10; i++) {
        must(store_model_open(&w->model), &w->model);
        store_model_close(&w->model);
    }
    int names = w->sim->seen.count;
    ck_assert_msg(names <= 8, "%d names: /, the folder, lock, 2 snapshots, 2 logs and 1 empty",
                  names);
    free_world(w);
}
END_TEST

/* While the disk is full, records do not pile up behind a turn whose snapshot failed. */
START_TEST(a_full_disk_does_not_fill_memory)
{
    struct world *w = make_world();
    struct store_model *m = &w->model;
    must(store_model_open(m), m);
    w->sim->fault = SIM_ENOSPC;
    w->sim->fail_at = w->sim->calls + 1;
    w->sim->sticky = true;
    for (int i = 0; i < 20; i++) {
        must(store_model_append(m), m);
        ck_assert_int_eq(store_model_flush(m), GW_EIO);
        store_model_turn(m);
        must(store_model_append(m), m);
        ck_assert_int_eq(store_model_snapshot(m), GW_EIO);
        ck_assert_uint_eq(gw_store_pending(m->store), 0);
    }
    w->sim->fail_at = 0;
    store_model_turn(m);
    must(store_model_append(m), m);
    must(store_model_snapshot(m), m);
    must(store_model_flush(m), m);
    store_model_close(m);
    sim_files_crash(w->sim, 5);
    must(store_model_open(m), m);
    ck_assert_uint_eq(m->applied, all + 41);
    store_model_close(m);
    free_world(w);
}
END_TEST

/* ---- many blocks ----------------------------------------------------------------------------- */

START_TEST(an_image_of_several_blocks)
{
    enum { BLOCK = GW_SNAPSHOT_BLOCK };
    static const size_t sizes[] = { 0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 12345 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t bytes = sizes[i], table = gw_snapshot_table_bytes(bytes);
        size_t whole = GW_SNAPSHOT_HEADER + bytes + table + GW_SNAPSHOT_TRAILER;
        uint8_t *file = calloc(1, whole);
        ck_assert_ptr_nonnull(file);
        for (size_t k = 0; k < bytes; k++)
            file[GW_SNAPSHOT_HEADER + k] = (uint8_t)(k * 7 + k / 251);
        struct gw_snapshot_view view = { 9, 17, file + GW_SNAPSHOT_HEADER, bytes }, got;
        gw_snapshot_seal(&view, file, file + GW_SNAPSHOT_HEADER + bytes,
                         file + GW_SNAPSHOT_HEADER + bytes + table);
        struct gw_error error = { 0 };
        ck_assert_msg(gw_snapshot_read(file, whole, &got, &error) == GW_OK, "%zu bytes: %s", bytes,
                      error.text);
        ck_assert(got.generation == 9 && got.position == 17 && got.bytes == bytes &&
                  got.image == view.image);
        for (size_t at = 0; at < whole; at += 1 + whole / 97) {
            file[at] ^= 4;
            ck_assert_msg(gw_snapshot_read(file, whole, &got, &error) == GW_EPAYLOAD,
                          "image of %zu bytes, byte %zu changed: not noticed", bytes, at);
            file[at] ^= 4;
        }
        free(file);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_damage");
    TCase *tests = tcase_create("damage");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_damaged_snapshot_falls_back, 0, 2);
    tcase_add_test(tests, a_changed_byte_of_the_newest_log);
    tcase_add_test(tests, a_cut_newest_log);
    tcase_add_loop_test(tests, damage_in_an_older_log, 0, 2);
    tcase_add_test(tests, files_of_other_generations);
    tcase_add_test(tests, two_generations_are_kept);
    tcase_add_test(tests, openings_leave_no_logs_behind);
    tcase_add_test(tests, a_full_disk_does_not_fill_memory);
    tcase_add_test(tests, an_image_of_several_blocks);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
