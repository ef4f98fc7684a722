/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What every transport must show of reducers; run on threads and over MPI. */
#ifndef GW_TESTS_REDUCER_BODIES_H
#define GW_TESTS_REDUCER_BODIES_H

#include <gradwire.h>

/* Tensors of a small model, and bucket sizes from one per tensor to all in one. */
extern const gw_tensor reducer_tensors[];
extern const size_t reducer_bucket_sizes[];
enum { REDUCER_TENSORS = 8, REDUCER_ELEMENTS = 2085, REDUCER_SIZES = 5 };

/* Where tensor t stands among all elements. */
size_t reducer_first(size_t t);

/* One step on `x`, in place, tensors marked in an order of this rank and `turn`. */
gw_status reducer_step(gw_reducer *r, float *x, int rank, int turn);

/* Small multiples of a power of two, so that sums are exact. */
void reducer_fill(float *x, int rank, int step);

/* Every codec, at every bucket size: replicas are identical, and the order of marking changes no
 * bit. */
void body_orders(gw_comm *comm, unsigned long long *digests);

/* What was given was sent or is kept, bit for bit, while the bucket size changes between steps. */
void body_sizes(gw_comm *comm, unsigned long long *digests);

/* Saved and loaded: with the same size the bits go on as if nothing had been, with another size
 * every residual is still there. */
void body_saved(gw_comm *comm, unsigned long long *digests);

#endif
