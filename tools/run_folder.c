/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The job's private folder (mode 0700): the peers file, and the ranks' sockets beside it.
 *
 * With TCP the ports are held by sockets that are bound but do not listen: whoever binds with
 * SO_REUSEADDR may still listen there, which the ranks do, and the kernel gives the port to nobody
 * who asks for any. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/run.h"
#include "tools/tool.h"

/* A socket's path holds 107 characters, and a spec no comma. */
static const char *temporary(void)
{
    const char *folder = getenv("TMPDIR");
    bool fits = folder && *folder == '/' && strlen(folder) < 70 && !strchr(folder, ',');
    return fits ? folder : "/tmp";
}

/* Returns the port, 0 if there is none. */
static int reserve(int *file)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;
    int on = 1;
    *file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*file < 0 || setsockopt(*file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(*file, (struct sockaddr *)&address, sizeof address) ||
        getsockname(*file, (struct sockaddr *)&address, &bytes))
        return 0;
    return ntohs(address.sin_port);
}

static int write_peers(struct run_folder *folder, FILE *file)
{
    for (int r = 0; r < folder->ranks; r++) {
        if (!folder->reserved) {
            fprintf(file, "unix:%s/%d\n", folder->path, r);
            continue;
        }
        int port = reserve(&folder->reserved[r]);
        if (port == 0) {
            tool_complain("run", "no port for rank %d: %s", r, strerror(errno));
            return -1;
        }
        fprintf(file, "tcp:127.0.0.1:%d\n", port);
    }
    return 0;
}

static int make_peers(struct run_folder *folder)
{
    char path[RUN_PATH + 16];
    snprintf(path, sizeof path, "%s/peers", folder->path);
    FILE *file = fopen(path, "wxe");
    int result = file ? write_peers(folder, file) : -1;
    if (!file || (fclose(file) != 0 && result == 0)) {
        tool_complain("run", "cannot write %s: %s", path, strerror(errno));
        return -1;
    }
    return result;
}

int run_folder_open(struct run_folder *folder, int ranks, bool tcp)
{
    *folder = (struct run_folder){ .ranks = ranks };
    if (tcp) {
        folder->reserved = malloc((size_t)ranks * sizeof *folder->reserved);
        if (!folder->reserved) {
            tool_complain("run", "out of memory");
            return -1;
        }
        for (int r = 0; r < ranks; r++)
            folder->reserved[r] = -1;
    }
    snprintf(folder->path, sizeof folder->path, "%s/gradwire-XXXXXX", temporary());
    if (!mkdtemp(folder->path)) {
        tool_complain("run", "cannot make the folder %s: %s", folder->path, strerror(errno));
        free(folder->reserved);
        return -1;
    }
    int result = make_peers(folder);
    if (result)
        run_folder_close(folder);
    return result;
}

void run_folder_spec(const struct run_folder *folder, int rank, char *spec, size_t capacity)
{
    snprintf(spec, capacity, "tcp:ranks=%d,rank=%d,peers=%s/peers", folder->ranks, rank,
             folder->path);
}

void run_folder_close(struct run_folder *folder)
{
    char path[RUN_PATH + 16];
    for (int r = 0; r < folder->ranks; r++) {
        if (folder->reserved && folder->reserved[r] >= 0)
            close(folder->reserved[r]);
        snprintf(path, sizeof path, "%s/%d", folder->path, r);
        if (!folder->reserved)
            (void)unlink(path);
    }
    free(folder->reserved);
    snprintf(path, sizeof path, "%s/peers", folder->path);
    (void)unlink(path);
    if (rmdir(folder->path) != 0)
        tool_complain("run", "cannot remove %s: %s", folder->path, strerror(errno));
}
