/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Gives every file of a fuzz target's corpus to the target, once: what the fuzzer found stays
 * found, also where libFuzzer is not. tests/fuzz_NAME reads tests/corpus/NAME/, or the files that
 * are its arguments. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, capacity = 0, got;
    if (!file) {
        perror(path);
        return 1;
    }
    do {
        if (size == capacity) {
            uint8_t *more = realloc(data, capacity = capacity * 2 + 4096);
            if (!more) {
                abort();
            }
            data = more;
        }
        got = fread(data + size, 1, capacity - size, file);
        size += got;
    } while (got);
    fclose(file);
    /* A copy of the exact size, so that sanitizers see a read past the end. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) {
        abort();
    }
    memcpy(exact, data, size);
    fprintf(stderr, "replay: %s\n", path); /* the last line names the culprit of a crash */
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(data);
    return 0;
}

static int replay_folder(const char *program)
{
    const char *name = strstr(program, "fuzz_");
    const char *srcdir = getenv("srcdir");
    char folder[4096], path[8192];
    int bad = 0, files = 0;
    for (const char *next = name; next && (next = strstr(next + 1, "fuzz_")) != NULL;) {
        name = next;
    }
    if (!name) {
        fprintf(stderr, "%s: a replay program is called fuzz_NAME\n", program);
        return 1;
    }
    snprintf(folder, sizeof folder, "%s/tests/corpus/%s", srcdir ? srcdir : ".", name + 5);
    DIR *dir = opendir(folder);
    if (!dir) {
        perror(folder);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            bad |= replay_file(path);
            files++;
        }
    }
    closedir(dir);
    if (!files) {
        fprintf(stderr, "%s: empty\n", folder);
    }
    return bad || !files;
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        bad |= replay_file(argv[i]);
    }
    return argc > 1 ? bad : replay_folder(argv[0]);
}
