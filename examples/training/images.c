/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Images as examples, from files in the IDX format of MNIST: two zero bytes, the type (8: bytes),
 * the number of dimensions, each dimension as a big-endian 32-bit number, then the data. zlib's
 * gzread reads both gzip and plain files.
 */
#include "data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "digest.h"
#include "report.h"

typedef struct idx {
    size_t items, item_bytes;
    uint8_t *bytes;
} idx;

static gzFile open_either(const char *directory, const char *name, char *path, size_t capacity)
{
    static const char *const endings[] = { "", ".gz" };
    for (int i = 0; i < 2; i++) {
        snprintf(path, capacity, "%s/%s%s", directory, name, endings[i]);
        gzFile file = gzopen(path, "rb");
        if (file)
            return file;
    }
    return NULL;
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Read the header; 0 if it is not that of byte data in `dimensions` dimensions. */
static int read_header(gzFile file, int dimensions, idx *out)
{
    uint8_t header[16];
    unsigned bytes = 4 + 4 * (unsigned)dimensions;
    if (gzread(file, header, bytes) != (int)bytes)
        return 0;
    if (header[0] || header[1] || header[2] != 8 || header[3] != dimensions)
        return 0;
    out->items = big_endian(header + 4);
    out->item_bytes = 1;
    for (int i = 1; i < dimensions; i++) {
        uint32_t side = big_endian(header + 4 + 4 * i);
        if (!side || side > 4096)
            return 0;
        out->item_bytes *= side;
    }
    return out->items > 0 && out->items <= ((size_t)1 << 31) / out->item_bytes;
}

static int read_idx(const char *directory, const char *name, int dimensions, idx *out)
{
    char path[1024];
    gzFile file = open_either(directory, name, path, sizeof path);
    if (!file)
        return report_error(EXIT_USAGE, "%s holds neither %s nor %s.gz", directory, name, name);
    int code = EXIT_GOOD;
    if (!read_header(file, dimensions, out)) {
        code = report_error(EXIT_USAGE, "%s is not an IDX file of bytes in %d dimensions", path,
                            dimensions);
    } else {
        size_t bytes = out->items * out->item_bytes;
        out->bytes = malloc(bytes);
        if (!out->bytes || gzread(file, out->bytes, (unsigned)bytes) != (int)bytes)
            code = report_error(EXIT_USAGE, "%s: %zu bytes of data were expected", path, bytes);
    }
    gzclose(file);
    return code;
}

/* One split: pixels and labels, which must be equally many. */
static int read_split(tr_data *out, data_split split, const char *directory, const char *prefix)
{
    char name[64];
    idx images = { 0 }, labels = { 0 };
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
    int code = read_idx(directory, name, 3, &images);
    out->bytes[split] = images.bytes;
    if (code != EXIT_GOOD)
        return code;
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
    code = read_idx(directory, name, 1, &labels);
    out->labels[split] = labels.bytes;
    if (code != EXIT_GOOD)
        return code;
    if (images.items != labels.items)
        return report_error(EXIT_USAGE, "%s/%s: %zu images but %zu labels", directory, prefix,
                            images.items, labels.items);
    if (split == DATA_HELDOUT && images.item_bytes != out->inputs)
        return report_error(EXIT_USAGE, "%s: held-out images have %zu pixels, the others %zu",
                            directory, images.item_bytes, out->inputs);
    out->counts[split] = images.items;
    out->inputs = images.item_bytes;
    for (size_t i = 0; i < labels.items; i++)
        if (labels.bytes[i] >= out->classes)
            out->classes = labels.bytes[i] + (size_t)1;
    out->digest = digest_bytes(out->digest, images.bytes, images.items * images.item_bytes);
    out->digest = digest_bytes(out->digest, labels.bytes, labels.items);
    return EXIT_GOOD;
}

int data_open_images(tr_data *out, const char *directory)
{
    *out = (tr_data){ .digest = DIGEST_START };
    int code = read_split(out, DATA_TRAIN, directory, "train");
    if (code == EXIT_GOOD)
        code = read_split(out, DATA_HELDOUT, directory, "t10k");
    if (code != EXIT_GOOD)
        data_close(out);
    return code;
}
