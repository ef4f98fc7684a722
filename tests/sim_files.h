/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Files in memory behind struct gw_files, with a disk that forgets.
 *
 * Each file has contents as processes see them and contents as they are on disk: fsync makes the
 * second like the first. A name that was made, changed or removed is on disk when its folder was
 * synced. sim_files_crash goes back to the disk, and keeps of what was not synced a part that the
 * seed chooses: some of the names, some sectors of some files. One thread at a time. */
#ifndef GW_TESTS_SIM_FILES_H
#define GW_TESTS_SIM_FILES_H

#include "server/store.h"

enum sim_fault {
    SIM_ENOSPC,
    SIM_EIO,
    SIM_SHORT, /* reads and writes do half; other calls are as ever */
    SIM_EINTR,
    SIM_FAULTS
};

struct sim_inode;
struct sim_change;
enum { SIM_NAMES = 256, SIM_NAME_BYTES = 64, SIM_FDS = 32 };

struct sim_name {
    char path[SIM_NAME_BYTES];
    int inode;
};

struct sim_names {
    struct sim_name names[SIM_NAMES];
    int count;
};

struct sim_fd {
    int inode; /* -1: free */
    size_t at;
};

struct sim_files {
    struct gw_files files; /* hand this to the store */
    long calls;            /* so far */
    long fail_at;          /* this call fails, counted from 1; 0: none does */
    enum sim_fault fault;
    bool sticky;   /* and all calls behind it */
    long crash_at; /* from this call on nothing happens; 0: never */
    bool crashed;

    struct sim_inode *inodes;
    int inodes_count;
    struct sim_names seen, disk;
    struct sim_change *changes; /* of names, not yet on disk */
    int changes_count;
    struct sim_fd fds[SIM_FDS];
};

struct sim_files *sim_files_new(void);
struct sim_files *sim_files_copy(const struct sim_files *sim); /* no file may be open */
void sim_files_free(struct sim_files *sim);

/* The machine goes down and comes up again: all files closed, no fault and no crash ahead. */
void sim_files_crash(struct sim_files *sim, uint64_t seed);

/* The process is gone, the machine goes on: what was not synced is there, and still not on disk. */
void sim_files_kill(struct sim_files *sim);

int sim_files_open_count(const struct sim_files *sim);
/* A file's bytes, to look at and to change (also on disk); NULL: there is none. */
uint8_t *sim_files_bytes(struct sim_files *sim, const char *path, size_t *bytes);
void sim_files_cut(struct sim_files *sim, const char *path, size_t bytes);

#endif
