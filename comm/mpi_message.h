/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Our types, operations and lengths in MPI's words. */
#ifndef GW_COMM_MPI_MESSAGE_H
#define GW_COMM_MPI_MESSAGE_H

#include <mpi.h>

#include "comm/comm.h"

/* MPI counts with int: longer messages are cut into blocks of this. */
#define GW_MPI_BLOCK_BYTES ((size_t)1 << 30)

/* `count` elements of `type` are the bytes of one message. */
struct gw_mpi_shape {
    MPI_Datatype type;
    int count;
    bool made; /* the type is ours to free */
};

/* The shape of a message or of the room for one; returns MPI's code. */
int gw_mpi_shape(struct gw_mpi_shape *shape, size_t bytes, size_t block_bytes);
void gw_mpi_shape_free(struct gw_mpi_shape *shape);

/* MPI_DATATYPE_NULL and MPI_OP_NULL where MPI has none that gives what we promise. */
MPI_Datatype gw_mpi_type(gw_type type);
MPI_Op gw_mpi_operation(gw_operation operation);
size_t gw_mpi_type_bytes(gw_type type);

/* For tests: another length of blocks. */
void gw_mpi_set_block(gw_comm *comm, size_t bytes);

#endif
