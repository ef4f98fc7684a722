/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Headers of frames to bytes and back. Nothing is believed before the header's check: a field that
 * changed on the way would be taken for a difference of opinion. */
#include "session/frame.h"

#include <string.h>

#include "base/digest.h"
#include "base/types.h"

enum {
    MAGIC_BYTES = 4,
    OFFSET_VERSION = 4,
    OFFSET_TYPE = 6,
    OFFSET_FLAGS = 7,
    OFFSET_JOB = 8,
    OFFSET_WORKER = 16,
    OFFSET_EPOCH = 20,
    OFFSET_SEQUENCE = 24,
    OFFSET_TENSOR = 32,
    OFFSET_LENGTH = 36,
    OFFSET_SPEC = 40,
    OFFSET_CHECKSUM = 48,
    OFFSET_CHECK = 56
};

static const uint8_t magic[MAGIC_BYTES] = { 0x9d, 0x47, 0x57, 0x1a };

uint64_t gw_frame_checksum(const void *payload, size_t length)
{
    return gw_digest(payload, length, 0);
}

void gw_frame_write(uint8_t header[GW_FRAME_HEADER], const struct gw_frame *frame)
{
    memcpy(header, magic, MAGIC_BYTES);
    gw_put_u16(header + OFFSET_VERSION, frame->version);
    header[OFFSET_TYPE] = frame->type;
    header[OFFSET_FLAGS] = frame->flags;
    gw_put_u64(header + OFFSET_JOB, frame->job);
    gw_put_u32(header + OFFSET_WORKER, frame->worker);
    gw_put_u32(header + OFFSET_EPOCH, frame->epoch);
    gw_put_u64(header + OFFSET_SEQUENCE, frame->sequence);
    gw_put_u32(header + OFFSET_TENSOR, frame->tensor);
    gw_put_u32(header + OFFSET_LENGTH, frame->length);
    gw_put_u64(header + OFFSET_SPEC, frame->spec);
    gw_put_u64(header + OFFSET_CHECKSUM, frame->checksum);
    gw_put_u64(header + OFFSET_CHECK, gw_digest(header, OFFSET_CHECK, 0));
}

int gw_frame_begins(const uint8_t *header, size_t bytes)
{
    if (memcmp(header, magic, gw_min_size(bytes, MAGIC_BYTES)) != 0)
        return 0;
    return bytes < GW_FRAME_HEADER ||
           gw_get_u64(header + OFFSET_CHECK) == gw_digest(header, OFFSET_CHECK, 0);
}

gw_status gw_frame_read(struct gw_frame *frame, const uint8_t header[GW_FRAME_HEADER],
                        struct gw_error *error)
{
    if (!gw_frame_begins(header, MAGIC_BYTES))
        return gw_fail(error, GW_EPAYLOAD,
                       "a frame begins with %02x %02x %02x %02x instead of 9d 47 57 1a", header[0],
                       header[1], header[2], header[3]);
    if (!gw_frame_begins(header, GW_FRAME_HEADER))
        return gw_fail(error, GW_EPAYLOAD,
                       "a frame's header does not have its checksum: bytes changed on the way");
    unsigned version = gw_get_u16(header + OFFSET_VERSION);
    if (version < GW_PROTOCOL_OLDEST || version > GW_PROTOCOL_NEWEST)
        return gw_fail(error, GW_EPAYLOAD,
                       "a frame has protocol version %u, this library speaks %d to %d", version,
                       GW_PROTOCOL_OLDEST, GW_PROTOCOL_NEWEST);
    *frame = (struct gw_frame){
        .version = (uint16_t)version,
        .type = header[OFFSET_TYPE],
        .flags = header[OFFSET_FLAGS],
        .job = gw_get_u64(header + OFFSET_JOB),
        .worker = gw_get_u32(header + OFFSET_WORKER),
        .epoch = gw_get_u32(header + OFFSET_EPOCH),
        .sequence = gw_get_u64(header + OFFSET_SEQUENCE),
        .tensor = gw_get_u32(header + OFFSET_TENSOR),
        .length = gw_get_u32(header + OFFSET_LENGTH),
        .spec = gw_get_u64(header + OFFSET_SPEC),
        .checksum = gw_get_u64(header + OFFSET_CHECKSUM),
    };
    return GW_OK;
}

#define GW_TYPE(tens, ones) "type " #tens #ones
#define GW_TEN_TYPES(tens)                                                                         \
    GW_TYPE(tens, 0), GW_TYPE(tens, 1), GW_TYPE(tens, 2), GW_TYPE(tens, 3), GW_TYPE(tens, 4),      \
        GW_TYPE(tens, 5), GW_TYPE(tens, 6), GW_TYPE(tens, 7), GW_TYPE(tens, 8), GW_TYPE(tens, 9)

const char *gw_frame_type_name(uint8_t type)
{
    static const char *const names[] = {
        [GW_FRAME_HELLO] = "HELLO", [GW_FRAME_WELCOME] = "WELCOME", [GW_FRAME_TERMS] = "TERMS",
        [GW_FRAME_READY] = "READY", [GW_FRAME_REFUSE] = "REFUSE",   [GW_FRAME_BEAT] = "BEAT",
        [GW_FRAME_BYE] = "BYE"
    };
    /* Strings that stay, so that callers need no room for them. */
    static const char *const numbers[] = {
        GW_TEN_TYPES(),   GW_TEN_TYPES(1),  GW_TEN_TYPES(2),  GW_TEN_TYPES(3),  GW_TEN_TYPES(4),
        GW_TEN_TYPES(5),  GW_TEN_TYPES(6),  GW_TEN_TYPES(7),  GW_TEN_TYPES(8),  GW_TEN_TYPES(9),
        GW_TEN_TYPES(10), GW_TEN_TYPES(11), GW_TEN_TYPES(12), GW_TEN_TYPES(13), GW_TEN_TYPES(14),
        GW_TEN_TYPES(15), GW_TEN_TYPES(16), GW_TEN_TYPES(17), GW_TEN_TYPES(18), GW_TEN_TYPES(19),
        GW_TEN_TYPES(20), GW_TEN_TYPES(21), GW_TEN_TYPES(22), GW_TEN_TYPES(23), GW_TEN_TYPES(24),
        GW_TEN_TYPES(25)
    };
    if (type < sizeof names / sizeof *names && names[type])
        return names[type];
    return numbers[type];
}
