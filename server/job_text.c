/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A job as text and back. The reader takes any bytes: it looks at each once, and what it keeps is
 * no more than a few times the text. Lines that all sides know come first, tensors last. */
#include "server/job_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- write ----------------------------------------------------------------------------------- */

/* Both passes of a text: without a buffer it only counts. */
struct writer {
    char *out;
    size_t used;
};

static void put(struct writer *w, const char *piece)
{
    size_t length = strlen(piece);
    if (w->out)
        memcpy(w->out + w->used, piece, length);
    w->used += length;
}

static void put_number(struct writer *w, uint64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRIu64, number);
    put(w, digits);
}

static void put_line(struct writer *w, const char *key, const char *value)
{
    put(w, key);
    put(w, ": ");
    put(w, value);
    put(w, "\n");
}

static void put_number_line(struct writer *w, const char *key, uint64_t number)
{
    put(w, key);
    put(w, ": ");
    put_number(w, number);
    put(w, "\n");
}

static void put_job(struct writer *w, const struct gw_job *job)
{
    put_line(w, "job", job->name);
    put_number_line(w, "servers", (uint64_t)job->servers);
    put_number_line(w, "server", (uint64_t)job->server);
    put_number_line(w, "part", job->part_count);
    for (int i = 0; i < GW_TERMS; i++)
        if (job->term[i])
            put_line(w, gw_term_name((enum gw_term)i), job->term[i]);
    for (size_t i = 0; i < job->tensors; i++) {
        put(w, "tensor: ");
        put_number(w, job->tensor[i].count);
        put(w, " ");
        put(w, job->tensor[i].push);
        put(w, " ");
        put(w, job->tensor[i].name);
        put(w, "\n");
    }
}

char *gw_job_write(const struct gw_job *job)
{
    struct writer counted = { NULL, 0 };
    put_job(&counted, job);
    struct writer w = { malloc(counted.used + 1), 0 };
    if (!w.out)
        return NULL;
    put_job(&w, job);
    w.out[w.used] = '\0';
    return w.out;
}

/* ---- read ------------------------------------------------------------------------------------ */

enum { SEEN_SERVERS, SEEN_SERVER, SEEN_PART, SEEN_TERMS };

struct reader {
    struct gw_job *job;
    struct gw_layout layout;
    struct gw_codec_book codecs;
    size_t line, first_tensor; /* counted from 1 */
    unsigned seen;             /* bits by SEEN_..., then the terms */
};

static gw_status once(struct reader *r, int bit, const char *key, struct gw_error *error)
{
    if (r->seen & 1u << bit)
        return gw_fail(error, GW_EINVAL, "'%s' stands here for the second time", key);
    r->seen |= 1u << bit;
    return GW_OK;
}

static gw_status read_number(struct reader *r, int bit, const char *value, size_t length,
                             struct gw_error *error)
{
    static const struct {
        const char *key;
        uint64_t min, max;
    } numbers[SEEN_TERMS] = {
        [SEEN_SERVERS] = { "servers", 1, GW_SERVERS_MAX },
        [SEEN_SERVER] = { "server", 0, GW_SERVERS_MAX - 1 },
        [SEEN_PART] = { "part", GW_PART_MIN, GW_PART_MAX },
    };
    const char *key = numbers[bit].key;
    uint64_t number;
    gw_status s = once(r, bit, key, error);
    if (s)
        return s;
    if (!gw_job_number(&number, value, length, numbers[bit].min, numbers[bit].max))
        return gw_fail(error, GW_EINVAL,
                       "%s: '%.*s' is not a whole number from %" PRIu64 " to %" PRIu64, key,
                       (int)(length < 64 ? length : 64), value, numbers[bit].min, numbers[bit].max);
    if (bit == SEEN_SERVERS)
        r->job->servers = (int)number;
    else if (bit == SEEN_SERVER)
        r->job->server = (int)number;
    else
        r->job->part_count = (size_t)number;
    return GW_OK;
}

static gw_status read_term(struct reader *r, enum gw_term term, const char *value, size_t length,
                           struct gw_error *error)
{
    char text[GW_JOB_SPEC_MAX + 1];
    gw_status s = once(r, SEEN_TERMS + (int)term, gw_term_name(term), error);
    if (s)
        return s;
    if (length == 0 || length > GW_JOB_SPEC_MAX)
        return gw_fail(error, GW_EINVAL, "%s: %zu characters, expected 1 to %d", gw_term_name(term),
                       length, GW_JOB_SPEC_MAX);
    memcpy(text, value, length);
    text[length] = '\0';
    return gw_job_set(r->job, term, text, error);
}

/* COUNT SPEC NAME, the name with whatever blanks it has. */
static gw_status read_tensor(struct reader *r, const char *value, size_t length,
                             struct gw_error *error)
{
    const char *end = value + length;
    const char *spec = memchr(value, ' ', length);
    const char *name = spec ? memchr(spec + 1, ' ', (size_t)(end - spec - 1)) : NULL;
    if (!name)
        return gw_fail(error, GW_EINVAL, "'tensor: COUNT CODEC NAME' is expected");
    size_t digits = (size_t)(spec - value);
    uint64_t count;
    if (!gw_job_number(&count, value, digits, 1, GW_TENSOR_COUNT_MAX))
        return gw_fail(error, GW_EINVAL, "a tensor of '%.*s' elements, expected 1 to 2^40",
                       (int)(digits < 64 ? digits : 64), value);
    const char *push;
    gw_status s = gw_codec_book_find(&r->codecs, &push, spec + 1, (size_t)(name - spec - 1), error);
    if (s)
        return s;
    if (r->first_tensor == 0)
        r->first_tensor = r->line;
    return gw_layout_add(&r->layout, name + 1, (size_t)(end - name - 1), count, push, error);
}

static gw_status read_name(struct reader *r, const char *value, size_t length,
                           struct gw_error *error)
{
    char name[GW_JOB_NAME_MAX + 2];
    size_t kept = length <= GW_JOB_NAME_MAX ? length : GW_JOB_NAME_MAX + 1; /* is too long, too */
    memcpy(name, value, kept);
    name[kept] = '\0';
    return gw_job_open(&r->job, name, error);
}

static bool is_key(const char *key, const char *text, size_t length)
{
    return strlen(key) == length && memcmp(key, text, length) == 0;
}

static gw_status read_line(struct reader *r, const char *line, size_t length,
                           struct gw_error *error)
{
    for (size_t i = 0; i < length; i++)
        if (line[i] < ' ' || line[i] > '~')
            return gw_fail(error, GW_EINVAL, "character %zu is not printable ASCII", i + 1);
    const char *colon = memchr(line, ':', length);
    size_t key = colon ? (size_t)(colon - line) : length;
    if (!colon || key + 1 >= length || colon[1] != ' ')
        return gw_fail(error, GW_EINVAL, "'KEY: VALUE' is expected, got '%.*s'",
                       (int)(length < 64 ? length : 64), line);
    const char *value = colon + 2;
    size_t rest = length - key - 2;
    if (is_key("job", line, key) != !r->job)
        return gw_fail(error, GW_EINVAL, "the first line, and no other, is 'job: NAME'");
    if (!r->job)
        return read_name(r, value, rest, error);
    if (is_key("tensor", line, key))
        return read_tensor(r, value, rest, error);
    if (r->first_tensor)
        return gw_fail(error, GW_EINVAL, "tensors are the last lines; this is not one");
    static const char *const numbers[SEEN_TERMS] = { "servers", "server", "part" };
    for (int i = 0; i < SEEN_TERMS; i++)
        if (is_key(numbers[i], line, key))
            return read_number(r, i, value, rest, error);
    for (int i = 0; i < GW_TERMS; i++)
        if (is_key(gw_term_name((enum gw_term)i), line, key))
            return read_term(r, (enum gw_term)i, value, rest, error);
    return gw_fail(error, GW_EINVAL, "a job has no line '%.*s'", (int)(key < 64 ? key : 64), line);
}

/* What no single line can tell. */
static gw_status read_end(struct reader *r, struct gw_error *error)
{
    const unsigned needed = (1u << SEEN_TERMS) - 1;
    if (!r->job || (r->seen & needed) != needed)
        return gw_fail(error, GW_EINVAL,
                       "the text ends, and job, servers, server and part are not all there");
    if (r->job->server >= r->job->servers)
        return gw_fail(error, GW_EINVAL, "server %d of %d servers, which count from 0",
                       r->job->server, r->job->servers);
    size_t first, again;
    gw_status s = gw_layout_find_twice(&r->layout, &first, &again, error);
    if (s || again == r->layout.count)
        return s;
    r->line = r->first_tensor + again;
    return gw_fail(error, GW_EINVAL, "the tensor '%s' stands in line %zu already",
                   r->layout.tensor[again].name, r->first_tensor + first);
}

static gw_status read_lines(struct reader *r, const char *text, size_t length,
                            struct gw_error *error)
{
    while (length > 0) {
        r->line++;
        const char *end = memchr(text, '\n', length);
        if (!end)
            return gw_fail(error, GW_EINVAL, "the line does not end");
        size_t line = (size_t)(end - text);
        gw_status s = read_line(r, text, line, error);
        if (s)
            return s;
        text = end + 1;
        length -= line + 1;
    }
    return read_end(r, error);
}

gw_status gw_job_read(struct gw_job **out, const char *text, size_t length, struct gw_error *error)
{
    if (length > GW_JOB_TEXT_MAX)
        return gw_fail(error, GW_EPAYLOAD, "a job's text of %zu bytes; the most are %d", length,
                       GW_JOB_TEXT_MAX);
    struct reader r = { .line = 0 };
    struct gw_error why = { GW_OK, "" };
    gw_status s = read_lines(&r, text, length, &why);
    gw_codec_book_clear(&r.codecs);
    if (!s) {
        gw_layout_give(&r.layout, r.job);
        *out = r.job;
        return GW_OK;
    }
    gw_layout_clear(&r.layout);
    gw_job_close(r.job);
    return gw_fail(error, s == GW_EINVAL ? GW_EPAYLOAD : s, "line %zu of the job: %s", r.line,
                   why.text);
}
