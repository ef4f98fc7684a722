/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The vote with AVX2. */
#include "compress/kernels/avx2.h"

typedef __m256i word;

INLINE word word_load(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i_u *)at);
}

INLINE void word_store(uint8_t *at, word a)
{
    _mm256_storeu_si256((__m256i_u *)at, a);
}

INLINE word word_zero(void)
{
    return _mm256_setzero_si256();
}

INLINE word word_ones(void)
{
    return _mm256_set1_epi32(-1);
}

INLINE word word_and(word a, word b)
{
    return _mm256_and_si256(a, b);
}

INLINE word word_or(word a, word b)
{
    return _mm256_or_si256(a, b);
}

INLINE word word_xor(word a, word b)
{
    return _mm256_xor_si256(a, b);
}

INLINE word word_and_not(word a, word b)
{
    return _mm256_andnot_si256(b, a);
}

INLINE word word_sum(word a, word b, word c)
{
    return word_xor(word_xor(a, b), c);
}

INLINE word word_carry(word a, word b, word c)
{
    return word_or(word_and(a, b), word_and(c, word_xor(a, b)));
}

/* A group's coins are the later bits of its hashes and the first bits of the next group's; a group
 * is two words. */
struct toss {
    struct row hashes;
    __m256i second;       /* word of the group, when it is its turn */
    __m128i later, first; /* shifts */
    struct gw_random_key key;
    uint64_t group;
    int turn;
};

/* gw_random_u32 of eight counters, xored with the key. */
INLINE __m256i coin_hash(__m256i h, __m256i second)
{
    h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 16));
    h = _mm256_mullo_epi32(h, _mm256_set1_epi32(0x21f0aaad));
    h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 15));
    h = _mm256_add_epi32(h, second);
    h = _mm256_mullo_epi32(h, _mm256_set1_epi32(0x735a2d97));
    return _mm256_xor_si256(h, _mm256_srli_epi32(h, 15));
}

/* The 16 hashes of a group: their counters differ in the low 4 bits only. */
INLINE struct row coin_hashes(struct gw_random_key key, uint64_t group)
{
    uint64_t counter = group * 16;
    uint32_t base = (uint32_t)counter ^ key.first ^ ((uint32_t)(counter >> 32) * 0x9e3779b9u);
    const __m256i first = _mm256_set1_epi32((int)base);
    const __m256i second = _mm256_set1_epi32((int)key.second);
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i more = _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15);
    return (struct row){ coin_hash(_mm256_xor_si256(first, lanes), second),
                         coin_hash(_mm256_xor_si256(first, more), second) };
}

INLINE struct toss toss_from(const struct gw_coins *coins)
{
    int shift = (int)(coins->element / 16 % 32);
    uint64_t group = coins->element / GW_GROUP;
    return (struct toss){ .key = coins->key,
                          .group = group,
                          .hashes = coin_hashes(coins->key, group),
                          .later = _mm_cvtsi32_si128(shift),
                          .first = _mm_cvtsi32_si128(32 - shift) };
}

INLINE word toss_word(struct toss *t)
{
    t->turn ^= 1;
    if (!t->turn)
        return t->second;
    struct row now = t->hashes;
    t->hashes = coin_hashes(t->key, ++t->group);
    t->second =
        word_or(_mm256_srl_epi32(now.high, t->later), _mm256_sll_epi32(t->hashes.high, t->first));
    return word_or(_mm256_srl_epi32(now.low, t->later), _mm256_sll_epi32(t->hashes.low, t->first));
}

#include "compress/kernels/votes.h"

void gw_avx2_majority(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                      const struct gw_coins *coins, uint8_t *more, uint8_t *tie)
{
    size_t done = 0, bytes = count / GW_GROUP * (GW_GROUP / 8);
    if (!coins) {
        done = count_words(bodies, n, at, bytes, NULL, more, tie);
        gw_kernels_scalar.majority(bodies, n, at + done, count - done * 8, NULL, more + done,
                                   tie + done);
        return;
    }
    if (coins->element % 16 == 0) {
        struct toss toss = toss_from(coins);
        done = count_words(bodies, n, at, bytes, &toss, more, tie);
    }
    struct gw_coins last = { coins->key, coins->element + done * 8 };
    gw_kernels_scalar.majority(bodies, n, at + done, count - done * 8, &last, more + done, NULL);
}
