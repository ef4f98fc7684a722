/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Fuzz target: any body, under a header that is right, gives an error or the right number of finite
 * floats, from every codec. Byte 0: which spec; 1, 2: the count; 3: where the range starts; 4: bit
 * 0 is the merged flag; then the body. */
#include "compress/codec.h"

#include <stdlib.h>

enum { HEAD = 5, COUNT_MOST = 2100 };

/* Every core of the table, then these: parameters that change what a decoder does. */
static const char *const variants[] = {
    "qsgd:bits=7,bucket=32",
    "qsgd:norm=l2,coding=elias",
    "qsgd:norm=l2,coding=elias-dense",
    "qsgd:norm=l2,coding=elias-compact",
    "qsgd:levels=100,norm=l2,coding=elias,bucket=64",
    "sign:bucket=0",
    "sign:bucket=64",
    "onebit:bucket=0",
    "vote:ties=zero",
    "vote:ties=previous",
    "topk:ratio=0.3",
    "randomk:ratio=0.3",
    "int:bits=16,bucket=100",
    "int:bits=32",
    "terngrad",
    "momentum+ef+qsgd",
};

static const char *choose_spec(unsigned choice)
{
    unsigned cores = 0, others = sizeof variants / sizeof *variants;
    for (int i = 0; gw_codec_rows[i]; i++)
        cores += !(gw_codec_rows[i]->info.traits & GW_WRAPPER);
    choice %= cores + others;
    if (choice >= cores)
        return variants[choice - cores];
    for (int i = 0;; i++)
        if (!(gw_codec_rows[i]->info.traits & GW_WRAPPER) && choice-- == 0)
            return gw_codec_rows[i]->info.name;
}

static void must(int holds)
{
    if (!holds)
        abort();
}

static void decode(gw_codec *c, size_t first, size_t count, const uint8_t *payload, size_t bytes)
{
    float *out = malloc(count * sizeof *out + 1), *sum = calloc(count + 1, sizeof *sum);
    must(out && sum);
    gw_payload_decode(c, first, count, payload, bytes, out);
    gw_payload_decode_add(c, first, count, payload, bytes, 1.0f, sum);
    for (size_t i = 0; i < count; i++)
        must(gw_is_finite(out[i]) && sum[i] == out[i]);
    free(out);
    free(sum);
}

static void merge(gw_codec *c, size_t first, size_t count, const uint8_t *payload, size_t bytes)
{
    const void *both[2] = { payload, payload };
    const size_t sizes[2] = { bytes, bytes };
    size_t bound = gw_payload_merged_bound(c, first, count), written = 0;
    uint8_t *merged = malloc(bound);
    must(merged != NULL);
    must(gw_payload_merge(c, first, count, both, sizes, 2, merged, bound, &written, NULL) == GW_OK);
    must(written <= bound);
    if (gw_payload_check(c, first, count, merged, written, NULL) == GW_OK)
        decode(c, first, count, merged, written);
    free(merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    size_t count = (size_t)gw_get_u16(data + 1) % COUNT_MOST, first = data[3];
    size_t body = size - HEAD, bytes = GW_HEADER_BYTES + body;
    const struct gw_codec_site site = { .tensor = "t", .count = first + count, .ranks = 2 };
    gw_codec *c = NULL;
    must(gw_codec_open_site(&c, choose_spec(data[0]), &site, NULL) == GW_OK);
    uint8_t *payload = malloc(bytes);
    must(payload != NULL);
    memcpy(payload + GW_HEADER_BYTES, data + HEAD, body);
    unsigned flags = data[4] & 1 ? GW_PAYLOAD_MERGED : 0;
    gw_payload_seal(payload, c->core->row->wire_id, flags, count, body);
    gw_status s = gw_payload_check(c, first, count, payload, bytes, NULL);
    must(s == GW_OK || s == GW_EPAYLOAD);
    if (s == GW_OK) {
        decode(c, first, count, payload, bytes);
        if (c->core->row->merge && !flags)
            merge(c, first, count, payload, bytes);
    }
    free(payload);
    gw_codec_close(c);
    return 0;
}
