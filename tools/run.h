/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of `gradwire run` share:
 *
 *     run_options.c  flags to a struct
 *     run_folder.c   the private folder: the peers file, the sockets
 *     run_lines.c    output, line by line, marked by rank
 *     run_input.c    a terminal's input to rank 0
 *     run_report.c   who ended how
 *     run_shim.c     the first moments of a rank: tied to the launcher, then the program
 *     run.c          processes: their start, their end, signals */
#ifndef GW_TOOLS_RUN_H
#define GW_TOOLS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum { RUN_RANKS_MAX = 1024, RUN_PATH = 192 };

struct run_options {
    int ranks;
    bool tcp;         /* TCP on loopback, in place of Unix sockets */
    bool plain;       /* output without the rank in front */
    double timeout;   /* seconds for the whole job; 0: none */
    const char *link; /* NULL: what GRADWIRE_LINK says */
    char **command;   /* part of argv */
};

/* Read the flags. Ends the program itself after --help and bad flags; -1 after another error. */
int run_options_parse(struct run_options *options, int argc, char **argv);

/* ---- run_shim.c ------------------------------------------------------------------------------ */

#define RUN_SHIM "--shim" /* gradwire run --shim PARENT PROGRAM ARGUMENT... */

int run_shim(int argc, char **argv);

/* ---- run_folder.c ---------------------------------------------------------------------------- */

struct run_folder {
    char path[RUN_PATH];
    int ranks;
    int *reserved; /* sockets that keep the ports from others; NULL: Unix sockets */
};

/* 0, or -1 after a complaint. */
int run_folder_open(struct run_folder *folder, int ranks, bool tcp);
void run_folder_close(struct run_folder *folder); /* removes it */
/* The comm of one rank, for GRADWIRE_LAUNCH. */
void run_folder_spec(const struct run_folder *folder, int rank, char *spec, size_t capacity);

/* ---- run_lines.c ----------------------------------------------------------------------------- */

struct run_lines;

/* One of the launcher's own outputs. */
struct run_sink {
    int file;
    bool broken;                  /* nobody reads it any more */
    const struct run_lines *open; /* who ended within a line; NULL: nobody */
};

/* From one rank to one sink: the bytes that are no whole line yet. */
struct run_lines {
    struct run_sink *sink;
    char mark[16];
    char *text;
    size_t used, capacity;
};

void run_lines_open(struct run_lines *lines, struct run_sink *sink, int rank, bool plain);
/* Both return -1 if the output is lost: out of memory, or nobody reads the sink. */
int run_lines_add(struct run_lines *lines, const char *bytes, size_t count);
int run_lines_close(struct run_lines *lines); /* a last line without its end goes out too */

/* ---- run_input.c ----------------------------------------------------------------------------- */

/* From the terminal to the pipe of rank 0, which is in another process group and so may not read
 * the terminal itself. */
struct run_input {
    uv_tty_t terminal;
    uv_pipe_t pipe; /* to be given to uv_spawn before run_input_start */
    uv_write_t write;
    bool opened;
    char buffer[4096];
};

/* Is standard input a terminal that this process may read? */
bool run_input_wanted(void);
int run_input_open(struct run_input *input, uv_loop_t *loop);
void run_input_start(struct run_input *input);
void run_input_close(struct run_input *input);

/* ---- run_report.c ---------------------------------------------------------------------------- */

struct run_ending {
    int exit, signal; /* signal 0: it ended by itself */
    bool asked;       /* after this launcher told it to end */
    bool started, over;
};

/* The shell's way: the exit status, or 128 + the signal. */
int run_ending_status(const struct run_ending *ending);
/* One line to standard error: rank `first` failed, and how the others ended. */
void run_report(const struct run_ending *endings, int ranks, int first);

#endif
