/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Frames: what travels on a stream between two processes. A header of 64 bytes, little-endian, then
 * `length` bytes of payload (doc/wire-format.md):
 *
 *      0  magic 9d 47 57 1a     no text protocol begins so: a stranger is known by its first byte
 *      4  version u16, 6 type u8, 7 flags u8
 *      8  job u64
 *     16  worker u32, 20 epoch u32
 *     24  sequence u64
 *     32  tensor u32, 36 length u32
 *     40  spec u64             hash of a codec's spec in full
 *     48  checksum u64         XXH3-64 of the payload
 *     56  check u64            XXH3-64 of bytes 0 to 55, and so of the payload's checksum too
 *
 * Both checksums stand in control frames as well. The header's own check comes first, so that a
 * length that changed on the way is not waited for. */
#ifndef GW_SESSION_FRAME_H
#define GW_SESSION_FRAME_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { GW_FRAME_HEADER = 64 };

/* The range of protocol versions that this library speaks. */
enum { GW_PROTOCOL_OLDEST = 1, GW_PROTOCOL_NEWEST = 1 };

enum gw_frame_type {
    /* The handshake, in this order. */
    GW_FRAME_HELLO = 1, /* client: who I am */
    GW_FRAME_WELCOME,   /* server: you may speak, under this epoch */
    GW_FRAME_TERMS,     /* client: what I believe we agree on, as text */
    GW_FRAME_READY,     /* server: so it is */
    GW_FRAME_REFUSE,    /* server, in place of WELCOME or READY, or at any time: no, and why */
    /* Of every session. */
    GW_FRAME_BEAT, /* I am alive; its payload is a text for people, may be empty */
    GW_FRAME_BYE,  /* nothing comes after this */
    /* From here on the types belong to the rooms above. */
    GW_FRAME_FIRST_USE = 16
};

struct gw_frame {
    uint16_t version;
    uint8_t type, flags;
    uint64_t job;
    uint32_t worker, epoch;
    uint64_t sequence;
    uint32_t tensor, length;
    uint64_t spec;
    uint64_t checksum; /* of the payload */
};

/* XXH3-64: what frame->checksum is. */
uint64_t gw_frame_checksum(const void *payload, size_t length);

/* Write the header of `frame`, frame->checksum as it is. */
void gw_frame_write(uint8_t header[GW_FRAME_HEADER], const struct gw_frame *frame);

/* True unless the first `bytes` (1 to 64) of a header already show that it is none. */
int gw_frame_begins(const uint8_t *header, size_t bytes);

/* Magic, version within what we speak, and the header's check. Errors: GW_EPAYLOAD with words;
 * `*frame` is untouched then. */
gw_status gw_frame_read(struct gw_frame *frame, const uint8_t header[GW_FRAME_HEADER],
                        struct gw_error *error);

/* "HELLO", "type 77": for messages. Constant strings. */
const char *gw_frame_type_name(uint8_t type);

#endif
