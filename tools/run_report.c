/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Who ended how, in one line: ranks that ended alike stand together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/run.h"
#include "tools/tool.h"

int run_ending_status(const struct run_ending *ending)
{
    return ending->signal ? 128 + ending->signal : ending->exit;
}

static void describe(FILE *stream, const struct run_ending *ending)
{
    if (!ending->started)
        fputs("not started", stream);
    else if (!ending->signal)
        fprintf(stream, "exit status %d", ending->exit);
    else
        fprintf(stream, "killed by signal %d (%s)%s", ending->signal, strsignal(ending->signal),
                ending->asked ? " of gradwire run" : "");
}

static bool alike(const struct run_ending *a, const struct run_ending *b)
{
    return a->started == b->started && a->exit == b->exit && a->signal == b->signal &&
           a->asked == b->asked;
}

/* The ranks that ended as `rank` did, unless a lower one was among them already. */
static void describe_alike(FILE *stream, const struct run_ending *endings, int ranks, int rank,
                           int first)
{
    int count = 0;
    for (int r = 0; r < ranks; r++) {
        if (r == first || !alike(&endings[r], &endings[rank]))
            continue;
        if (r < rank)
            return;
        fprintf(stream, "%s%d", count++ ? ", " : "; ", r);
    }
    fputs(": ", stream);
    describe(stream, &endings[rank]);
}

void run_report(const struct run_ending *endings, int ranks, int first)
{
    char *line = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&line, &bytes);
    if (!stream)
        return;
    fprintf(stream, "rank %d was the first to fail: ", first);
    describe(stream, &endings[first]);
    for (int r = 0; r < ranks; r++)
        if (r != first)
            describe_alike(stream, endings, ranks, r, first);
    if (fclose(stream) == 0)
        tool_complain("run", "%s", line);
    free(line);
}
