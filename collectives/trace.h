/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Traces: GRADWIRE_TRACE=PREFIX makes one file PREFIX.json of all ranks of a comm, in the
 * trace-event format that chrome://tracing and Perfetto show (doc/tracing.md).
 *
 * Each rank keeps spans in memory, of all plans of the comm, until the comm is closed. Then clocks
 * are aligned, spans go to rank 0, and it writes the file. Where that cannot be done any more, each
 * rank writes what it has: rank 0 PREFIX.json, rank r PREFIX.r.json. */
#ifndef GW_COLLECTIVES_TRACE_H
#define GW_COLLECTIVES_TRACE_H

#include <stdbool.h>

#include "base/error.h"

struct gw_plan;

/* ---- opening and closing: no effect unless GRADWIRE_TRACE is set ---- */

/* Local, before the plans agree: memory, and on rank 0 the file. Errors: GW_ENOMEM, GW_EIO. */
gw_status gw_trace_open(struct gw_plan *plan, struct gw_error *error);
/* Collective, after they have agreed: the ranks' clocks, once per comm. */
gw_status gw_trace_meet(struct gw_plan *plan, struct gw_error *error);
void gw_trace_close(struct gw_plan *plan);

/* ---- spans of step i: only where plan->trace is set ---- */

/* Work that was done, by the executor or (`pool`) by another thread; any thread may call this. Of
 * a RECV it is the look at what came. */
void gw_trace_work(struct gw_plan *plan, int i, int64_t start_ns, int64_t end_ns, bool pool);

/* A message, or a wait, begins; it is over, and `bytes` came (RECV). By the executor. */
void gw_trace_begin(struct gw_plan *plan, int i);
void gw_trace_end(struct gw_plan *plan, int i, size_t bytes);

/* The run is over. */
void gw_trace_run(struct gw_plan *plan, int64_t end_ns);

#endif
