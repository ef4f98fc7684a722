/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Chains of codecs: from a spec string ("momentum:beta=0.9+ef+qsgd:bits=4": wrappers, then the
 * core) to instances and back. What a chain does in a run is in run.c. */
#include "compress/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CANONICAL_TEXT = 1024, ROWS_MAX = 64, GW_LINE = 64 };

/* ---- names ----------------------------------------------------------------------------------- */

static int is_wrapper(const struct gw_codec_row *row)
{
    return (row->info.traits & GW_WRAPPER) != 0;
}

/* The names of all rows, or of the wrappers only. */
static void list_names(char *out, size_t capacity, int wrappers_only)
{
    size_t used = 0;
    out[0] = '\0';
    for (const struct gw_codec_row *const *row = gw_codec_rows; *row; row++) {
        if (wrappers_only && !is_wrapper(*row))
            continue;
        int n = snprintf(out + used, capacity - used, "%s%s", used ? ", " : "", (*row)->info.name);
        used = gw_min_size(used + (size_t)n, capacity - 1);
    }
}

static gw_status unknown_codec(const char *name, size_t length, struct gw_error *error)
{
    const char *names[ROWS_MAX];
    size_t count = 0;
    for (; gw_codec_rows[count] && count < ROWS_MAX; count++)
        names[count] = gw_codec_rows[count]->info.name;
    char list[GW_SPEC_TEXT];
    list_names(list, sizeof list, 0);
    if (length == 0)
        return gw_fail(error, GW_ESPEC, "a codec's name is missing in the spec; valid: %s", list);
    const char *near = gw_nearest(name, length, names, count);
    return gw_fail(error, GW_ESPEC, "there is no codec '%.*s'%s%s%s; valid: %s",
                   (int)gw_min_size(length, 64), name, near ? " (did you mean '" : "",
                   near ? near : "", near ? "'?)" : "", list);
}

/* ---- one link -------------------------------------------------------------------------------- */

static gw_status find_row(const struct gw_codec_row **row, const char *name, size_t length,
                          int last, struct gw_error *error)
{
    *row = gw_codec_find(name, length);
    if (!*row)
        return unknown_codec(name, length, error);
    if (last && is_wrapper(*row))
        return gw_fail(error, GW_ESPEC, "%s stands in front of a codec and none follows: '%s+sign'",
                       (*row)->info.name, (*row)->info.name);
    if (!last && !is_wrapper(*row)) {
        char list[GW_SPEC_TEXT];
        list_names(list, sizeof list, 1);
        return gw_fail(error, GW_ESPEC, "%s cannot stand before '+'; these can: %s",
                       (*row)->info.name, list);
    }
    return GW_OK;
}

static gw_status out_of_memory(const struct gw_codec *c, struct gw_error *error)
{
    return gw_fail(error, GW_ENOMEM, "out of memory for codec %s of tensor '%s' (%zu elements)",
                   c->row->info.name, c->site.tensor, c->site.count);
}

static gw_status check_site(const struct gw_codec *c, struct gw_error *error)
{
    int f32_sum =
        c->site.type == GW_F32 && (c->site.operation == GW_SUM || c->site.operation == GW_MEAN);
    if (f32_sum || c->row->info.traits & GW_ANY_TYPE)
        return GW_OK;
    return gw_fail(error, GW_ENOTSUP,
                   "codec %s takes f32 and sum or mean only; use raw for tensor '%s'",
                   c->row->info.name, c->site.tensor);
}

static gw_status once_only(const struct gw_codec *c, struct gw_error *error)
{
    for (const struct gw_codec *l = c->inner; l; l = l->inner)
        if (l->row == c->row)
            return gw_fail(error, GW_ESPEC, "wrapper %s is given twice", c->row->info.name);
    return GW_OK;
}

/* Zeros at the start of a cache line, where they can be written past the cache, and on large pages:
 * every run goes through all of them, and small pages cost a quarter of its time. */
static gw_f32 *open_state(void **memory, size_t floats)
{
    enum { LARGE = 2 << 20 };
    size_t bytes = floats * sizeof(float) + GW_LINE;
    *memory = calloc(1, bytes);
    uintptr_t start = gw_round_up((uintptr_t)*memory, LARGE);
    uintptr_t end = ((uintptr_t)*memory + bytes) / LARGE * LARGE;
    if (*memory && start < end)
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE); /* if not, it works as well */
    return *memory ? (gw_f32 *)gw_round_up((uintptr_t)*memory, GW_LINE) : NULL;
}

/* Memory and the row's own open, once the links further in stand. */
static gw_status set_up(struct gw_codec *c, struct gw_error *error)
{
    gw_status s = gw_kernels_choose(&c->kernels, error);
    if (!s)
        s = check_site(c, error);
    if (!s)
        s = once_only(c, error);
    if (s)
        return s;
    if (c->row->own_bytes) {
        c->own = calloc(1, c->row->own_bytes);
        if (!c->own)
            return out_of_memory(c, error);
    }
    c->reads_unit = c->row->prepare != NULL;
    s = c->row->open ? c->row->open(c, error) : GW_OK;
    size_t floats = !s && c->row->state_count ? c->row->state_count(c) : 0;
    if (s || floats == 0)
        return s;
    c->state = open_state(&c->memory[0], floats);
    c->next = open_state(&c->memory[1], floats);
    return c->state && c->next ? GW_OK : out_of_memory(c, error);
}

static gw_status open_links(gw_codec **out, const char *spec, size_t length,
                            const struct gw_codec_site *site, struct gw_error *error)
{
    const char *plus = memchr(spec, '+', length);
    size_t link = plus ? (size_t)(plus - spec) : length;
    const char *colon = memchr(spec, ':', link);
    size_t name = colon ? (size_t)(colon - spec) : link;
    const struct gw_codec_row *row;
    gw_status s = find_row(&row, spec, name, !plus, error);
    if (s)
        return s;
    struct gw_codec *c = calloc(1, sizeof *c);
    if (!c)
        return gw_fail(error, GW_ENOMEM, "out of memory for codec %s", row->info.name);
    c->row = row;
    c->core = c;
    c->site = *site;
    s = gw_spec_parse(&c->values, row->info.name, row->info.params, colon ? colon + 1 : "",
                      colon ? link - name - 1 : 0, error);
    if (!s && plus)
        s = open_links(&c->inner, plus + 1, length - link - 1, site, error);
    if (!s && c->inner)
        c->core = c->inner->core;
    if (!s)
        s = set_up(c, error);
    if (s) {
        gw_codec_close(c);
        return s;
    }
    *out = c;
    return GW_OK;
}

/* ---- the chain ------------------------------------------------------------------------------- */

static gw_status write_spec(struct gw_codec *c, struct gw_error *error)
{
    char text[CANONICAL_TEXT];
    size_t used = 0;
    for (const struct gw_codec *l = c; l; l = l->inner) {
        if (used > 0)
            text[used++] = '+';
        int n = gw_spec_format(text + used, sizeof text - used, l->row->info.name,
                               l->row->info.params, &l->values);
        used += (size_t)n;
        if (used + 1 >= sizeof text)
            return gw_fail(error, GW_ESPEC, "the codec spec is longer than %d characters",
                           CANONICAL_TEXT);
    }
    c->spec = strdup(text);
    return c->spec ? GW_OK : out_of_memory(c, error);
}

gw_status gw_codec_open_site(gw_codec **out, const char *spec, const struct gw_codec_site *site,
                             struct gw_error *error)
{
    struct gw_codec *c = NULL;
    gw_status s = open_links(&c, spec, strlen(spec), site, error);
    if (s)
        return s;
    s = write_spec(c, error);
    if (s) {
        gw_codec_close(c);
        return s;
    }
    *out = c;
    return GW_OK;
}

gw_status gw_codec_canonical(const char *spec, char *out, size_t capacity,
                             const struct gw_codec_row **core, struct gw_error *error)
{
    const struct gw_codec_site site = { .tensor = "", .ranks = 1 };
    struct gw_codec *c = NULL;
    gw_status s = gw_codec_open_site(&c, spec, &site, error);
    if (s)
        return s;
    if (out && strlen(c->spec) >= capacity)
        s = gw_fail(error, GW_ECAPACITY, "the spec '%s' needs %zu bytes, there are %zu", c->spec,
                    strlen(c->spec) + 1, capacity);
    if (!s && out)
        memcpy(out, c->spec, strlen(c->spec) + 1);
    if (!s && core)
        *core = c->core->row;
    gw_codec_close(c);
    return s;
}

void gw_codec_close(gw_codec *c)
{
    while (c) {
        struct gw_codec *inner = c->inner;
        if (c->row->close && (c->own || c->row->own_bytes == 0))
            c->row->close(c);
        free(c->own);
        free(c->memory[0]);
        free(c->memory[1]);
        free(c->clean);
        free(c->spec);
        free(c->tensor);
        free(c);
        c = inner;
    }
}
