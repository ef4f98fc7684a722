/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The vote with NEON. */
#include "compress/kernels/neon.h"

typedef uint32x4_t word;

INLINE word word_load(const uint8_t *at)
{
    return load_bits(at);
}

INLINE void word_store(uint8_t *at, word a)
{
    vst1q_u8(at, vreinterpretq_u8_u32(a));
}

INLINE word word_zero(void)
{
    return vdupq_n_u32(0);
}

INLINE word word_ones(void)
{
    return vdupq_n_u32(0xffffffffu);
}

INLINE word word_and(word a, word b)
{
    return vandq_u32(a, b);
}

INLINE word word_or(word a, word b)
{
    return vorrq_u32(a, b);
}

INLINE word word_xor(word a, word b)
{
    return veorq_u32(a, b);
}

INLINE word word_and_not(word a, word b)
{
    return vbicq_u32(a, b);
}

INLINE word word_sum(word a, word b, word c)
{
    return word_xor(word_xor(a, b), c);
}

INLINE word word_carry(word a, word b, word c)
{
    return vbslq_u32(word_xor(a, b), c, a);
}

/* A word is four lanes of a group, whose coins are the later bits of its hashes and the first bits
 * of the next group's. */
struct toss {
    struct gw_random_key key;
    uint64_t group;
    uint32_t lane;
    int32x4_t later, first; /* shifts, to the right if negative */
};

INLINE struct toss toss_from(const struct gw_coins *coins)
{
    int shift = (int)(coins->element / 16 % 32);
    return (struct toss){ .key = coins->key,
                          .group = coins->element / GW_GROUP,
                          .later = vdupq_n_s32(-shift),
                          .first = vdupq_n_s32(32 - shift) };
}

INLINE word toss_word(struct toss *t)
{
    word now = hash_lanes(t->key, t->group * 16, t->lane);
    word next = hash_lanes(t->key, (t->group + 1) * 16, t->lane);
    t->lane = (t->lane + 4) % 16;
    t->group += t->lane == 0;
    return word_or(vshlq_u32(now, t->later), vshlq_u32(next, t->first));
}

#include "compress/kernels/votes.h"

void gw_neon_majority(const struct gw_body *bodies, size_t n, size_t at, size_t count,
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
