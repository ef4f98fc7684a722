/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Tuning files: times that `gradwire bench --tune` measured, in place of the cost model's where
 * they are near. */
#ifndef GW_COLLECTIVES_TUNING_H
#define GW_COLLECTIVES_TUNING_H

#include "collectives/price.h"

/* Collective, at the same point of making every plan: at the comm's first one, read the file that
 * GRADWIRE_TUNING names (rank 0 does; the others hear of it). Returns `local` where it is an error.
 * Errors: GW_EIO, GW_ESPEC (the words name file and line). */
gw_status gw_tuning_read(gw_comm *comm, gw_status local, struct gw_error *error);

/* What the file says a run takes, between the two sizes next to it. False: nothing near. */
bool gw_tuning_find(double *seconds, const struct gw_tuned *about,
                    const struct gw_algorithm_row *row);

#endif
