/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: whatever a server answers, `gradwire top` says that it is no answer, or prints lines
 * of plain text, no more of them than there is room for, and a table whose lines are of one length.
 * The input is the answer before and that of now, with a zero byte between. */
#include "tools/top.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t bytes, size_t lines)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        count += text[i] == '\n';
        if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~'))
            abort();
    }
    if (!bytes || text[bytes - 1] != '\n' || (lines && count > lines))
        abort();
}

/* Behind the head: titles and workers. */
static void check_table(const char *text, size_t workers)
{
    for (int i = 0; i < 2; i++)
        text = strchr(text, '\n') + 1;
    size_t wide = strcspn(text, "\n");
    for (size_t i = 0; i <= workers; i++) {
        if (strcspn(text, "\n") != wide)
            abort();
        text += wide + 1;
    }
    if (*text)
        abort();
}

static void print(const struct top_state *state, const struct top_state *before, size_t lines)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return;
    int failed = top_table_print(stream, "unix:somewhere", state, before, lines);
    if (fclose(stream) == 0 && !failed) {
        check_text(text, bytes, lines);
        if (!lines && state->count)
            check_table(text, state->count);
    }
    free(text);
}

static char *copy(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct top_state now = { 0 }, then = { 0 };
    char why[256] = "";
    const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
    size_t first = cut ? (size_t)(cut - data) : 0;
    char *before = copy(data, first);
    char *text = cut ? copy(cut + 1, size - first - 1) : copy(data, size);
    int has_before = top_state_read(&then, before, why, sizeof why) == 0;
    if (!has_before && !why[0])
        abort();
    if (top_state_read(&now, text, why, sizeof why) == 0) {
        print(&now, has_before ? &then : NULL, 0);
        print(&now, NULL, 5);
        print(&now, has_before ? &then : NULL, 7);
    }
    top_state_free(&now);
    top_state_free(&then);
    free(before);
    free(text);
    return 0;
}
