/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Every allocation of jobs fails once: GW_ENOMEM, nothing left behind, nothing half done. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/job.h"
#include "tests/scarce_memory.h"

enum { TENSORS = 20 };

static gw_status build(struct gw_job **out)
{
    static const char *const names[TENSORS] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
                                                "k", "l", "m", "n", "o", "p", "q", "r", "s", "t" };
    gw_tensor tensors[TENSORS];
    const gw_rule rules[] = { { "b", "raw" } };
    for (int i = 0; i < TENSORS; i++)
        tensors[i] = (gw_tensor){ names[i], 3000 };
    gw_status s = gw_job_open(out, "memory", NULL);
    for (int i = 0; i < GW_TERMS && !s; i++)
        s = gw_job_set(*out, (enum gw_term)i, gw_term_standard((enum gw_term)i), NULL);
    return s ? s : gw_job_set_layout(*out, tensors, TENSORS, "ef+sign", rules, 1, NULL);
}

/* Check allocates too, so nothing is asserted here: `wrong` says what was. */
static gw_status take_all(const struct gw_job *from, const char **wrong)
{
    struct gw_job *empty = NULL;
    gw_status s = gw_job_open(&empty, "memory", NULL);
    if (s)
        return s;
    s = gw_job_agree(empty, from, 0, NULL);
    for (int i = 0; s && i < GW_TERMS; i++)
        if (empty->term[i] || empty->tensors || empty->tensor)
            *wrong = "gw_job_agree failed and took something";
    if (!s && empty->tensors != TENSORS)
        *wrong = "gw_job_agree took no layout";
    gw_job_close(empty);
    return s;
}

static gw_status use(const char **wrong)
{
    struct gw_job *job = NULL, *again = NULL;
    struct gw_part *parts = NULL;
    size_t count = 0;
    gw_status s = build(&job);
    char *text = s ? NULL : gw_job_write(job);
    if (!s && !text)
        s = GW_ENOMEM;
    if (!s)
        s = gw_job_read(&again, text, strlen(text), NULL);
    if (!s)
        s = take_all(again, wrong);
    if (!s)
        s = gw_job_cut(&parts, &count, again, NULL);
    free(parts);
    free(text);
    gw_job_close(job);
    gw_job_close(again);
    return s;
}

START_TEST(every_allocation)
{
    gw_status s = GW_PENDING;
    int site = -1;
    while (s != GW_OK) {
        const char *wrong = NULL;
        long before = scarce_alive();
        scarce_at(++site);
        s = use(&wrong);
        long failed = scarce_end(), left = scarce_alive() - before;
        ck_assert_msg(!wrong, "allocation %d fails: %s", site, wrong);
        ck_assert_msg(left == 0, "allocation %d fails: %ld blocks leaked", site, left);
        ck_assert_msg(s == GW_OK || s == GW_ENOMEM, "allocation %d fails: %s", site,
                      gw_status_name(s));
        ck_assert_msg(s != GW_OK || failed == 0, "allocation %d failed and all went well", site);
    }
    ck_assert_int_gt(site, 60);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job_memory");
    TCase *t = tcase_create("walk");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, every_allocation);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
