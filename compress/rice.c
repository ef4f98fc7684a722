/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Rice codes: within 2 % of the entropy for the gaps between randomly placed elements. Rice 1979.
 */
#include "compress/rice.h"

static void put_bits(struct gw_rice_writer *w, uint64_t bits, unsigned count)
{
    w->bits |= bits << w->held;
    w->held += count;
    for (; w->held >= 8; w->held -= 8) {
        *w->at++ = (uint8_t)w->bits;
        w->bits >>= 8;
    }
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
    if (w->held > 0)
        put_bits(w, 0, 8 - w->held);
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
