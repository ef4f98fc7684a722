/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The file that GRADWIRE_COSTS names: measured links by set of hosts. Collective calls; rank 0
 * alone reads and writes. */
#ifndef GW_COMM_LINKS_H
#define GW_COMM_LINKS_H

#include "comm/comm.h"

/* Set comm->near and comm->far if the file knows this set of hosts: `*known`. No setting or no
 * file: not known. Errors: GW_EIO, GW_EPAYLOAD (a damaged file; the words name the line), on the
 * other ranks GW_EPEER. */
gw_status gw_links_load(gw_comm *comm, bool *known, struct gw_error *error);

/* Put them into the file, in place of what it says of this set of hosts. Errors: as above. */
gw_status gw_links_save(gw_comm *comm, struct gw_error *error);

#endif
