/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Addresses: what is one, in which full form, and which are this machine alone. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/address.h"

struct good {
    const char *text, *full, *host, *port;
    bool local;
};

static const struct good goods[] = {
    { "tcp:localhost:7070", "tcp:localhost:7070", "localhost", "7070", true },
    { "LocalHost:1", "tcp:LocalHost:1", "LocalHost", "1", true },
    { "127.0.0.1:0", "tcp:127.0.0.1:0", "127.0.0.1", "0", true },
    { "tcp:127.255.3.4:65535", "tcp:127.255.3.4:65535", "127.255.3.4", "65535", true },
    { "[::1]:80", "tcp:[::1]:80", "::1", "80", true },
    { "tcp:[0:0:0:0:0:0:0:1]:80", "tcp:[0:0:0:0:0:0:0:1]:80", "0:0:0:0:0:0:0:1", "80", true },
    { "tcp:[fe80::1%eth0]:80", "tcp:[fe80::1%eth0]:80", "fe80::1%eth0", "80", false },
    { "[::ffff:10.0.0.1]:80", "tcp:[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", "80", false },
    { "[::]:80", "tcp:[::]:80", "::", "80", false },
    { "0.0.0.0:80", "tcp:0.0.0.0:80", "0.0.0.0", "80", false },
    { "0x7f.0.0.1:80", "tcp:0x7f.0.0.1:80", "0x7f.0.0.1", "80", false }, /* a name */
    { "128.0.0.1:80", "tcp:128.0.0.1:80", "128.0.0.1", "80", false },
    { "node-7.example_x.org:080", "tcp:node-7.example_x.org:80", "node-7.example_x.org", "80",
      false },
    { "localhost.evil.org:80", "tcp:localhost.evil.org:80", "localhost.evil.org", "80", false },
    { "127.0.0.1.evil.org:80", "tcp:127.0.0.1.evil.org:80", "127.0.0.1.evil.org", "80", false },
    { "unix:/run/gradwire.sock", "unix:/run/gradwire.sock", "/run/gradwire.sock", "", true },
    { "unix:relative path:80", "unix:relative path:80", "relative path:80", "", true },
};

START_TEST(good)
{
    const struct good *g = &goods[_i];
    struct gw_address a, again;
    struct gw_error error = { 0 };
    ck_assert_msg(gw_address_parse(&a, g->text, strlen(g->text), &error) == GW_OK, "%s: %s",
                  g->text, error.text);
    ck_assert_str_eq(a.text, g->full);
    ck_assert_str_eq(a.host, g->host);
    ck_assert_str_eq(a.port, g->port);
    ck_assert_msg(gw_address_is_local(&a) == g->local, "%s: expected local %d", g->text, g->local);
    ck_assert_int_eq(gw_address_parse(&again, a.text, strlen(a.text), NULL), GW_OK);
    ck_assert_str_eq(again.text, a.text);
}
END_TEST

static const char *const bads[] = {
    "",
    "tcp:",
    "unix:",
    ":",
    ":80",
    "tcp::80",
    "host",
    "host:",
    "host:x",
    "host:-1",
    "host:+1",
    "host: 80",
    "host:80 ",
    "host:65536",
    "host:123456",
    "host:0x50",
    "a:b:80",
    "::1:80",
    "[::1]",
    "[::1]80",
    "[::1]:",
    "[::1",
    "[]:80",
    "[1.2.3.4]:80",
    "[::g]:80",
    "[::1%]:80",
    "[::1%a b]:80",
    "127.1:80",
    "127.0.0.1.:80",
    "1:80",
    "256.0.0.1:80",
    ".a:80",
    "-a:80",
    "a b:80",
    "a/b:80",
    "http://host:80",
    "h\303\266st:80",
    "a%b:80",
    "unix:a\nb",
};

START_TEST(bad)
{
    struct gw_address a;
    struct gw_error error = { 0 };
    memset(&a, 0x55, sizeof a);
    struct gw_address before = a;
    gw_status s = gw_address_parse(&a, bads[_i], strlen(bads[_i]), &error);
    ck_assert_msg(s == GW_ESPEC, "\"%s\": expected GW_ESPEC, got %s", bads[_i], gw_status_name(s));
    ck_assert(memcmp(&a, &before, sizeof a) == 0);
    ck_assert_msg(strstr(error.text, "expected tcp:HOST:PORT") != NULL, "%s", error.text);
    for (const char *c = error.text; *c; c++)
        ck_assert_msg(*c >= 0x20 && *c < 0x7f, "\"%s\": control characters in the words", bads[_i]);
}
END_TEST

START_TEST(lengths)
{
    char text[1024];
    struct gw_address a;
    memset(text, 'a', sizeof text);
    memcpy(text, "unix:", 5);
    ck_assert_int_eq(gw_address_parse(&a, text, 5 + 107, NULL), GW_OK);
    ck_assert_uint_eq(strlen(a.host), 107);
    ck_assert_uint_eq(strlen(a.text), 112);
    ck_assert_int_eq(gw_address_parse(&a, text, 5 + 108, NULL), GW_ESPEC);
    for (size_t n = 1; n < 1000; n++) {
        memset(text, 'a', sizeof text);
        memcpy(text + n, ":12345", 6);
        gw_status s = gw_address_parse(&a, text, n + 6, NULL);
        ck_assert_int_eq(s, n <= 240 ? GW_OK : GW_ESPEC);
        if (!s)
            ck_assert_uint_eq(strlen(a.text), 4 + n + 6);
    }
    /* The bytes behind `length` are not read, and a zero is no end. */
    ck_assert_int_eq(gw_address_parse(&a, "host:80garbage", 7, NULL), GW_OK);
    ck_assert_int_eq(gw_address_parse(&a, "host:8\0", 7, NULL), GW_ESPEC);
    ck_assert_int_eq(gw_address_parse(&a, "ho\0st:8", 7, NULL), GW_ESPEC);
    ck_assert_int_eq(gw_address_parse(&a, "unix:a\0b", 8, NULL), GW_ESPEC);
    ck_assert_int_eq(gw_address_parse(&a, "[::1\0]:80", 9, NULL), GW_ESPEC);
}
END_TEST

START_TEST(lists)
{
    struct gw_address *list = NULL;
    int count = 0;
    struct gw_error error = { 0 };
    ck_assert_int_eq(gw_address_list(&list, &count, "a:1,tcp:b:2,unix:c", &error), GW_OK);
    ck_assert_int_eq(count, 3);
    ck_assert_str_eq(list[1].text, "tcp:b:2");
    ck_assert_str_eq(list[2].text, "unix:c");
    free(list);
    ck_assert_int_eq(gw_address_list(&list, &count, "a:1", &error), GW_OK);
    ck_assert_int_eq(count, 1);
    free(list);
    static const char *const wrong[] = {
        "", ",", "a:1,", ",a:1", "a:1,,b:2", "a:1, b:2", "a:1,b:2,tcp:a:01"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        list = NULL;
        ck_assert_msg(gw_address_list(&list, &count, wrong[i], &error) == GW_ESPEC, "\"%s\"",
                      wrong[i]);
        ck_assert_ptr_null(list);
    }
    ck_assert_msg(strstr(error.text, "twice") != NULL, "%s", error.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *t = tcase_create("address");
    tcase_add_loop_test(t, good, 0, sizeof goods / sizeof *goods);
    tcase_add_loop_test(t, bad, 0, sizeof bads / sizeof *bads);
    tcase_add_test(t, lengths);
    tcase_add_test(t, lists);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
