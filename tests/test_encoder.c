/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A worker's codecs: what fails changes nothing, what is saved comes back bit for bit, what was
 * given is sent or kept; and pulls put together from payloads. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "compress/codec.h"
#include "server/decoder.h"
#include "server/encoder.h"
#include "server/shard_inside.h"

enum { TENSORS = 3, PARTS = 8, MOST = 3000 };
static const size_t counts[TENSORS] = { 3000, 1, 40 };
static const char *const codecs[] = { "ef+topk:ratio=0.1", "ef+sign", "raw", "ef+qsgd:bits=4",
                                      "momentum+ef+fp16" };
enum { CODECS = sizeof codecs / sizeof *codecs };

struct set {
    struct gw_job *job;
    struct gw_part *parts;
    size_t count;
    struct gw_encoder *encoder;
    float gradient[TENSORS][MOST];
    const void *tensors[TENSORS];
};

static void open_set(struct set *set, const char *codec, uint32_t worker)
{
    static const char *const names[TENSORS] = { "one", "two", "three" };
    gw_tensor tensors[TENSORS];
    memset(set, 0, sizeof *set);
    ck_assert_int_eq(gw_job_open(&set->job, "job", NULL), GW_OK);
    set->job->part_count = 1024;
    for (int t = 0; t < TENSORS; t++) {
        tensors[t] = (gw_tensor){ .name = names[t], .count = counts[t] };
        set->tensors[t] = set->gradient[t];
    }
    ck_assert_int_eq(gw_job_set_layout(set->job, tensors, TENSORS, codec, NULL, 0, NULL), GW_OK);
    ck_assert_int_eq(gw_job_cut(&set->parts, &set->count, set->job, NULL), GW_OK);
    ck_assert_uint_le(set->count, PARTS);
    ck_assert_int_eq(gw_encoder_open(&set->encoder, set->job, set->parts, set->count, worker,
                                     GW_NONFINITE_REFUSE, NULL),
                     GW_OK);
    gw_encoder_set_seed(set->encoder, 5);
}

static void close_set(struct set *set)
{
    gw_encoder_close(set->encoder);
    free(set->parts);
    gw_job_close(set->job);
}

static void fill(struct set *set, int step)
{
    for (int t = 0; t < TENSORS; t++)
        for (size_t i = 0; i < counts[t]; i++)
            set->gradient[t][i] =
                (float)((int)((i * 7 + (size_t)t + (size_t)step * 13) % 61) - 30) / 64;
}

static void drop(struct gw_blob **payloads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gw_blob_drop(payloads[i]);
}

/* Checksums of one push's payloads, one after the other. */
static uint64_t encode(struct set *set, uint64_t number)
{
    struct gw_blob *payloads[PARTS];
    uint64_t digest = 0;
    ck_assert_int_eq(gw_encoder_encode(set->encoder, set->tensors, number, payloads, NULL), GW_OK);
    for (size_t i = 0; i < set->count; i++)
        digest = digest * 31 + payloads[i]->checksum;
    drop(payloads, set->count);
    return digest;
}

static uint8_t *save(const struct set *set, size_t *bytes)
{
    *bytes = gw_encoder_state_bytes(set->encoder);
    uint8_t *state = malloc(*bytes);
    gw_encoder_save(set->encoder, state);
    return state;
}

START_TEST(what_fails_changes_nothing)
{
    struct set a, b;
    struct gw_blob *payloads[PARTS];
    struct gw_error error = { 0 };
    size_t bytes;
    open_set(&a, codecs[_i], 2);
    open_set(&b, codecs[_i], 2);
    for (uint64_t number = 1; number <= 3; number++) {
        fill(&a, (int)number);
        fill(&b, (int)number);
        uint8_t *before = save(&a, &bytes);
        a.gradient[2][39] = number == 2 ? INFINITY : NAN; /* the last element of all */
        memset(payloads, 1, sizeof payloads);
        ck_assert_int_eq(gw_encoder_encode(a.encoder, a.tensors, number, payloads, &error),
                         GW_ENONFINITE);
        ck_assert_ptr_nonnull(strstr(error.text, "three"));
        for (size_t i = 0; i < a.count; i++)
            ck_assert_ptr_null(payloads[i]);
        uint8_t *after = save(&a, &bytes);
        ck_assert_int_eq(memcmp(before, after, bytes), 0);
        free(before);
        free(after);
        fill(&a, (int)number);
        ck_assert_uint_eq(encode(&a, number), encode(&b, number));
    }
    close_set(&a);
    close_set(&b);
}
END_TEST

START_TEST(saved_and_loaded)
{
    struct set a, b;
    size_t bytes, again;
    open_set(&a, codecs[_i], 2);
    open_set(&b, codecs[_i], 2);
    for (uint64_t number = 1; number <= 3; number++) {
        fill(&a, (int)number);
        (void)encode(&a, number);
    }
    uint8_t *state = save(&a, &bytes);
    ck_assert_int_eq(gw_encoder_load(b.encoder, state, bytes, NULL), GW_OK);
    uint8_t *copy = save(&b, &again);
    ck_assert_uint_eq(again, bytes);
    ck_assert_int_eq(memcmp(state, copy, bytes), 0);
    ck_assert(gw_encoder_norm(a.encoder) == gw_encoder_norm(b.encoder));
    for (uint64_t number = 4; number <= 6; number++) {
        fill(&a, (int)number);
        fill(&b, (int)number);
        ck_assert_uint_eq(encode(&a, number), encode(&b, number));
    }
    free(state);
    free(copy);
    close_set(&a);
    close_set(&b);
}
END_TEST

static void expect_load(struct set *set, const uint8_t *state, size_t bytes, gw_status status,
                        const char *words)
{
    struct gw_error error = { 0 };
    size_t own;
    uint8_t *before = save(set, &own);
    ck_assert_int_eq(gw_encoder_load(set->encoder, state, bytes, &error), status);
    ck_assert_msg(strstr(error.text, words), "'%s' has no '%s'", error.text, words);
    uint8_t *after = save(set, &own);
    ck_assert_int_eq(memcmp(before, after, own), 0);
    free(before);
    free(after);
}

START_TEST(other_states_are_refused)
{
    struct set a, other;
    size_t bytes;
    open_set(&a, "ef+topk:ratio=0.1", 2);
    fill(&a, 1);
    (void)encode(&a, 1);
    uint8_t *state = save(&a, &bytes);
    open_set(&other, "ef+topk:ratio=0.1", 3);
    expect_load(&other, state, bytes, GW_EMISMATCH, "of worker 2, this is worker 3");
    close_set(&other);
    open_set(&other, "ef+topk:ratio=0.2", 2);
    expect_load(&other, state, bytes, GW_EMISMATCH, "part 0 of the state (tensor 'one')");
    close_set(&other);
    open_set(&other, "raw", 2);
    expect_load(&other, state, bytes, GW_EMISMATCH, "bytes, expected");
    close_set(&other);
    for (size_t cut = 0; cut < bytes; cut += 97)
        expect_load(&a, state, cut, GW_EPAYLOAD, "");
    for (size_t at = 0; at < bytes; at += 41) {
        state[at] ^= 4;
        expect_load(&a, state, bytes, GW_EPAYLOAD, "");
        state[at] ^= 4;
    }
    gw_put_f32(state + bytes - 12, NAN);
    gw_put_u64(state + bytes - 8, XXH3_64bits(state, bytes - 8));
    expect_load(&a, state, bytes, GW_EPAYLOAD, "NaN");
    free(state);
    close_set(&a);
}
END_TEST

/* Given is sent or kept, and what is kept can be handed in. */
START_TEST(residuals_are_handed_in)
{
    struct set a;
    struct gw_blob *payloads[PARTS], *rest[PARTS];
    open_set(&a, "ef+topk:ratio=0.1", 0);
    fill(&a, 1);
    ck_assert(!gw_encoder_has_residuals(a.encoder));
    ck_assert_int_eq(gw_encoder_encode(a.encoder, a.tensors, 1, payloads, NULL), GW_OK);
    ck_assert(gw_encoder_has_residuals(a.encoder));
    ck_assert(gw_encoder_norm(a.encoder) > 0);
    ck_assert_int_eq(gw_encoder_residuals(a.encoder, rest, NULL), GW_OK);
    for (size_t i = 0; i < a.count; i++) {
        const struct gw_part *part = &a.parts[i];
        const struct gw_codec_site site = { .tensor = "w", .count = part->count, .ranks = 1 };
        struct gw_codec *codec;
        float sent[MOST];
        ck_assert_uint_eq(gw_encoder_spec(a.encoder, i),
                          gw_hash_text(a.job->tensor[part->tensor].push));
        ck_assert_int_eq(gw_codec_open_site(&codec, "topk:ratio=0.1", &site, NULL), GW_OK);
        gw_payload_decode(codec, 0, part->count, payloads[i]->data, payloads[i]->bytes, sent);
        gw_codec_close(codec);
        for (size_t k = 0; k < part->count; k++) {
            float kept = gw_get_f32(rest[i]->data + GW_HEADER_BYTES + 4 * k);
            float given = a.gradient[part->tensor][part->first + k];
            ck_assert_msg(sent[k] + kept == given, "part %zu, %zu: %g and %g of %g", i, k,
                          (double)sent[k], (double)kept, (double)given);
        }
    }
    drop(payloads, a.count);
    drop(rest, a.count);
    gw_encoder_clear_residuals(a.encoder);
    ck_assert(!gw_encoder_has_residuals(a.encoder));
    ck_assert(gw_encoder_norm(a.encoder) == 0);
    ck_assert_int_eq(gw_encoder_residuals(a.encoder, rest, NULL), GW_OK);
    for (size_t i = 0; i < a.count; i++)
        ck_assert(gw_get_f32(rest[i]->data + GW_HEADER_BYTES) == 0);
    drop(rest, a.count);
    close_set(&a);
}
END_TEST

/* Another worker, seed or number gives other random numbers; the same gives the same. */
START_TEST(random_numbers_have_keys)
{
    struct set a, b;
    open_set(&a, "qsgd:bits=4", 0);
    open_set(&b, "qsgd:bits=4", 1);
    fill(&a, 1);
    fill(&b, 1);
    uint64_t first = encode(&a, 1);
    ck_assert_uint_eq(encode(&a, 1), first);
    ck_assert_uint_ne(encode(&a, 2), first);
    ck_assert_uint_ne(encode(&b, 1), first);
    gw_encoder_set_seed(a.encoder, 6);
    ck_assert_uint_ne(encode(&a, 1), first);
    close_set(&a);
    close_set(&b);
}
END_TEST

/* ---- decoder --------------------------------------------------------------------------------- */

START_TEST(pulls_are_put_together)
{
    struct set a;
    struct gw_decoder *decoder;
    struct gw_blob *raw[PARTS];
    float values[TENSORS][MOST];
    void *to[TENSORS] = { values[0], values[1], values[2] };
    bool difference = _i;
    open_set(&a, "raw", 0);
    fill(&a, 1);
    ck_assert_int_eq(gw_job_set(a.job, GW_TERM_PULL, difference ? "topk" : "raw", NULL), GW_OK);
    ck_assert_int_eq(gw_decoder_open(&decoder, a.job, a.parts, a.count, NULL), GW_OK);
    ck_assert_int_eq(gw_decoder_remembers(decoder), difference);
    ck_assert_int_eq(gw_encoder_raw(a.encoder, a.tensors, raw, NULL), GW_OK);
    struct gw_worker_item items[2 * PARTS];
    ck_assert_uint_gt(a.count, 0);
    for (size_t i = 0; i < 2 * a.count; i++) { /* twice: the whole, then whatever comes behind */
        items[i] = (struct gw_worker_item){ .next = &items[i + 1],
                                            .part = i % a.count,
                                            .whole = i < a.count || !difference,
                                            .raw = true,
                                            .payload = raw[i % a.count] };
        ck_assert_int_eq(gw_decoder_check(decoder, i % a.count, true, raw[i % a.count]->data,
                                          raw[i % a.count]->bytes, NULL),
                         GW_OK);
        ck_assert_uint_eq(gw_decoder_bound(decoder, i % a.count, true), raw[i % a.count]->bytes);
    }
    items[2 * a.count - 1].next = NULL;
    gw_decoder_apply(decoder, items, to);
    for (int t = 0; t < TENSORS; t++)
        for (size_t k = 0; k < counts[t]; k++)
            ck_assert(values[t][k] == (difference ? 2 : 1) * a.gradient[t][k]);
    raw[0]->data[GW_HEADER_BYTES] ^= 1;
    ck_assert_int_eq(gw_decoder_check(decoder, 0, true, raw[0]->data, raw[0]->bytes, NULL),
                     GW_EPAYLOAD);
    drop(raw, a.count);
    gw_decoder_close(decoder);
    close_set(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("encoder");
    TCase *t = tcase_create("encoder");
    tcase_add_loop_test(t, what_fails_changes_nothing, 0, CODECS);
    tcase_add_loop_test(t, saved_and_loaded, 0, CODECS);
    tcase_add_test(t, other_states_are_refused);
    tcase_add_test(t, residuals_are_handed_in);
    tcase_add_test(t, random_numbers_have_keys);
    tcase_add_loop_test(t, pulls_are_put_together, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
