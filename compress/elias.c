/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Elias omega codes ("recursive Elias") in the two regimes of Alistarh et al. 2017, QSGD, section
 * 3, and the dense one with a sign for non-zeros only. omega(k): start with "0"; while k > 1,
 * prepend binary(k) and let k be its length less one. */
#include "compress/elias.h"

/* binary(k) is at most 63 bits and its lengths take 6 + 3 + 2 more, so k < 2^48 stays in 64. */
static unsigned omega(uint64_t k, uint64_t *code)
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

unsigned gw_omega_bits(uint64_t k)
{
    uint64_t code;
    return omega(k, &code);
}

static void put_bits(struct gw_elias *e, uint64_t value, unsigned bits)
{
    while (bits) {
        unsigned used = e->at % 8, take = 8 - used < bits ? 8 - used : bits;
        uint8_t *byte = e->bytes + e->at / 8;
        if (!used)
            *byte = 0;
        bits -= take;
        *byte |= (uint8_t)((value >> bits & ((1u << take) - 1)) << (8 - used - take));
        e->at += take;
    }
}

static void put_omega(struct gw_elias *e, uint64_t k)
{
    uint64_t code;
    unsigned bits = omega(k, &code);
    put_bits(e, code, bits);
}

void gw_elias_put(struct gw_elias *e, const int32_t *levels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int32_t level = levels[i];
        uint32_t magnitude = (uint32_t)(level < 0 ? -level : level);
        e->nonzeros += magnitude != 0;
        if (e->form == GW_ELIAS_SPARSE) {
            e->gap++;
            if (!magnitude)
                continue;
            put_omega(e, e->gap);
            put_bits(e, level < 0, 1);
            put_omega(e, magnitude);
            e->gap = 0;
        } else if (e->form == GW_ELIAS_DENSE) {
            put_bits(e, level < 0, 1);
            put_omega(e, (uint64_t)magnitude + 1);
        } else {
            put_omega(e, (uint64_t)magnitude + 1);
            if (magnitude)
                put_bits(e, level < 0, 1);
        }
    }
}

/* Past the end it gives 0, which ends every omega code. */
static unsigned get_bit(struct gw_elias *e)
{
    if (e->at >= e->bits) {
        e->broken = 1;
        return 0;
    }
    unsigned bit = e->input[e->at / 8] >> (7 - e->at % 8) & 1u;
    e->at++;
    return bit;
}

static uint64_t get_omega(struct gw_elias *e, uint64_t most)
{
    uint64_t k = 1;
    while (get_bit(e)) {
        uint64_t bits = k;
        if (bits > 48) {
            e->broken = 1;
            return 1;
        }
        for (k = 1; bits; bits--)
            k = k << 1 | get_bit(e);
    }
    if (k > most)
        e->broken = 1;
    return k;
}

static int32_t get_level(struct gw_elias *e, int32_t most)
{
    int negative = 0;
    uint64_t magnitude;
    if (e->form == GW_ELIAS_SPARSE) {
        negative = (int)get_bit(e);
        magnitude = get_omega(e, (uint64_t)most);
    } else {
        if (e->form == GW_ELIAS_DENSE)
            negative = (int)get_bit(e);
        magnitude = get_omega(e, (uint64_t)most + 1) - 1;
        if (e->form == GW_ELIAS_COMPACT && magnitude)
            negative = (int)get_bit(e);
    }
    if (e->broken)
        return 0;
    return negative ? -(int32_t)magnitude : (int32_t)magnitude;
}

/* One element of the sparse form: a zero of the gap, or the level that ends it. */
static int32_t get_sparse(struct gw_elias *e, int32_t most)
{
    if (!e->pending) {
        if (!e->nonzeros)
            return 0;
        e->gap = get_omega(e, UINT64_MAX) - 1;
        e->pending = 1;
    }
    if (e->gap) {
        e->gap--;
        return 0;
    }
    e->pending = 0;
    e->nonzeros--;
    return get_level(e, most);
}

void gw_elias_get(struct gw_elias *e, int32_t *levels, size_t count, int32_t most)
{
    for (size_t i = 0; i < count; i++) {
        if (e->broken)
            levels[i] = 0;
        else
            levels[i] = e->form == GW_ELIAS_SPARSE ? get_sparse(e, most) : get_level(e, most);
    }
}

int gw_elias_ended(const struct gw_elias *e)
{
    if (e->broken || e->pending || (e->form == GW_ELIAS_SPARSE && e->nonzeros))
        return 0;
    if ((e->at + 7) / 8 != e->bits / 8)
        return 0;
    return e->at % 8 == 0 || (e->input[e->at / 8] & (0xffu >> e->at % 8)) == 0;
}

size_t gw_elias_bound(enum gw_elias_form form, size_t count, int32_t most)
{
    /* Sparse: a gap of g elements costs at most as much as g gaps of 1. */
    unsigned each = 1 + (form == GW_ELIAS_SPARSE ? 1 + gw_omega_bits((uint64_t)most)
                                                 : gw_omega_bits((uint64_t)most + 1));
    return count / 8 * each + (count % 8 * each + 7) / 8;
}
