/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the files of the program share: the exit statuses, and one function per subcommand. */
#ifndef GW_TOOLS_TOOL_H
#define GW_TOOLS_TOOL_H

enum tool_exit {
    TOOL_GOOD = 0,
    TOOL_BAD_USE = 1, /* and any error that is none of the others */
    TOOL_WRONG = 2,
    TOOL_TIME_LIMIT = 3,
    TOOL_BELOW_FLOOR = 4
};

/* argv[0] is "gradwire NAME"; the result is an exit status. */
int tool_info(int argc, char **argv);
int tool_bench(int argc, char **argv);
int tool_serve(int argc, char **argv);
int tool_key(int argc, char **argv);
int tool_top(int argc, char **argv);
int tool_run(int argc, char **argv);

/* printf to standard error behind "gradwire NAME: ", as one line. */
void tool_complain(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
