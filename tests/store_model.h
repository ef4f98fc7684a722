/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server as far as its store can tell: it counts records, each of which it can write again from
 * its number and a stamp, and its state is the list of stamps. So of whatever a store recovers it
 * can say whether that is a prefix of what was appended, with all that was acknowledged, in order,
 * each once. */
#ifndef GW_TESTS_STORE_MODEL_H
#define GW_TESTS_STORE_MODEL_H

#include "server/store.h"

enum { MODEL_RECORDS = 4096, MODEL_BODY_MAX = 4096 };

struct store_model {
    const struct gw_files *files;
    const char *folder;
    bool logs;
    bool doubts; /* an fsync may have failed in an earlier life: what is read is not what is on
                    disk, so a new generation is made at once */
    struct gw_store *store; /* NULL: closed */
    uint32_t life;          /* how often it was opened: what stamps are made of */
    uint32_t stamps[MODEL_RECORDS];
    uint64_t applied; /* records in the present state */
    uint64_t durable; /* of them acknowledged: have to come back */
    uint64_t turned;  /* `applied` at the last turn */
    char said[GW_ERROR_TEXT];
    struct gw_error error;
    int failures;              /* calls that failed */
    char wrong[GW_ERROR_TEXT]; /* the first promise that was broken; "": none */
};

/* Opens; checks what came back. */
gw_status store_model_open(struct store_model *m);
void store_model_close(struct store_model *m);
gw_status store_model_append(struct store_model *m);
gw_status store_model_flush(struct store_model *m);
void store_model_turn(struct store_model *m);
gw_status store_model_snapshot(struct store_model *m); /* of the state at the last turn */

/* Any of the above, `steps` times, chosen by the seed; stops when `*stop` is true. */
void store_model_play(struct store_model *m, uint64_t *seed, int steps, const bool *stop);

#endif
