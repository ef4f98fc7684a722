/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Pins: a file of what plans decided, so that a run can be repeated bit for bit although timings
 * differ. Rank 0 alone reads and writes it; the others do as it says. */
#ifndef GW_COLLECTIVES_PINS_H
#define GW_COLLECTIVES_PINS_H

#include <gradwire/plan.h>

#include <stdbool.h>

#include "base/error.h"
#include "base/types.h"

struct gw_request;

struct gw_pinned_way {
    char algorithm[32]; /* "" : this way was never open */
    size_t piece_count;
};

struct gw_pinned_switch {
    uint64_t run; /* from this one on, counted from 0 */
    bool raw;
};

struct gw_pins {
    char *path;
    uint64_t digest; /* of what was asked for */
    unsigned turn;   /* plans of this digest made before it on this comm */
    bool shares;     /* one-call forms: all equal calls share one line */
    bool repeats;    /* what is below came from the file */
    struct gw_pinned_way codec, raw;
    bool sends_raw; /* at first */
    struct gw_pinned_switch *switches;
    int switches_count;
    uint64_t run; /* started so far */
};

/* Where pins are asked for: plan->pins, empty. Local. Errors: GW_ENOMEM. */
gw_status gw_pins_prepare(struct gw_plan *plan, const struct gw_request *request,
                          struct gw_error *error);
void gw_pins_close(struct gw_pins *pins);

/* Collective: read what the file says of this plan, if the file was there before the comm's first
 * plan. Errors: GW_ESPEC (the words name file and line), GW_EIO. */
gw_status gw_pins_read(struct gw_plan *plan, struct gw_error *error);

/* Collective: write what this plan decided. Errors: GW_EIO. */
gw_status gw_pins_write(struct gw_plan *plan, struct gw_error *error);

/* The way of the next run, where the file says it. */
bool gw_pins_turn(struct gw_pins *pins);

/* From this run on raw is sent, or not. Of rank 0's file; a file that cannot be written is told in
 * the plan's reason. */
void gw_pins_note(struct gw_plan *plan, uint64_t run, bool raw);

/* ---- pins_text.c: lines
 * ------------------------------------------------------------------------*/

struct gw_pins_line {
    enum { GW_PINS_NOTHING, GW_PINS_PLAN, GW_PINS_SWITCH } kind;
    uint64_t digest, run;
    unsigned turn;
    struct gw_pinned_way codec, raw;
    bool sends_raw;
};

/* One line without its end. GW_ESPEC with words that say what was expected. */
gw_status gw_pins_parse(struct gw_pins_line *out, const char *line, struct gw_error *error);

/* Fill `pins` from the lines of its digest and turn; *found says if there are any. The words of an
 * error name path and line. Errors: GW_ESPEC, GW_ENOMEM. */
gw_status gw_pins_find(struct gw_pins *pins, const char *text, bool *found, struct gw_error *error);

/* The line of a plan, with its end. */
void gw_pins_format(char *out, size_t capacity, const struct gw_pins *pins);

#endif
