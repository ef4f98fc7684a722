/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Text as examples: "which character follows these?". Without a file of its own the trainer reads
 * the licence texts that every Debian system carries, about a quarter of a megabyte of English.
 */
#include "data.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "digest.h"
#include "report.h"

#define LICENSES      "/usr/share/common-licenses"
#define BLOCK         2048
#define HELDOUT_EVERY 10

typedef struct tr_buffer {
    uint8_t *bytes;
    size_t count;
} tr_buffer;

/* Append a file to `to`; a path that is not a regular file is skipped if `skip`. */
static int append_file(tr_buffer *to, const char *path, int skip)
{
    struct stat status;
    if (skip && (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)))
        return EXIT_GOOD;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &status) != 0) {
        int code = report_error(EXIT_USAGE, "%s: %s", path, strerror(errno));
        if (file)
            fclose(file);
        return code;
    }
    size_t bytes = (size_t)status.st_size;
    uint8_t *grown = realloc(to->bytes, to->count + bytes + 1);
    if (!grown) {
        fclose(file);
        return report_error(EXIT_USAGE, "%s: no memory for %zu bytes", path, bytes);
    }
    to->bytes = grown;
    size_t got = fread(to->bytes + to->count, 1, bytes, file);
    fclose(file);
    if (got != bytes)
        return report_error(EXIT_USAGE, "%s: read %zu bytes of %zu", path, got, bytes);
    to->count += bytes;
    return EXIT_GOOD;
}

/* All regular files of a directory, in the order of their names, so that every rank has the same
 * text; symbolic links there name a file that is read anyway. */
static int append_directory(tr_buffer *to, const char *directory)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, NULL, alphasort);
    if (n < 0)
        return report_error(EXIT_USAGE, "%s: %s; give a text with --text FILE", directory,
                            strerror(errno));
    int code = EXIT_GOOD;
    for (int i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        if (code == EXIT_GOOD)
            code = append_file(to, path, 1);
        free(entries[i]);
    }
    free(entries);
    return code;
}

/* Replace every byte by its place among the bytes that occur; returns how many do. */
static size_t number_alphabet(tr_buffer *text)
{
    uint8_t code[256] = { 0 };
    size_t letters = 0;
    for (size_t i = 0; i < text->count; i++)
        code[text->bytes[i]] = 1;
    for (int byte = 0; byte < 256; byte++)
        if (code[byte])
            code[byte] = (uint8_t)letters++;
    for (size_t i = 0; i < text->count; i++)
        text->bytes[i] = code[text->bytes[i]];
    return letters;
}

int data_open_text(tr_data *out, const char *path, size_t context)
{
    tr_buffer text = { 0 };
    int code = path ? append_file(&text, path, 0) : append_directory(&text, LICENSES);
    size_t block = text.count / HELDOUT_EVERY < BLOCK ? text.count / HELDOUT_EVERY : BLOCK;
    if (code == EXIT_GOOD && block <= context)
        code = report_error(EXIT_USAGE, "%s holds %zu bytes, too few for a context of %zu",
                            path ? path : LICENSES, text.count, context);
    if (code != EXIT_GOOD) {
        free(text.bytes);
        return code;
    }
    size_t blocks = text.count / block, heldout = blocks / HELDOUT_EVERY;
    uint64_t digest = digest_bytes(DIGEST_START, text.bytes, text.count);
    size_t letters = number_alphabet(&text);
    *out = (tr_data){
        .inputs = context,
        .classes = letters,
        .alphabet = letters,
        .counts = { (blocks - heldout) * (block - context), heldout * (block - context) },
        .digest = digest,
        .bytes = { text.bytes },
        .block = block,
        .per_block = block - context,
    };
    return EXIT_GOOD;
}

/* Block b of the held-out split is block 10 b + 9 of the text, the others train. */
static size_t text_position(const tr_data *data, data_split split, size_t index)
{
    size_t block = index / data->per_block;
    if (split == DATA_HELDOUT)
        block = block * HELDOUT_EVERY + HELDOUT_EVERY - 1;
    else
        block += block / (HELDOUT_EVERY - 1);
    return block * data->block + index % data->per_block;
}

const uint8_t *data_example(const tr_data *data, data_split split, size_t index, uint8_t *label)
{
    if (!data->alphabet) {
        *label = data->labels[split][index];
        return data->bytes[split] + index * data->inputs;
    }
    const uint8_t *input = data->bytes[0] + text_position(data, split, index);
    *label = input[data->inputs];
    return input;
}

void data_close(tr_data *data)
{
    for (int i = 0; i < 2; i++) {
        free(data->bytes[i]);
        free(data->labels[i]);
    }
    memset(data, 0, sizeof *data);
}
