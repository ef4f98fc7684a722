/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The file of pins: read by rank 0 if it was there before the comm's first plan, else written by it
 * as decisions are made, in a temporary file that takes the name at once. */
#include "collectives/pins.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/settings.h"
#include "collectives/gate.h"

enum { LINE_BYTES = 768 };

static const char FIRST_LINE[] = "# gradwire pins 1\n";

/* Of rank 0's comm: one block, comm->pins. */
struct book {
    bool reads;    /* the file was there */
    size_t length; /* of text */
    char text[];   /* what was written so far, or the lines already taken */
};

/* ---- of a plan --------------------------------------------------------------------------------*/

static uint64_t mix(uint64_t digest, const char *text)
{
    return (digest ^ gw_hash_text(text)) * 0x9e3779b97f4a7c15u;
}

static uint64_t digest_of(const struct gw_plan *plan, const struct gw_request *request)
{
    char line[64 + GW_SPEC_TEXT];
    snprintf(line, sizeof line, "%d %d %d %d %d %d", (int)plan->collective, (int)plan->type,
             (int)plan->operation, plan->root, plan->comm->size, request->once);
    uint64_t digest = mix(1, line);
    for (int t = 0; t < plan->tensors_count; t++) {
        snprintf(line, sizeof line, "%zu", plan->tensors[t].count);
        digest = mix(mix(mix(digest, plan->tensors[t].name), line), plan->tensors[t].spec);
    }
    return digest;
}

gw_status gw_pins_prepare(struct gw_plan *plan, const struct gw_request *request,
                          struct gw_error *error)
{
    const char *asked = request->options ? request->options->pins : NULL;
    const char *path = asked ? asked : gw_setting_text(GW_SET_PINS);
    if (request->inner || !*path)
        return GW_OK;
    plan->pins = calloc(1, sizeof *plan->pins);
    if (plan->pins)
        plan->pins->path = strdup(path);
    if (!plan->pins || !plan->pins->path)
        return gw_fail(error, GW_ENOMEM, "not enough memory for pins");
    plan->pins->digest = digest_of(plan, request);
    plan->pins->shares = request->once;
    return GW_OK;
}

void gw_pins_close(struct gw_pins *pins)
{
    if (!pins)
        return;
    free(pins->path);
    free(pins->switches);
    free(pins);
}

bool gw_pins_turn(struct gw_pins *pins)
{
    bool raw = pins->sends_raw;
    for (int i = 0; i < pins->switches_count && pins->switches[i].run <= pins->run; i++)
        raw = pins->switches[i].raw;
    pins->run++;
    return raw;
}

/* ---- rank 0's book and file -------------------------------------------------------------------*/

static gw_status append(gw_comm *comm, const char *text, struct gw_error *error)
{
    struct book *book = comm->pins;
    size_t length = strlen(text);
    book = realloc(book, sizeof *book + book->length + length + 1);
    if (!book)
        return gw_fail(error, GW_ENOMEM, "not enough memory for pins");
    memcpy(book->text + book->length, text, length + 1);
    book->length += length;
    comm->pins = book;
    return GW_OK;
}

static gw_status open_book(gw_comm *comm, const char *path, struct gw_error *error)
{
    struct book *book = comm->pins ? comm->pins : calloc(1, sizeof *book + 1);
    if (!book)
        return gw_fail(error, GW_ENOMEM, "not enough memory for pins");
    if (comm->pins)
        return GW_OK;
    comm->pins = book;
    book->reads = access(path, F_OK) == 0;
    return book->reads ? GW_OK : append(comm, FIRST_LINE, error);
}

static gw_status read_file(char **out, const char *path, struct gw_error *error)
{
    FILE *stream = fopen(path, "r");
    char *text = NULL;
    size_t length = 0, capacity = 0;
    while (stream && !feof(stream) && !ferror(stream)) {
        if (length + 1 >= capacity) {
            char *more = realloc(text, capacity = 2 * capacity + 4096);
            if (!more)
                break;
            text = more;
        }
        length += fread(text + length, 1, capacity - length - 1, stream);
    }
    bool good = stream && feof(stream) && text;
    gw_status s = GW_OK;
    if (!good)
        s = gw_fail(error, GW_EIO, "pins %.300s: %s", path, strerror(errno ? errno : ENOMEM));
    if (stream)
        fclose(stream);
    if (s) {
        free(text);
        return s;
    }
    text[length] = '\0';
    *out = text;
    return GW_OK;
}

static gw_status write_file(const gw_comm *comm, const char *path, struct gw_error *error)
{
    const struct book *book = comm->pins;
    char part[4096];
    int n = snprintf(part, sizeof part, "%s.part", path);
    FILE *stream = n > 0 && (size_t)n < sizeof part ? fopen(part, "w") : NULL;
    bool good = stream && fwrite(book->text, 1, book->length, stream) == book->length;
    if (stream)
        good = fclose(stream) == 0 && good;
    if (good && rename(part, path) == 0)
        return GW_OK;
    return gw_fail(error, GW_EIO, "pins %.300s cannot be written: %s", path, strerror(errno));
}

/* How many plans of this digest there were before. */
static unsigned count_turns(const struct book *book, uint64_t digest)
{
    char start[32];
    unsigned turns = 0;
    snprintf(start, sizeof start, "plan %016llx ", (unsigned long long)digest);
    for (const char *at = book->text; (at = strstr(at, start)); at++)
        turns++;
    return turns;
}

/* ---- what all ranks do ------------------------------------------------------------------------*/

/* Rank 0's status and words for everyone; `text` (malloced) goes to all. */
static gw_status spread(struct gw_plan *plan, gw_status local, char *text, char **heard,
                        struct gw_error *error)
{
    char failure[GW_ERROR_TEXT + 16];
    snprintf(failure, sizeof failure, "!%d %s", (int)local, error->text);
    const char *mine = local ? failure : text ? text : "";
    gw_status s = gw_control_broadcast_text(plan->comm, mine, heard, error);
    free(text);
    if (s)
        return s;
    if (**heard == '!') {
        char *words;
        gw_status theirs = (gw_status)strtol(*heard + 1, &words, 10);
        s = gw_fail(error, theirs, "%s", words + 1);
        free(*heard);
        *heard = NULL;
    }
    return s;
}

/* On rank 0: what to do, as a text. "" : decide and write. */
static gw_status look_up(struct gw_plan *plan, char **text, struct gw_error *error)
{
    struct gw_pins *pins = plan->pins;
    gw_status s = open_book(plan->comm, pins->path, error);
    if (s)
        return s;
    const struct book *book = plan->comm->pins;
    if (!pins->shares)
        pins->turn = count_turns(book, pins->digest);
    if (book->reads)
        s = read_file(text, pins->path, error);
    else if (pins->shares && count_turns(book, pins->digest))
        *text = strdup(book->text);
    else
        *text = strdup("");
    return s || *text ? s : gw_fail(error, GW_ENOMEM, "not enough memory for pins");
}

/* The turn goes before the text, since only rank 0 counts. */
static gw_status with_turn(char **text, unsigned turn, struct gw_error *error)
{
    size_t capacity = strlen(*text) + 16;
    char *more = malloc(capacity);
    if (!more)
        return gw_fail(error, GW_ENOMEM, "not enough memory for pins");
    snprintf(more, capacity, "%u\n%s", turn, *text);
    free(*text);
    *text = more;
    return GW_OK;
}

static gw_status take(struct gw_plan *plan, const char *heard, struct gw_error *error)
{
    struct gw_pins *pins = plan->pins;
    char *text;
    pins->turn = (unsigned)strtoul(heard, &text, 10);
    if (text[1] == '\0')
        return GW_OK;
    gw_status s = gw_pins_find(pins, text + 1, &pins->repeats, error);
    if (!s && !pins->repeats)
        s = gw_fail(error, GW_ESPEC,
                    "pins %.200s have no line of plan %016llx %u ('%s' by %.200s, %d ranks): it "
                    "was written by another program; take it away to write a new one",
                    pins->path, (unsigned long long)pins->digest, pins->turn,
                    plan->tensors_count ? plan->tensors[0].name : "",
                    plan->tensors_count ? plan->tensors[0].spec : "", plan->comm->size);
    return s;
}

gw_status gw_pins_read(struct gw_plan *plan, struct gw_error *error)
{
    char *text = NULL, *heard = NULL;
    gw_status s = GW_OK;
    if (plan->comm->rank == 0) {
        s = look_up(plan, &text, error);
        if (!s)
            s = with_turn(&text, plan->pins->turn, error);
    }
    s = spread(plan, s, text, &heard, error);
    if (!s)
        s = take(plan, heard, error);
    free(heard);
    if (!s && plan->comm->rank == 0 && plan->pins->repeats && !plan->pins->shares) {
        char line[LINE_BYTES]; /* taken */
        gw_pins_format(line, sizeof line, plan->pins);
        s = append(plan->comm, line, error);
    }
    return s;
}

static void describe(char *out, size_t capacity, const struct gw_plan *plan)
{
    static const char *const types[] = { "f32", "f64", "f16", "bf16", "i32" };
    snprintf(out, capacity, "# %d ranks, %zu elements of %s in %d tensors; '%.100s' by %.200s\n",
             plan->comm->size, plan->layout.count, types[plan->type], plan->tensors_count,
             plan->tensors_count ? plan->tensors[0].name : "",
             plan->tensors_count ? plan->tensors[0].spec : "");
    for (char *c = out; *c; c++)
        if (*c == '\n' && c[1])
            *c = ' ';
}

static void set_way(struct gw_pinned_way *way, const struct gw_plan *plan)
{
    snprintf(way->algorithm, sizeof way->algorithm, "%s", plan->algorithm->info.name);
    way->piece_count = plan->made_piece_count;
}

gw_status gw_pins_write(struct gw_plan *plan, struct gw_error *error)
{
    struct gw_pins *pins = plan->pins;
    char line[LINE_BYTES], *heard = NULL;
    gw_status s = GW_OK;
    if (plan->comm->rank == 0) {
        set_way(&pins->codec, plan);
        if (plan->gate && plan->gate->twin)
            set_way(&pins->raw, plan->gate->twin);
        pins->sends_raw = plan->gate && plan->gate->raw;
        describe(line, sizeof line, plan);
        s = append(plan->comm, line, error);
        gw_pins_format(line, sizeof line, pins);
        if (!s)
            s = append(plan->comm, line, error);
        if (!s)
            s = write_file(plan->comm, pins->path, error);
    }
    s = spread(plan, s, strdup(""), &heard, error);
    free(heard);
    return s;
}

void gw_pins_note(struct gw_plan *plan, uint64_t run, bool raw)
{
    const struct gw_pins *pins = plan->pins;
    struct gw_error error = { 0 };
    char line[128];
    if (!pins || pins->repeats || plan->comm->rank != 0)
        return;
    snprintf(line, sizeof line, "switch %016llx %u %llu %s\n", (unsigned long long)pins->digest,
             pins->turn, (unsigned long long)run, raw ? "raw" : "codec");
    gw_status s = append(plan->comm, line, &error);
    if (!s)
        s = write_file(plan->comm, pins->path, &error);
    if (s)
        snprintf(plan->gate->reason, sizeof plan->gate->reason, "%s", error.text);
}
