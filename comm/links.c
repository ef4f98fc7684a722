/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Lines of "link KEY" and six numbers: bits per second, latency and time per message within a node,
 * then between nodes. '#' starts a comment. A new file replaces the old one as a whole, so that
 * readers and other writers never see half of one. */
#include "comm/links.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "base/settings.h"

enum { KEY_TEXT = 96, LINE_TEXT = 512, HOST_TEXT = 64, NUMBERS = 6 };

static const char TITLE[] = "# gradwire links 1: transport:ranks:nodes:hosts, then within a node "
                            "and between nodes bit/s, seconds, seconds per message\n";

struct verdict { /* of rank 0 */
    int64_t status, known;
    double numbers[NUMBERS];
};

/* ---- the key -----------------------------------------------------------------------------------
 */

/* The same on all ranks: which hosts, by name, with how many ranks in which order. */
static gw_status make_key(gw_comm *comm, char *key, char *hosts, struct gw_error *error)
{
    char mine[HOST_TEXT] = "";
    int nodes = 0;
    (void)gethostname(mine, sizeof mine - 1);
    gw_status s = gw_control_allgather(comm, mine, sizeof mine, hosts, error);
    uint64_t digest = 0;
    for (int r = 0; r < comm->size && !s; r++) {
        hosts[(size_t)r * HOST_TEXT + HOST_TEXT - 1] = '\0';
        digest = gw_mix64(digest + gw_hash_text(hosts + (size_t)r * HOST_TEXT));
        nodes = comm->nodes[r] >= nodes ? comm->nodes[r] + 1 : nodes;
    }
    snprintf(key, KEY_TEXT, "%s:%d:%d:%016llx", comm->row->info.name, comm->size, nodes,
             (unsigned long long)digest);
    return s;
}

/* ---- lines -------------------------------------------------------------------------------------
 */

/* Key and numbers of a line; false if it is none. Blank lines and comments give an empty key. */
static bool parse_line(const char *line, char *key, double *numbers)
{
    int used = 0;
    *key = '\0';
    line += strspn(line, " \t\r\n");
    if (*line == '\0' || *line == '#')
        return true;
    if (sscanf(line, "link %95s%n", key, &used) != 1 || used == 0)
        return false;
    for (int i = 0; i < NUMBERS; i++) {
        char *end;
        line += used;
        numbers[i] = strtod(line, &end);
        if (end == line || !isfinite(numbers[i]) || numbers[i] < 0)
            return false;
        used = (int)(end - line);
    }
    line += used;
    return line[strspn(line, " \t\r\n")] == '\0' && numbers[0] > 0 && numbers[3] > 0;
}

static gw_status damaged(const char *path, int number, struct gw_error *error)
{
    return gw_fail(error, GW_EPAYLOAD,
                   "%s:%d: not a line of measured links (\"link KEY\" and %d numbers): mend it or "
                   "remove the file, it will be measured again",
                   path, number, NUMBERS);
}

/* Find the key, and copy all other lines to `copy` (NULL: none). */
static gw_status scan(FILE *file, const char *path, const char *key, double *numbers, bool *known,
                      FILE *copy, struct gw_error *error)
{
    char line[LINE_TEXT], theirs[KEY_TEXT];
    double found[NUMBERS];
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        size_t length = strlen(line);
        if (line[length - 1] != '\n' || !parse_line(line, theirs, found))
            return damaged(path, number, error);
        bool ours = strcmp(theirs, key) == 0;
        if (ours)
            memcpy(numbers, found, sizeof found);
        *known |= ours;
        if (copy && *theirs && !ours)
            fputs(line, copy);
    }
    return ferror(file) ? gw_fail(error, GW_EIO, "%s: %s", path, strerror(errno)) : GW_OK;
}

static gw_status read_file(const char *path, const char *key, double *numbers, bool *known,
                           FILE *copy, struct gw_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT)
        return GW_OK;
    if (!file)
        return gw_fail(error, GW_EIO, "%s: %s", path, strerror(errno));
    gw_status s = scan(file, path, key, numbers, known, copy, error);
    fclose(file);
    return s;
}

static gw_status write_file(const char *path, const char *key, const double *numbers,
                            struct gw_error *error)
{
    char temporary[4096];
    double ignored[NUMBERS];
    bool known = false;
    int length = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int handle = length < (int)sizeof temporary ? mkstemp(temporary) : -1;
    FILE *file = handle >= 0 ? fdopen(handle, "w") : NULL;
    if (!file) {
        gw_status s =
            gw_fail(error, GW_EIO, "%s: cannot write beside it: %s", path, strerror(errno));
        if (handle >= 0)
            close(handle);
        return s;
    }
    fputs(TITLE, file);
    gw_status s = read_file(path, key, ignored, &known, file, error);
    fprintf(file, "link %s", key);
    for (int i = 0; i < NUMBERS; i++)
        fprintf(file, " %.6g", numbers[i]);
    fputc('\n', file);
    bool good = !ferror(file);
    good &= fclose(file) == 0;
    if (!s && (!good || rename(temporary, path) != 0))
        s = gw_fail(error, GW_EIO, "%s: %s", path, strerror(errno));
    if (s)
        unlink(temporary);
    return s;
}

/* ---- together ----------------------------------------------------------------------------------
 */

static void to_numbers(const gw_comm *comm, double *numbers)
{
    const struct gw_link *links[] = { &comm->near, &comm->far };
    for (int i = 0; i < 2; i++) {
        numbers[3 * i] = links[i]->bits_per_s;
        numbers[3 * i + 1] = links[i]->latency_s;
        numbers[3 * i + 2] = links[i]->message_s;
    }
}

static void from_numbers(gw_comm *comm, const double *numbers)
{
    struct gw_link *links[] = { &comm->near, &comm->far };
    for (int i = 0; i < 2; i++) {
        links[i]->bits_per_s = numbers[3 * i];
        links[i]->latency_s = numbers[3 * i + 1];
        links[i]->message_s = numbers[3 * i + 2];
    }
}

/* What rank 0 found or did, told to all. `all` has a verdict for each rank. */
static gw_status hear(gw_comm *comm, struct verdict *mine, struct verdict *all,
                      struct gw_error *error)
{
    struct gw_error own = *error;
    gw_status s = gw_control_allgather(comm, mine, sizeof *mine, all, error);
    if (mine->status) {
        *error = own;
        return (gw_status)mine->status;
    }
    if (!s && all[0].status)
        s = gw_fail(error, GW_EPEER, "rank 0 could not use the file that GRADWIRE_COSTS names");
    return s;
}

struct talk {
    char key[KEY_TEXT];
    char *hosts;
    struct verdict mine, *all;
};

/* Room and key; `status` of the verdict says whether there was memory. */
static gw_status open_talk(struct talk *t, gw_comm *comm, struct gw_error *error)
{
    size_t size = (size_t)comm->size;
    t->hosts = malloc(size * (HOST_TEXT + sizeof *t->all));
    if (!t->hosts) {
        (void)gw_comm_break(comm, GW_ENOMEM, "out of memory while others wait");
        return gw_fail(error, GW_ENOMEM, "not enough memory for measured links");
    }
    t->all = (struct verdict *)(void *)t->hosts;
    return make_key(comm, t->key, t->hosts + size * sizeof *t->all, error);
}

gw_status gw_links_load(gw_comm *comm, bool *known, struct gw_error *error)
{
    const char *path = gw_setting_text(GW_SET_COSTS);
    struct talk t = { .hosts = NULL };
    *known = false;
    if (!*path)
        return GW_OK;
    gw_status s = open_talk(&t, comm, error);
    if (!s && comm->rank == 0)
        t.mine.status = read_file(path, t.key, t.mine.numbers, known, NULL, error);
    t.mine.known = *known;
    if (!s)
        s = hear(comm, &t.mine, t.all, error);
    if (!s) {
        *known = t.all[0].known != 0;
        if (*known)
            from_numbers(comm, t.all[0].numbers);
    }
    free(t.hosts);
    return s;
}

gw_status gw_links_save(gw_comm *comm, struct gw_error *error)
{
    const char *path = gw_setting_text(GW_SET_COSTS);
    struct talk t = { .hosts = NULL };
    if (!*path)
        return GW_OK;
    gw_status s = open_talk(&t, comm, error);
    to_numbers(comm, t.mine.numbers);
    if (!s && comm->rank == 0)
        t.mine.status = write_file(path, t.key, t.mine.numbers, error);
    if (!s)
        s = hear(comm, &t.mine, t.all, error);
    free(t.hosts);
    return s;
}
