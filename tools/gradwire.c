/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The program `gradwire`: a table of subcommands, each in files of its own beside this one. They
 * know only what is installed, <gradwire.h>, as any user's program does. */
#include <gradwire.h>

#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

struct command {
    const char *name;
    const char *title; /* what its own messages call it */
    const char *sentence;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    { "info", "gradwire info", "what this build can do, and the settings in force", tool_info },
    { "bench", "gradwire bench", "bandwidth and error of a collective", tool_bench },
    { "serve", "gradwire serve", "a parameter server", tool_serve },
    { "key", "gradwire key", "make the keys of a parameter server and its workers", tool_key },
    { "top", "gradwire top", "what parameter servers do, live", tool_top },
    { "run", "gradwire run", "processes on this machine, connected without MPI", tool_run },
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

struct chosen {
    const struct command *command;
    int position; /* of its name in argv */
};

void tool_complain(const char *name, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "gradwire %s: %s\n", name, text);
}

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "gradwire %s\n", gw_version());
}

/* The subcommand ends the program's own options; what follows is for the subcommand. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct chosen *chosen = state->input;
    if (key == ARGP_KEY_NO_ARGS)
        argp_usage(state);
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(arg, commands[i].name) == 0)
            chosen->command = &commands[i];
    if (!chosen->command)
        argp_error(state, "unknown command %s", arg);
    chosen->position = state->next - 1;
    state->next = state->argc;
    return 0;
}

static char *list_commands(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    char *list = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&list, &bytes);
    if (!stream)
        return NULL;
    fputs("Commands:\n", stream);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].sentence);
    fputs("\n`gradwire COMMAND --help' tells the options of a command.", stream);
    if (fclose(stream) != 0) {
        free(list);
        return NULL;
    }
    return list;
}

int main(int argc, char **argv)
{
    static const struct argp argp = { .parser = parse,
                                      .args_doc = "COMMAND [OPTION...]",
                                      .doc = "Sums of gradients across processes, made small "
                                             "before they travel.\v ",
                                      .help_filter = list_commands };
    struct chosen chosen = { 0 };
    argp_err_exit_status = TOOL_BAD_USE;
    argp_program_version_hook = print_version;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &chosen) != 0 || !chosen.command)
        return TOOL_BAD_USE;
    argv += chosen.position;
    argv[0] = (char *)chosen.command->title;
    return chosen.command->run(argc - chosen.position, argv);
}
