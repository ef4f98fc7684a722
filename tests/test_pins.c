/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Pins: a run that is repeated from its file gives the same bits, whatever the link and the gate
 * would have decided; a file that is damaged or of another program is an error on every rank. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectives/gate.h"
#include "collectives/pins.h"
#include "tests/ranks.h"

enum { RANKS = 3, COUNT = 3000, RUNS = 14, PLANS = 3 };

static char path[] = "test_pins.XXXXXX";

static void write_text(const char *text)
{
    FILE *stream = fopen(path, "w");
    ck_assert_ptr_nonnull(stream);
    fputs(text, stream);
    fclose(stream);
}

static char *read_text(void)
{
    static char text[1 << 16];
    FILE *stream = fopen(path, "r");
    size_t n = stream ? fread(text, 1, sizeof text - 1, stream) : 0;
    text[n] = '\0';
    if (stream)
        fclose(stream);
    return text;
}

struct story {
    unsigned long long digests[RANKS];
    bool ways[PLANS][RUNS]; /* of rank 0 */
};

/* Two plans that ask for the same thing, a raw one, and calls. */
static void tell(gw_comm *comm, void *context)
{
    static float in[RANKS][COUNT], out[RANKS][COUNT];
    struct story *story = context;
    int me = gw_comm_rank(comm);
    const gw_options live = {
        .codec = "ef+qsgd:bits=4", .gate = GW_GATE_LIVE, .gate_every = 2, .pins = path
    };
    const gw_options raw = { .codec = "raw", .pins = path };
    gw_plan *plans[PLANS] = { NULL };
    for (int p = 0; p < PLANS; p++) {
        gw_status s = gw_plan_allreduce(&plans[p], comm, COUNT, GW_F32, GW_SUM,
                                        p == PLANS - 1 ? &raw : &live);
        if (!expect(s == GW_OK, "plan %d: %s: %s", p, gw_status_name(s), gw_comm_error(comm)))
            return;
    }
    fill_input(in[me], COUNT, me);
    story->digests[me] = 0;
    for (int k = 0; k < RUNS; k++) {
        for (int p = 0; p < PLANS; p++) {
            gw_status s = gw_start(plans[p], in[me], out[me]);
            if (!s)
                s = gw_wait(plans[p]);
            expect(s == GW_OK, "run %d: %s", k, gw_plan_error(plans[p]));
            story->digests[me] = 31 * story->digests[me] + digest(out[me], sizeof out[me]);
            if (me == 0)
                story->ways[p][k] = plans[p]->gate && plans[p]->gate->last_raw;
        }
        const gw_options call = { .codec = "sign", .pins = path };
        expect(gw_allreduce(comm, in[me], out[me], COUNT, GW_F32, GW_MEAN, &call) == GW_OK, "%s",
               gw_comm_error(comm));
        story->digests[me] = 31 * story->digests[me] + digest(out[me], sizeof out[me]);
    }
    for (int p = 0; p < PLANS; p++)
        gw_plan_close(plans[p]);
}

START_TEST(a_pinned_run_repeats_bit_for_bit)
{
    static const char *const links[] = { "shaped:rate=20mbit,latency=10us/", "",
                                         "shaped:rate=1000gbit,latency=2us/" };
    static struct story first, again;
    unlink(path);
    run_ranks_behind(links[0], RANKS, tell, &first);
    ck_assert_int_eq(failures(), 0);
    static char written[1 << 16];
    snprintf(written, sizeof written, "%s", read_text());
    ck_assert_msg(strstr(written, "switch ") && strstr(written, " 1 codec "), "%s", written);
    for (int l = 0; l < 3; l++) {
        run_ranks_behind(links[l], RANKS, tell, &again);
        ck_assert_int_eq(failures(), 0);
        ck_assert_msg(memcmp(first.ways, again.ways, sizeof first.ways) == 0,
                      "link '%s': other ways than at first; pins:\n%s", links[l], written);
        ck_assert_msg(memcmp(first.digests, again.digests, sizeof first.digests) == 0,
                      "link '%s': other bits than at first; pins:\n%s", links[l], written);
        ck_assert_msg(strcmp(written, read_text()) == 0, "pins were written again");
    }
}
END_TEST

/* ---- what is wrong with a file ----------------------------------------------------------------*/

struct refusal {
    const char *words;
    gw_status status;
    int forced;
};

static void refuse(gw_comm *comm, void *context)
{
    const struct refusal *r = context;
    gw_plan *plan = NULL;
    const gw_options options = { .codec = "qsgd",
                                 .gate = GW_GATE_AUTO,
                                 .pins = path,
                                 .algorithm = r->forced ? "gather" : NULL };
    gw_status s = gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options);
    expect(s == r->status && strstr(gw_comm_error(comm), r->words), "%s '%s', expected %s '%s'",
           gw_status_name(s), gw_comm_error(comm), gw_status_name(r->status), r->words);
    gw_plan_close(plan);
    /* The comm is as it was. */
    float x = 1, y;
    expect(gw_allreduce(comm, &x, &y, 1, GW_F32, GW_SUM, NULL) == GW_OK && y == RANKS, "%s",
           gw_comm_error(comm));
}

static void expect_refusal(struct refusal refusal)
{
    run_ranks(RANKS, refuse, &refusal);
    ck_assert_msg(failures() == 0, "see above; pins:\n%s", read_text());
}

START_TEST(a_damaged_file_is_an_error_that_names_the_line)
{
    static const char *const lines[] = {
        "plan",
        "plan 0123456789abcdef 0 codec direct/4 raw - sends raw",
        "plan 0123456789abcdef 0 codec - raw - sends codec",
        "plan 0123456789abcdeg 0 codec direct/4 raw - sends codec",
        "plan 0123456789abcdef 0 codec direct/4 raw - sends codec more",
        "plan 0123456789abcdef 0 codec direct/0 raw - sends codec",
        "plan 0123456789abcdef 0 codec direct/99999999999999999999 raw - sends codec",
        "plan 0123456789abcdef 4294967296 codec direct/4 raw - sends codec",
        "switch 0123456789abcdef 0 -7 raw",
        "switch 0123456789abcdef 0 x raw",
        "switch 0123456789abcdef 0 7 row",
        "swatch",
    };
    char words[64];
    snprintf(words, sizeof words, "%s:3: expected \"plan", path);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[256];
        snprintf(text, sizeof text, "# gradwire pins 1\n\n%s\n", lines[i]);
        write_text(text);
        expect_refusal((struct refusal){ words, GW_ESPEC, 0 });
    }
}
END_TEST

static void make(gw_comm *comm, void *context)
{
    gw_plan *plan = NULL;
    const gw_options options = { .codec = "qsgd", .gate = GW_GATE_AUTO, .pins = path };
    (void)context;
    expect(gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options) == GW_OK, "%s",
           gw_comm_error(comm));
    gw_plan_close(plan);
}

START_TEST(a_pin_that_no_longer_applies_is_an_error)
{
    unlink(path);
    run_ranks_behind("shaped:rate=10mbit,latency=1us/", RANKS, make, NULL);
    ck_assert_int_eq(failures(), 0);
    static char good[1 << 16], bad[1 << 16];
    snprintf(good, sizeof good, "%s", read_text());
    char *way = strstr(good, " codec ");
    ck_assert_msg(way, "%s", good);
    int before = (int)(way - good) + 7;
    const char *rest = strchr(way, '/');
    snprintf(bad, sizeof bad, "%.*snative%s", before, good, rest);
    write_text(bad);
    expect_refusal((struct refusal){ "no longer apply", GW_ENOTSUP, 0 });
    snprintf(bad, sizeof bad, "%.*snothing%s", before, good, rest);
    write_text(bad);
    expect_refusal((struct refusal){ "no longer apply", GW_ESPEC, 0 });
    snprintf(bad, sizeof bad, "%.*sdirect%s", before, good, rest);
    write_text(bad);
    expect_refusal((struct refusal){ "gather is asked for", GW_ESPEC, 1 });
    write_text("# gradwire pins 1\n");
    expect_refusal((struct refusal){ "take it away", GW_ESPEC, 0 });
    snprintf(bad, sizeof bad, "%s%s", good, strstr(good, "plan "));
    write_text(bad);
    expect_refusal((struct refusal){ "a second line of the same plan", GW_ESPEC, 0 });
}
END_TEST

static void differ(gw_comm *comm, void *context)
{
    gw_plan *plan = NULL;
    const gw_options options = { .codec = "qsgd", .pins = gw_comm_rank(comm) == 1 ? "" : path };
    (void)context;
    expect(gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options) == GW_EMISMATCH &&
               strstr(gw_comm_error(comm), "pins"),
           "%s", gw_comm_error(comm));
}

START_TEST(ranks_agree_on_having_pins)
{
    unlink(path);
    run_ranks(RANKS, differ, NULL);
    ck_assert_int_eq(failures(), 0);
    ck_assert_msg(access(path, F_OK) != 0, "%s was written", path);
}
END_TEST

static void cannot_write(gw_comm *comm, void *context)
{
    gw_plan *plan = NULL;
    const gw_options options = { .codec = "qsgd", .pins = "/nowhere/pins" };
    (void)context;
    expect(gw_plan_allreduce(&plan, comm, COUNT, GW_F32, GW_SUM, &options) == GW_EIO &&
               strstr(gw_comm_error(comm), "/nowhere/pins"),
           "%s", gw_comm_error(comm));
}

START_TEST(a_file_that_cannot_be_written_is_an_error)
{
    run_ranks(RANKS, cannot_write, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return EXIT_FAILURE;
    close(fd);
    Suite *suite = suite_create("pins");
    TCase *tests = tcase_create("pins");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_pinned_run_repeats_bit_for_bit);
    tcase_add_test(tests, a_damaged_file_is_an_error_that_names_the_line);
    tcase_add_test(tests, a_pin_that_no_longer_applies_is_an_error);
    tcase_add_test(tests, ranks_agree_on_having_pins);
    tcase_add_test(tests, a_file_that_cannot_be_written_is_an_error);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(path);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
