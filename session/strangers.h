/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The connections of a listener that are not ready yet, oldest first, and which of them has to go
 * when there are too many: the oldest of the address that has most. So a flood from one address
 * pushes out itself, and who comes from another has its time in full.
 *
 * Of this room only. Every call looks at each of them once: there are a few hundred. */
#ifndef GW_SESSION_STRANGERS_H
#define GW_SESSION_STRANGERS_H

#include <stdbool.h>
#include <stdint.h>

/* In the struct of what is kept; zero it. */
struct gw_stranger {
    struct gw_stranger *older, *newer;
    uint64_t home; /* the address, or the part of it that one owner has */
    int crowd;     /* how many of this home there are, this one too */
    bool listed;
};

struct gw_strangers {
    struct gw_stranger *oldest, *newest;
    int count;
};

void gw_strangers_add(struct gw_strangers *strangers, struct gw_stranger *stranger, uint64_t home);
void gw_strangers_remove(struct gw_strangers *strangers, struct gw_stranger *stranger);
/* NULL: there is none. */
struct gw_stranger *gw_strangers_worst(const struct gw_strangers *strangers);

#endif
