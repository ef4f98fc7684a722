/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The vote in plain words of 64 bits, and the coins that break its ties. */
#include "compress/kernels/scalar.h"

typedef uint64_t word;

static inline word word_load(const uint8_t *at)
{
    return gw_get_u64(at);
}

static inline void word_store(uint8_t *at, word a)
{
    gw_put_u64(at, a);
}

static inline word word_zero(void)
{
    return 0;
}

static inline word word_ones(void)
{
    return ~(word)0;
}

static inline word word_and(word a, word b)
{
    return a & b;
}

static inline word word_or(word a, word b)
{
    return a | b;
}

static inline word word_xor(word a, word b)
{
    return a ^ b;
}

static inline word word_and_not(word a, word b)
{
    return a & ~b;
}

static inline word word_sum(word a, word b, word c)
{
    return a ^ b ^ c;
}

static inline word word_carry(word a, word b, word c)
{
    return (a & b) | (c & (a ^ b));
}

struct toss {
    struct gw_random_key key;
    uint64_t group; /* its first element */
    unsigned done;  /* lanes, 2 in each word */
};

/* Lanes 2w and 2w + 1 of a group are its word w. */
static inline word toss_word(struct toss *t)
{
    uint64_t element = t->group + t->done;
    word low = gw_coin_lane(t->key, element), high = gw_coin_lane(t->key, element + 1);
    t->done += 2;
    if (t->done == 16) {
        t->done = 0;
        t->group += GW_GROUP;
    }
    return low | high << 32;
}

#include "compress/kernels/votes.h"

/* The last elements, fewer than a group, whose bits are in their own order. */
static void count_tail(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                       const struct gw_coins *coins, uint8_t *more, uint8_t *tie)
{
    size_t bytes = gw_packed_bytes(count, 1);
    memset(more, 0, bytes);
    if (!coins)
        memset(tie, 0, bytes);
    for (size_t i = 0; i < count; i++) {
        size_t set = 0, byte = i / 8, bit = i % 8;
        for (size_t r = 0; r < n; r++)
            set += bodies[r].bytes[at + byte] >> bit & 1u;
        unsigned above = 2 * set > n, equal = 2 * set == n;
        if (coins)
            above |= equal & gw_coin_lane(coins->key, coins->element + i);
        else
            tie[byte] |= (uint8_t)(equal << bit);
        more[byte] |= (uint8_t)(above << bit);
    }
}

void gw_scalar_majority(const struct gw_body *bodies, size_t n, size_t at, size_t count,
                        const struct gw_coins *coins, uint8_t *more, uint8_t *tie)
{
    size_t groups = count / GW_GROUP * GW_GROUP, bytes = groups / 8;
    struct gw_coins last;
    if (coins) {
        struct toss toss = { coins->key, coins->element, 0 };
        count_words(bodies, n, at, bytes, &toss, more, tie);
        last = (struct gw_coins){ coins->key, coins->element + groups };
    } else {
        count_words(bodies, n, at, bytes, NULL, more, tie);
    }
    count_tail(bodies, n, at + bytes, count - groups, coins ? &last : NULL, more + bytes,
               coins ? NULL : tie + bytes);
}
