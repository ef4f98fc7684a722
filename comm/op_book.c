/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
#include "comm/op_book.h"

#include <stdlib.h>
#include <string.h>

void *gw_op_take(struct gw_op_book *book, size_t bytes, int peer)
{
    struct gw_op *op = book->spare;
    if (op)
        book->spare = op->older;
    else if (!(op = malloc(bytes)))
        return NULL;
    memset(op, 0, bytes);
    op->peer = peer;
    op->older = book->newest;
    if (op->older)
        op->older->newer = op;
    book->newest = op;
    return op;
}

void gw_op_forget(struct gw_op_book *book, struct gw_op *op)
{
    if (op->older)
        op->older->newer = op->newer;
    if (op->newer)
        op->newer->older = op->older;
    else
        book->newest = op->older;
}

void gw_op_return(struct gw_op_book *book, struct gw_op *op)
{
    gw_op_forget(book, op);
    op->older = book->spare;
    book->spare = op;
}

void gw_op_book_clear(struct gw_op_book *book)
{
    while (book->spare) {
        struct gw_op *op = book->spare;
        book->spare = op->older;
        free(op);
    }
}
