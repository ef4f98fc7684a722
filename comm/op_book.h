/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The operations of a comm: those under way, for a close that has to end them, and the memory of
 * those that are over, so that a rank that ran once needs none again. For one thread. */
#ifndef GW_COMM_OP_BOOK_H
#define GW_COMM_OP_BOOK_H

#include <stddef.h>

/* One message under way. Each transport has this first in a struct of its own. */
struct gw_op {
    int peer;                    /* -1: all (native) */
    struct gw_op *newer, *older; /* in its book */
};

struct gw_op_book {
    struct gw_op *newest; /* of those under way */
    struct gw_op *spare;  /* linked by `older` */
};

/* An operation of `bytes`, the same in all calls of a book, all zeros but for what is above. NULL:
 * no memory. */
void *gw_op_take(struct gw_op_book *book, size_t bytes, int peer);

/* It is over. */
void gw_op_return(struct gw_op_book *book, struct gw_op *op);

/* It is no longer this book's: somebody else frees it, or nobody. */
void gw_op_forget(struct gw_op_book *book, struct gw_op *op);

/* Free the memory of those that are over. */
void gw_op_book_clear(struct gw_op_book *book);

#endif
