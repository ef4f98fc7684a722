/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Memory that the ranks of one node share: one part per rank, and flags by which they meet.
 *
 * A meeting is one exchange of flags among the ranks of the node: each raises its own, with how it
 * went, and looks until it has seen all. What a rank wrote to its part before it raised its flag is
 * seen by those that have seen the flag. Flags and words stand twice, for meetings with even and
 * with odd numbers: a rank raises its flag for meeting m + 2 only after all have raised theirs for
 * m + 1, which they do after they have seen all flags of m. */
#ifndef GW_COMM_SEGMENT_H
#define GW_COMM_SEGMENT_H

#include <stdatomic.h>

#include "comm/comm.h"

enum { GW_SHARED_WORDS = 752 }; /* bytes that a rank can say when it failed */

struct gw_shared_head { /* at the start of each part, written by its owner only */
    _Alignas(64) atomic_uint_fast64_t flag[2]; /* meeting * 2 + (1: it failed) */
    uint64_t words_bytes[2];
    uint8_t words[2][GW_SHARED_WORDS];
};

struct gw_shared_part {
    struct gw_shared_head *head;
    uint8_t *data;
    size_t bytes;
    int rank; /* of the comm */
};

struct gw_shared {
    int rank, ranks; /* among the ranks of the node, in the comm's order */
    struct gw_shared_part *parts;
    uint8_t *base;
    size_t bytes;     /* mapped */
    uint64_t meeting; /* raised so far */
    bool crowded;     /* ranks outnumber cores */
    bool lent;        /* the last meeting took so long that the core was lent, as the next may */
    int looks;        /* at this meeting */
    int seen;         /* ranks whose flag of this meeting was seen, from the first on */
};

/* Collective over all ranks of the comm, each of which gives the bytes of its own part (rounded up
 * to pages, zeroed, placed near the cores of its rank). GW_ENOMEM or GW_ENOTSUP, on all ranks alike
 * and with nothing left behind, where some rank cannot have it; else the errors of an exchange. */
gw_status gw_shared_open(struct gw_shared **out, gw_comm *comm, size_t bytes,
                         struct gw_error *error);
void gw_shared_close(struct gw_shared *shared); /* local; NULL is fine */

/* Say how it went, with words in case of a failure (bytes 0: it went well). */
void gw_shared_raise(struct gw_shared *shared, const void *words, size_t bytes);

/* GW_PENDING until all flags of the meeting were seen. After that: */
gw_status gw_shared_look(struct gw_shared *shared);

/* Did the rank of this part fail? Then `*words` says why; returns their bytes, 0: it did not. */
size_t gw_shared_failed(const struct gw_shared *shared, int part, const void **words);

/* Has its flag of this meeting been raised? */
bool gw_shared_arrived(const struct gw_shared *shared, int part);

#endif
