/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Key files: what is made can be read, by its owner alone; everything that is not one is refused
 * with the line, and with words that give no key away. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/keys.h"

#define HEX  "00112233445566778899aabbccddeeff0123456789abcdef0123456789ABCDEF"
#define HEX2 "10112233445566778899aabbccddeeff0123456789abcdef0123456789ABCDEF"

static char folder[] = "/tmp/gradwire-keys-XXXXXX";
static char path[64], other[64];

static void set_up(void)
{
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/keys", folder);
    snprintf(other, sizeof other, "%s/other", folder);
}

static void tear_down(void)
{
    unlink(path);
    unlink(other);
    rmdir(folder);
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(made_keys_can_be_read)
{
    struct gw_keys *keys = NULL;
    struct gw_error error = { 0 };
    struct stat info;
    mode_t before = umask(0); /* the mode does not depend on it */
    ck_assert_msg(gw_keys_make(path, "mnist", 7, 300, &error) == GW_OK, "%s", error.text);
    umask(before);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 07777u, 0600);
    ck_assert_msg(gw_keys_load(&keys, path, &error) == GW_OK, "%s", error.text);
    ck_assert_str_eq(gw_keys_job(keys), "mnist");
    ck_assert_uint_eq(gw_keys_count(keys), 300);
    ck_assert_ptr_null(gw_keys_find(keys, 6));
    ck_assert_ptr_null(gw_keys_find(keys, 307));
    for (uint32_t w = 7; w < 307; w++) {
        ck_assert_ptr_nonnull(gw_keys_find(keys, w));
        ck_assert_uint_eq(gw_keys_worker(keys, w - 7), w);
    }
    /* A key of its own file is the same key. */
    struct gw_keys *one = NULL;
    ck_assert_int_eq(gw_keys_save_one(keys, 306, other, &error), GW_OK);
    ck_assert_int_eq(gw_keys_load(&one, other, &error), GW_OK);
    ck_assert_uint_eq(gw_keys_count(one), 1);
    ck_assert_str_eq(gw_keys_job(one), "mnist");
    ck_assert(memcmp(gw_keys_find(one, 306), gw_keys_find(keys, 306), GW_KEY_BYTES) == 0);
    ck_assert_int_eq(gw_keys_save_one(keys, 306, other, &error), GW_EIO);
    ck_assert_int_eq(gw_keys_save_one(keys, 5, other, &error), GW_EINVAL);
    gw_keys_close(one);
    gw_keys_close(keys);
    /* Keys in use are not written over. */
    ck_assert_int_eq(gw_keys_make(path, "mnist", 0, 1, &error), GW_EIO);
    ck_assert_msg(strstr(error.text, "exists") != NULL, "%s", error.text);
}
END_TEST

START_TEST(makers_arguments)
{
    static const char *const wrong[] = {
        "",           "a b", "a\n",
        "j\303\266b", "a/b", "12345678901234567890123456789012345678901234567890123456789012345"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(gw_keys_make(path, wrong[i], 0, 1, NULL), GW_EINVAL);
    ck_assert_int_eq(gw_keys_make(path, "j", 0, 0, NULL), GW_EINVAL);
    ck_assert_int_eq(gw_keys_make(path, "j", 0, GW_KEYS_MAX + 1, NULL), GW_EINVAL);
    ck_assert_int_eq(gw_keys_make(path, "j", UINT32_MAX, 2, NULL), GW_EINVAL);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(gw_keys_make(path, "j.1-a_B", UINT32_MAX, 1, NULL), GW_OK);
    ck_assert_int_eq(gw_keys_make("/nowhere/keys", "j", 0, 1, NULL), GW_EIO);
    if (access("/dev/full", W_OK) == 0 && symlink("/dev/full", other) == 0)
        ck_assert_int_eq(gw_keys_make(other, "j", 0, 1, NULL), GW_EIO);
}
END_TEST

START_TEST(modes)
{
    struct gw_error error = { 0 };
    for (mode_t mode = 0400; mode <= 0777; mode++) {
        struct gw_keys *keys = NULL;
        if (!(mode & 0400))
            continue;
        write_file("job j\nworker 0 " HEX "\n", 0600);
        ck_assert_int_eq(chmod(path, mode), 0);
        gw_status s = gw_keys_load(&keys, path, &error);
        ck_assert_int_eq(chmod(path, 0600), 0);
        ck_assert_msg(s == (mode & 077 ? GW_EIO : GW_OK), "mode %04o: %s", mode, error.text);
        if (s)
            ck_assert_msg(strstr(error.text, "chmod 600 ") != NULL, "%s", error.text);
        gw_keys_close(keys);
    }
}
END_TEST

START_TEST(not_a_file_of_ours)
{
    struct gw_keys *keys = NULL;
    struct gw_error error = { 0 };
    ck_assert_int_eq(gw_keys_load(&keys, path, &error), GW_EIO);
    ck_assert_int_eq(gw_keys_load(&keys, folder, &error), GW_EIO);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(gw_keys_load(&keys, path, &error), GW_EIO);
    unlink(path);
    write_file("job j\nworker 0 " HEX "\n", 0600);
    ck_assert_int_eq(truncate(path, (8 << 20) + 1), 0);
    ck_assert_int_eq(gw_keys_load(&keys, path, &error), GW_EIO);
    if (geteuid() != 0)
        return; /* only root can give a file away */
    write_file("job j\nworker 0 " HEX "\n", 0600);
    ck_assert_int_eq(chown(path, 12345, (gid_t)-1), 0);
    ck_assert_int_eq(gw_keys_load(&keys, path, &error), GW_EIO);
    ck_assert_msg(strstr(error.text, "12345") != NULL, "%s", error.text);
}
END_TEST

/* What is said of a text: the line, and some of the words. */
struct malformed {
    const char *text;
    int line; /* 0: none in particular */
    const char *words;
};

static const struct malformed malformed[] = {
    { "", 0, "without a job" },
    { "# nothing\n\n", 0, "without a job" },
    { "job j\n", 0, "without workers" },
    { "worker 0 " HEX "\n", 1, "before the job" },
    { "job j\njob k\n", 2, "second job" },
    { "job\n", 1, "job NAME" },
    { "job \n", 1, "job NAME" },
    { "job a b\n", 1, "job NAME" },
    { "job  a\n", 1, "job NAME" },
    { "job a \n", 1, "job NAME" },
    { "job a/b\n", 1, "job NAME" },
    { "job 12345678901234567890123456789012345678901234567890123456789012345\n", 1, "job NAME" },
    { " job a\n", 1, "expected" },
    { "JOB a\n", 1, "expected" },
    { "jobs a\n", 1, "expected" },
    { "job j\r\nworker 0 " HEX "\r\n", 1, "job NAME" },
    { "job j\nworker 0 " HEX "\r\n", 2, "64 hex" },
    { "job j\nworker 0\n", 2, "" },
    { "job j\nworker  " HEX "\n", 2, "" },
    { "job j\nworker 0 " HEX " x\n", 2, "" },
    { "job j\nworker 0  " HEX "\n", 2, "" },
    { "job j\nworker -1 " HEX "\n", 2, "number" },
    { "job j\nworker +1 " HEX "\n", 2, "number" },
    { "job j\nworker 01 " HEX "\n", 2, "number" },
    { "job j\nworker 0x1 " HEX "\n", 2, "number" },
    { "job j\nworker 4294967296 " HEX "\n", 2, "number" },
    { "job j\nworker 99999999999 " HEX "\n", 2, "number" },
    { "job j\nworker 0 " HEX "0\n", 2, "64 hex" },
    { "job j\nworker 0 0x" HEX "\n", 2, "64 hex" },
    { "job j\nworker 10 g" HEX2 "\n", 2, "64 hex" },
    { "job j\n\n# x\nworker 0 " HEX "\nworker 1 " HEX2 "\nnonsense\n", 6, "expected" },
    { "job j\nworker 0 " HEX "\nworker 0 " HEX2 "\n", 0, "worker 0 has two keys" },
    { "job j\nworker 1 " HEX "\nworker 0 " HEX "\n", 0, "the same key" },
};

START_TEST(malformed_lines)
{
    const struct malformed *m = &malformed[_i];
    struct gw_keys *keys = NULL;
    struct gw_error error = { 0 };
    char line[32] = "";
    write_file(m->text, 0600);
    gw_status s = gw_keys_load(&keys, path, &error);
    ck_assert_msg(s == GW_EPAYLOAD, "%s\nexpected GW_EPAYLOAD, got %s", m->text, gw_status_name(s));
    ck_assert_ptr_null(keys);
    if (m->line)
        snprintf(line, sizeof line, "line %d ", m->line);
    ck_assert_msg(strstr(error.text, line) && strstr(error.text, m->words) &&
                      strstr(error.text, path),
                  "%s\nexpected %s and \"%s\", got \"%s\"", m->text, line, m->words, error.text);
    ck_assert_msg(!strstr(error.text, "33445566"), "a key in the words: %s", error.text);
}
END_TEST

START_TEST(odd_but_good)
{
    static const char text[] = "# c\n\njob j\nworker 4294967295 " HEX2 "\n#\nworker 2 " HEX;
    struct gw_keys *keys = NULL;
    struct gw_error error = { 0 };
    ck_assert_msg(gw_keys_parse(&keys, text, sizeof text - 1, &error) == GW_OK, "%s", error.text);
    ck_assert_uint_eq(gw_keys_count(keys), 2);
    ck_assert_uint_eq(gw_keys_find(keys, 2)[1], 0x11);
    ck_assert_uint_eq(gw_keys_find(keys, 2)[31], 0xef);
    ck_assert_uint_eq(gw_keys_find(keys, UINT32_MAX)[0], 0x10);
    ck_assert_ptr_null(gw_keys_find(keys, 0));
    gw_keys_close(keys);
    gw_keys_close(NULL);
    /* Every byte changed: refused, or other keys in the same form; never more than there were. */
    for (size_t i = 0; i < sizeof text - 1; i++)
        for (int c = 0; c < 256; c++) {
            char changed[sizeof text];
            memcpy(changed, text, sizeof text);
            changed[i] = (char)c;
            keys = NULL;
            if (gw_keys_parse(&keys, changed, sizeof text - 1, &error) == GW_OK)
                ck_assert_uint_le(gw_keys_count(keys), 2);
            gw_keys_close(keys);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keys");
    TCase *t = tcase_create("keys");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, made_keys_can_be_read);
    tcase_add_test(t, makers_arguments);
    tcase_add_test(t, modes);
    tcase_add_test(t, not_a_file_of_ours);
    tcase_add_loop_test(t, malformed_lines, 0, sizeof malformed / sizeof *malformed);
    tcase_add_test(t, odd_but_good);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
