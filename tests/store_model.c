/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* A server as far as its store can tell. */
#include "tests/store_model.h"

#include "base/types.h"
#include "tests/next_random.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 8, STAMP_BYTES = 4 };

__attribute__((format(printf, 2, 3))) static void note(struct store_model *m, const char *format,
                                                       ...)
{
    va_list args;
    if (m->wrong[0])
        return;
    va_start(args, format);
    vsnprintf(m->wrong, sizeof m->wrong, format, args);
    va_end(args);
}

/* Words name a path and what was tried. */
static gw_status heed(struct store_model *m, gw_status s)
{
    if (!s)
        return s;
    m->failures++;
    if (s == GW_EIO && (!strstr(m->error.text, " /") || !strstr(m->error.text, "cannot ")))
        note(m, "words without file or operation: %s", m->error.text);
    return s;
}

/* ---- records and images ---------------------------------------------------------------------- */

/* Most are short, some span sectors and pages. */
static size_t make_body(uint64_t number, uint32_t stamp, uint8_t *body, uint32_t *type)
{
    uint64_t hash = gw_mix64(number * 1000003 + stamp + 1);
    size_t bytes = NUMBER_BYTES + STAMP_BYTES + (size_t)(hash % 61);
    if (hash >> 60 == 0)
        bytes += (size_t)(hash >> 20) % (MODEL_BODY_MAX - 100);
    gw_put_u64(body, number);
    gw_put_u32(body + NUMBER_BYTES, stamp);
    for (size_t i = NUMBER_BYTES + STAMP_BYTES; i < bytes; i++)
        body[i] = (uint8_t)(hash >> i % 56);
    *type = (uint32_t)(hash >> 8);
    return bytes;
}

static uint8_t *make_image(const struct store_model *m, uint64_t count, size_t *bytes)
{
    *bytes = NUMBER_BYTES + count * STAMP_BYTES;
    uint8_t *image = malloc(*bytes);
    if (!image)
        abort();
    gw_put_u64(image, count);
    for (uint64_t i = 0; i < count; i++)
        gw_put_u32(image + NUMBER_BYTES + i * STAMP_BYTES, m->stamps[i]);
    return image;
}

/* ---- what comes back ------------------------------------------------------------------------- */

static gw_status take_snapshot(void *user, const uint8_t *image, size_t bytes,
                               struct gw_error *error)
{
    struct store_model *m = user;
    uint64_t count = bytes >= NUMBER_BYTES ? gw_get_u64(image) : UINT64_MAX;
    if (count > MODEL_RECORDS || bytes != NUMBER_BYTES + count * STAMP_BYTES || m->applied != 0) {
        note(m, "a snapshot of %zu bytes came back, after %llu records", bytes,
             (unsigned long long)m->applied);
        return gw_fail(error, GW_EPAYLOAD, "not ours");
    }
    for (uint64_t i = 0; i < count; i++)
        if (gw_get_u32(image + NUMBER_BYTES + i * STAMP_BYTES) != m->stamps[i])
            note(m, "the snapshot holds record %llu with another stamp", (unsigned long long)i);
    m->applied = count;
    return GW_OK;
}

static gw_status take_record(void *user, uint32_t type, const uint8_t *body, size_t bytes,
                             struct gw_error *error)
{
    struct store_model *m = user;
    uint8_t expected[MODEL_BODY_MAX];
    uint32_t expected_type;
    (void)error;
    if (m->applied >= MODEL_RECORDS)
        abort();
    size_t length = make_body(m->applied, m->stamps[m->applied], expected, &expected_type);
    if (bytes != length || type != expected_type || memcmp(body, expected, length) != 0)
        note(m, "expected record %llu (%zu bytes, type %u), got number %llu (%zu bytes, type %u)",
             (unsigned long long)m->applied, length, expected_type,
             bytes >= NUMBER_BYTES ? (unsigned long long)gw_get_u64(body) : 0, bytes, type);
    m->applied++;
    return GW_OK;
}

gw_status store_model_open(struct store_model *m)
{
    struct gw_recovery recovery = { m, take_snapshot, take_record };
    uint64_t appended = m->applied;
    struct gw_store *store = NULL;
    m->applied = 0;
    gw_status s =
        gw_store_open(&store, m->folder, m->logs, m->files, &recovery, m->said, &m->error);
    if (s) {
        if (store)
            note(m, "an open that failed left a store");
        m->applied = appended;
        return heed(m, s);
    }
    if (m->applied < m->durable || m->applied > appended)
        note(m, "%llu records came back, of %llu appended and %llu acknowledged",
             (unsigned long long)m->applied, (unsigned long long)appended,
             (unsigned long long)m->durable);
    m->store = store;
    m->turned = 0;
    m->life++;
    if (!m->doubts) {
        m->durable = m->applied;
        return GW_OK;
    }
    store_model_turn(m);
    (void)!store_model_snapshot(m); /* fails where the fault strikes here, so there was none */
    return GW_OK;
}

/* ---- what it does ---------------------------------------------------------------------------- */

void store_model_close(struct store_model *m)
{
    gw_store_close(m->store);
    m->store = NULL;
}

gw_status store_model_append(struct store_model *m)
{
    uint8_t body[MODEL_BODY_MAX];
    uint32_t type;
    if (m->applied >= MODEL_RECORDS)
        abort();
    m->stamps[m->applied] = m->life;
    size_t bytes = make_body(m->applied, m->life, body, &type), cut = bytes / 3;
    struct iovec pieces[] = { { body, cut }, { NULL, 0 }, { body + cut, bytes - cut } };
    gw_status s = m->logs ? gw_store_append(m->store, type, pieces, 3, &m->error) : GW_OK;
    if (!s)
        m->applied++;
    return s;
}

gw_status store_model_flush(struct store_model *m)
{
    bool sick = gw_store_is_sick(m->store);
    gw_status s = gw_store_flush(m->store, &m->error);
    if (sick && !s)
        note(m, "a sick store flushed");
    if (s && !gw_store_is_sick(m->store))
        note(m, "a flush failed and the store is well");
    if (!s && gw_store_pending(m->store) != 0)
        note(m, "flushed, and %zu bytes are pending", gw_store_pending(m->store));
    if (!s && m->logs)
        m->durable = m->applied;
    return heed(m, s);
}

void store_model_turn(struct store_model *m)
{
    m->turned = m->applied;
    gw_store_turn(m->store);
}

gw_status store_model_snapshot(struct store_model *m)
{
    size_t bytes;
    uint8_t *image = make_image(m, m->turned, &bytes);
    gw_status s = gw_store_snapshot(m->store, image, bytes, &m->error);
    free(image);
    if (!s && gw_store_is_sick(m->store))
        note(m, "a new generation stands and the store is sick");
    if (!s)
        m->durable = gw_max_size(m->durable, m->turned);
    return heed(m, s);
}

/* ---- play ------------------------------------------------------------------------------------ */

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    return next_random(seed) % below;
}

static void append_some(struct store_model *m, uint64_t count)
{
    for (uint64_t i = 0; i < count && m->applied < MODEL_RECORDS; i++)
        if (store_model_append(m))
            note(m, "an append failed: %s", m->error.text);
}

/* Records come and are flushed while a snapshot is being written, before or behind it. */
static void new_generation(struct store_model *m, uint64_t *seed)
{
    store_model_turn(m);
    append_some(m, draw(seed, 4));
    if (draw(seed, 2))
        (void)!store_model_flush(m);
    if (draw(seed, 8))
        (void)!store_model_snapshot(m);
    append_some(m, draw(seed, 2));
}

void store_model_play(struct store_model *m, uint64_t *seed, int steps, const bool *stop)
{
    for (int i = 0; i < steps && !*stop && !m->wrong[0]; i++) {
        uint64_t what = draw(seed, 20);
        if (!m->store) {
            (void)!store_model_open(m);
            if (!m->store)
                continue;
        }
        if (what < 9)
            append_some(m, 1 + draw(seed, 3));
        else if (what < 15)
            (void)!store_model_flush(m);
        else if (what < 19)
            new_generation(m, seed);
        else
            store_model_close(m);
    }
}
