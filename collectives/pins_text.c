/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The lines of a file of pins (doc/gate.md):
 *
 *     # gradwire pins 1
 *     plan DIGEST TURN codec ALGORITHM/PIECE raw ALGORITHM/PIECE sends codec|raw
 *     switch DIGEST TURN RUN codec|raw
 *
 * DIGEST has 16 hexadecimal digits; a way that was never open is "-". */
#include "collectives/pins.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits only, no more of them than `most`, which is below 20. */
static bool read_number(uint64_t *number, const char *word, size_t most)
{
    size_t digits = strspn(word, "0123456789");
    *number = strtoull(word, NULL, 10);
    return digits > 0 && digits <= most && word[digits] == '\0';
}

static bool read_turn(unsigned *turn, const char *word)
{
    uint64_t number;
    bool good = read_number(&number, word, 9);
    *turn = (unsigned)number;
    return good;
}

static bool read_way(struct gw_pinned_way *way, const char *word)
{
    char pieces[20];
    uint64_t count;
    *way = (struct gw_pinned_way){ 0 };
    if (strcmp(word, "-") == 0)
        return true;
    if (sscanf(word, "%31[a-z_]/%19s", way->algorithm, pieces) != 2 ||
        !read_number(&count, pieces, 18))
        return false;
    way->piece_count = (size_t)count;
    return way->piece_count > 0;
}

static bool read_side(bool *raw, const char *word)
{
    *raw = strcmp(word, "raw") == 0;
    return *raw || strcmp(word, "codec") == 0;
}

static bool read_digest(uint64_t *digest, const char *word)
{
    *digest = strtoull(word, NULL, 16);
    return strspn(word, "0123456789abcdef") == 16 && strlen(word) == 16;
}

static bool read_plan(struct gw_pins_line *out, const char *line)
{
    char digest[20], turn[12], codec[64], raw[64], side[8], after;
    int n = sscanf(line, "plan %19s %11s codec %63s raw %63s sends %7s %c", digest, turn, codec,
                   raw, side, &after);
    return n == 5 && read_digest(&out->digest, digest) && read_turn(&out->turn, turn) &&
           read_way(&out->codec, codec) && out->codec.piece_count && read_way(&out->raw, raw) &&
           read_side(&out->sends_raw, side) && (!out->sends_raw || out->raw.piece_count);
}

static bool read_switch(struct gw_pins_line *out, const char *line)
{
    char digest[20], turn[12], run[20], side[8], after;
    int n = sscanf(line, "switch %19s %11s %19s %7s %c", digest, turn, run, side, &after);
    return n == 4 && read_digest(&out->digest, digest) && read_turn(&out->turn, turn) &&
           read_number(&out->run, run, 18) && read_side(&out->sends_raw, side);
}

gw_status gw_pins_parse(struct gw_pins_line *out, const char *line, struct gw_error *error)
{
    *out = (struct gw_pins_line){ 0 };
    if (line[strspn(line, " \t")] == '\0' || *line == '#')
        return GW_OK;
    if (strncmp(line, "plan ", 5) == 0 && read_plan(out, line)) {
        out->kind = GW_PINS_PLAN;
        return GW_OK;
    }
    if (strncmp(line, "switch ", 7) == 0 && read_switch(out, line)) {
        out->kind = GW_PINS_SWITCH;
        return GW_OK;
    }
    return gw_fail(error, GW_ESPEC,
                   "expected \"plan DIGEST TURN codec ALGORITHM/PIECE raw ALGORITHM/PIECE sends "
                   "codec|raw\" or \"switch DIGEST TURN RUN codec|raw\", found \"%.60s\"",
                   line);
}

static gw_status add_switch(struct gw_pins *pins, const struct gw_pins_line *line,
                            struct gw_error *error)
{
    size_t count = (size_t)pins->switches_count + 1;
    if (count > 1 && pins->switches[count - 2].run >= line->run)
        return gw_fail(error, GW_ESPEC, "run %llu is not behind the switch before it",
                       (unsigned long long)line->run);
    struct gw_pinned_switch *more = realloc(pins->switches, count * sizeof *more);
    if (!more)
        return gw_fail(error, GW_ENOMEM, "not enough memory for pins");
    more[count - 1] = (struct gw_pinned_switch){ line->run, line->sends_raw };
    pins->switches = more;
    pins->switches_count = (int)count;
    return GW_OK;
}

static gw_status take_line(struct gw_pins *pins, const char *text, bool *found,
                           struct gw_error *error)
{
    struct gw_pins_line line;
    gw_status s = gw_pins_parse(&line, text, error);
    if (s || line.kind == GW_PINS_NOTHING || line.digest != pins->digest || line.turn != pins->turn)
        return s;
    if (line.kind == GW_PINS_SWITCH && !*found)
        return gw_fail(error, GW_ESPEC, "a switch of a plan that has no line before it");
    if (line.kind == GW_PINS_SWITCH)
        return add_switch(pins, &line, error);
    if (*found)
        return gw_fail(error, GW_ESPEC, "a second line of the same plan");
    *found = true;
    pins->codec = line.codec;
    pins->raw = line.raw;
    pins->sends_raw = line.sends_raw;
    return GW_OK;
}

gw_status gw_pins_find(struct gw_pins *pins, const char *text, bool *found, struct gw_error *error)
{
    *found = false;
    for (int number = 1; *text; number++) {
        char line[512];
        struct gw_error why;
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)gw_min_size(length, sizeof line - 1), text);
        gw_status s = take_line(pins, line, found, &why);
        if (s)
            return gw_fail(error, s, "%.200s:%d: %.400s", pins->path, number, why.text);
        text += length + (text[length] == '\n');
    }
    return GW_OK;
}

static void format_way(char *out, size_t capacity, const struct gw_pinned_way *way)
{
    if (*way->algorithm)
        snprintf(out, capacity, "%s/%zu", way->algorithm, way->piece_count);
    else
        snprintf(out, capacity, "-");
}

void gw_pins_format(char *out, size_t capacity, const struct gw_pins *pins)
{
    char codec[64], raw[64];
    format_way(codec, sizeof codec, &pins->codec);
    format_way(raw, sizeof raw, &pins->raw);
    snprintf(out, capacity, "plan %016" PRIx64 " %u codec %s raw %s sends %s\n", pins->digest,
             pins->turn, codec, raw, pins->sends_raw ? "raw" : "codec");
}
