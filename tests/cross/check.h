/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* As much of Check as the tests of kernels and codecs use, in one process and without a library:
 * for CPUs that Check is not built for. scripts/cross-tests puts this folder first on the include
 * path. The first failure ends the program. */
#ifndef GW_TESTS_CROSS_CHECK_H
#define GW_TESTS_CROSS_CHECK_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void test_body(int _i);

struct cross_test {
    test_body *body;
    const char *name;
    int first, end;
    void (*setup)(void), (*teardown)(void);
};

enum { CROSS_TESTS = 64 };

/* One suite a program; a case is the suite with other fixtures. */
typedef struct cross_suite {
    struct cross_test tests[CROSS_TESTS];
    int count;
    void (*setup)(void), (*teardown)(void);
} Suite, TCase, SRunner;

enum { CK_ENV, CK_NORMAL };

static Suite cross_suite;

#define START_TEST(name)                                                                           \
    static void name##_body(int _i);                                                               \
    static const struct {                                                                          \
        test_body *body;                                                                           \
        const char *text;                                                                          \
    } name[1] = { { name##_body, #name } };                                                        \
    static void name##_body(int _i __attribute__((unused)))
#define END_TEST

static inline Suite *suite_create(const char *name)
{
    printf("%s\n", name);
    return &cross_suite;
}

static inline TCase *tcase_create(const char *name)
{
    (void)name;
    cross_suite.setup = cross_suite.teardown = NULL;
    return &cross_suite;
}

static inline void tcase_add_checked_fixture(TCase *tcase, void (*setup)(void),
                                             void (*teardown)(void))
{
    tcase->setup = setup;
    tcase->teardown = teardown;
}

static inline void cross_add(TCase *tcase, test_body *body, const char *name, int first, int end)
{
    if (tcase->count == CROSS_TESTS)
        abort();
    tcase->tests[tcase->count++] =
        (struct cross_test){ body, name, first, end, tcase->setup, tcase->teardown };
}

#define tcase_add_loop_test(tcase, name, first, end)                                               \
    cross_add(tcase, (name)->body, (name)->text, (int)(first), (int)(end))
#define tcase_add_test(tcase, name)       cross_add(tcase, (name)->body, (name)->text, 0, 1)
#define tcase_set_timeout(tcase, seconds) ((void)(tcase))
#define suite_add_tcase(suite, tcase)     ((void)(suite), (void)(tcase))
#define srunner_create(suite)             (suite)
#define srunner_free(runner)              ((void)(runner))
#define srunner_ntests_failed(runner)     ((void)(runner), 0)

static inline void srunner_run_all(SRunner *runner, int how)
{
    (void)how;
    for (const struct cross_test *t = runner->tests; t < runner->tests + runner->count; t++) {
        for (int i = t->first; i < t->end; i++) {
            if (t->setup)
                t->setup();
            t->body(i);
            if (t->teardown)
                t->teardown();
        }
        printf("  %s\n", t->name);
    }
}

static inline __attribute__((noreturn, format(printf, 3, 4))) void
cross_fail(const char *file, int line, const char *words, ...)
{
    va_list arguments;
    va_start(arguments, words);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, words, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static inline void cross_holds(int holds, const char *file, int line, const char *text)
{
    if (!holds)
        cross_fail(file, line, "%s", text);
}

static inline void cross_relation(int holds, double a, double b, const char *file, int line,
                                  const char *text)
{
    if (!holds)
        cross_fail(file, line, "%s: %g, %g", text, a, b);
}

#define ck_abort_msg(...)         cross_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ck_assert_msg(holds, ...) ((holds) ? (void)0 : cross_fail(__FILE__, __LINE__, __VA_ARGS__))
#define ck_assert(holds)          cross_holds((holds) != 0, __FILE__, __LINE__, #holds)
#define CROSS_RELATION(type, a, relation, b)                                                       \
    __extension__({                                                                                \
        type cross_a = (type)(a), cross_b = (type)(b);                                             \
        cross_relation(cross_a relation cross_b, (double)cross_a, (double)cross_b, __FILE__,       \
                       __LINE__, #a " " #relation " " #b);                                         \
    })
#define ck_assert_int_eq(a, b)  CROSS_RELATION(intmax_t, a, ==, b)
#define ck_assert_uint_eq(a, b) CROSS_RELATION(uintmax_t, a, ==, b)
#define ck_assert_uint_gt(a, b) CROSS_RELATION(uintmax_t, a, >, b)
#define ck_assert_uint_le(a, b) CROSS_RELATION(uintmax_t, a, <=, b)
#define ck_assert_mem_eq(a, b, bytes)                                                              \
    cross_holds(memcmp(a, b, bytes) == 0, __FILE__, __LINE__, #a " and " #b " differ")
#define ck_assert_str_eq(a, b)                                                                     \
    cross_holds(strcmp(a, b) == 0, __FILE__, __LINE__, #a " and " #b " differ")
#define ck_assert_ptr_nonnull(p) ck_assert((p) != NULL)

#endif
