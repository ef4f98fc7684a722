/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The local: and self: transports, alone and behind a simulated link. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/transport_bodies.h"

enum { RANKS_MAX = 9 };

static void run_ranks(const char *prefix, int size, const char *name,
                      void (*body)(gw_comm *comm, struct body_result *result))
{
    struct body_rank ranks[RANKS_MAX];
    for (int r = 0; r < size; r++) {
        ranks[r] = (struct body_rank){ .body = body };
        snprintf(ranks[r].spec, sizeof ranks[r].spec, "%slocal:ranks=%d,rank=%d,name=test", prefix,
                 size, r);
    }
    run_body_ranks(ranks, size);
    for (int r = 0; r < size; r++)
        ck_assert_msg(!ranks[r].result.words[0], "%slocal: '%s', rank %d of %d: %s", prefix, name,
                      r, size, ranks[r].result.words);
}

START_TEST(bodies_on_local)
{
    for (const struct transport_case *c = transport_cases; c->name; c++)
        run_ranks("", _i, c->name, c->body);
}
END_TEST

START_TEST(bodies_on_a_shaped_link)
{
    for (const struct transport_case *c = transport_cases; c->name; c++)
        run_ranks("shaped:rate=1000mbit,latency=20us/", _i, c->name, c->body);
}
END_TEST

/* Only the earliest is asserted: no message may be seen before the lanes could have served it. */
enum { LINK_BYTES = 20000, LINK_MESSAGES = 3 };
static const int64_t link_latency_ns = 5000000, link_message_ns = 1600000; /* at 100 Mbit/s */

/* Every rank sends to rank 0: their bytes share its incoming lane. */
static void body_lanes(gw_comm *comm, struct body_result *result)
{
    uint8_t *rooms = calloc(RANKS_MAX * LINK_MESSAGES, LINK_BYTES);
    struct gw_op *ops[RANKS_MAX * LINK_MESSAGES];
    int64_t start, starts[RANKS_MAX], count = 0;
    gw_status s = gw_barrier(comm);
    start = gw_now_ns();
    for (int i = 0; i < LINK_MESSAGES && !s; i++) {
        for (int r = 1; r < comm->size && comm->rank == 0 && !s; r++, count++)
            s = gw_comm_recv(comm, r, 3, rooms + count * LINK_BYTES, LINK_BYTES, &ops[count]);
        if (comm->rank > 0)
            s = gw_comm_send(comm, 0, 3, rooms, LINK_BYTES, &ops[count++]);
    }
    for (int i = 0; i < count && !s; i++)
        s = finish_op(comm, ops[i], NULL);
    int64_t took, end = gw_now_ns(), lanes = count * link_message_ns;
    s = s ? s : gw_control_allgather(comm, &start, sizeof start, starts, NULL);
    expect(result, s == GW_OK, "%s", gw_status_name(s));
    for (int r = 1; r < comm->size && comm->rank == 0 && !s; r++)
        start = r == 1 || starts[r] < start ? starts[r] : start;
    took = end - start;
    lanes += comm->rank == 0 ? link_latency_ns : 0;
    expect(result, s || took >= lanes, "rank %d: over after %lld ns, the lanes need %lld",
           comm->rank, (long long)took, (long long)lanes);
    free(rooms);
}

START_TEST(no_message_outruns_the_link)
{
    run_ranks("shaped:rate=100mbit,latency=5000us/", _i, "lanes", body_lanes);
}
END_TEST

START_TEST(bodies_on_self)
{
    for (const struct transport_case *c = transport_cases; c->name; c++) {
        struct body_result result = { "" };
        gw_comm *comm;
        ck_assert_int_eq(gw_comm_open(&comm, "self:"), GW_OK);
        c->body(comm, &result);
        gw_comm_close(comm);
        ck_assert_msg(!result.words[0], "self: '%s': %s", c->name, result.words);
    }
}
END_TEST

/* ---- deadlines ------------------------------------------------------------------------------- */

/* Ranks 1 and 3 sleep through it. */
static void body_silent(gw_comm *comm, struct body_result *result)
{
    if (gw_comm_set_timeout(comm, 0.3)) {
        expect(result, false, "set_timeout: %s", gw_comm_error(comm));
        return;
    }
    if (comm->rank == 1 || comm->rank == 3) {
        gw_sleep_ns(900000000);
        return;
    }
    gw_status s = gw_barrier(comm);
    expect(result, s == GW_ETIMEOUT, "expected GW_ETIMEOUT, got %s", gw_status_name(s));
    expect(result, strstr(gw_comm_error(comm), "rank 1, 3 within 0.3 s") != NULL, "words: %s",
           gw_comm_error(comm));
    s = gw_barrier(comm);
    expect(result, s == GW_EBROKEN && strstr(gw_comm_error(comm), "rank 1, 3"),
           "a second barrier: %s, %s", gw_status_name(s), gw_comm_error(comm));
    gw_comm *part = NULL;
    s = gw_comm_split(&part, comm, 0, 0);
    expect(result, s == GW_EBROKEN, "a split: %s", gw_status_name(s));
}

START_TEST(deadline_names_the_silent)
{
    run_ranks("", 5, "silent", body_silent);
}
END_TEST

START_TEST(open_names_the_absent)
{
    gw_comm *comm = NULL;
    setenv("GRADWIRE_TIMEOUT", "0.1", 1);
    ck_assert_int_eq(gw_comm_open(&comm, "local:ranks=3,rank=1,name=absent"), GW_ETIMEOUT);
    unsetenv("GRADWIRE_TIMEOUT");
    ck_assert_msg(strstr(gw_comm_error(NULL), "rank 0, 2 did not come within 0.1 s"), "words: %s",
                  gw_comm_error(NULL));
    ck_assert_ptr_null(comm);
}
END_TEST

/* ---- closing early --------------------------------------------------------------------------- */

static void body_leaves(gw_comm *comm, struct body_result *result)
{
    uint8_t room[64];
    struct gw_op *ops[3];
    if (comm->rank == 0) { /* closes with operations of both kinds under way */
        (void)!gw_comm_recv(comm, 1, 7, room, sizeof room, &ops[0]);
        (void)!gw_comm_send(comm, 2, 8, room, sizeof room, &ops[1]);
        return;
    }
    gw_status s = gw_comm_recv(comm, 0, 9, room, sizeof room, &ops[0]);
    s = s ? s : finish_op(comm, ops[0], NULL);
    expect(result, s == GW_ETRANSPORT, "a receive from who left: %s", gw_status_name(s));
    s = gw_barrier(comm);
    expect(result, s == GW_EBROKEN && strstr(gw_comm_error(comm), "closed"), "barrier: %s, %s",
           gw_status_name(s), gw_comm_error(comm));
}

START_TEST(a_rank_that_leaves_is_an_error)
{
    run_ranks("", 4, "leaves", body_leaves);
}
END_TEST

/* ---- specs ----------------------------------------------------------------------------------- */

static const struct {
    const char *spec, *words;
} bad_specs[] = {
    { "", "has no ':'" },
    { "self", "has no ':'" },
    { "lokal:ranks=2,rank=0", "did you mean 'local:'" },
    { "mqi:", "valid: env:, self:, local:" },
    { "self:ranks=2", "self takes no parameters" },
    { "local:", "needs ranks= and rank=" },
    { "local:ranks=2", "needs ranks= and rank=" },
    { "local:ranks=2,rank=2", "rank=2 is not below ranks=2" },
    { "local:ranks=0,rank=0", "out of range: 1 to 1024" },
    { "local:ranks=2,rank=0,name=", "1 to 63 characters" },
    { "local:rank=0,rangs=2", "did you mean 'ranks'" },
    { "shaped:", "in front of another transport" },
    { "shaped:rate=1gbit", "in front of another transport" },
    { "shaped:rate=1gbit/", "has no ':'" },
    { "shaped:rate=fast/self:", "a rate such as" },
    { "shaped:latency=5/self:x", "takes no parameters" },
    { "shaped:rate=0bit/self:", "out of range" },
};

START_TEST(bad_specs_are_explained)
{
    gw_comm *comm = NULL;
    gw_status s = gw_comm_open(&comm, bad_specs[_i].spec);
    ck_assert_msg(s == GW_ESPEC, "'%s': expected GW_ESPEC, got %s", bad_specs[_i].spec,
                  gw_status_name(s));
    ck_assert_msg(strstr(gw_comm_error(NULL), bad_specs[_i].words), "'%s': expected '%s' in: %s",
                  bad_specs[_i].spec, bad_specs[_i].words, gw_comm_error(NULL));
    ck_assert_ptr_null(comm);
}
END_TEST

START_TEST(settings_pick_the_comm)
{
    gw_comm *comm;
    setenv("GRADWIRE_COMM", "local:ranks=1,rank=0,name=x", 1);
    ck_assert_int_eq(gw_comm_open(&comm, NULL), GW_OK);
    ck_assert_str_eq(gw_comm_spec(comm), "local:ranks=1,rank=0,name=x");
    gw_comm_close(comm);
    setenv("GRADWIRE_COMM", "env:", 1);
    setenv("GRADWIRE_LINK", "10mbit,1ms", 1);
    ck_assert_int_eq(gw_comm_open(&comm, NULL), GW_OK);
    ck_assert_str_eq(gw_comm_spec(comm), "shaped:rate=10mbit,latency=1000us/self:");
    ck_assert(comm->shaped && comm->link.bits_per_s == 10e6 && comm->link.latency_s == 1e-3);
    gw_comm_close(comm);
    ck_assert_int_eq(gw_comm_open(&comm, "shaped:rate=1gbit/self:"), GW_OK);
    ck_assert_str_eq(gw_comm_spec(comm), "shaped:rate=1000mbit,latency=50us/self:");
    gw_comm_close(comm);
    setenv("GRADWIRE_LINK", "quick", 1);
    ck_assert_int_eq(gw_comm_open(&comm, NULL), GW_ESPEC);
    ck_assert_msg(strstr(gw_comm_error(NULL), "GRADWIRE_LINK: rate=quick"), "words: %s",
                  gw_comm_error(NULL));
    unsetenv("GRADWIRE_LINK");
    unsetenv("GRADWIRE_COMM");
}
END_TEST

START_TEST(timeouts_are_checked)
{
    gw_comm *comm;
    gw_comm_close(NULL);
    ck_assert_int_eq(gw_comm_open(&comm, "self:"), GW_OK);
    ck_assert_str_eq(gw_comm_error(comm), "");
    ck_assert_int_eq(gw_comm_set_timeout(comm, 0), GW_EINVAL);
    ck_assert_msg(strstr(gw_comm_error(comm), "above 0"), "words: %s", gw_comm_error(comm));
    ck_assert_int_eq(gw_comm_set_timeout(comm, -1), GW_EINVAL);
    ck_assert_int_eq(gw_comm_set_timeout(comm, 0.0 / 0.0), GW_EINVAL);
    ck_assert_int_eq(gw_comm_set_timeout(comm, 1e-12), GW_OK);
    gw_comm_close(comm);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("local");
    TCase *t = tcase_create("local");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, bodies_on_local, 1, RANKS_MAX + 1);
    tcase_add_test(t, bodies_on_self);
    tcase_add_loop_test(t, bodies_on_a_shaped_link, 1, 5);
    tcase_add_loop_test(t, no_message_outruns_the_link, 2, 5);
    tcase_add_test(t, deadline_names_the_silent);
    tcase_add_test(t, open_names_the_absent);
    tcase_add_test(t, a_rank_that_leaves_is_an_error);
    tcase_add_loop_test(t, bad_specs_are_explained, 0, sizeof bad_specs / sizeof bad_specs[0]);
    tcase_add_test(t, settings_pick_the_comm);
    tcase_add_test(t, timeouts_are_checked);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
