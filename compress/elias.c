/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Elias omega codes ("recursive Elias") in the two regimes of Alistarh et al. 2017, QSGD, section
 * 3, and the dense one with a sign for non-zeros only. omega(k): start with "0"; while k > 1,
 * prepend binary(k) and let k be its length less one.
 *
 * With n = floor(log2 k), omega(k) is a prefix that depends on n alone, then the n + 1 bits of k,
 * then 0 (k = 1 is just the 0). A short code, k < 2^16, is therefore one look at a table by n to
 * write, and one by the next 7 bits to read; the others take a loop. Bits go to and come from
 * memory in words of 64. */
#include "compress/elias.h"

enum { SHORT = 16 }; /* short codes have n < SHORT */

/* ---- codes ----------------------------------------------------------------------------------- */

/* binary(k) is at most 49 bits and its lengths take 6 + 3 + 2 more, so k < 2^49 stays in 64. */
static unsigned long_omega(uint64_t k, uint64_t *code)
{
    unsigned bits = 1;
    *code = 0;
    while (k > 1) {
        unsigned length = 64 - (unsigned)__builtin_clzll(k);
        *code |= k << bits;
        bits += length;
        k = length - 1;
    }
    return bits;
}

/* By n: omega(k) = base + 2 k, in `bits` bits. */
static const struct {
    int32_t base;
    unsigned bits;
} short_codes[SHORT] = {
    { -2, 1 },          { 0, 3 },           { 2 << 4, 6 },      { 3 << 5, 7 },
    { 0x14 << 6, 11 },  { 0x15 << 7, 12 },  { 0x16 << 8, 13 },  { 0x17 << 9, 14 },
    { 0x38 << 10, 16 }, { 0x39 << 11, 17 }, { 0x3a << 12, 18 }, { 0x3b << 13, 19 },
    { 0x3c << 14, 20 }, { 0x3d << 15, 21 }, { 0x3e << 16, 22 }, { 0x3f << 17, 23 },
};

static inline unsigned omega(uint64_t k, uint64_t *code)
{
    unsigned n = 63 - (unsigned)__builtin_clzll(k);
    if (n >= SHORT)
        return long_omega(k, code);
    *code = (uint64_t)((int64_t)short_codes[n].base + 2 * (int64_t)k);
    return short_codes[n].bits;
}

unsigned gw_omega_bits(uint64_t k)
{
    uint64_t code;
    return omega(k, &code);
}

size_t gw_elias_bound(enum gw_elias_form form, size_t count, int32_t most)
{
    /* Sparse: a gap of g elements costs at most as much as g gaps of 1. */
    unsigned each = 1 + (form == GW_ELIAS_SPARSE ? 1 + gw_omega_bits((uint64_t)most)
                                                 : gw_omega_bits((uint64_t)most + 1));
    return count / 8 * each + (count % 8 * each + 7) / 8;
}

/* ---- writing --------------------------------------------------------------------------------- */

static inline void store_word(uint8_t *at, uint64_t word)
{
    gw_put_u64(at, __builtin_bswap64(word));
}

/* At most 57 bits, so that a word that overflows held some already. */
static inline void put_bits(struct gw_elias_writer *w, uint64_t value, unsigned bits)
{
    if (w->held + bits < 64) {
        w->word = w->word << bits | value;
        w->held += bits;
        return;
    }
    unsigned over = w->held + bits - 64;
    store_word(w->at, w->word << (64 - w->held) | value >> over);
    w->at += 8;
    w->word = value;
    w->held = over;
}

/* Bits << 8 | their number, of one level's code, with the sign but not the gap. */
static uint32_t code_of_level(enum gw_elias_form form, uint32_t magnitude, uint32_t negative)
{
    uint64_t code;
    uint32_t bits = omega(magnitude + (form != GW_ELIAS_SPARSE), &code), value = (uint32_t)code;
    if (form == GW_ELIAS_COMPACT) {
        if (magnitude)
            return (value << 1 | negative) << 8 | (bits + 1);
        return value << 8 | bits;
    }
    return (value | (magnitude ? negative : 0) << bits) << 8 | (bits + 1);
}

void gw_elias_open(struct gw_elias_writer *w, enum gw_elias_form form, unsigned bits,
                   uint8_t *bytes)
{
    w->form = form;
    w->bits = bits;
    w->at = bytes;
    w->word = w->gap = w->nonzeros = 0;
    w->held = 0;
    uint32_t sign = 1u << (bits - 1);
    if (bits > 8)
        return;
    for (uint32_t m = form == GW_ELIAS_SPARSE; m < sign; m++) {
        w->of_code[m] = code_of_level(form, m, 0);
        w->of_code[m | sign] = code_of_level(form, m, 1);
    }
}

/* A gap, then the level after it. */
static inline void put_nonzero(struct gw_elias_writer *w, uint64_t gap, uint32_t level)
{
    uint64_t code;
    unsigned bits = omega(gap, &code);
    if (gap >> SHORT) {
        put_bits(w, code >> 32, bits > 32 ? bits - 32 : 0);
        bits = bits > 32 ? 32 : bits;
        put_bits(w, code & (((uint64_t)1 << bits) - 1), bits);
        put_bits(w, level >> 8, level & 255);
    } else {
        put_bits(w, code << (level & 255) | level >> 8, bits + (level & 255));
    }
    w->nonzeros++;
}

static void put_sparse(struct gw_elias_writer *writer, const uint8_t *codes, size_t count)
{
    struct gw_elias_writer *w = writer;
    const uint64_t magnitudes = 0x0101010101010101u * ((1u << (w->bits - 1)) - 1);
    size_t last = 0; /* the element after the last non-zero */
    for (size_t at = 0; at < count; at += 8) {
        uint8_t tail[8] = { 0 };
        const uint8_t *eight = codes + at;
        if (count - at < 8)
            eight = memcpy(tail, eight, count - at);
        uint64_t nonzero = gw_get_u64(eight) & magnitudes;
        while (nonzero) {
            unsigned i = (unsigned)__builtin_ctzll(nonzero) / 8;
            put_nonzero(w, w->gap + at + i + 1 - last, w->of_code[eight[i]]);
            w->gap = 0;
            last = at + i + 1;
            nonzero &= ~((uint64_t)255 << 8 * i);
        }
    }
    w->gap += count - last;
}

void gw_elias_put(struct gw_elias_writer *w, const uint8_t *codes, size_t count)
{
    size_t i = 0;
    if (w->form == GW_ELIAS_SPARSE) {
        put_sparse(w, codes, count);
        return;
    }
    for (; i + 3 <= count; i += 3) { /* of at most 15 bits each */
        uint64_t a = w->of_code[codes[i]], b = w->of_code[codes[i + 1]],
                 c = w->of_code[codes[i + 2]];
        unsigned of_b = b & 255, of_c = c & 255;
        uint64_t bits = ((a >> 8) << of_b | b >> 8) << of_c | c >> 8;
        put_bits(w, bits, (unsigned)(a & 255) + of_b + of_c);
    }
    for (; i < count; i++)
        put_bits(w, w->of_code[codes[i]] >> 8, w->of_code[codes[i]] & 255);
}

void gw_elias_put_wide(struct gw_elias_writer *w, const uint16_t *codes, size_t count)
{
    uint32_t sign = 1u << (w->bits - 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t magnitude = codes[i] & (sign - 1), negative = codes[i] >= sign;
        if (w->form == GW_ELIAS_SPARSE && !magnitude) {
            w->gap++;
            continue;
        }
        uint32_t level = code_of_level(w->form, magnitude, negative);
        if (w->form == GW_ELIAS_SPARSE)
            put_nonzero(w, w->gap + 1, level);
        else
            put_bits(w, level >> 8, level & 255);
        w->gap = 0;
    }
}

uint8_t *gw_elias_finish(struct gw_elias_writer *w)
{
    for (; w->held; w->held -= w->held < 8 ? w->held : 8)
        *w->at++ = (uint8_t)(w->held < 8 ? w->word << (8 - w->held) : w->word >> (w->held - 8));
    return w->at;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Past the end it gives 0, which ends every omega code. */
static unsigned get_bit(struct gw_elias_reader *r)
{
    if (r->at >= r->bits) {
        r->broken = 1;
        return 0;
    }
    unsigned bit = r->input[r->at / 8] >> (7 - r->at % 8) & 1u;
    r->at++;
    return bit;
}

static uint64_t get_long_omega(struct gw_elias_reader *r)
{
    uint64_t k = 1;
    while (get_bit(r)) {
        uint64_t bits = k;
        if (bits > 48) {
            r->broken = 1;
            return 1;
        }
        for (k = 1; bits; bits--)
            k = k << 1 | get_bit(r);
    }
    return k;
}

/* The next 57 bits or more, in the high end; zeros past the end. */
static inline uint64_t window(const struct gw_elias_reader *r)
{
    uint64_t byte = r->at / 8, bytes = (r->bits + 7) / 8, word = 0;
    if (byte + 8 <= bytes)
        word = gw_get_u64(r->input + byte);
    else if (byte < bytes)
        memcpy(&word, r->input + byte, bytes - byte);
    return __builtin_bswap64(word) << r->at % 8;
}

/* What 7 bits say of the code that they begin: how many come before binary(k), n, and the bits of
 * the whole. */
#define FROM(skip, n)                                                                              \
    {                                                                                              \
        (skip), (n), (skip) + (n) + 2                                                              \
    }
#define NESTED(i, skip3, n3, skip, n) [i] = FROM(skip3, n3), [(i) + 1] = FROM(skip, n)

static const struct {
    uint8_t skip, n, bits;
} starts[128] = {
    [0 ... 63] = { 0, 0, 1 }, /* 0 */
    /* 1x0: k is 2 or 3 */
    [64 ... 79] = FROM(0, 1),
    [96 ... 111] = FROM(0, 1),
    /* 10 1nn: k if 0 follows, else n */
    [80 ... 81] = FROM(2, 2),
    [84 ... 85] = FROM(2, 2),
    [88 ... 89] = FROM(2, 2),
    [92 ... 93] = FROM(2, 2),
    [82 ... 83] = FROM(5, 4),
    [86 ... 87] = FROM(5, 5),
    [90 ... 91] = FROM(5, 6),
    [94 ... 95] = FROM(5, 7),
    /* 11 1nnn: k if 0 follows, else n */
    NESTED(112, 2, 3, 6, 8),
    NESTED(114, 2, 3, 6, 9),
    NESTED(116, 2, 3, 6, 10),
    NESTED(118, 2, 3, 6, 11),
    NESTED(120, 2, 3, 6, 12),
    NESTED(122, 2, 3, 6, 13),
    NESTED(124, 2, 3, 6, 14),
    NESTED(126, 2, 3, 6, 15),
};

/* The bits of the short code that `bits` begins with, and its k; 0 if it is a long one. */
static inline unsigned short_omega(uint64_t bits, uint64_t *k)
{
    unsigned i = (unsigned)(bits >> 57), n = starts[i].n, length = starts[i].bits;
    *k = bits << starts[i].skip >> (63 - n) | (uint64_t)1 << n;
    return bits << (length - 1) >> 63 ? 0 : length;
}

static uint64_t get_omega(struct gw_elias_reader *r)
{
    uint64_t k;
    unsigned length = short_omega(window(r), &k);
    if (!length)
        return get_long_omega(r);
    r->at += length;
    return k;
}

static int next_nonzero(struct gw_elias_reader *r, uint64_t *gap, int32_t *level)
{
    uint64_t bits = window(r), magnitude = 0;
    unsigned of_gap = short_omega(bits, gap), of_level = 0, negative = 0;
    if (of_gap) {
        bits <<= of_gap;
        negative = (unsigned)(bits >> 63);
        of_level = short_omega(bits << 1, &magnitude);
    }
    if (of_level) { /* at most 23 + 1 + 23 bits, of 57 */
        r->at += of_gap + 1 + of_level;
    } else {
        *gap = get_omega(r);
        negative = get_bit(r);
        magnitude = get_omega(r);
    }
    r->broken |= r->at > r->bits || magnitude > (uint64_t)r->table->most;
    if (!r->broken)
        *level = negative ? -(int32_t)magnitude : (int32_t)magnitude;
    return !r->broken;
}

int gw_elias_next(struct gw_elias_reader *r, uint64_t *gap, int32_t *level)
{
    const struct gw_elias_few *few = &r->table->of_bits[window(r) >> (64 - GW_ELIAS_PEEK)];
    if (!few->count)
        return next_nonzero(r, gap, level);
    *level = few->levels[0];
    *gap = (uint64_t)few->levels[1];
    r->at += few->bits;
    r->broken |= r->at > r->bits;
    return !r->broken;
}

static int16_t next_level(struct gw_elias_reader *r)
{
    enum gw_elias_form form = r->table->form;
    int negative = form == GW_ELIAS_DENSE ? (int)get_bit(r) : 0;
    uint64_t magnitude = get_omega(r) - 1;
    if (form == GW_ELIAS_COMPACT && magnitude)
        negative = (int)get_bit(r);
    r->broken |= r->at > r->bits || magnitude > (uint64_t)r->table->most;
    if (r->broken)
        return 0;
    return (int16_t)(negative ? -(int32_t)magnitude : (int32_t)magnitude);
}

enum { LOOKS = 5, WINDOW_LEVELS = LOOKS * GW_ELIAS_FEW + 1 };

/* Levels from one window; returns how many. Needs room for WINDOW_LEVELS. */
static size_t get_window(struct gw_elias_reader *r, int16_t *levels)
{
    uint64_t bits = window(r);
    unsigned used = 0;
    size_t n = 0;
    for (int look = 0; look < LOOKS; look++) {
        const struct gw_elias_few *few = &r->table->of_bits[bits << used >> (64 - GW_ELIAS_PEEK)];
        memcpy(levels + n, few, sizeof *few);
        n += few->count;
        used += few->bits;
    }
    r->at += used;
    r->broken |= r->at > r->bits;
    return n;
}

void gw_elias_get(struct gw_elias_reader *r, int16_t *levels, size_t count)
{
    size_t i = 0;
    while (i + WINDOW_LEVELS <= count && !r->broken) {
        size_t n = get_window(r, levels + i);
        i += n;
        if (!n)
            levels[i++] = next_level(r);
    }
    for (; i < count; i++)
        levels[i] = r->broken ? 0 : next_level(r);
}

/* As many as stand in the bits of `r`. With one level non-zeros are rare and most of them do not
 * fit: then it is better to know that none does. */
static struct gw_elias_few read_few(struct gw_elias_reader r)
{
    struct gw_elias_few few = { .count = 0 };
    uint64_t gap;
    int32_t level;
    if (r.table->form == GW_ELIAS_SPARSE) {
        if (r.table->most > 1 && next_nonzero(&r, &gap, &level))
            few = (struct gw_elias_few){ { (int16_t)level, (int16_t)gap }, 1, (uint8_t)r.at };
        return few;
    }
    while (few.count < GW_ELIAS_FEW) {
        int16_t next = next_level(&r);
        if (r.broken)
            break;
        few.levels[few.count++] = next;
        few.bits = (uint8_t)r.at;
    }
    return few;
}

void gw_elias_fill(struct gw_elias_table *table, enum gw_elias_form form, int32_t most)
{
    table->form = form;
    table->most = most;
    for (unsigned i = 0; i < 1u << GW_ELIAS_PEEK; i++) {
        unsigned left = i << (16 - GW_ELIAS_PEEK);
        const uint8_t bytes[2] = { (uint8_t)(left >> 8), (uint8_t)left };
        table->of_bits[i] = read_few(
            (struct gw_elias_reader){ .table = table, .input = bytes, .bits = GW_ELIAS_PEEK });
    }
}

int gw_elias_ended(const struct gw_elias_reader *r)
{
    if (r->broken || (r->at + 7) / 8 != r->bits / 8)
        return 0;
    return r->at % 8 == 0 || (r->input[r->at / 8] & (0xffu >> r->at % 8)) == 0;
}
