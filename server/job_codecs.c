/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The push codecs of a layout, each looked into once: to put a spec into its full form opens a
 * codec, which takes microseconds, and layouts of a hundred thousand tensors name a handful. A
 * sorted list, because the specs may be a peer's: no choice of them makes it slow. */
#include "server/job_inside.h"

#include "compress/codec.h"

#include <stdlib.h>
#include <string.h>

struct gw_book_entry {
    char *spec; /* as it was given; its full form stands behind it in the same memory */
    const char *push;
};

static gw_status full_form(char *out, size_t capacity, const char *spec, size_t length,
                           struct gw_error *error)
{
    char text[GW_JOB_SPEC_MAX + 1];
    /* Chains are opened link by link: the length bounds how deep that goes. */
    if (length == 0 || length > GW_JOB_SPEC_MAX)
        return gw_fail(error, GW_EINVAL, "a codec spec of %zu characters, expected 1 to %d", length,
                       GW_JOB_SPEC_MAX);
    memcpy(text, spec, length);
    text[length] = '\0';
    gw_status s = gw_codec_canonical(text, out, capacity, NULL, error);
    if (!s && strchr(out, ' '))
        s = gw_fail(error, GW_ESPEC, "the codec spec '%s' has blanks", out);
    return s;
}

static int compare(const char *known, const char *spec, size_t length)
{
    int order = strncmp(known, spec, length);
    return order ? order : known[length] != '\0';
}

/* The index of the first entry that is not before `spec`. */
static size_t find_place(const struct gw_codec_book *book, const char *spec, size_t length)
{
    size_t from = 0, to = book->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare(book->entries[middle].spec, spec, length) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static gw_status insert(struct gw_codec_book *book, size_t place, const char *spec, size_t length,
                        struct gw_error *error)
{
    char push[GW_JOB_SPEC_MAX + 1];
    if (book->count == GW_JOB_CODECS_MAX)
        return gw_fail(error, GW_EINVAL, "a layout has at most %d different codecs",
                       GW_JOB_CODECS_MAX);
    gw_status s = full_form(push, sizeof push, spec, length, error);
    if (s)
        return s;
    if (!book->entries)
        book->entries = calloc(GW_JOB_CODECS_MAX, sizeof *book->entries);
    size_t bytes = strlen(push) + 1;
    char *both = book->entries ? malloc(length + 1 + bytes) : NULL;
    if (!both)
        return gw_fail(error, GW_ENOMEM, "out of memory for a layout's codecs");
    memcpy(both, spec, length);
    both[length] = '\0';
    memcpy(both + length + 1, push, bytes);
    struct gw_book_entry *at = &book->entries[place];
    memmove(at + 1, at, (book->count - place) * sizeof *at);
    *at = (struct gw_book_entry){ both, both + length + 1 };
    book->count++;
    return GW_OK;
}

gw_status gw_codec_book_find(struct gw_codec_book *book, const char **push, const char *spec,
                             size_t length, struct gw_error *error)
{
    size_t place = find_place(book, spec, length);
    if (place == book->count || compare(book->entries[place].spec, spec, length) != 0) {
        gw_status s = insert(book, place, spec, length, error);
        if (s)
            return s;
    }
    *push = book->entries[place].push;
    return GW_OK;
}

void gw_codec_book_clear(struct gw_codec_book *book)
{
    for (size_t i = 0; i < book->count; i++)
        free(book->entries[i].spec);
    free(book->entries);
    *book = (struct gw_codec_book){ 0 };
}
