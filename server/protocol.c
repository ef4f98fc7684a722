/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The fixed bodies of frames, as bytes. */
#include "server/protocol.h"

#include "base/types.h"
#include "session/printable.h"
#include "session/session.h"

void gw_ready_write(uint8_t out[GW_READY_BYTES], const struct gw_ready_body *body)
{
    gw_put_u64(out, body->incarnation);
    gw_put_u64(out + 8, body->accepted);
    gw_put_u64(out + 16, body->durable);
    gw_put_u64(out + 24, body->round);
    gw_put_u64(out + 32, body->parts);
    gw_put_u64(out + 40, body->clock);
    gw_put_u64(out + 48, body->wants_values);
}

void gw_ready_read(struct gw_ready_body *body, const uint8_t in[GW_READY_BYTES])
{
    *body = (struct gw_ready_body){ .incarnation = gw_get_u64(in),
                                    .accepted = gw_get_u64(in + 8),
                                    .durable = gw_get_u64(in + 16),
                                    .round = gw_get_u64(in + 24),
                                    .parts = gw_get_u64(in + 32),
                                    .clock = gw_get_u64(in + 40),
                                    .wants_values = (gw_get_u64(in + 48) & 1) != 0 };
}

void gw_clock_write(uint8_t out[GW_CLOCK_BYTES], const struct gw_clock_body *body)
{
    gw_put_u64(out, body->clock);
    gw_put_u64(out + 8, body->begun);
}

void gw_clock_read(struct gw_clock_body *body, const uint8_t in[GW_CLOCK_BYTES])
{
    *body =
        (struct gw_clock_body){ .clock = gw_get_u64(in), .begun = (gw_get_u64(in + 8) & 1) != 0 };
}

void gw_commit_write(uint8_t out[GW_COMMIT_BYTES], const struct gw_commit_body *body)
{
    gw_put_f64(out, body->rate);
    gw_put_u64(out + 8, body->meant);
    gw_put_f64(out + 16, body->norm);
    gw_put_u32(out + 24, body->parts);
    gw_put_u32(out + 28, body->leaving);
    gw_put_u64(out + 32, body->clock);
}

void gw_commit_read(struct gw_commit_body *body, const uint8_t in[GW_COMMIT_BYTES])
{
    *body = (struct gw_commit_body){ .rate = gw_get_f64(in),
                                     .meant = gw_get_u64(in + 8),
                                     .clock = gw_get_u64(in + 32),
                                     .norm = gw_get_f64(in + 16),
                                     .parts = gw_get_u32(in + 24),
                                     .leaving = (gw_get_u32(in + 28) & 1) != 0 };
}

void gw_pull_write(uint8_t out[GW_PULL_BYTES], const struct gw_pull_body *body)
{
    gw_put_u64(out, body->incarnation);
    gw_put_u64(out + 8, body->version);
    gw_put_u64(out + 16, body->wanted);
}

void gw_pull_read(struct gw_pull_body *body, const uint8_t in[GW_PULL_BYTES])
{
    *body = (struct gw_pull_body){ .incarnation = gw_get_u64(in),
                                   .version = gw_get_u64(in + 8),
                                   .wanted = gw_get_u64(in + 16) };
}

void gw_done_write(uint8_t out[GW_DONE_BYTES], const struct gw_done_body *body)
{
    gw_put_u64(out, body->incarnation);
    gw_put_u64(out + 8, body->version);
    gw_put_u64(out + 16, body->round);
    gw_put_u64(out + 24, body->ahead);
    gw_put_u32(out + 32, body->contributors);
    gw_put_u32(out + 36, body->members);
    gw_put_u64(out + 40, body->payloads);
}

void gw_done_read(struct gw_done_body *body, const uint8_t in[GW_DONE_BYTES])
{
    *body = (struct gw_done_body){ .incarnation = gw_get_u64(in),
                                   .version = gw_get_u64(in + 8),
                                   .round = gw_get_u64(in + 16),
                                   .ahead = gw_get_u64(in + 24),
                                   .contributors = gw_get_u32(in + 32),
                                   .members = gw_get_u32(in + 36),
                                   .payloads = gw_get_u64(in + 40) };
}

size_t gw_nak_write(uint8_t *out, size_t capacity, gw_status status, const char *words)
{
    size_t length = gw_min_size(strlen(words), capacity - 4);
    gw_put_u32(out, (uint32_t)status);
    memcpy(out + 4, words, length);
    return 4 + length;
}

void gw_nak_read(struct gw_error *error, const uint8_t *in, size_t bytes)
{
    char words[GW_ERROR_TEXT];
    size_t length = bytes > 4 ? gw_min_size(bytes - 4, sizeof words - 1) : 0;
    if (length > 0)
        memcpy(words, in + 4, length);
    words[length] = '\0';
    gw_make_printable(words, length);
    gw_status status = bytes >= 4 ? (gw_status)(int32_t)gw_get_u32(in) : GW_OK;
    gw_error_set(error, gw_session_error(status, GW_EPEER), "%s", words);
}
