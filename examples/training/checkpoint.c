/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * A checkpoint is a header (magic, step, length of each part), the parts, and a digest of all of
 * it. It is written beside, brought to the disk, then renamed into place. Numbers are in the
 * machine's own order: a checkpoint is for the machine that wrote it.
 */
#include "checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "report.h"

#define PATH_CAPACITY 4096

typedef struct tr_header {
    char magic[8];
    uint64_t step;
    uint64_t counts[CHECKPOINT_PARTS];
} tr_header;

static const char magic[8] = "gwtrain1";

static int write_parts(FILE *file, const tr_header *header, const checkpoint_part *parts)
{
    uint64_t digest = digest_bytes(DIGEST_START, header, sizeof *header);
    int good = fwrite(header, sizeof *header, 1, file) == 1;
    for (int i = 0; i < CHECKPOINT_PARTS && good; i++) {
        digest = digest_bytes(digest, parts[i].bytes, parts[i].count);
        if (parts[i].count > 0)
            good = fwrite(parts[i].bytes, 1, parts[i].count, file) == parts[i].count;
    }
    good = good && fwrite(&digest, sizeof digest, 1, file) == 1;
    return good && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

int checkpoint_write(const char *path, int rank, uint64_t step, const checkpoint_part *parts)
{
    char name[PATH_CAPACITY], previous[PATH_CAPACITY], fresh[PATH_CAPACITY];
    snprintf(name, sizeof name, "%s.%d", path, rank);
    snprintf(previous, sizeof previous, "%s.%d.previous", path, rank);
    snprintf(fresh, sizeof fresh, "%s.%d.new", path, rank);
    tr_header header = { .step = step };
    memcpy(header.magic, magic, sizeof magic);
    for (int i = 0; i < CHECKPOINT_PARTS; i++)
        header.counts[i] = parts[i].count;
    FILE *file = fopen(fresh, "wb");
    int good = file && write_parts(file, &header, parts);
    if (file)
        good = fclose(file) == 0 && good;
    if (good && rename(name, previous) != 0)
        good = errno == ENOENT;
    good = good && rename(fresh, name) == 0;
    return good ? EXIT_GOOD : report_error(EXIT_USAGE, "%s: %s", fresh, strerror(errno));
}

/* The bytes of a file, NULL with errno set. */
static void *read_all(const char *name, size_t *bytes)
{
    FILE *file = fopen(name, "rb");
    if (!file)
        return NULL;
    uint8_t *memory = NULL;
    long end = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (end >= 0 && (memory = malloc((size_t)end + 1))) {
        rewind(file);
        *bytes = fread(memory, 1, (size_t)end, file);
    }
    fclose(file);
    return memory;
}

/* Find the parts in a file's bytes; 0 if they are not what checkpoint_write wrote. */
static int find_parts(checkpoint_file *out, const uint8_t *bytes, size_t count)
{
    tr_header header;
    uint64_t digest;
    if (count < sizeof header + sizeof digest)
        return 0;
    memcpy(&header, bytes, sizeof header);
    size_t end = count - sizeof digest, at = sizeof header;
    memcpy(&digest, bytes + end, sizeof digest);
    if (memcmp(header.magic, magic, sizeof magic) != 0 ||
        digest_bytes(DIGEST_START, bytes, end) != digest)
        return 0;
    for (int i = 0; i < CHECKPOINT_PARTS; i++) {
        if (header.counts[i] > end - at)
            return 0;
        out->parts[i] = (checkpoint_part){ bytes + at, header.counts[i] };
        at += header.counts[i];
    }
    out->step = header.step;
    return at == end;
}

int checkpoint_read(checkpoint_file *out, const char *path, int rank, int previous)
{
    char name[PATH_CAPACITY];
    size_t bytes = 0;
    snprintf(name, sizeof name, "%s.%d%s", path, rank, previous ? ".previous" : "");
    *out = (checkpoint_file){ 0 };
    out->memory = read_all(name, &bytes);
    if (!out->memory && errno == ENOENT)
        return EXIT_GOOD;
    if (!out->memory)
        return report_error(EXIT_USAGE, "%s: %s", name, strerror(errno));
    if (find_parts(out, out->memory, bytes))
        return EXIT_GOOD;
    checkpoint_free(out);
    return report_error(EXIT_USAGE, "%s is damaged or not a checkpoint", name);
}

void checkpoint_free(checkpoint_file *file)
{
    free(file->memory);
    *file = (checkpoint_file){ 0 };
}
