/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Elias streams against a reader and a writer that go bit by bit, as the definition says: the same
 * bits for any levels, and of any bytes the same levels or the same refusal. */
#include "compress/elias.h"
#include "tests/units.h"

#include <check.h>
#include <stdlib.h>

enum { MOST = 200000, BYTES = MOST * 5, SEED = 11 };

/* ---- the definition -------------------------------------------------------------------------- */

struct stream {
    uint8_t *bytes;
    size_t at, bits; /* bits: reading */
    int broken;
};

static void put(struct stream *s, unsigned bit)
{
    if (s->at % 8 == 0)
        s->bytes[s->at / 8] = 0;
    s->bytes[s->at / 8] |= (uint8_t)(bit << (7 - s->at % 8));
    s->at++;
}

static void put_binary(struct stream *s, uint64_t k)
{
    for (unsigned b = 64 - (unsigned)__builtin_clzll(k); b; b--)
        put(s, k >> (b - 1) & 1);
}

static void put_groups(struct stream *s, uint64_t k)
{
    if (k == 1)
        return;
    put_groups(s, 63 - (unsigned)__builtin_clzll(k));
    put_binary(s, k);
}

static void put_omega(struct stream *s, uint64_t k)
{
    put_groups(s, k);
    put(s, 0);
}

static void put_all(struct stream *s, enum gw_elias_form form, const int *levels, size_t count)
{
    uint64_t gap = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned magnitude = (unsigned)abs(levels[i]), negative = levels[i] < 0;
        gap++;
        if (form == GW_ELIAS_SPARSE && !magnitude)
            continue;
        if (form == GW_ELIAS_SPARSE)
            put_omega(s, gap);
        if (form != GW_ELIAS_COMPACT)
            put(s, negative);
        put_omega(s, magnitude + (form != GW_ELIAS_SPARSE));
        if (form == GW_ELIAS_COMPACT && magnitude)
            put(s, negative);
        gap = 0;
    }
}

static unsigned get(struct stream *s)
{
    s->broken |= s->at >= s->bits;
    unsigned bit = s->broken ? 0 : s->bytes[s->at / 8] >> (7 - s->at % 8) & 1;
    s->at++;
    return bit;
}

static uint64_t get_omega(struct stream *s)
{
    uint64_t k = 1;
    while (get(s) && !s->broken) {
        uint64_t length = k;
        s->broken |= length > 48;
        for (k = 1; length && !s->broken; length--)
            k = k << 1 | get(s);
    }
    return k;
}

static int get_level(struct stream *s, enum gw_elias_form form, unsigned most)
{
    unsigned negative = form != GW_ELIAS_COMPACT ? get(s) : 0;
    uint64_t magnitude = get_omega(s) - (form != GW_ELIAS_SPARSE);
    if (form == GW_ELIAS_COMPACT && magnitude)
        negative = get(s);
    s->broken |= magnitude > most;
    return s->broken ? 0 : negative ? -(int)magnitude : (int)magnitude;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int levels[MOST], back[MOST];
static uint8_t expected[BYTES], got[BYTES];

static const struct {
    unsigned bits;
    unsigned zeros; /* of 1000 */
} mixes[] = { { 2, 950 }, { 2, 0 },   { 2, 1000 }, { 3, 500 },  { 4, 300 },
              { 6, 700 }, { 8, 100 }, { 8, 990 },  { 11, 400 }, { 16, 200 } };

enum { MIXES = sizeof mixes / sizeof mixes[0] };

/* Sometimes a run of zeros beyond any table. */
static void draw_levels(int mix, size_t count, uint64_t *state)
{
    unsigned most = (1u << (mixes[mix].bits - 1)) - 1;
    size_t hole = next_random(state) % 5 ? count : next_random(state) % count;
    for (size_t i = 0; i < count; i++) {
        int magnitude = (int)(1 + next_random(state) % most);
        int zero = next_random(state) % 1000 < mixes[mix].zeros || (i >= hole && i < hole + 90000);
        levels[i] = zero ? 0 : next_random(state) % 2 ? -magnitude : magnitude;
    }
}

/* In parts, as a codec does it; a zero may have a sign. */
static size_t write_all(enum gw_elias_form form, unsigned bits, size_t count, uint64_t *state,
                        uint64_t *nonzeros)
{
    static uint16_t wide[MOST];
    static uint8_t narrow[MOST];
    struct gw_elias_writer w;
    for (size_t i = 0; i < count; i++) {
        unsigned negative = levels[i] ? levels[i] < 0 : next_random(state) % 2;
        wide[i] = (uint16_t)((unsigned)abs(levels[i]) | negative << (bits - 1));
        narrow[i] = (uint8_t)wide[i];
    }
    gw_elias_open(&w, form, bits, got);
    for (size_t at = 0; at < count;) {
        size_t n = gw_min_size(1 + next_random(state) % 9000, count - at);
        if (bits <= 8)
            gw_elias_put(&w, narrow + at, n);
        else
            gw_elias_put_wide(&w, wide + at, n);
        at += n;
    }
    uint8_t *end = gw_elias_finish(&w);
    *nonzeros = w.nonzeros;
    return (size_t)(end - got);
}

/* Levels of a stream as a codec reads them; 0 if it is broken. */
static int read_all(const struct gw_elias_table *table, const uint8_t *bytes, size_t length,
                    uint64_t nonzeros, size_t count)
{
    struct gw_elias_reader r = { .table = table, .input = bytes, .bits = length * 8 };
    size_t end = 0;
    if (table->form != GW_ELIAS_SPARSE) {
        static int16_t read[MOST];
        gw_elias_get(&r, read, count);
        for (size_t i = 0; i < count; i++)
            back[i] = read[i];
        return gw_elias_ended(&r);
    }
    memset(back, 0, count * sizeof *back);
    for (; nonzeros; nonzeros--) {
        uint64_t gap;
        int32_t level;
        if (!gw_elias_next(&r, &gap, &level) || gap > count - end)
            return 0;
        end += gap;
        back[end - 1] = level;
    }
    return gw_elias_ended(&r);
}

START_TEST(streams_are_the_definition)
{
    uint64_t state = SEED + (uint64_t)_i, nonzeros;
    enum gw_elias_form form = (enum gw_elias_form)(_i / MIXES);
    int mix = _i % MIXES;
    unsigned bits = mixes[mix].bits;
    struct gw_elias_table *table = malloc(sizeof *table);
    ck_assert_ptr_nonnull(table);
    gw_elias_fill(table, form, (1 << (bits - 1)) - 1);
    for (int round = 0; round < 12; round++) {
        size_t count = 1 + next_random(&state) % (round ? 3000 : MOST), other = 0;
        draw_levels(mix, count, &state);
        for (size_t i = 0; i < count; i++)
            other += levels[i] != 0;
        struct stream s = { .bytes = expected };
        put_all(&s, form, levels, count);
        size_t length = (s.at + 7) / 8, written = write_all(form, bits, count, &state, &nonzeros);
        ck_assert_uint_eq(written, length);
        ck_assert_uint_le(written, gw_elias_bound(form, count, (1 << (bits - 1)) - 1));
        ck_assert(form != GW_ELIAS_SPARSE || nonzeros == other);
        for (size_t i = 0; i < length; i++)
            ck_assert_msg(got[i] == expected[i],
                          "form %d, mix %d, round %d: byte %zu is %02x, expected %02x; seed %d",
                          form, mix, round, i, got[i], expected[i], SEED);
        ck_assert(read_all(table, got, length, nonzeros, count));
        ck_assert_mem_eq(back, levels, count * sizeof *levels);
        ck_assert(!read_all(table, got, length + 1, nonzeros, count));
        ck_assert(length < 2 || !read_all(table, got, length - 1, nonzeros, count));
    }
    free(table);
}
END_TEST

/* ---- reading anything ------------------------------------------------------------------------ */

/* As read_all, into `levels`. */
static int read_slowly(enum gw_elias_form form, unsigned most, size_t length, uint64_t nonzeros,
                       size_t count)
{
    struct stream s = { .bytes = got, .bits = 8 * length };
    size_t end = 0;
    memset(levels, 0, count * sizeof *levels);
    for (size_t i = 0; form != GW_ELIAS_SPARSE && i < count && !s.broken; i++)
        levels[i] = get_level(&s, form, most);
    for (; form == GW_ELIAS_SPARSE && nonzeros; nonzeros--) {
        uint64_t gap = get_omega(&s);
        int level = get_level(&s, form, most);
        if (s.broken || gap > count - end)
            return 0;
        end += gap;
        levels[end - 1] = level;
    }
    if (s.broken || (s.at + 7) / 8 != length)
        return 0;
    for (; s.at < s.bits;)
        if (get(&s))
            return 0;
    return 1;
}

/* Fewer where each takes ten times as long. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
enum { RANDOM_ROUNDS = 6000 };
#else
enum { RANDOM_ROUNDS = 30000 };
#endif

/* Random bytes, also with many ones, so that long codes come up, and with many zeros, so that some
 * streams are good. */
START_TEST(any_bytes)
{
    enum { ROUNDS = RANDOM_ROUNDS, LONGEST = 48 };
    static const unsigned many[] = { 1, 7, 127, 32767 };
    uint64_t state = SEED + (uint64_t)_i;
    enum gw_elias_form form = (enum gw_elias_form)(_i / 4);
    unsigned most = many[_i % 4];
    struct gw_elias_table *table = malloc(sizeof *table);
    ck_assert_ptr_nonnull(table);
    gw_elias_fill(table, form, (int32_t)most);
    int good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t length = next_random(&state) % LONGEST, count = 1 + next_random(&state) % 100;
        uint64_t mask = next_random(&state) % 4, nonzeros = next_random(&state) % 20;
        for (size_t i = 0; i < length; i++) {
            uint64_t a = next_random(&state), b = next_random(&state);
            got[i] = (uint8_t)(mask == 0 ? a & b : mask == 1 ? a | b : mask == 2 ? 0 : a);
        }
        int right = read_slowly(form, most, length, nonzeros, count);
        int answer = read_all(table, got, length, nonzeros, count);
        ck_assert_msg(answer == right, "form %d, most %u, round %d: read %d, expected %d; seed %d",
                      form, most, round, answer, right, SEED);
        if (right)
            ck_assert_mem_eq(back, levels, count * sizeof *levels);
        good += right;
    }
    ck_assert_msg(good > ROUNDS / 500, "only %d of %d streams were good", good, ROUNDS);
    free(table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("elias");
    TCase *tcase = tcase_create("elias");
    tcase_add_loop_test(tcase, streams_are_the_definition, 0, 3 * MIXES);
    tcase_add_loop_test(tcase, any_bytes, 0, 12);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int bad = srunner_ntests_failed(runner);
    srunner_free(runner);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
