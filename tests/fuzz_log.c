/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any bytes as a log, as they are and, because no fuzzer guesses a checksum, with the
 * checks of the header and of each record that the lengths lead to made right. What is read must
 * lie in the file, and what was good must be good again alone. */
#include "base/types.h"
#include "server/store_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    const uint8_t *file;
    size_t bytes;
    uint64_t records, sum;
};

static gw_status take(void *user, uint32_t type, const uint8_t *body, size_t bytes,
                      struct gw_error *error)
{
    struct seen *seen = user;
    (void)error;
    if (body < seen->file || bytes > seen->bytes || body - seen->file > (ptrdiff_t)seen->bytes ||
        bytes > seen->bytes - (size_t)(body - seen->file))
        abort();
    for (size_t i = 0; i < bytes; i++)
        seen->sum += body[i];
    seen->sum += type;
    seen->records++;
    return GW_OK;
}

static void look(const uint8_t *file, size_t bytes)
{
    struct seen first = { file, bytes, 0, 0 }, second = { file, bytes, 0, 0 };
    struct gw_recovery recovery = { .user = &first, .record = take };
    struct gw_error error = { .status = GW_OK };
    size_t good = 0, again = 0;
    gw_status s = gw_log_read(file, bytes, &recovery, &good, &error);
    if (s != GW_OK && (s != GW_EPAYLOAD || !error.text[0]))
        abort();
    if (s)
        return;
    if (good > bytes)
        abort();
    recovery.user = &second;
    if (gw_log_read(file, good, &recovery, &again, &error) || again != good ||
        first.records != second.records || first.sum != second.sum)
        abort();
}

/* Its bits say which of the records are left as they are, so that damage has good ones behind. */
static void make_right(uint8_t *file, size_t bytes, uint8_t leave)
{
    if (bytes < GW_LOG_HEADER)
        return;
    struct gw_log_head head = { .generation = gw_get_u64(file + 16),
                                .position = gw_get_u64(file + 24),
                                .salt = gw_get_u64(file + 32) };
    gw_log_seal_header(file, &head);
    uint64_t serial = 0, synced = 0;
    for (size_t at = GW_LOG_HEADER; bytes - at >= GW_RECORD_HEADER; serial++) {
        uint8_t *record = file + at;
        size_t room = bytes - at - GW_RECORD_HEADER, body = gw_get_u32(record);
        if (body > room)
            body = room;
        bool stays = leave >> serial % 8 & 1;
        if (!stays) {
            gw_put_u32(record, (uint32_t)body);
            if (gw_get_u64(record + 8) % 4 != 3)
                gw_put_u64(record + 8, serial);
            if (gw_get_u64(record + 16) % 2)
                synced = serial;
            size_t end = GW_RECORD_HEADER + body, padded = gw_round_up(end, GW_RECORD_ALIGN);
            memset(record + end, 0, gw_min_size(padded, bytes - at) - end);
            gw_record_seal(record, synced, head.seed);
        }
        at += gw_min_size(gw_round_up(GW_RECORD_HEADER + body, GW_RECORD_ALIGN), bytes - at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look(data, size);
    if (size < 1)
        return 0;
    uint8_t *copy = malloc(size);
    if (!copy)
        abort();
    memcpy(copy, data + 1, size - 1);
    make_right(copy, size - 1, data[0]);
    look(copy, size - 1);
    free(copy);
    return 0;
}
