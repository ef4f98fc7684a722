/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The vote with AVX-512, where one instruction is any function of three words. */
#include "compress/kernels/avx512.h"

typedef __m512i word;

INLINE word word_load(const uint8_t *at)
{
    return _mm512_loadu_si512(at);
}

INLINE void word_store(uint8_t *at, word a)
{
    _mm512_storeu_si512(at, a);
}

INLINE word word_zero(void)
{
    return _mm512_setzero_si512();
}

INLINE word word_ones(void)
{
    return _mm512_set1_epi32(-1);
}

INLINE word word_and(word a, word b)
{
    return _mm512_and_si512(a, b);
}

INLINE word word_or(word a, word b)
{
    return _mm512_or_si512(a, b);
}

INLINE word word_xor(word a, word b)
{
    return _mm512_xor_si512(a, b);
}

INLINE word word_and_not(word a, word b)
{
    return _mm512_andnot_si512(b, a);
}

INLINE word word_sum(word a, word b, word c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

INLINE word word_carry(word a, word b, word c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0xe8);
}

/* A group's coins are the later bits of its hashes and the first bits of the next group's. */
struct toss {
    __m512i hashes;
    __m128i later, first; /* shifts */
    struct gw_random_key key;
    uint64_t group;
};

/* The 16 hashes of a group: their counters differ in the low 4 bits only. */
INLINE __m512i coin_hashes(struct gw_random_key key, uint64_t group)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    uint64_t counter = group * 16;
    uint32_t base = (uint32_t)counter ^ key.first ^ ((uint32_t)(counter >> 32) * 0x9e3779b9u);
    __m512i h = _mm512_xor_si512(_mm512_set1_epi32((int)base), lanes);
    h = _mm512_xor_si512(h, _mm512_srli_epi32(h, 16));
    h = _mm512_mullo_epi32(h, _mm512_set1_epi32(0x21f0aaad));
    h = _mm512_xor_si512(h, _mm512_srli_epi32(h, 15));
    h = _mm512_add_epi32(h, _mm512_set1_epi32((int)key.second));
    h = _mm512_mullo_epi32(h, _mm512_set1_epi32(0x735a2d97));
    return _mm512_xor_si512(h, _mm512_srli_epi32(h, 15));
}

INLINE struct toss toss_from(const struct gw_coins *coins)
{
    int shift = (int)(coins->element / 16 % 32);
    uint64_t group = coins->element / GW_GROUP;
    return (struct toss){ coin_hashes(coins->key, group), _mm_cvtsi32_si128(shift),
                          _mm_cvtsi32_si128(32 - shift), coins->key, group };
}

INLINE word toss_word(struct toss *t)
{
    __m512i now = t->hashes;
    t->hashes = coin_hashes(t->key, ++t->group);
    return _mm512_or_si512(_mm512_srl_epi32(now, t->later), _mm512_sll_epi32(t->hashes, t->first));
}

#include "compress/kernels/votes.h"

void gw_avx512_majority(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                        const struct gw_coins *coins, uint8_t *more, uint8_t *tie)
{
    size_t done = 0;
    if (!coins) {
        done = count_words(bodies, n, at, count / GW_GROUP * sizeof(word), NULL, more, tie);
        gw_kernels_scalar.majority(bodies, n, at + done, count - done * 8, NULL, more + done,
                                   tie + done);
        return;
    }
    if (coins->element % 16 == 0) {
        struct toss toss = toss_from(coins);
        done = count_words(bodies, n, at, count / GW_GROUP * sizeof(word), &toss, more, tie);
    }
    struct gw_coins last = { coins->key, coins->element + done * 8 };
    gw_kernels_scalar.majority(bodies, n, at + done, count - done * 8, &last, more + done, NULL);
}
