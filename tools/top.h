/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of `gradwire top` share: top.c (asking again and again), top_state.c (what a
 * server answers), top_table.c (as a table), top_terminal.c (on a terminal). */
#ifndef GW_TOOLS_TOP_H
#define GW_TOOLS_TOP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TOP_TEXT = 128 };

struct top_worker {
    uint32_t number;
    int live, connected, awaited;
    double clock, pushes, pulls, in_bytes, out_bytes, raw_in_bytes, raw_out_bytes, residual_norm,
        waiting, late;
};

/* A server's answer. Texts came from elsewhere: what a terminal would obey is replaced. */
struct top_state {
    char job[TOP_TEXT], mode[TOP_TEXT], optimizer[TOP_TEXT], durability[TOP_TEXT];
    int server, servers;
    double round, members, live, sick, uptime_s;
    struct top_worker *workers; /* malloced, by number */
    size_t count;
};

/* Read the JSON text of gw_server_query. 0, or -1 with words in `why`. */
int top_state_read(struct top_state *out, const char *json, char *why, size_t capacity);
void top_state_free(struct top_state *state); /* leaves it empty; an empty one is fine */

/* NULL: there is none of that number. */
const struct top_worker *top_state_find(const struct top_state *state, uint32_t number);

/* Print a server's block: a head, a line for each worker. Rates are those between `before` and
 * `state`, and "-" where `before` is NULL or of another life of the server. `lines`: the most that
 * may be used, at least 5; workers who are furthest behind come first where not all have room. 0:
 * no limit. 0, or -1: out of memory. */
int top_table_print(FILE *stream, const char *address, const struct top_state *state,
                    const struct top_state *before, size_t lines);

/* ---- the terminal ---------------------------------------------------------------------------- */

/* Keys without Enter, not echoed, until top_terminal_close; signals end the wait below. */
void top_terminal_open(void);
void top_terminal_close(void);
void top_terminal_size(size_t *lines, size_t *columns);

/* Draw `text` in place of what was drawn, cut at the window. */
void top_terminal_draw(const char *text);

enum top_event { TOP_TIME, TOP_QUIT, TOP_RESIZED };

/* Until the time has come, somebody wants to leave, or the window changed. With a terminal or
 * without. */
enum top_event top_terminal_wait(double seconds);
void top_terminal_catch(void); /* SIGINT and SIGTERM make waits give TOP_QUIT from now on */
int top_terminal_quits(void);

#endif
