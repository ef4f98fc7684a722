/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Key files: read, looked up, made. The parser takes one form only, and says of everything else
 * where it stands and what is wrong, without quoting the line: keys do not belong in messages.
 * Whatever memory held a key is wiped before it is given back. */
#include "session/keys.h"

#include "base/types.h"
#include "session/key_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_SHORTEST = sizeof "worker 0 " - 1 + 2 * GW_KEY_BYTES, /* a worker's */
    WORD_LONGEST = 2 * GW_KEY_BYTES
};

struct key {
    uint32_t worker;
    uint8_t bytes[GW_KEY_BYTES];
};

struct gw_keys {
    char job[GW_KEY_JOB_MAX + 1];
    size_t count, capacity;
    /* By worker. Pointers are sorted and not keys, because qsort works in memory of its own that
     * nobody wipes. */
    const struct key **order;
    struct key key[];
};

/* One line, cut into words by single blanks. */
struct words {
    const char *word[3];
    size_t length[3];
    int count; /* may be above 3 */
};

static void cut(struct words *words, const char *line, size_t length)
{
    words->count = 0;
    for (size_t at = 0; at <= length;) {
        const char *blank = memchr(line + at, ' ', length - at);
        size_t n = blank ? (size_t)(blank - line) - at : length - at;
        if (words->count < 3) {
            words->word[words->count] = line + at;
            words->length[words->count] = n;
        }
        words->count++;
        at += n + 1;
    }
}

static bool is_word(const struct words *words, const char *word)
{
    return words->length[0] == strlen(word) && memcmp(words->word[0], word, strlen(word)) == 0;
}

/* In one form only: no sign, no zero in front. */
static bool read_worker(uint32_t *worker, const char *text, size_t length)
{
    uint64_t value = 0;
    if (length == 0 || length > 10 || (length > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *worker = (uint32_t)value;
    return value <= UINT32_MAX;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_key(uint8_t key[GW_KEY_BYTES], const char *text, size_t length)
{
    if (length != 2 * (size_t)GW_KEY_BYTES)
        return false;
    for (size_t i = 0; i < GW_KEY_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* NULL: fine. */
static const char *take_line(struct gw_keys *keys, const char *line, size_t length)
{
    struct words words = { .count = 0 };
    if (length == 0 || line[0] == '#')
        return NULL;
    cut(&words, line, length);
    if (is_word(&words, "job")) {
        if (keys->job[0])
            return "a second job";
        if (words.count != 2 || !gw_key_job_is_valid(words.word[1], words.length[1]))
            return "expected \"job NAME\", NAME of 1 to 64 letters, digits, dots, dashes and _";
        memcpy(keys->job, words.word[1], words.length[1]);
        return NULL;
    }
    if (!is_word(&words, "worker"))
        return "expected \"job\", \"worker\" or \"#\"";
    if (!keys->job[0])
        return "a worker before the job";
    if (keys->count == GW_KEYS_MAX)
        return "more than 65536 workers";
    if (words.count != 3 || keys->count == keys->capacity)
        return "expected \"worker NUMBER KEY\"";
    struct key *key = &keys->key[keys->count];
    if (!read_worker(&key->worker, words.word[1], words.length[1]))
        return "the worker is no number from 0 to 4294967295";
    if (!read_key(key->bytes, words.word[2], words.length[2]))
        return "a key is 64 hex digits";
    keys->count++;
    return NULL;
}

static int by_worker(const void *a, const void *b)
{
    uint32_t x = (*(const struct key *const *)a)->worker;
    uint32_t y = (*(const struct key *const *)b)->worker;
    return (x > y) - (x < y);
}

static int by_bytes(const void *a, const void *b)
{
    const struct key *x = *(const struct key *const *)a, *y = *(const struct key *const *)b;
    return memcmp(x->bytes, y->bytes, GW_KEY_BYTES);
}

/* A key belongs to one worker: who has it is that worker. Leaves the order by worker. */
static gw_status check_all(struct gw_keys *keys, struct gw_error *error)
{
    if (keys->count == 0)
        return gw_fail(error, GW_EPAYLOAD, "a key file without %s",
                       keys->job[0] ? "workers" : "a job");
    const struct key **order = keys->order;
    for (size_t i = 0; i < keys->count; i++)
        order[i] = &keys->key[i];
    qsort(order, keys->count, sizeof *order, by_bytes);
    for (size_t i = 1; i < keys->count; i++)
        if (by_bytes(&order[i - 1], &order[i]) == 0)
            return gw_fail(error, GW_EPAYLOAD, "workers %u and %u have the same key",
                           order[i - 1]->worker, order[i]->worker);
    qsort(order, keys->count, sizeof *order, by_worker);
    for (size_t i = 1; i < keys->count; i++)
        if (order[i - 1]->worker == order[i]->worker)
            return gw_fail(error, GW_EPAYLOAD, "worker %u has two keys", order[i]->worker);
    return GW_OK;
}

gw_status gw_keys_parse(struct gw_keys **out, const char *text, size_t length,
                        struct gw_error *error)
{
    /* As many as fit in the text, so that no key is left behind by growing. */
    size_t capacity = gw_min_size(length / LINE_SHORTEST, GW_KEYS_MAX);
    struct gw_keys *keys = calloc(1, sizeof *keys + capacity * sizeof *keys->key);
    if (keys)
        keys->order = malloc((capacity + 1) * sizeof(struct key *));
    if (!keys || !keys->order) {
        free(keys);
        return gw_fail(error, GW_ENOMEM, "no memory for %zu keys", capacity);
    }
    keys->capacity = capacity;
    gw_status status = GW_OK;
    size_t number = 1;
    for (size_t at = 0; at < length && !status; number++) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t n = end ? (size_t)(end - text) - at : length - at;
        const char *why = take_line(keys, text + at, n);
        if (why)
            status = gw_fail(error, GW_EPAYLOAD, "line %zu of the key file: %s", number, why);
        at += n + 1;
    }
    if (!status)
        status = check_all(keys, error);
    if (status)
        gw_keys_close(keys);
    else
        *out = keys;
    return status;
}

gw_status gw_keys_load(struct gw_keys **out, const char *path, struct gw_error *error)
{
    struct gw_key_text text;
    gw_status status = gw_key_text_load(&text, path, error);
    if (status)
        return status;
    struct gw_error inner = { .status = GW_OK };
    status = gw_keys_parse(out, text.bytes, text.length, &inner);
    gw_key_text_free(&text);
    return status ? gw_fail(error, status, "%s: %s", path, inner.text) : GW_OK;
}

void gw_keys_close(struct gw_keys *keys)
{
    if (!keys)
        return;
    explicit_bzero(keys->key, keys->capacity * sizeof *keys->key);
    free(keys->order);
    free(keys);
}

const char *gw_keys_job(const struct gw_keys *keys)
{
    return keys->job;
}

const uint8_t *gw_keys_find(const struct gw_keys *keys, uint32_t worker)
{
    struct key wanted = { .worker = worker };
    const struct key *sought = &wanted;
    const struct key *const *found =
        bsearch(&sought, keys->order, keys->count, sizeof *keys->order, by_worker);
    return found ? (*found)->bytes : NULL;
}

size_t gw_keys_count(const struct gw_keys *keys)
{
    return keys->count;
}

uint32_t gw_keys_worker(const struct gw_keys *keys, size_t i)
{
    return keys->order[i]->worker;
}

/* ---- making ---------------------------------------------------------------------------------- */

static size_t write_line(char *at, uint32_t worker, const uint8_t key[GW_KEY_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    int n = sprintf(at, "worker %u ", worker);
    for (size_t i = 0; i < GW_KEY_BYTES; i++) {
        at[n++] = digits[key[i] >> 4];
        at[n++] = digits[key[i] & 15];
    }
    at[n++] = '\n';
    return (size_t)n;
}

enum { LINE_LONGEST = sizeof "worker 4294967295 " + 2 * GW_KEY_BYTES + 1, HEAD_LONGEST = 192 };

static gw_status begin_text(struct gw_key_text *text, const char *job, uint32_t count,
                            struct gw_error *error)
{
    text->capacity = HEAD_LONGEST + (size_t)count * LINE_LONGEST;
    text->bytes = malloc(text->capacity);
    if (!text->bytes)
        return gw_fail(error, GW_ENOMEM, "no memory for %u keys", count);
    text->length = (size_t)snprintf(text->bytes, HEAD_LONGEST,
                                    "# gradwire keys. Keep this file secret: mode 0600.\n"
                                    "job %s\n",
                                    job);
    return GW_OK;
}

gw_status gw_keys_make(const char *path, const char *job, uint32_t first, uint32_t count,
                       struct gw_error *error)
{
    if (!gw_key_job_is_valid(job, strlen(job)))
        return gw_fail(error, GW_EINVAL,
                       "a job's name is 1 to 64 letters, digits, dots, dashes and _");
    if (count == 0 || count > GW_KEYS_MAX || count - 1 > UINT32_MAX - first)
        return gw_fail(error, GW_EINVAL,
                       "keys for %u workers from %u on: at least 1, at most %d, below 2^32", count,
                       first, (int)GW_KEYS_MAX);
    struct gw_key_text text;
    gw_status status = begin_text(&text, job, count, error);
    if (status)
        return status;
    for (uint32_t i = 0; i < count && !status; i++) {
        uint8_t key[GW_KEY_BYTES];
        status = gw_key_random(key, error);
        if (!status)
            text.length += write_line(text.bytes + text.length, first + i, key);
        explicit_bzero(key, sizeof key);
    }
    if (!status)
        status = gw_key_text_save(&text, path, error);
    gw_key_text_free(&text);
    return status;
}

gw_status gw_keys_save_one(const struct gw_keys *keys, uint32_t worker, const char *path,
                           struct gw_error *error)
{
    const uint8_t *key = gw_keys_find(keys, worker);
    if (!key)
        return gw_fail(error, GW_EINVAL, "no key for worker %u of job %s", worker, keys->job);
    struct gw_key_text text;
    gw_status status = begin_text(&text, keys->job, 1, error);
    if (status)
        return status;
    text.length += write_line(text.bytes + text.length, worker, key);
    status = gw_key_text_save(&text, path, error);
    gw_key_text_free(&text);
    return status;
}
