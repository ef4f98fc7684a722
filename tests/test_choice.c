/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Prices of step lists and the choice that follows: on made-up numbers, so that what is right is
 * known; then that ranks measure and choose alike. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectives/choice.h"
#include "collectives/costs.h"
#include "collectives/plan.h"
#include "tests/ranks.h"

/* ---- made-up numbers ---------------------------------------------------------------------------
 */

static struct gw_problem raw_problem(int size)
{
    static const int members[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    return (struct gw_problem){ .collective = GW_ALLREDUCE,
                                .size = size,
                                .nodes = size,
                                .node_ranks = 1,
                                .members = members,
                                .dense = true,
                                .mergeless = true,
                                .summable = true };
}

static struct gw_problem coded_problem(int size)
{
    struct gw_problem p = raw_problem(size);
    p.dense = false;
    return p;
}

static struct gw_terms terms(size_t count, double bits_per_s, double latency_s, double coded_bytes)
{
    struct gw_terms t = { .count = count,
                          .elements = (double)count,
                          .tensors = 1,
                          .rates = gw_rates_assumed,
                          .memory = gw_memory_assumed,
                          .crowding = 1,
                          .threads = 1 };
    t.near = t.far =
        (struct gw_link){ .bits_per_s = bits_per_s, .latency_s = latency_s, .message_s = 1e-6 };
    t.rates.coded_bytes = coded_bytes;
    return t;
}

static double price(const struct gw_algorithm_row *row, const struct gw_problem *p,
                    const struct gw_terms *t, size_t piece)
{
    double seconds = -1;
    ck_assert_int_eq(gw_price_row(&seconds, row, p, t, piece), GW_OK);
    ck_assert_msg(seconds > 0 && seconds < 1e9, "%s n=%d count=%zu: %g s", row->info.name, p->size,
                  t->count, seconds);
    return seconds;
}

static const struct gw_algorithm_row *choose(const struct gw_problem *p, const struct gw_terms *t,
                                             const char *algorithm)
{
    struct gw_choice choice;
    struct gw_wish wish = { algorithm, 0 };
    struct gw_error error = { 0 };
    char reason[GW_ERROR_TEXT];
    ck_assert_msg(gw_choose(&choice, p, t, &wish, reason, sizeof reason, &error) == GW_OK, "%s",
                  error.text);
    return choice.row;
}

static void check_rises(const struct gw_algorithm_row *row, const struct gw_problem *p)
{
    double last = 0;
    for (size_t count = 1; count < (1u << 26); count *= 4) {
        struct gw_terms t = terms(count, 1e9, 50e-6, 4);
        double seconds = price(row, p, &t, 1 << 18);
        /* More pieces may overlap what one piece does in turn, a little. */
        ck_assert_msg(seconds >= 0.97 * last, "%s n=%d: %zu elements take %g s, a quarter %g s",
                      row->info.name, p->size, count, seconds, last);
        last = seconds;
    }
}

START_TEST(more_elements_take_longer)
{
    const struct gw_algorithm_row *row = gw_algorithm_rows[_i];
    if (!(row->collectives & GW_ALLREDUCE))
        return;
    for (int size = 2; size <= 9; size++) {
        struct gw_problem p = raw_problem(size);
        p.native = row == &gw_native;
        check_rises(row, &p);
    }
}
END_TEST

START_TEST(worse_links_take_longer)
{
    const struct gw_algorithm_row *row = gw_algorithm_rows[_i];
    struct gw_problem p = raw_problem(5);
    if (row == &gw_shared_memory) /* uses none */
        return;
    p.collective = row->collectives & GW_ALLREDUCE ? GW_ALLREDUCE : GW_BROADCAST;
    struct gw_terms good = terms(1 << 20, 1e9, 50e-6, 4), slow = terms(1 << 20, 1e8, 50e-6, 4),
                    late = terms(1 << 20, 1e9, 5e-3, 4), crowded = good;
    crowded.crowding = 2;
    double best = price(row, &p, &good, 1 << 18);
    ck_assert(price(row, &p, &slow, 1 << 18) > 3 * best);
    ck_assert(price(row, &p, &late, 1 << 18) > best + 4e-3);
    ck_assert(price(row, &p, &crowded, 1 << 18) > best || row == &gw_native);
}
END_TEST

/* Where nothing but the wire counts, the price is what the bytes take. */
START_TEST(wire_bound_prices_are_the_wire)
{
    for (int size = 2; size <= 8; size++) {
        struct gw_problem raw = raw_problem(size), coded = coded_problem(size);
        struct gw_terms t = terms(1 << 24, 1e7, 1e-6, 4), c = terms(1 << 24, 1e7, 1e-6, 0.5);
        double bits = 2.0 * (size - 1) / size * 32 * (1 << 24), wire = bits / 1e7;
        double ring = price(&gw_ring, &raw, &t, 1 << 18);
        double direct = price(&gw_direct, &coded, &c, 1 << 18);
        ck_assert_msg(ring > 0.99 * wire && ring < 1.1 * wire, "ring n=%d: %g s, the wire %g s",
                      size, ring, wire);
        ck_assert_msg(direct > 0.99 * wire / 8 && direct < 1.2 * wire / 8,
                      "direct n=%d: %g s, the wire %g s", size, direct, wire / 8);
    }
}
END_TEST

/* Long lists are priced from short ones: no jump where that begins, and it takes no time. */
START_TEST(effort_is_bounded)
{
    struct gw_problem p = raw_problem(4), many = raw_problem(64);
    double last = 0;
    for (size_t pieces = 2; pieces <= 250; pieces++) {
        struct gw_terms t = terms(4 * pieces << 14, 1e9, 50e-6, 4);
        double seconds = price(&gw_direct, &p, &t, 1 << 14);
        ck_assert_msg(seconds > last && seconds < last + 0.01, "%zu pieces: %g s, one less %g s",
                      pieces, seconds, last);
        last = seconds;
    }
    struct gw_terms t = terms(100u << 20, 1e9, 50e-6, 4);
    struct gw_step_list list = { 0 };
    (void)price(&gw_direct, &many, &t, 1 << 14);
    many.pieces = 2;
    gw_direct.write(&list, &many);
    ck_assert_int_lt(list.count, 4000);
    gw_steps_free(&list);
}
END_TEST

START_TEST(clear_cases_are_chosen)
{
    struct gw_problem raw = raw_problem(8), coded = coded_problem(8), pair = coded_problem(2);
    struct gw_terms tiny = terms(4, 1e9, 50e-6, 4), large = terms(25u << 20, 1e9, 50e-6, 4);
    struct gw_terms four_bits = terms(25u << 20, 1e9, 50e-6, 0.5);
    struct gw_terms sparse = terms(1 << 20, 1e9, 1e-3, 0.001);
    const struct gw_algorithm_row *row = choose(&raw, &tiny, NULL);
    ck_assert_msg(row == &gw_doubling || row == &gw_gather, "tiny raw: %s", row->info.name);
    row = choose(&raw, &large, "");
    ck_assert_msg(row == &gw_ring || row == &gw_direct, "large raw: %s", row->info.name);
    row = choose(&coded, &four_bits, NULL);
    ck_assert_msg(row == &gw_direct, "large coded: %s", row->info.name);
    row = choose(&pair, &sparse, NULL);
    ck_assert_msg(row == &gw_gather, "few bytes, long latency: %s", row->info.name);
    /* A transport that is told to be fast is used, one that is slow is not. */
    raw.native = true;
    large.native = (struct gw_native_times){ 2, { 64, 1e6 }, { 1e-5, 2e-5 } };
    ck_assert(choose(&raw, &large, NULL) == &gw_native);
    large.native.seconds[1] = 1;
    ck_assert(choose(&raw, &large, NULL) != &gw_native);
}
END_TEST

START_TEST(pieces_follow_the_prices)
{
    struct gw_problem p = coded_problem(4);
    struct gw_terms t = terms(1 << 20, 3e9, 20e-6, 1);
    struct gw_wish wish = { "direct", 0 };
    struct gw_choice fine, coarse, asked;
    struct gw_error error = { 0 };
    char reason[GW_ERROR_TEXT];
    ck_assert(!gw_choose(&fine, &p, &t, &wish, reason, sizeof reason, &error));
    ck_assert_msg(fine.piece_count < 1 << 18, "work as long as the wire: pieces of %zu",
                  fine.piece_count);
    t = terms(4 << 20, 3e9, 20e-6, 1);
    t.near.message_s = t.far.message_s = 5e-3; /* each message is dear */
    ck_assert(!gw_choose(&coarse, &p, &t, &wish, reason, sizeof reason, &error));
    ck_assert_msg(coarse.piece_count > 1 << 18, "dear messages: pieces of %zu", coarse.piece_count);
    wish.piece_count = 12345;
    ck_assert(!gw_choose(&asked, &p, &t, &wish, reason, sizeof reason, &error));
    ck_assert_uint_eq(asked.piece_count, 12345);
}
END_TEST

START_TEST(names_are_obeyed_or_refused)
{
    struct gw_problem p = raw_problem(4);
    struct gw_terms t = terms(1000, 1e9, 50e-6, 4);
    struct gw_wish wish = { "rnig", 0 };
    struct gw_choice choice;
    struct gw_error error = { 0 };
    char reason[GW_ERROR_TEXT];
    ck_assert_int_eq(gw_choose(&choice, &p, &t, &wish, reason, sizeof reason, &error), GW_ESPEC);
    ck_assert_ptr_nonnull(strstr(error.text, "did you mean 'ring'"));
    wish.algorithm = "linear";
    ck_assert_int_eq(gw_choose(&choice, &p, &t, &wish, reason, sizeof reason, &error), GW_ENOTSUP);
    wish.algorithm = "ring";
    ck_assert_int_eq(gw_choose(&choice, &p, &t, &wish, reason, sizeof reason, &error), GW_OK);
    ck_assert(choice.row == &gw_ring);
    ck_assert_ptr_nonnull(strstr(reason, "asked for"));
    wish.algorithm = NULL;
    ck_assert_int_eq(gw_choose(&choice, &p, &t, &wish, reason, sizeof reason, &error), GW_OK);
    ck_assert_msg(strstr(reason, "cheapest of") && strstr(reason, "ring ") &&
                      strstr(reason, "gather "),
                  "%s", reason);
    p.collective = GW_BROADCAST;
    p.mergeless = false;
    ck_assert_int_eq(gw_choose(&choice, &p, &t, &wish, reason, sizeof reason, &error), GW_ENOTSUP);
}
END_TEST

/* ---- measured ----------------------------------------------------------------------------------
 */

START_TEST(rates_are_lines)
{
    static const char *const specs[] = { "raw", "fp16", "ef+qsgd:bits=4", "topk:ratio=0.01" };
    for (int i = 0; i < 4; i++) {
        struct gw_rates rates;
        struct gw_error error = { 0 };
        ck_assert_msg(!gw_rates_measure(&rates, specs[i], 4, &error), "%s", error.text);
        for (int w = 0; w < GW_WORKS; w++)
            ck_assert_msg(rates.work[w].fixed_s >= 0 && rates.work[w].element_s >= 0 &&
                              rates.work[w].fixed_s < 1e-2 && rates.work[w].element_s < 1e-5,
                          "%s work %d: %g + %g per element", specs[i], w, rates.work[w].fixed_s,
                          rates.work[w].element_s);
        ck_assert_msg(rates.coded_bytes > 0 && rates.coded_bytes <= 4.1, "%s: %g bytes", specs[i],
                      rates.coded_bytes);
    }
    struct gw_rates rates;
    struct gw_error error = { 0 };
    ck_assert(gw_rates_measure(&rates, "fp61", 4, &error) == GW_ESPEC);
}
END_TEST

enum { RANKS = 4 };

struct seen {
    char reason[RANKS][GW_ERROR_TEXT];
    double predicted[RANKS];
    struct gw_link link[RANKS];
};

static void make_plan(gw_comm *comm, struct seen *seen, const char *spec, size_t count)
{
    gw_plan *plan;
    int r = gw_comm_rank(comm);
    gw_status s = gw_plan_allreduce(&plan, comm, count, GW_F32, GW_MEAN,
                                    &(gw_options){ .codec = spec, .gate = GW_GATE_OFF });
    if (!expect(s == GW_OK, "rank %d, %s: %s", r, spec, gw_comm_error(comm)))
        return;
    snprintf(seen->reason[r], GW_ERROR_TEXT, "%s", gw_plan_reason(plan));
    seen->predicted[r] = plan->predicted_s;
    seen->link[r] = comm->link;
    expect(plan->predicted_s > 0, "rank %d, %s: predicted %g s", r, spec, plan->predicted_s);
    gw_plan_close(plan);
}

static void check_seen(const struct seen *seen, int n, const char *spec, size_t count)
{
    for (int r = 1; r < n; r++) {
        ck_assert_msg(strcmp(seen->reason[0], seen->reason[r]) == 0,
                      "%s, %zu elements: rank 0 says '%s', rank %d '%s'", spec, count,
                      seen->reason[0], r, seen->reason[r]);
        ck_assert(seen->predicted[0] == seen->predicted[r]);
        ck_assert(memcmp(&seen->link[0].bits_per_s, &seen->link[r].bits_per_s, sizeof(double)) ==
                  0);
    }
}

static struct seen seen[3];
static const char *const chosen_specs[] = { "raw", "ef+qsgd:bits=4", "vote" };
static const size_t chosen_counts[] = { 1 << 20, 300000, 7 };

static void choose_plans(gw_comm *comm, void *context)
{
    (void)context;
    for (int i = 0; i < 3; i++)
        make_plan(comm, &seen[i], chosen_specs[i], chosen_counts[i]);
    const struct gw_costs *costs = comm->costs;
    int known = costs ? costs->count : 0;
    make_plan(comm, &seen[0], chosen_specs[0], chosen_counts[0]); /* nothing to measure again */
    costs = comm->costs;
    expect(costs && costs->count == known, "measured again");
    expect(comm->probed, "the link was not probed");
}

START_TEST(ranks_choose_alike)
{
    static const char *const behind[] = { "", "shaped:rate=100mbit,latency=1ms/" };
    int n = _i ? 3 : 4;
    run_ranks_behind(behind[_i], n, choose_plans, NULL);
    ck_assert_int_eq(failures(), 0);
    for (int i = 0; i < 3; i++)
        check_seen(&seen[i], n, chosen_specs[i], chosen_counts[i]);
    if (_i)
        ck_assert(seen[0].link[0].bits_per_s == 100e6 && seen[0].link[0].latency_s == 1e-3);
}
END_TEST

static void make_forced(gw_comm *comm, void *context)
{
    gw_plan *plan;
    (void)context;
    gw_options options = { .codec = "qsgd", .algorithm = "direct", .gate = GW_GATE_OFF };
    gw_status s = gw_plan_allreduce(&plan, comm, 1000, GW_F32, GW_SUM, &options);
    if (!expect(s == GW_OK, "%s", gw_comm_error(comm)))
        return;
    expect(!comm->probed && !comm->costs, "a plan without a choice measured something");
    const char *reason = gw_plan_reason(plan);
    expect(strstr(reason, "asked for") && !strstr(reason, "predicted"), "reason: %s", reason);
    gw_plan_close(plan);
}

START_TEST(nothing_is_measured_without_a_choice)
{
    run_ranks(3, make_forced, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* One rank forces what the others leave open: an error that names both, and the comm lives on. */
static void disagree(gw_comm *comm, void *context)
{
    gw_plan *plan = NULL;
    int r = gw_comm_rank(comm);
    (void)context;
    for (int i = 0; i < 2; i++) {
        gw_options options = { .codec = r == 1 && i == 1 ? "fp16" : "qsgd",
                               .algorithm = r == 1 && i == 0 ? "gather" : NULL,
                               .piece_count = 1000,
                               .gate = GW_GATE_OFF };
        gw_status s = gw_plan_allreduce(&plan, comm, 1 << 20, GW_F32, GW_SUM, &options);
        expect(s == GW_EMISMATCH, "rank %d: %s: %s", r, gw_status_text(s), gw_comm_error(comm));
    }
    expect(gw_barrier(comm) == GW_OK, "rank %d: the comm is broken", r);
}

START_TEST(different_wishes_are_a_mismatch)
{
    run_ranks(3, disagree, NULL);
    ck_assert_int_eq(failures(), 0);
}
END_TEST

/* ---- the file of links -------------------------------------------------------------------------
 */

static char path[64];

static void probe_once(gw_comm *comm, void *context)
{
    make_plan(comm, context, "raw", 100000);
}

static void write_costs(const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void read_costs(char *text, size_t capacity)
{
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s was not written", path);
    text[fread(text, 1, capacity - 1, file)] = '\0';
    fclose(file);
}

static void refuse_file(gw_comm *comm, void *context)
{
    gw_plan *plan;
    (void)context;
    gw_status s = gw_plan_allreduce(&plan, comm, 100000, GW_F32, GW_SUM, NULL);
    bool first = gw_comm_rank(comm) == 0;
    expect(s == (first ? GW_EPAYLOAD : GW_EPEER), "%s: %s", gw_status_text(s), gw_comm_error(comm));
    expect(!first || strstr(gw_comm_error(comm), ":3:"), "no line named: %s", gw_comm_error(comm));
}

START_TEST(links_are_kept_in_a_file)
{
    struct seen measured, again;
    char text[2048], second[2048];
    snprintf(path, sizeof path, "test-costs-%d", (int)getpid());
    setenv("GRADWIRE_COSTS", path, 1);
    run_ranks(2, probe_once, &measured);
    ck_assert_int_eq(failures(), 0);
    read_costs(text, sizeof text);
    char *at = strstr(text, "link local:2:1:");
    ck_assert_msg(at != NULL, "the file holds: %s", text);
    /* What it says is believed, to the digit, and other hosts' lines stay. */
    at = strchr(at + 5, ' ');
    snprintf(at, 200, " 123456789 1e-05 2e-06 1e+09 5e-05 1e-06\nlink mpi:8:2:abc 1 2 3 4 5 6\n");
    write_costs(text);
    run_ranks(2, probe_once, &again);
    ck_assert_int_eq(failures(), 0);
    ck_assert_msg(again.link[1].bits_per_s == 123456789 && again.link[1].latency_s == 1e-5,
                  "link of %g bit/s", again.link[1].bits_per_s);
    run_ranks(3, probe_once, &again);
    ck_assert_int_eq(failures(), 0);
    read_costs(second, sizeof second);
    ck_assert_msg(strstr(second, "link mpi:8:2:abc 1 2 3 4 5 6\n") &&
                      strstr(second, "link local:2:1:") && strstr(second, "link local:3:1:"),
                  "the file holds: %s", second);
    write_costs("# links\n\nlink local:2:1:0 12 nonsense\n");
    run_ranks(2, refuse_file, NULL);
    ck_assert_int_eq(failures(), 0);
    unlink(path);
    unsetenv("GRADWIRE_COSTS");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("choice");
    TCase *tests = tcase_create("prices");
    int rows = 0;
    while (gw_algorithm_rows[rows])
        rows++;
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, more_elements_take_longer, 0, rows);
    tcase_add_loop_test(tests, worse_links_take_longer, 0, rows);
    tcase_add_test(tests, wire_bound_prices_are_the_wire);
    tcase_add_test(tests, effort_is_bounded);
    tcase_add_test(tests, clear_cases_are_chosen);
    tcase_add_test(tests, pieces_follow_the_prices);
    tcase_add_test(tests, names_are_obeyed_or_refused);
    tcase_add_test(tests, rates_are_lines);
    tcase_add_loop_test(tests, ranks_choose_alike, 0, 2);
    tcase_add_test(tests, nothing_is_measured_without_a_choice);
    tcase_add_test(tests, different_wishes_are_a_mismatch);
    tcase_add_test(tests, links_are_kept_in_a_file);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
