/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* vote: one bit up, the majority of all ranks' bits down; both decode to +1 or -1. Ranks that send
 * nonsense are outvoted. Bernstein et al. 2018, 2019 (signSGD with majority vote).
 *
 * Votes are counted on packed words by bit-sliced counters: plane p holds bit p of the count of
 * 64 elements at once, and a rank's word is added with a ripple of and and xor. A tie (an even
 * number of ranks) falls as `ties` says; a coin from the shared seed leaves no drift.
 *
 * Body: the sign bits, packed as kernels.h says. Merged, under ties=zero, a second plane of the
 * same size follows, with the bits of the elements that are not zero. */
#include "compress/kernels/table.h"
#include "compress/rows.h"

enum { TIES };
enum { TIES_COIN, TIES_PLUS, TIES_ZERO, TIES_PREVIOUS };
enum { LANES = 16, WORDS = 8, GROUP_BYTES = GW_GROUP / 8, PLANES = 32 };

static const struct gw_codec_row previous_row;

static int ties_of(const struct gw_codec *c)
{
    return (int)c->values.number[TIES];
}

static gw_status vote_open(struct gw_codec *c, struct gw_error *error)
{
    (void)error;
    if (ties_of(c) == TIES_PREVIOUS)
        c->row = &previous_row;
    return GW_OK;
}

/* Under ties=previous: the last vote on each element, +1 or -1; 0 before the first. */
static size_t vote_state_count(const struct gw_codec *c)
{
    return c->site.count;
}

/* What is not merged here in this run stays as it was. */
static gw_status vote_prepare(struct gw_codec *c, struct gw_error *error)
{
    (void)error;
    if (c->site.count > 0)
        memcpy(c->next, c->state, c->site.count * sizeof(float));
    return GW_OK;
}

static size_t vote_bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)c;
    (void)first;
    return gw_packed_bytes(count, 1);
}

static size_t vote_merged_bound(const struct gw_codec *c, size_t first, size_t count)
{
    (void)first;
    return gw_packed_bytes(count, 1) * (ties_of(c) == TIES_ZERO ? 2 : 1);
}

static size_t vote_granule(const struct gw_codec *c)
{
    (void)c;
    return GW_GROUP;
}

static gw_status vote_encode(struct gw_codec *c, size_t first, size_t count, uint8_t *body,
                             size_t *written, struct gw_error *error)
{
    (void)error;
    if (count > 0)
        c->kernels->pack_signs(c->input + first, count, body);
    *written = gw_packed_bytes(count, 1);
    return GW_OK;
}

/* ---- decode ---------------------------------------------------------------------------------- */

static gw_status vote_check(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, struct gw_error *error)
{
    size_t expected = body.flags & GW_PAYLOAD_MERGED ? vote_merged_bound(c, first, count)
                                                     : vote_bound(c, first, count);
    if (body.length == expected)
        return GW_OK;
    return gw_fail(error, GW_EPAYLOAD, "vote: the body has %zu bytes, expected %zu", body.length,
                   expected);
}

static const uint8_t plus_one[4] = { 0, 0, 0x80, 0x3f }, minus_one[4] = { 0, 0, 0x80, 0xbf };
static const struct gw_scales clear = { plus_one, 0, GW_WHOLE }, set = { minus_one, 0, GW_WHOLE };

/* One group with a plane of non-zeros. */
static void decode_group(const struct gw_codec *c, const uint8_t *signs, const uint8_t *nonzero,
                         size_t count, gw_f32 *out)
{
    uint8_t keep[GW_GROUP];
    c->kernels->unpack_signs(signs, count, &clear, &set, out);
    c->kernels->unpack(nonzero, count, 1, keep);
    for (size_t i = 0; i < count; i++)
        out[i] = keep[i] ? out[i] : 0.0f;
}

static void vote_decode(const struct gw_codec *c, size_t first, size_t count, struct gw_body body,
                        gw_f32 *out)
{
    (void)first;
    size_t plane = gw_packed_bytes(count, 1);
    if (body.length == plane) {
        c->kernels->unpack_signs(body.bytes, count, &clear, &set, out);
        return;
    }
    for (size_t at = 0; at < count; at += GW_GROUP) {
        const uint8_t *signs = body.bytes + at / 8;
        decode_group(c, signs, signs + plane, gw_min_size(GW_GROUP, count - at), out + at);
    }
}

static void vote_decode_add(const struct gw_codec *c, size_t first, size_t count,
                            struct gw_body body, float weight, gw_f32 *sum)
{
    (void)first;
    size_t plane = gw_packed_bytes(count, 1);
    if (body.length == plane) {
        c->kernels->unpack_signs_add(body.bytes, count, &clear, &set, weight, sum);
        return;
    }
    for (size_t at = 0; at < count; at += GW_GROUP) {
        gw_f32 values[GW_GROUP];
        const uint8_t *signs = body.bytes + at / 8;
        size_t n = gw_min_size(GW_GROUP, count - at);
        decode_group(c, signs, signs + plane, n, values);
        c->kernels->add_scaled(sum + at, values, weight, n);
    }
}

/* ---- merge ----------------------------------------------------------------------------------- */

/* The votes on one group of elements, in the order of packed bits. */
struct ballot {
    uint64_t negative[WORDS]; /* more than half voted -1 */
    uint64_t tie[WORDS];
};

/* counter += bits, in every bit of a group's words; `planes` of the counter can be non-zero. */
static void add_votes(uint64_t counter[PLANES][WORDS], int planes, const uint8_t *bits)
{
    uint64_t carry[WORDS];
    memcpy(carry, bits, sizeof carry);
    for (int p = 0; p < planes; p++) {
        for (int w = 0; w < WORDS; w++) {
            uint64_t both = counter[p][w] & carry[w];
            counter[p][w] ^= carry[w];
            carry[w] = both;
        }
    }
}

static int bits_needed(unsigned n)
{
    int bits = 0;
    for (; n; n >>= 1)
        bits++;
    return bits;
}

/* Compare the counters with n / 2: above it is a majority, equal to it, for an even n, a tie. */
static void compare_to_half(uint64_t counter[PLANES][WORDS], int n, struct ballot *b)
{
    int half = n / 2;
    memset(b->negative, 0, sizeof b->negative);
    memset(b->tie, n % 2 ? 0 : 0xff, sizeof b->tie);
    uint64_t equal[WORDS];
    memset(equal, 0xff, sizeof equal);
    for (int p = bits_needed((unsigned)n) - 1; p >= 0; p--) {
        for (int w = 0; w < WORDS; w++) {
            uint64_t plane = counter[p][w];
            if (half >> p & 1) {
                equal[w] &= plane;
            } else {
                b->negative[w] |= equal[w] & plane;
                equal[w] &= ~plane;
            }
        }
    }
    for (int w = 0; w < WORDS; w++)
        b->tie[w] &= equal[w];
}

/* Count `bytes` (at most GROUP_BYTES) of every body from `at` on. */
static void count_votes(const struct gw_body *bodies, int n, size_t at, size_t bytes,
                        struct ballot *b)
{
    uint64_t counter[PLANES][WORDS];
    memset(counter, 0, sizeof counter[0] * (size_t)bits_needed((unsigned)n));
    for (int r = 0; r < n; r++) {
        uint8_t votes[GROUP_BYTES] = { 0 };
        memcpy(votes, bodies[r].bytes + at, bytes);
        add_votes(counter, bits_needed((unsigned)r + 1), votes);
    }
    compare_to_half(counter, n, b);
}

/* Where the packed bit of element e of a group stands. */
static size_t bit_of(size_t e, size_t count)
{
    return count < GW_GROUP ? e : e % LANES * 32 + e / LANES;
}

/* One fair bit per element of the tensor: bit (e / 16) % 32 of the hash of lane e % 16 of group
 * e / 512, so that 32 coins of a packed lane come out of two hashes wherever a range starts. */
static uint32_t coin_lane(struct gw_random_key key, uint64_t element)
{
    uint64_t group = element / GW_GROUP, lane = element % LANES;
    unsigned shift = (unsigned)(element / LANES % 32);
    uint32_t low = gw_random_u32(key, group * LANES + lane);
    if (shift == 0)
        return low;
    uint32_t high = gw_random_u32(key, (group + 1) * LANES + lane);
    return low >> shift | high << (32 - shift);
}

static void toss_coins(const struct gw_codec *c, size_t first, size_t count, struct ballot *b)
{
    struct gw_random_key key = gw_random_key(c->site.seed, c->site.tensor_key, c->run, -1, 0);
    uint64_t element = c->site.first + first, coins[WORDS] = { 0 };
    if (count == GW_GROUP)
        for (size_t l = 0; l < LANES; l++)
            coins[l / 2] |= (uint64_t)coin_lane(key, element + l) << (l % 2 * 32);
    else
        for (size_t e = 0; e < count; e++)
            coins[e / 64] |= (uint64_t)(coin_lane(key, element + e) & 1) << (e % 64);
    for (int w = 0; w < WORDS; w++)
        b->negative[w] |= b->tie[w] & coins[w];
}

/* Ties go as the last vote went; then this vote is remembered. */
static void remember(struct gw_codec *c, size_t first, size_t count, struct ballot *b)
{
    for (size_t e = 0; e < count; e++) {
        size_t bit = bit_of(e, count), w = bit / 64;
        uint64_t mask = (uint64_t)1 << (bit % 64);
        if (b->tie[w] & mask && c->state[first + e] < 0)
            b->negative[w] |= mask;
        c->next[first + e] = b->negative[w] & mask ? -1.0f : 1.0f;
    }
}

/* Bits beyond the last element are zero on the wire. */
static void trim(uint64_t *words, size_t count)
{
    for (size_t w = 0; w < WORDS; w++)
        if (count < (w + 1) * 64)
            words[w] &= count > w * 64 ? ((uint64_t)1 << (count - w * 64)) - 1 : 0;
}

static void vote_merge(struct gw_codec *c, size_t first, size_t count, const struct gw_body *bodies,
                       int n, uint8_t *body, size_t *written)
{
    size_t plane = gw_packed_bytes(count, 1);
    for (size_t at = 0; at < count; at += GW_GROUP) {
        size_t group = gw_min_size(GW_GROUP, count - at), bytes = gw_packed_bytes(group, 1);
        struct ballot b;
        count_votes(bodies, n, at / 8, bytes, &b);
        if (ties_of(c) == TIES_COIN && n % 2 == 0)
            toss_coins(c, first + at, group, &b);
        if (ties_of(c) == TIES_PREVIOUS)
            remember(c, first + at, group, &b);
        trim(b.negative, group);
        memcpy(body + at / 8, b.negative, bytes);
        if (ties_of(c) != TIES_ZERO)
            continue;
        for (int w = 0; w < WORDS; w++)
            b.tie[w] = ~b.tie[w];
        trim(b.tie, group);
        memcpy(body + plane + at / 8, b.tie, bytes);
    }
    *written = vote_merged_bound(c, first, count);
}

static const gw_param params[] = {
    { "ties", GW_PARAM_NAME, "coin", 0, 0, "coin|plus|zero|previous", "",
      "what a tie becomes: a fair coin from the shared seed, +1, 0, or the last vote" },
    { NULL },
};

#define VOTE_ROW                                                                                   \
    .info = { .name = "vote",                                                                      \
              .sentence = "one sign bit up, the majority's sign down",                             \
              .paper = "Bernstein et al. 2019, arXiv:1810.05291",                                  \
              .params = params,                                                                    \
              .traits = GW_SUMMABLE | GW_FIXED_SIZE | GW_VOTE },                                   \
    .wire_id = GW_WIRE_VOTE, .open = vote_open, .granule = vote_granule, .bound = vote_bound,      \
    .merged_bound = vote_merged_bound, .encode = vote_encode, .check = vote_check,                 \
    .decode = vote_decode, .decode_add = vote_decode_add, .merge = vote_merge

const struct gw_codec_row gw_row_vote = { VOTE_ROW };

static const struct gw_codec_row previous_row = { VOTE_ROW, .state_count = vote_state_count,
                                                  .prepare = vote_prepare };
