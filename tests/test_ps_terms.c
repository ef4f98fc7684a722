/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What a server and its workers do not agree on, and keys and addresses that lead nowhere: over
 * real sockets, with the words that a person gets to read. */
#include <check.h>
#include <arpa/inet.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/ps_room.h"

enum { COUNT = 2048 };
static const gw_tensor layout[] = { { "t0", COUNT } };

static struct ps_room room;

/* Open and register; both words have to be in the error's. */
static void refused(const gw_ps_options *options, const gw_tensor *tensors, size_t count,
                    gw_status status, const char *first, const char *second)
{
    gw_ps *ps = NULL;
    char words[1024];
    gw_status s = gw_ps_open(&ps, room.addresses, options);
    if (!s)
        s = gw_ps_register(ps, tensors, count, NULL);
    snprintf(words, sizeof words, "%s", gw_ps_error(ps));
    gw_ps_close(ps);
    ck_assert_msg(s == status && strstr(words, first) && strstr(words, second),
                  "expected %s '%s' '%s', got %s '%s'", gw_status_name(status), first, second,
                  gw_status_name(s), words);
}

static gw_ps *joined(const gw_ps_options *options)
{
    static const size_t counts[] = { COUNT };
    gw_ps *ps = ps_member(&room, options, counts, 1);
    ck_assert_ptr_nonnull(ps);
    return ps;
}

/* ---- terms ----------------------------------------------------------------------------------- */

static const struct difference {
    gw_ps_options one, other;
    const char *first, *second;
} differences[] = {
    { { .workers = 1 }, { .workers = 2 }, "server says workers: 1", "worker 5 says workers: 2" },
    { { .seed = 3 }, { .seed = 4 }, "server says seed: 3", "worker 5 says seed: 4" },
    { { .mode = "async" }, { .mode = "ssp:s=3" }, "says mode: async", "worker 5 says mode: ssp" },
    { { .mode = NULL }, { .mode = "async" }, "says mode: sync", "worker 5 says mode: async" },
    { { .aggregator = "sum" },
      { .aggregator = "median" },
      "server says aggregator: sum",
      "worker 5 says aggregator: median" },
    { { .optimizer = "adam:lr=1" },
      { .optimizer = "adam:lr=2" },
      "server says optimizer: adam:lr=1",
      "worker 5 says optimizer: adam:lr=2" },
    { { .pull = "fp16" }, { .pull = "bf16" }, "server says pull: fp16", "5 says pull: bf16" },
    { { .feedback = "worker" },
      { .feedback = "shared" },
      "server says feedback: worker",
      "worker 5 says feedback: shared" },
    { { .codec = "qsgd:bits=4" },
      { .codec = "qsgd:bits=5" },
      "server says tensor 1: 2048 qsgd",
      "worker 5 says tensor 1: 2048 qsgd" },
    { { .part_count = 1024 },
      { .part_count = 2048 },
      "server says part: 1024",
      "worker 5 says part: 2048" },
};
enum { DIFFERENCES = sizeof differences / sizeof *differences };

START_TEST(between_workers)
{
    gw_ps_options one = differences[_i].one, other = differences[_i].other;
    ps_open(&room, _i & 1 ? PS_TCP : PS_UNIX, 1, NULL);
    other.worker = 5;
    one.timeout_s = other.timeout_s = 30;
    gw_ps *ps = joined(&one);
    refused(&other, layout, 1, GW_EMISMATCH, differences[_i].first, differences[_i].second);
    ck_assert_int_eq(ps_said(&room, 0, "event=refused worker=5"), 1);
    gw_ps_close(ps);
    ps_close(&room);
}
END_TEST

/* The server's own options speak first. */
START_TEST(with_the_server)
{
    const gw_ps_options *one = &differences[_i].one;
    gw_ps_options other = differences[_i].other;
    if (one->codec || one->part_count || _i == 3)
        return; /* not the server's to say */
    ps_open(&room, PS_UNIX, 1,
            &(gw_server_options){ .workers = one->workers,
                                  .seed = one->seed,
                                  .mode = one->mode,
                                  .aggregator = one->aggregator,
                                  .optimizer = one->optimizer,
                                  .pull = one->pull,
                                  .feedback = one->feedback });
    other.worker = 5;
    other.timeout_s = 30;
    refused(&other, layout, 1, GW_EMISMATCH, differences[_i].first, differences[_i].second);
    gw_ps_close(joined(one));
    ps_close(&room);
}
END_TEST

START_TEST(layouts)
{
    const gw_tensor longer[] = { { "t0", COUNT + 1 } }, named[] = { { "u0", COUNT } },
                    more[] = { { "t0", COUNT }, { "t1", 7 } };
    const gw_rule rules[] = { { "t*", "fp16" } };
    const gw_ps_options o = { .worker = 5, .timeout_s = 30 };
    const gw_ps_options ruled = { .worker = 5, .timeout_s = 30, .rules = rules, .rules_count = 1 };
    ps_open(&room, PS_TCP, 1, NULL);
    gw_ps *ps = joined(&(gw_ps_options){ .worker = 0 });
    refused(&o, longer, 1, GW_EMISMATCH, "says tensor 1: 2048 raw t0", "tensor 1: 2049 raw t0");
    refused(&o, named, 1, GW_EMISMATCH, "says tensor 1: 2048 raw t0", "tensor 1: 2048 raw u0");
    refused(&o, more, 2, GW_EMISMATCH, "says tensor 2: none", "5 says tensor 2: 7 raw t1");
    refused(&ruled, layout, 1, GW_EMISMATCH, "1: 2048 raw t0", "1: 2048 fp16 t0");
    refused(&o, layout, 0, GW_EINVAL, "tensor", "");
    gw_ps_close(ps);
    ps_close(&room);
}
END_TEST

START_TEST(other_job)
{
    ps_open(&room, PS_TCP, 1, &(gw_server_options){ .job = "cats" });
    refused(&(gw_ps_options){ .job = "dogs", .timeout_s = 30 }, layout, 1, GW_EMISMATCH, "job",
            room.addresses);
    gw_ps_close(joined(&(gw_ps_options){ .job = "cats" }));
    ps_close(&room);
}
END_TEST

/* The servers in another order, or not all of them. */
START_TEST(other_servers)
{
    char both[sizeof room.addresses / 2], *comma;
    ps_open(&room, PS_TCP, 2, NULL);
    gw_ps *ps = joined(&(gw_ps_options){ .worker = 0 });
    snprintf(both, sizeof both, "%.300s", room.addresses);
    comma = strchr(both, ',');
    ck_assert_ptr_nonnull(comma);
    *comma = '\0';
    snprintf(room.addresses, sizeof room.addresses, "%s", both);
    refused(&(gw_ps_options){ .worker = 5, .timeout_s = 30 }, layout, 1, GW_EMISMATCH,
            "server says servers: 2", "worker 5 says servers: 1");
    snprintf(room.addresses, sizeof room.addresses, "%s,%s", comma + 1, both);
    refused(&(gw_ps_options){ .worker = 5, .timeout_s = 30 }, layout, 1, GW_EMISMATCH,
            "the server says server: ", "worker 5 says server: ");
    gw_ps_close(ps);
    ps_close(&room);
}
END_TEST

START_TEST(number_taken)
{
    ps_open(&room, PS_TCP, 1, NULL);
    gw_ps *ps = joined(&(gw_ps_options){ .worker = 3 });
    refused(&(gw_ps_options){ .worker = 3, .timeout_s = 0.3 }, layout, 1, GW_ESTATE,
            "worker 3 is here already, from tcp:127.0.0.1:", room.addresses);
    gw_ps_close(ps);
    gw_ps_close(joined(&(gw_ps_options){ .worker = 3 }));
    ps_close(&room);
}
END_TEST

/* ---- keys ------------------------------------------------------------------------------------ */

/* A layout that is no good may be given again; what failed behind it may not. */
START_TEST(registered_twice)
{
    static float first[COUNT];
    const void *const initial[] = { first }, *const none[] = { NULL };
    gw_ps *ps;
    ck_assert_int_eq(gw_ps_open(&ps, "tcp:127.0.0.1:1", NULL), GW_OK);
    ck_assert_int_eq(gw_ps_register(ps, layout, 0, NULL), GW_EINVAL);
    ck_assert_int_eq(gw_ps_register(ps, layout, 1, none), GW_EINVAL);
    first[7] = NAN;
    ck_assert_int_eq(gw_ps_register(ps, layout, 1, initial), GW_ENONFINITE);
    first[7] = 0;
    ck_assert_int_eq(gw_ps_register(ps, layout, 1, initial), GW_ESTATE);
    ck_assert_ptr_nonnull(strstr(gw_ps_error(ps), "already"));
    gw_ps_close(ps);
}
END_TEST

START_TEST(wrong_keys)
{
    char other[128], dogs[128];
    ps_open(&room, PS_TCP_KEYS, 1, NULL);
    snprintf(other, sizeof other, "%s/other", room.folder);
    snprintf(dogs, sizeof dogs, "%s/dogs", room.folder);
    ck_assert_int_eq(gw_key_make(other, "gradwire", 0, 3), GW_OK);
    ck_assert_int_eq(gw_key_make(other, "gradwire", 0, 3), GW_EIO); /* never over another */
    ck_assert_int_eq(gw_key_make(dogs, "dogs", 0, 3), GW_OK);
    refused(&(gw_ps_options){ .keys = dogs }, layout, 1, GW_EMISMATCH, "is for job dogs",
            "this is job gradwire");
    refused(&(gw_ps_options){ .keys = room.keys, .worker = PS_WORKERS }, layout, 1, GW_EINVAL,
            "no key for worker 16", "");
    refused(&(gw_ps_options){ .keys = other, .timeout_s = 0.5 }, layout, 1, GW_ETIMEOUT, "key",
            room.addresses);
    refused(&(gw_ps_options){ .timeout_s = 0.5 }, layout, 1, GW_ETIMEOUT, "no connection to",
            room.addresses);
    gw_ps_close(joined(&(gw_ps_options){ .keys = room.keys, .worker = 2 }));
    ck_assert_int_eq(chmod(room.keys, 0644), 0);
    refused(&(gw_ps_options){ .keys = room.keys }, layout, 1, GW_EIO, room.keys, "chmod 600");
    ck_assert_int_eq(chmod(room.keys, 0600), 0);
    ps_close(&room);
}
END_TEST

/* ---- addresses ------------------------------------------------------------------------------- */

/* A port that nobody listens on: it is bound, so that it stays nobody's. */
static int quiet_port(char *address, size_t capacity)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof at;
    int file = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(file, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(getsockname(file, (struct sockaddr *)&at, &length), 0);
    snprintf(address, capacity, "tcp:127.0.0.1:%d", ntohs(at.sin_port));
    return file;
}

START_TEST(nobody_there)
{
    int file = quiet_port(room.addresses, sizeof room.addresses);
    refused(&(gw_ps_options){ .timeout_s = 0.3 }, layout, 1, GW_ETIMEOUT,
            "no connection to tcp:", "refused");
    /* It takes connections and says nothing. */
    ck_assert_int_eq(listen(file, 8), 0);
    refused(&(gw_ps_options){ .timeout_s = 0.3 }, layout, 1, GW_ETIMEOUT,
            "no connection to tcp:", "does not answer");
    close(file);
    snprintf(room.addresses, sizeof room.addresses, "unix:/tmp/gw-nobody-%d", (int)getpid());
    refused(&(gw_ps_options){ .timeout_s = 0.3 }, layout, 1, GW_ETIMEOUT,
            "no connection to unix:", "No such file");
}
END_TEST

static void unopened(const gw_server_options *options, gw_status status, const char *words)
{
    gw_server *server;
    gw_status s = gw_server_open(&server, options);
    ck_assert_msg(s == status && strstr(gw_server_error(NULL), words),
                  "expected %s '%s', got %s '%s'", gw_status_name(status), words, gw_status_name(s),
                  gw_server_error(NULL));
}

START_TEST(servers_that_do_not_open)
{
    ps_open(&room, PS_TCP, 1, &(gw_server_options){ .durability = "log" });
    const char *taken = room.server[0].folder;
    unopened(&(gw_server_options){ .listen = "tcp:0.0.0.0:0" }, GW_ENOTSUP, "gradwire key");
    unopened(&(gw_server_options){ .listen = room.addresses }, GW_EIO, "in use");
    unopened(&(gw_server_options){ .listen = "tcp:x" }, GW_ESPEC, "tcp:x");
    unopened(&(gw_server_options){ .mode = "sink" }, GW_ESPEC, "did you mean 'sync'");
    unopened(&(gw_server_options){ .durability = "lag", .folder = "/tmp" }, GW_ESPEC, "log");
    unopened(&(gw_server_options){ .durability = "log" }, GW_EINVAL, "folder");
    unopened(
        &(gw_server_options){ .listen = "tcp:127.0.0.1:0", .durability = "log", .folder = taken },
        GW_ESTATE, taken);
    unopened(&(gw_server_options){ .lost_s = -1 }, GW_EINVAL, "lost -1");
    unopened(&(gw_server_options){ .keys = "/nowhere/k" }, GW_EIO, "/nowhere/k");
    unopened(&(gw_server_options){ .listen = "tcp:127.0.0.1:0", .http = "x" }, GW_ESPEC, "x");
    ps_close(&room);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ps_terms");
    TCase *t = tcase_create("terms");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, between_workers, 0, DIFFERENCES);
    tcase_add_loop_test(t, with_the_server, 0, DIFFERENCES);
    tcase_add_test(t, layouts);
    tcase_add_test(t, other_job);
    tcase_add_test(t, other_servers);
    tcase_add_test(t, number_taken);
    tcase_add_test(t, registered_twice);
    tcase_add_test(t, wrong_keys);
    tcase_add_test(t, nobody_there);
    tcase_add_test(t, servers_that_do_not_open);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
