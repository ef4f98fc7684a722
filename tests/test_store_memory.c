/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Out of memory at every place of a store's life, once or from then on: a status comes back,
 * nothing is left behind, and what was acknowledged is there. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/store.h"
#include "tests/scarce_memory.h"

static char folder[64], inner[128];

struct counts { /* records that came back, the snapshot's too; and those acknowledged */
    uint64_t back, appended, durable;
};

static gw_status take_snapshot(void *user, const uint8_t *image, size_t bytes,
                               struct gw_error *error)
{
    struct counts *counts = user;
    (void)error;
    if (bytes != sizeof counts->back)
        abort();
    memcpy(&counts->back, image, bytes);
    return GW_OK;
}

static gw_status take_record(void *user, uint32_t type, const uint8_t *body, size_t bytes,
                             struct gw_error *error)
{
    struct counts *counts = user;
    (void)body;
    (void)error;
    if (type != 5 || bytes != 3)
        abort();
    counts->back++;
    return GW_OK;
}

static gw_status append_and_flush(struct gw_store *store, struct counts *counts,
                                  struct gw_error *error)
{
    struct iovec piece = { "abc", 3 };
    gw_status s = gw_store_append(store, 5, &piece, 1, error);
    if (s)
        return s;
    counts->appended++;
    s = gw_store_flush(store, error);
    if (!s)
        counts->durable = counts->appended;
    return s;
}

static gw_status one_generation(struct gw_store *store, struct counts *counts,
                                struct gw_error *error)
{
    gw_status s = append_and_flush(store, counts, error);
    if (!s)
        gw_store_turn(store);
    s = s ? s : gw_store_snapshot(store, &counts->appended, sizeof counts->appended, error);
    return s ? s : append_and_flush(store, counts, error);
}

static gw_status open_store(struct gw_store **store, struct counts *counts, struct gw_error *error)
{
    struct gw_recovery recovery = { counts, take_snapshot, take_record };
    char said[GW_ERROR_TEXT];
    counts->back = 0;
    return gw_store_open(store, inner, true, &gw_files_system, &recovery, said, error);
}

/* Two openings of two generations each. */
static gw_status live(struct counts *counts, const char **wrong)
{
    gw_status s = GW_OK;
    for (int life = 0; life < 2 && !s; life++) {
        struct gw_store *store = NULL;
        struct gw_error error = { .status = GW_OK };
        s = open_store(&store, counts, &error);
        if (s && store)
            *wrong = "an open that failed left a store";
        for (int i = 0; i < 2 && !s; i++)
            s = one_generation(store, counts, &error);
        if (s && (s != GW_ENOMEM || !strstr(error.text, "memory")))
            *wrong = "neither GW_OK nor GW_ENOMEM with words";
        gw_store_close(store);
    }
    return s;
}

static void forget(void *user, const char *name)
{
    char path[512];
    (void)user;
    snprintf(path, sizeof path, "%s/%s", inner, name);
    (void)unlink(path);
}

START_TEST(every_allocation)
{
    snprintf(folder, sizeof folder, "/tmp/gradwire-memory-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(inner, sizeof inner, "%s/state", folder);
    gw_status s = GW_PENDING;
    int site = -1;
    while (s != GW_OK && ++site < 1000) {
        struct counts counts = { 0 };
        const char *wrong = NULL;
        long before = scarce_alive();
        (_i ? scarce_from : scarce_at)(site);
        s = live(&counts, &wrong);
        bool missed = scarce_end() == 0;
        long left = scarce_alive() - before;
        ck_assert_msg(!wrong, "allocation %d fails: %s (%s)", site, wrong, gw_status_name(s));
        ck_assert_msg(left == 0, "allocation %d fails: %ld blocks leaked", site, left);
        /* Old files that cannot be listed for want of memory stay: that is no failure. */
        ck_assert_msg(s || missed || !_i, "allocation %d failed and all went well", site);
        struct gw_store *store = NULL;
        struct gw_error error = { .status = GW_OK };
        gw_status again = open_store(&store, &counts, &error);
        ck_assert_msg(!again && counts.back >= counts.durable && counts.back <= counts.appended,
                      "allocation %d failed; then %s, %d records of %d (%s)", site,
                      gw_status_name(again), (int)counts.back, (int)counts.durable, error.text);
        gw_store_close(store);
        if (!s && !missed)
            s = GW_PENDING;
        (void)gw_files_system.list(NULL, inner, forget, NULL);
    }
    ck_assert_msg(s == GW_OK && site > 20, "only %d allocations walked", site);
    (void)rmdir(inner);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_memory");
    TCase *tests = tcase_create("walk");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, every_allocation, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
