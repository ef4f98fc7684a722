/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Lengths beyond MPI's int: a message is then one element of a type that is some whole blocks and
 * the rest. It stays one message, so the room for it may be longer and order is MPI's affair. */
#include "comm/mpi_message.h"

static int blocks_and_rest(MPI_Datatype *out, size_t bytes, size_t block_bytes)
{
    MPI_Datatype parts[2] = { MPI_DATATYPE_NULL, MPI_BYTE };
    int lengths[2] = { (int)(bytes / block_bytes), (int)(bytes % block_bytes) };
    MPI_Aint places[2] = { 0, (MPI_Aint)(bytes - bytes % block_bytes) };
    int code = MPI_Type_contiguous((int)block_bytes, MPI_BYTE, &parts[0]);
    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Type_create_struct(2, lengths, places, parts, out);
    MPI_Type_free(&parts[0]);
    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Type_commit(out);
    if (code != MPI_SUCCESS)
        MPI_Type_free(out);
    return code;
}

int gw_mpi_shape(struct gw_mpi_shape *shape, size_t bytes, size_t block_bytes)
{
    if (bytes <= block_bytes) {
        *shape = (struct gw_mpi_shape){ .type = MPI_BYTE, .count = (int)bytes };
        return MPI_SUCCESS;
    }
    *shape = (struct gw_mpi_shape){ .count = 1 };
    int code = blocks_and_rest(&shape->type, bytes, block_bytes);
    shape->made = code == MPI_SUCCESS;
    return code;
}

void gw_mpi_shape_free(struct gw_mpi_shape *shape)
{
    if (shape->made)
        MPI_Type_free(&shape->type);
    shape->made = false;
}

MPI_Datatype gw_mpi_type(gw_type type)
{
    switch (type) {
    case GW_F32:
        return MPI_FLOAT;
    case GW_F64:
        return MPI_DOUBLE;
    case GW_I32:
        return MPI_INT32_T;
    default:
        return MPI_DATATYPE_NULL;
    }
}

MPI_Op gw_mpi_operation(gw_operation operation)
{
    switch (operation) {
    case GW_SUM:
        return MPI_SUM;
    case GW_MIN:
        return MPI_MIN;
    case GW_MAX:
        return MPI_MAX;
    default:
        return MPI_OP_NULL;
    }
}

size_t gw_mpi_type_bytes(gw_type type)
{
    return type == GW_F64 ? 8 : 4;
}
