/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The file (doc/gate.md) has a line per measurement:
 *
 *     # gradwire tuning 1
 *     time GROUP COLLECTIVE CODEC ALGORITHM BYTES SECONDS
 *
 * GROUP is what gw_comm_group gives, CODEC a spec with every parameter written out. Lines of other
 * groups are passed over, so that files can be put together. Between two sizes the logarithm of the
 * time is a straight line over that of the size. */
#include "collectives/tuning.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "base/settings.h"

enum { GROUP_TEXT = 256, HOST_TEXT = 64, WORD = 256 };

/* A size between two measured ones is near if they are not further apart than this; one beyond all
 * of them, if it is not further away than that. */
static const double APART = 16, BEYOND = 2;

struct entry {
    uint64_t codec;
    enum gw_collective collective;
    const struct gw_algorithm_row *row;
    double bytes, seconds;
};

struct gw_tuning { /* one block, comm->tuning */
    int count;
    struct entry entries[];
};

/* ---- the group --------------------------------------------------------------------------------*/

/* "shaped:rate=1gbit,latency=50us/mpi": without what concerns one rank. */
static int transport_length(const char *spec)
{
    const char *last = strrchr(spec, '/');
    const char *inner = last ? last + 1 : spec;
    return (int)(inner - spec + (ptrdiff_t)strcspn(inner, ":"));
}

static gw_status digest_hosts(gw_comm *comm, char *hosts, uint64_t *digest, struct gw_error *error)
{
    char mine[HOST_TEXT] = "";
    (void)gethostname(mine, sizeof mine - 1);
    gw_status s = gw_control_allgather(comm, mine, sizeof mine, hosts, error);
    *digest = 0;
    for (int r = 0; r < comm->size && !s; r++) {
        hosts[(size_t)r * HOST_TEXT + HOST_TEXT - 1] = '\0';
        *digest = gw_mix64(*digest + gw_hash_text(hosts + (size_t)r * HOST_TEXT));
    }
    return s;
}

static gw_status name_group(gw_comm *comm, char *out, size_t capacity, struct gw_error *error)
{
    int nodes = 0;
    uint64_t digest;
    char *hosts = malloc((size_t)comm->size * HOST_TEXT);
    if (!hosts) {
        (void)gw_comm_break(comm, GW_ENOMEM, "out of memory while others wait");
        return gw_fail(error, GW_ENOMEM, "not enough memory for the names of %d hosts", comm->size);
    }
    gw_status s = digest_hosts(comm, hosts, &digest, error);
    free(hosts);
    for (int r = 0; r < comm->size; r++)
        nodes = comm->nodes[r] >= nodes ? comm->nodes[r] + 1 : nodes;
    int n = snprintf(out, capacity, "%.*s:%d:%d:%016llx", transport_length(comm->spec), comm->spec,
                     comm->size, nodes, (unsigned long long)digest);
    if (!s && (size_t)n >= capacity)
        s = gw_fail(error, GW_ECAPACITY, "the group's word takes %d bytes", n + 1);
    return s;
}

gw_status gw_comm_group(gw_comm *comm, char *out, size_t capacity)
{
    if (!comm || !out)
        return GW_EINVAL;
    gw_error_clear(&comm->error);
    return name_group(comm, out, capacity, &comm->error);
}

/* ---- reading ----------------------------------------------------------------------------------*/

static bool find_collective(enum gw_collective *out, const char *word)
{
    static const struct {
        const char *name;
        enum gw_collective collective;
    } names[] = { { "allreduce", GW_ALLREDUCE },
                  { "reduce_scatter", GW_REDUCE_SCATTER },
                  { "allgather", GW_ALLGATHER },
                  { "broadcast", GW_BROADCAST } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, word) != 0)
            continue;
        *out = names[i].collective;
        return true;
    }
    return false;
}

static bool read_positive(double *number, const char *word)
{
    char *end;
    *number = strtod(word, &end);
    return end != word && *end == '\0' && *number > 0 && isfinite(*number);
}

/* 1: an entry of this group, 0: nothing of interest, -1: not a line of such a file. */
static int parse(struct entry *out, const char *line, const char *group)
{
    char theirs[WORD], collective[WORD], codec[WORD], algorithm[WORD];
    char bytes[WORD], seconds[WORD], after;
    if (line[strspn(line, " \t\r")] == '\0' || *line == '#')
        return 0;
    int n = sscanf(line, "time %255s %255s %255s %255s %255s %255s %c", theirs, collective, codec,
                   algorithm, bytes, seconds, &after);
    if (n != 6 || !find_collective(&out->collective, collective) ||
        !read_positive(&out->bytes, bytes) || !read_positive(&out->seconds, seconds))
        return -1;
    out->codec = gw_hash_text(codec);
    out->row = NULL;
    for (int i = 0; gw_algorithm_rows[i]; i++)
        if (strcmp(gw_algorithm_rows[i]->info.name, algorithm) == 0)
            out->row = gw_algorithm_rows[i];
    if (!out->row)
        return -1;
    return strcmp(theirs, group) == 0;
}

static gw_status parse_all(gw_comm *comm, const char *text, const char *group,
                           struct gw_error *error)
{
    size_t lines = 1;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    struct gw_tuning *tuning = malloc(sizeof *tuning + lines * sizeof *tuning->entries);
    if (!tuning)
        return gw_fail(error, GW_ENOMEM, "not enough memory for a tuning file");
    tuning->count = 0;
    for (int number = 1; *text; number++) {
        char line[5 * WORD];
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)gw_min_size(length, sizeof line - 1), text);
        int kind = parse(&tuning->entries[tuning->count], line, group);
        if (kind < 0) {
            free(tuning);
            return gw_fail(error, GW_ESPEC,
                           "%.200s:%d: expected \"time GROUP COLLECTIVE CODEC ALGORITHM BYTES "
                           "SECONDS\", found \"%.100s\"",
                           gw_setting_text(GW_SET_TUNING), number, line);
        }
        tuning->count += kind;
        text += length + (text[length] == '\n');
    }
    comm->tuning = tuning;
    return GW_OK;
}

static gw_status read_file(char **out, const char *path, struct gw_error *error)
{
    FILE *stream = fopen(path, "re");
    char *text = NULL;
    long bytes = -1;
    if (stream && fseek(stream, 0, SEEK_END) == 0)
        bytes = ftell(stream);
    if (bytes >= 0)
        text = malloc((size_t)bytes + 1);
    gw_status s = GW_OK;
    if (bytes < 0)
        s = gw_fail(error, GW_EIO, "%.300s: %s", path, strerror(errno));
    else if (!text)
        s = gw_fail(error, GW_ENOMEM, "not enough memory for %.300s", path);
    if (!s) {
        rewind(stream);
        text[fread(text, 1, (size_t)bytes, stream)] = '\0';
    }
    if (stream)
        fclose(stream);
    *out = text;
    return s;
}

/* Rank 0's words for everyone: '!' and an error, or the file's text, or nothing. */
static gw_status hear(gw_comm *comm, char **heard, struct gw_error *error)
{
    char *text = NULL, failure[GW_ERROR_TEXT + 8];
    const char *path = gw_setting_text(GW_SET_TUNING);
    gw_status local = comm->rank == 0 && *path ? read_file(&text, path, error) : GW_OK;
    snprintf(failure, sizeof failure, "!%s", local ? error->text : "");
    gw_status s = gw_control_broadcast_text(comm, local ? failure : text ? text : "", heard, error);
    free(text);
    if (!s && **heard == '!')
        s = gw_fail(error, local ? local : GW_EIO, "%s", *heard + 1);
    return s;
}

gw_status gw_tuning_read(gw_comm *comm, gw_status local, struct gw_error *error)
{
    if (comm->tuning_read || comm->broken.status)
        return local;
    char *heard = NULL, group[GROUP_TEXT];
    struct gw_error own = *error;
    gw_status s = hear(comm, &heard, error);
    /* What all ranks failed in they look for again, and say again. */
    comm->tuning_read = !heard || *heard != '!';
    if (!s && *heard)
        s = name_group(comm, group, sizeof group, error);
    if (!s && *heard)
        s = parse_all(comm, heard, group, error);
    comm->tuning_read &= s != GW_ESPEC;
    free(heard);
    if (local)
        *error = own;
    return local ? local : s;
}

/* ---- looking up -------------------------------------------------------------------------------*/

bool gw_tuning_find(double *seconds, const struct gw_tuned *about,
                    const struct gw_algorithm_row *row)
{
    const struct entry *below = NULL, *above = NULL;
    for (int i = 0; about->tuning && i < about->tuning->count; i++) {
        const struct entry *e = &about->tuning->entries[i];
        if (e->row != row || e->codec != about->codec || e->collective != about->collective)
            continue;
        if (e->bytes <= about->bytes && (!below || e->bytes > below->bytes))
            below = e;
        if (e->bytes >= about->bytes && (!above || e->bytes < above->bytes))
            above = e;
    }
    if (below && above && above->bytes <= APART * below->bytes) {
        double span = log(above->bytes / below->bytes);
        double at = span > 0 ? log(about->bytes / below->bytes) / span : 0;
        *seconds = below->seconds * pow(above->seconds / below->seconds, at);
        return true;
    }
    const struct entry *end = below ? below : above;
    if (!end || (below && above) || about->bytes > BEYOND * end->bytes ||
        end->bytes > BEYOND * about->bytes)
        return false;
    *seconds = end->seconds;
    return true;
}
