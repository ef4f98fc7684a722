/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Rice codes: within 2 % of the entropy for the gaps between randomly placed elements. Rice 1979.
 */
#include "compress/rice.h"

#include "base/types.h"

/* At most 57 bits. */
static void put_bits(struct gw_rice_writer *w, uint64_t bits, unsigned count)
{
    w->bits |= bits << w->held;
    if (w->held + count < 64) {
        w->held += count;
        return;
    }
    gw_put_u64(w->at, w->bits);
    w->at += 8;
    w->bits = bits >> 1 >> (63 - w->held);
    w->held = w->held + count - 64;
}

void gw_rice_write(struct gw_rice_writer *w, uint64_t value, unsigned parameter)
{
    uint64_t ones = value >> parameter;
    for (; ones >= 32; ones -= 32)
        put_bits(w, 0xffffffffu, 32);
    put_bits(w, ((uint64_t)1 << ones) - 1, (unsigned)ones + 1);
    put_bits(w, value & (((uint64_t)1 << parameter) - 1), parameter);
}

uint8_t *gw_rice_finish(struct gw_rice_writer *w)
{
    for (; w->held > 0; w->held -= w->held < 8 ? w->held : 8, w->bits >>= 8)
        *w->at++ = (uint8_t)w->bits;
    return w->at;
}

static int next_bit(struct gw_rice_reader *r)
{
    int bit = r->bytes[r->bit / 8] >> (r->bit % 8) & 1;
    r->bit++;
    return bit;
}

int gw_rice_read(struct gw_rice_reader *r, uint64_t *value, unsigned parameter, uint64_t most)
{
    uint64_t end = (uint64_t)r->length * 8, quotient = 0, low = 0;
    if (r->bit / 8 + 8 <= r->length) {
        uint64_t window = gw_get_u64(r->bytes + r->bit / 8) >> r->bit % 8;
        unsigned ones = ~window ? (unsigned)__builtin_ctzll(~window) : 64;
        if (ones + 1 + parameter <= 57) {
            r->bit += ones + 1 + parameter;
            low = window >> (ones + 1) & (((uint64_t)1 << parameter) - 1);
            *value = (uint64_t)ones << parameter | low;
            return *value <= most;
        }
    }
    for (;; quotient++) {
        if (r->bit >= end || quotient > most >> parameter)
            return 0;
        if (!next_bit(r))
            break;
    }
    if (end - r->bit < parameter)
        return 0;
    for (unsigned i = 0; i < parameter; i++)
        low |= (uint64_t)next_bit(r) << i;
    *value = quotient << parameter | low;
    return *value <= most;
}

int gw_rice_at_end(const struct gw_rice_reader *r)
{
    if ((r->bit + 7) / 8 != r->length)
        return 0;
    return r->bit % 8 == 0 || r->bytes[r->length - 1] >> (r->bit % 8) == 0;
}
