/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The wire format does not change by accident: every codec of the table gives the bytes of
 * tests/golden/NAME.bin for a fixed input. A file holds one payload per spec of the codec below,
 * one after the other; vote, int and the like add a merged one. GW_GOLDEN_WRITE=1 writes the files
 * anew: only for a new codec, or together with a new version in the header. */
#include "tests/units.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1300, FILE_MOST = 1 << 16 };

/* Beside its defaults, what else of a codec has a layout of its own. */
static const char *const variants[] = {
    "qsgd:bits=3,bucket=64",
    "qsgd:bits=8,rounding=nearest",
    "qsgd:norm=l2,bits=3,coding=elias",
    "qsgd:norm=l2,bits=3,coding=elias-dense",
    "qsgd:norm=l2,bits=3,coding=elias-compact",
    "sign:bucket=0",
    "vote:ties=zero",
    "onebit:bucket=0",
    "topk:ratio=0.2",
    "randomk:ratio=0.1,scale=unbiased",
    "int:bits=16,bucket=512",
    "int:bits=32,bucket=0,rounding=nearest",
};

struct file {
    uint8_t bytes[FILE_MOST];
    size_t size;
};

static void append(struct file *f, struct payload p)
{
    ck_assert(f->size + p.size <= FILE_MOST);
    memcpy(f->bytes + f->size, p.bytes, p.size);
    f->size += p.size;
}

/* No library function: the input must be the same on every system. */
static void fill_fixed(float *x)
{
    uint64_t state = 42;
    for (int i = 0; i < COUNT; i++) {
        int32_t sum = 0;
        for (int k = 0; k < 4; k++)
            sum += (int32_t)(next_random(&state) >> 40) - (1 << 23);
        x[i] = (float)sum / (1 << 24);
    }
}

static void append_spec(struct file *f, const char *spec)
{
    float x[COUNT];
    struct payload p[2];
    fill_fixed(x);
    gw_codec *c = unit_open(spec, COUNT, 0, 2);
    p[0] = unit_encode(c, x);
    for (int i = 0; i < COUNT; i++)
        x[i] *= i % 3 ? 0.5f : -1.0f;
    c->run = 0;
    p[1] = unit_encode(c, x);
    append(f, p[0]);
    if (c->row->merge) {
        c->run = 0;
        struct payload merged = unit_merge(c, p, 2);
        append(f, merged);
        free(merged.bytes);
    }
    free(p[0].bytes);
    free(p[1].bytes);
    gw_codec_close(c);
}

static void write_file(const char *path, const struct file *f)
{
    FILE *stream = fopen(path, "wb");
    ck_assert_msg(stream != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(f->bytes, 1, f->size, stream), f->size);
    ck_assert_int_eq(fclose(stream), 0);
}

static void compare_file(const char *name, const char *path, const struct file *f)
{
    static struct file golden;
    FILE *stream = fopen(path, "rb");
    ck_assert_msg(stream != NULL, "%s has no golden file %s; GW_GOLDEN_WRITE=1 makes it", name,
                  path);
    golden.size = fread(golden.bytes, 1, FILE_MOST, stream);
    fclose(stream);
    size_t same = 0;
    while (same < f->size && same < golden.size && f->bytes[same] == golden.bytes[same])
        same++;
    ck_assert_msg(same == f->size && same == golden.size,
                  "%s: %zu bytes, golden %zu; the first that differs is byte %zu. The wire format "
                  "must not change under one version. Repeat: tests/test_golden",
                  name, f->size, golden.size, same);
}

START_TEST(bytes_are_golden)
{
    const char *name = gw_codec_rows[_i]->info.name;
    static struct file f;
    f.size = 0;
    if (gw_codec_rows[_i]->info.traits & GW_WRAPPER)
        return; /* wrappers have no bytes of their own */
    append_spec(&f, name);
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
        if (strncmp(variants[v], name, strlen(name)) == 0 && variants[v][strlen(name)] == ':')
            append_spec(&f, variants[v]);
    char path[512];
    const char *srcdir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/golden/%s.bin", srcdir ? srcdir : ".", name);
    if (getenv("GW_GOLDEN_WRITE"))
        write_file(path, &f);
    else
        compare_file(name, path, &f);
}
END_TEST

int main(void)
{
    int rows = 0;
    while (gw_codec_rows[rows])
        rows++;
    Suite *suite = suite_create("golden");
    TCase *tcase = tcase_create("golden");
    tcase_add_loop_test(tcase, bytes_are_golden, 0, rows);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
