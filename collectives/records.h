/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Saved state as bytes, little-endian: a header, then one record per unit of state: what a rank
 * keeps of a tensor that it sends (stage 0), and of the part of a tensor that it owns (stage 1).
 * Records are keyed by the tensor's name and the elements they cover, never by position, address,
 * or what travels together. Reading believes nothing. */
#ifndef GW_COLLECTIVES_RECORDS_H
#define GW_COLLECTIVES_RECORDS_H

#include <stdbool.h>

#include "compress/codec.h"

enum { GW_STATE_HEADER = 40, GW_RECORD_HEADER = 56 };

struct gw_record { /* one unit of state, as it stands in the bytes */
    uint64_t tensor, spec, stage, first, count, run, floats;
    const uint8_t *values;
};

struct gw_state_header {
    uint32_t ranks, rank;
    uint64_t records;
};

/* Where ef+ keeps its residual within the state of a chain; false where there is none. */
bool gw_record_residual(const struct gw_codec *c, size_t *first);

/* Bytes of a codec's record, and the record; both 0 for NULL. */
size_t gw_record_bytes(const struct gw_codec *c);
size_t gw_record_put(uint8_t *at, const struct gw_codec *c, uint64_t spec);

/* Put a header before records that end at `bytes`. */
void gw_state_seal(uint8_t *out, size_t bytes, int ranks, int rank, uint64_t records);

/* Magic, version, checksum; then the record at `*at`, which moves behind it. GW_EPAYLOAD. */
gw_status gw_state_open(struct gw_state_header *h, const uint8_t *in, size_t bytes,
                        struct gw_error *error);
gw_status gw_record_read(struct gw_record *r, const uint8_t *in, size_t bytes, size_t *at,
                         struct gw_error *error);
gw_status gw_record_check_values(const struct gw_record *r, struct gw_error *error);

/* Load what was checked; `scratch` has room for r->floats. */
void gw_record_load(struct gw_codec *c, const struct gw_record *r, float *scratch);

/* All links' run counter. */
void gw_record_set_run(struct gw_codec *c, uint64_t run);

/* Add; what is added to zero keeps its bits. */
static inline void gw_record_add(float *sum, float value)
{
    *sum = *sum == 0 ? value : *sum + value;
}

/* Add what rank `old_rank` of `old_ranks` left in record `r` to `next`, the state of the same
 * tensor that rank `rank` of `ranks` sends: residuals go to rank old_rank % ranks, other state is
 * that of one old rank. */
void gw_record_fold(const struct gw_codec *c, const struct gw_record *r, int old_rank,
                    int old_ranks, float *next);

#endif
