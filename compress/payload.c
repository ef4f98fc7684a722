/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Payloads: a header of 32 bytes, then the body that a codec wrote (doc/wire-format.md).
 *
 * Nothing of a header is believed: count and codec must be what the receiver expects, the length
 * must be that of the bytes at hand, and the checksum covers header and body. */
#include "compress/rows.h"

#include "base/digest.h"

#include <stdlib.h>

enum {
    FORMAT_VERSION = 1,
    STATUS_BYTES = 4, /* of an abort message, before its words */
    OFFSET_MAGIC = 0,
    OFFSET_VERSION = 2,
    OFFSET_CODEC = 3,
    OFFSET_FLAGS = 4,
    OFFSET_ZERO = 6,
    OFFSET_COUNT = 8,
    OFFSET_LENGTH = 16,
    OFFSET_CHECKSUM = 24
};

/* ---- header ---------------------------------------------------------------------------------- */

static uint64_t checksum_of(const void *payload, size_t body_bytes)
{
    const uint8_t *p = payload;
    return gw_digest(p + GW_HEADER_BYTES, body_bytes, gw_digest(p, OFFSET_CHECKSUM, 0));
}

void gw_payload_seal(void *payload, unsigned wire_id, unsigned flags, uint64_t count,
                     size_t body_bytes)
{
    uint8_t *p = payload;
    p[OFFSET_MAGIC] = 'G';
    p[OFFSET_MAGIC + 1] = 'W';
    p[OFFSET_VERSION] = FORMAT_VERSION;
    p[OFFSET_CODEC] = (uint8_t)wire_id;
    gw_put_u16(p + OFFSET_FLAGS, (uint16_t)flags);
    gw_put_u16(p + OFFSET_ZERO, 0);
    gw_put_u64(p + OFFSET_COUNT, count);
    gw_put_u64(p + OFFSET_LENGTH, body_bytes);
    gw_put_u64(p + OFFSET_CHECKSUM, checksum_of(p, body_bytes));
}

/* What must hold before the length can be trusted to cut the next payload off a stream. */
static gw_status check_frame(const uint8_t *p, size_t bytes, struct gw_error *error)
{
    if (bytes < GW_HEADER_BYTES)
        return gw_fail(error, GW_EPAYLOAD, "payload of %zu bytes is shorter than its header of %d",
                       bytes, GW_HEADER_BYTES);
    if (p[OFFSET_MAGIC] != 'G' || p[OFFSET_MAGIC + 1] != 'W')
        return gw_fail(error, GW_EPAYLOAD, "payload starts with bytes %02x %02x instead of 'GW'",
                       p[OFFSET_MAGIC], p[OFFSET_MAGIC + 1]);
    if (p[OFFSET_VERSION] != FORMAT_VERSION)
        return gw_fail(error, GW_EPAYLOAD, "payload has format version %d, expected %d",
                       p[OFFSET_VERSION], FORMAT_VERSION);
    uint64_t length = gw_get_u64(p + OFFSET_LENGTH);
    if (length > bytes - GW_HEADER_BYTES)
        return gw_fail(error, GW_EPAYLOAD, "payload announces %llu body bytes, there are %zu",
                       (unsigned long long)length, bytes - GW_HEADER_BYTES);
    return GW_OK;
}

gw_status gw_payload_size(const void *payload, size_t bytes, size_t *size, struct gw_error *error)
{
    gw_status s = check_frame(payload, bytes, error);
    if (s)
        return s;
    *size = GW_HEADER_BYTES + (size_t)gw_get_u64((const uint8_t *)payload + OFFSET_LENGTH);
    return GW_OK;
}

static struct gw_body body_of(const void *payload, size_t bytes)
{
    const uint8_t *p = payload;
    return (struct gw_body){ .bytes = p + GW_HEADER_BYTES,
                             .length = bytes - GW_HEADER_BYTES,
                             .flags = gw_get_u16(p + OFFSET_FLAGS) };
}

static gw_status check_whole(const uint8_t *p, size_t bytes, struct gw_error *error)
{
    gw_status s = check_frame(p, bytes, error);
    if (s)
        return s;
    uint64_t length = gw_get_u64(p + OFFSET_LENGTH);
    if (length != bytes - GW_HEADER_BYTES)
        return gw_fail(error, GW_EPAYLOAD, "payload announces %llu body bytes, there are %zu",
                       (unsigned long long)length, bytes - GW_HEADER_BYTES);
    unsigned flags = gw_get_u16(p + OFFSET_FLAGS), zero = gw_get_u16(p + OFFSET_ZERO);
    if ((flags & ~(unsigned)GW_PAYLOAD_KNOWN_FLAGS) || zero)
        return gw_fail(error, GW_EPAYLOAD, "payload has unknown flags %04x %04x", flags, zero);
    if (gw_get_u64(p + OFFSET_CHECKSUM) != checksum_of(p, (size_t)length))
        return gw_fail(error, GW_EPAYLOAD, "payload's checksum is wrong: bytes changed on the way");
    return GW_OK;
}

/* ---- encode ---------------------------------------------------------------------------------- */

size_t gw_payload_bound(const struct gw_codec *c, size_t first, size_t count)
{
    return GW_HEADER_BYTES + c->core->row->bound(c->core, first, count);
}

size_t gw_payload_merged_bound(const struct gw_codec *c, size_t first, size_t count)
{
    const struct gw_codec *core = c->core;
    return GW_HEADER_BYTES + (core->row->merged_bound ? core->row->merged_bound
                                                      : core->row->bound)(core, first, count);
}

static gw_status check_range(const struct gw_codec *c, size_t first, size_t count,
                             struct gw_error *error)
{
    if (first <= c->site.count && count <= c->site.count - first)
        return GW_OK;
    return gw_fail(error, GW_EINVAL,
                   "tensor '%s': elements %zu to %zu do not lie in a unit of %zu elements",
                   c->site.tensor, first, first + count, c->site.count);
}

static gw_status check_capacity(const struct gw_codec *c, size_t bound, size_t capacity,
                                struct gw_error *error)
{
    if (capacity >= bound)
        return GW_OK;
    return gw_fail(error, GW_ECAPACITY, "tensor '%s': a buffer of %zu bytes for %zu at most",
                   c->site.tensor, capacity, bound);
}

gw_status gw_payload_encode(struct gw_codec *c, size_t first, size_t count, void *payload,
                            size_t capacity, size_t *written, struct gw_error *error)
{
    gw_status s = check_range(c, first, count, error);
    if (!s)
        s = check_capacity(c, gw_payload_bound(c, first, count), capacity, error);
    if (s)
        return s;
    if (!c->core->row->finds_nonfinite)
        s = gw_codec_check_range(c, first, count, error);
    if (s)
        return s;
    size_t body = 0;
    s = c->row->encode(c, first, count, (uint8_t *)payload + GW_HEADER_BYTES, &body, error);
    if (s)
        return s;
    gw_payload_seal(payload, c->core->row->wire_id, 0, count, body);
    *written = GW_HEADER_BYTES + body;
    return GW_OK;
}

/* ---- decode ---------------------------------------------------------------------------------- */

gw_status gw_payload_check(const struct gw_codec *c, size_t first, size_t count,
                           const void *payload, size_t bytes, struct gw_error *error)
{
    const uint8_t *p = payload;
    const struct gw_codec *core = c->core;
    gw_status s = check_range(c, first, count, error);
    if (!s)
        s = check_whole(p, bytes, error);
    if (s)
        return s;
    struct gw_body body = body_of(p, bytes);
    if (body.flags & GW_PAYLOAD_ABORT)
        return gw_fail(error, GW_EPAYLOAD, "an abort message stands in place of a payload");
    if (p[OFFSET_CODEC] != core->row->wire_id)
        return gw_fail(error, GW_EPAYLOAD, "payload is of codec number %d, expected %u (%s)",
                       p[OFFSET_CODEC], core->row->wire_id, core->row->info.name);
    if (gw_get_u64(p + OFFSET_COUNT) != count)
        return gw_fail(error, GW_EPAYLOAD, "payload holds %llu elements, expected %zu",
                       (unsigned long long)gw_get_u64(p + OFFSET_COUNT), count);
    if (body.flags & GW_PAYLOAD_MERGED && !core->row->merge)
        return gw_fail(error, GW_EPAYLOAD, "payload is marked as merged, which %s never does",
                       core->row->info.name);
    return core->row->check(core, first, count, body, error);
}

void gw_payload_decode(const struct gw_codec *c, size_t first, size_t count, const void *payload,
                       size_t bytes, void *out)
{
    c->core->row->decode(c->core, first, count, body_of(payload, bytes), out);
}

void gw_payload_decode_add(const struct gw_codec *c, size_t first, size_t count,
                           const void *payload, size_t bytes, float weight, void *sum)
{
    c->core->row->decode_add(c->core, first, count, body_of(payload, bytes), weight, sum);
}

/* ---- merge ----------------------------------------------------------------------------------- */

enum { FEW_BODIES = 64 };

gw_status gw_payload_merge(struct gw_codec *c, size_t first, size_t count,
                           const void *const *payloads, const size_t *bytes, int n, void *out,
                           size_t capacity, size_t *written, struct gw_error *error)
{
    struct gw_codec *core = c->core;
    if (!core->row->merge)
        return gw_fail(error, GW_ENOTSUP, "payloads of codec %s cannot be merged",
                       core->row->info.name);
    if (n < 1)
        return gw_fail(error, GW_EINVAL, "there are %d payloads to merge", n);
    gw_status s = check_range(c, first, count, error);
    if (!s)
        s = check_capacity(c, gw_payload_merged_bound(c, first, count), capacity, error);
    if (s)
        return s;
    struct gw_body few[FEW_BODIES];
    struct gw_body *bodies = n <= FEW_BODIES ? few : malloc((size_t)n * sizeof *bodies);
    if (!bodies)
        return gw_fail(error, GW_ENOMEM, "out of memory to merge %d payloads", n);
    for (int r = 0; r < n; r++)
        bodies[r] = body_of(payloads[r], bytes[r]);
    gw_codec_begin_run(c);
    size_t body = 0;
    core->row->merge(core, first, count, bodies, n, (uint8_t *)out + GW_HEADER_BYTES, &body);
    if (bodies != few)
        free(bodies);
    gw_payload_seal(out, core->row->wire_id, GW_PAYLOAD_MERGED, count, body);
    *written = GW_HEADER_BYTES + body;
    return GW_OK;
}

/* ---- abort messages -------------------------------------------------------------------------- */

size_t gw_payload_abort(void *payload, size_t capacity, gw_status status, const char *words)
{
    if (capacity < GW_HEADER_BYTES + STATUS_BYTES)
        return 0;
    uint8_t *body = (uint8_t *)payload + GW_HEADER_BYTES;
    size_t most = gw_min_size(GW_ERROR_TEXT - 1, capacity - GW_HEADER_BYTES - STATUS_BYTES);
    size_t length = strnlen(words, most);
    gw_put_u32(body, (uint32_t)status);
    memcpy(body + STATUS_BYTES, words, length);
    gw_payload_seal(payload, GW_WIRE_NONE, GW_PAYLOAD_ABORT, 0, STATUS_BYTES + length);
    return GW_HEADER_BYTES + STATUS_BYTES + length;
}

int gw_payload_is_abort(const void *payload, size_t bytes, gw_status *status, char *words)
{
    if (check_whole(payload, bytes, NULL))
        return 0;
    struct gw_body body = body_of(payload, bytes);
    if (!(body.flags & GW_PAYLOAD_ABORT) || body.length < STATUS_BYTES)
        return 0;
    int32_t code = (int32_t)gw_get_u32(body.bytes);
    /* A number that is no error of ours still means that the sender failed. */
    *status = code < 0 && code >= GW_EIO ? (gw_status)code : GW_EPEER;
    size_t length = gw_min_size(body.length - STATUS_BYTES, GW_ERROR_TEXT - 1);
    for (size_t i = 0; i < length; i++) {
        uint8_t letter = body.bytes[STATUS_BYTES + i];
        words[i] = letter >= 0x20 && letter != 0x7f ? (char)letter : '?';
    }
    words[length] = '\0';
    return 1;
}
