/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Output of ranks, line by line: a line goes out when it is whole, so lines of two ranks are never
 * mixed. A line that is longer than LONGEST is cut there. The writes wait for whoever reads: a
 * program behind a slow reader is as slow as it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/run.h"

enum { LONGEST = 1 << 20 };

void run_lines_open(struct run_lines *lines, struct run_sink *sink, int rank, bool plain)
{
    *lines = (struct run_lines){ .sink = sink };
    if (!plain)
        snprintf(lines->mark, sizeof lines->mark, "[%d] ", rank);
}

static int put(struct run_sink *sink, const char *bytes, size_t count)
{
    while (count > 0 && !sink->broken) {
        ssize_t written = write(sink->file, bytes, count);
        if (written < 0 && errno != EINTR)
            sink->broken = true;
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        }
    }
    return sink->broken ? -1 : 0;
}

/* `lines->text` up to `count`, which is at the end of a line unless the rank's output is over. Each
 * line becomes longer by the mark, so they go through a buffer in one write. */
static int put_marked(struct run_lines *lines, size_t count)
{
    char *out = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&out, &bytes);
    if (!stream)
        return -1;
    if (lines->sink->open)
        fputc('\n', stream);
    for (size_t at = 0; at < count;) {
        const char *end = memchr(lines->text + at, '\n', count - at);
        size_t length = end ? (size_t)(end - lines->text) + 1 - at : count - at;
        fputs(lines->mark, stream);
        fwrite(lines->text + at, 1, length, stream);
        at += length;
    }
    if (fclose(stream) != 0) {
        free(out);
        return -1;
    }
    lines->sink->open = lines->text[count - 1] == '\n' ? NULL : lines;
    int result = put(lines->sink, out, bytes);
    free(out);
    return result;
}

static int grow(struct run_lines *lines, size_t count)
{
    if (lines->used + count <= lines->capacity)
        return 0;
    size_t capacity = (lines->used + count) * 2;
    char *text = realloc(lines->text, capacity);
    if (!text)
        return -1;
    lines->text = text;
    lines->capacity = capacity;
    return 0;
}

int run_lines_add(struct run_lines *lines, const char *bytes, size_t count)
{
    if (grow(lines, count + 1))
        return -1;
    memcpy(lines->text + lines->used, bytes, count);
    lines->used += count;
    const char *last = memrchr(lines->text + lines->used - count, '\n', count);
    size_t whole = last ? (size_t)(last - lines->text) + 1 : 0;
    if (!whole && lines->used >= LONGEST) {
        lines->text[lines->used++] = '\n';
        whole = lines->used;
    }
    if (!whole)
        return 0;
    int result = put_marked(lines, whole);
    memmove(lines->text, lines->text + whole, lines->used - whole);
    lines->used -= whole;
    return result;
}

int run_lines_close(struct run_lines *lines)
{
    int result = lines->used ? put_marked(lines, lines->used) : 0;
    free(lines->text);
    lines->text = NULL;
    lines->used = lines->capacity = 0;
    return result;
}
