/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The majority vote by bit-sliced counters, for any width of word: plane p holds bit p of the count
 * of as many elements as a word has bits, and words are added by carry-save adders, sixteen voters
 * in fifteen of them. Whoever includes this defines the type `word` and, on it, word_load,
 * word_store, word_zero, word_ones, word_and, word_or, word_xor, word_and_not (a & ~b), word_sum
 * (a ^ b ^ c) and word_carry (at least two of three); and `struct toss`, of which toss_word makes
 * the coins of one word after the other. */
#ifndef GW_COMPRESS_KERNELS_VOTES_H
#define GW_COMPRESS_KERNELS_VOTES_H

#include "compress/kernels/table.h"

#define VOTES_INLINE static inline __attribute__((always_inline))

/* Four planes stay in registers; the others count sixteens. */
enum { VOTES_LOW = 4, VOTES_HIGH = 28, VOTES_AHEAD = 512 };

struct counter {
    word low[VOTES_LOW], high[VOTES_HIGH];
    int highs; /* planes of `high` that can be set */
};

/* The words of the voters in turn. Each has its stream of memory, too many for some CPUs to see. */
struct voters {
    const struct gw_body *bodies;
    size_t at;
};

VOTES_INLINE word next_vote(struct voters *v)
{
    const uint8_t *bytes = v->bodies++->bytes + v->at;
    __builtin_prefetch(bytes + VOTES_AHEAD);
    return word_load(bytes);
}

/* plane += a + b, of the same weight; what is carried has twice that. */
VOTES_INLINE word add_two(word *plane, word a, word b)
{
    word carry = word_carry(*plane, a, b);
    *plane = word_sum(*plane, a, b);
    return carry;
}

VOTES_INLINE word add_one(word *plane, word a)
{
    word carry = word_and(*plane, a);
    *plane = word_xor(*plane, a);
    return carry;
}

/* Of so many voters: their bits of lower weight go into the planes, the others are carried. */
VOTES_INLINE word two_votes(struct counter *c, struct voters *v)
{
    word a = next_vote(v);
    return add_two(&c->low[0], a, next_vote(v));
}

VOTES_INLINE word four_votes(struct counter *c, struct voters *v)
{
    word a = two_votes(c, v);
    return add_two(&c->low[1], a, two_votes(c, v));
}

VOTES_INLINE word eight_votes(struct counter *c, struct voters *v)
{
    word a = four_votes(c, v);
    return add_two(&c->low[2], a, four_votes(c, v));
}

VOTES_INLINE word sixteen_votes(struct counter *c, struct voters *v)
{
    word a = eight_votes(c, v);
    return add_two(&c->low[3], a, eight_votes(c, v));
}

VOTES_INLINE void add_high(struct counter *c, word carry)
{
    for (int p = 0; p < c->highs; p++)
        carry = add_one(&c->high[p], carry);
}

/* The last voters, fewer than sixteen. */
VOTES_INLINE void rest_of_votes(struct counter *c, struct voters *v, size_t n)
{
    word carry;
    if (n & 8)
        add_high(c, add_one(&c->low[3], eight_votes(c, v)));
    if (n & 4) {
        carry = add_one(&c->low[2], four_votes(c, v));
        add_high(c, add_one(&c->low[3], carry));
    }
    if (n & 2) {
        carry = add_one(&c->low[1], two_votes(c, v));
        carry = add_one(&c->low[2], carry);
        add_high(c, add_one(&c->low[3], carry));
    }
    if (n & 1) {
        carry = add_one(&c->low[0], next_vote(v));
        carry = add_one(&c->low[1], carry);
        carry = add_one(&c->low[2], carry);
        add_high(c, add_one(&c->low[3], carry));
    }
}

/* Go on comparing with half of the voters, at the plane below. */
VOTES_INLINE void compare_plane(word plane, size_t half_bit, word *more, word *equal)
{
    if (half_bit) {
        *equal = word_and(*equal, plane);
    } else {
        *more = word_or(*more, word_and(*equal, plane));
        *equal = word_and_not(*equal, plane);
    }
}

/* One word of elements: `more` if more than half of n are set, `equal` if just n / 2 are. */
VOTES_INLINE void count_word(struct voters v, size_t n, int highs, word *more, word *equal)
{
    struct counter c;
    c.highs = highs;
    for (int p = 0; p < VOTES_LOW; p++)
        c.low[p] = word_zero();
    for (int p = 0; p < highs; p++)
        c.high[p] = word_zero();
    for (size_t left = n / 16; left; left--)
        add_high(&c, sixteen_votes(&c, &v));
    rest_of_votes(&c, &v, n % 16);
    size_t half = n / 2;
    *more = word_zero();
    *equal = word_ones();
    for (int p = highs - 1; p >= 0; p--)
        compare_plane(c.high[p], half >> (p + VOTES_LOW) & 1, more, equal);
    compare_plane(c.low[3], half >> 3 & 1, more, equal);
    compare_plane(c.low[2], half >> 2 & 1, more, equal);
    compare_plane(c.low[1], half >> 1 & 1, more, equal);
    compare_plane(c.low[0], half & 1, more, equal);
}

/* All full words of [at, at + bytes); returns how many bytes that is. Ties go to `tie`, or fall as
 * the coins do. */
VOTES_INLINE size_t count_words(const struct gw_body *bodies, size_t n, size_t at, size_t bytes,
                                struct toss *toss, uint8_t *more, uint8_t *tie)
{
    int highs = 0;
    size_t done = 0;
    while (n >> (VOTES_LOW + highs))
        highs++;
    for (; done + sizeof(word) <= bytes; done += sizeof(word)) {
        word above, equal;
        count_word((struct voters){ bodies, at + done }, n, highs, &above, &equal);
        if (n % 2)
            equal = word_zero();
        else if (toss)
            above = word_or(above, word_and(equal, toss_word(toss)));
        word_store(more + done, above);
        if (!toss)
            word_store(tie + done, equal);
    }
    return done;
}

#endif
