/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The first moments of a rank, in a process of its own before it becomes the program. Here it is
 * tied to the launcher: when that dies, whatever kills it, the kernel kills the rank. The launcher
 * may have died already, which is why it gives its number. A process group of its own lets the
 * launcher end the program's children with it, and keeps Ctrl-C for the launcher, which tells all
 * ranks in order. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tools/run.h"
#include "tools/tool.h"

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 }; /* as shells do */

int run_shim(int argc, char **argv)
{
    if (argc < 2) {
        tool_complain("run", RUN_SHIM " is for gradwire run alone");
        return TOOL_BAD_USE;
    }
    long parent = strtol(argv[0], NULL, 10);
    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        tool_complain("run", "cannot tie a rank to its launcher: %s", strerror(errno));
        return TOOL_BAD_USE;
    }
    if (getppid() != parent)
        return 128 + SIGKILL;
    execvp(argv[1], argv + 1);
    tool_complain("run", "cannot run %s: %s", argv[1], strerror(errno));
    return errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
}
