/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The choice: every row that applies is priced with pieces of the usual size, then the cheapest
 * one with others. */
#include "collectives/choice.h"
#include "collectives/tuning.h"

#include <stdio.h>
#include <string.h>

enum {
    PIECE_USUAL = 1 << 18,
    PIECE_LEAST = 1 << 14,
    PIECE_MOST = 1 << 20,
    PIECES_MAX = 256,
    STEPS_MAX = 2000 /* of a list that is played through */
};

/* Other pieces than the usual must promise this much: what runs choose should not depend on the
 * noise of measurements. */
static const double WORTH_A_CHANGE = 0.93;

int gw_pieces_of(const struct gw_algorithm_row *row, const struct gw_problem *p, size_t elements,
                 size_t piece_count)
{
    if (row == &gw_native)
        return 1;
    size_t blocks = row->whole ? 1 : (size_t)p->size;
    size_t pieces = gw_divide_up(gw_divide_up(elements, blocks), piece_count);
    return (int)gw_max_size(1, gw_min_size(pieces, PIECES_MAX));
}

/* ---- the price of a row ------------------------------------------------------------------------
 */

/* As rank 0, because all ranks must find the same. `share` of the layout. */
static gw_status price(double *seconds, int *steps, const struct gw_algorithm_row *row,
                       const struct gw_problem *p, const struct gw_terms *terms, int pieces,
                       double share)
{
    struct gw_problem problem = *p;
    struct gw_terms part = *terms;
    struct gw_step_list list = { 0 };
    problem.rank = problem.node = problem.node_rank = 0;
    problem.pieces = pieces;
    part.elements *= share;
    part.tensors = 1 + (int)((terms->tensors - 1) * share);
    row->write(&list, &problem);
    gw_status s = list.status;
    if (!s)
        s = gw_price_list(seconds, &list, row->whole ? pieces : pieces * p->size, &problem, &part);
    *steps = list.count;
    gw_steps_free(&list);
    return s;
}

gw_status gw_price_row(double *seconds, const struct gw_algorithm_row *row,
                       const struct gw_problem *p, const struct gw_terms *terms, size_t piece_count)
{
    int pieces = gw_pieces_of(row, p, terms->count, piece_count), steps;
    gw_status s = price(seconds, &steps, row, p, terms, 1, 1.0 / pieces);
    if (s || pieces == 1)
        return s;
    int most = STEPS_MAX / steps;
    if (most < 2)
        most = 2;
    double first = *seconds;
    if (pieces <= most)
        return price(seconds, &steps, row, p, terms, pieces, 1);
    /* Past some pieces the pipeline is full, and each takes what the one before it took. */
    int few = most / 2;
    if (few > 1)
        s = price(&first, &steps, row, p, terms, few, (double)few / pieces);
    if (!s)
        s = price(seconds, &steps, row, p, terms, most, (double)most / pieces);
    *seconds += (*seconds - first) / (most - few) * (pieces - most);
    return s;
}

/* ---- the choice --------------------------------------------------------------------------------
 */

/* Messages between ranks of a node take up to several times what they are priced at when ranks are
 * moved from core to core; memory that they share needs the fewest hand-overs. And the transport
 * knows its wire better than the model does. */
static const double HAND_OVERS = 1.5, OWN_WIRE = 1.2;

double gw_choice_rank(const struct gw_algorithm_row *row, double seconds)
{
    if (row == &gw_shared_memory)
        return seconds / HAND_OVERS;
    return row == &gw_native ? seconds / OWN_WIRE : seconds;
}

static gw_status refuse(const struct gw_algorithm_row *row, struct gw_error *error)
{
    if (row)
        return gw_fail(error, GW_ENOTSUP,
                       "algorithm '%s' does not apply to this collective, codec and transport: %s",
                       row->info.name, row->info.sentence);
    return gw_fail(error, GW_ENOTSUP,
                   "no algorithm applies to this collective with these codecs: tensors that merge "
                   "(vote, int, randomk, terngrad) and tensors that do not need separate plans");
}

static size_t usual(const struct gw_wish *wish)
{
    return wish->piece_count ? wish->piece_count : PIECE_USUAL;
}

static gw_status cheapest_row(struct gw_choice *best, const struct gw_problem *p,
                              const struct gw_terms *terms, const struct gw_wish *wish,
                              char *others, size_t capacity, struct gw_error *error)
{
    for (int i = 0; gw_algorithm_rows[i]; i++) {
        const struct gw_algorithm_row *row = gw_algorithm_rows[i];
        double seconds;
        if (!gw_algorithm_applies(row, p))
            continue;
        bool tuned = gw_tuning_find(&seconds, &terms->tuned, row);
        if (!tuned && gw_price_row(&seconds, row, p, terms, usual(wish)))
            return gw_fail(error, GW_ENOMEM, "not enough memory to price '%s'", row->info.name);
        size_t used = strlen(others);
        snprintf(others + used, capacity - used, "%s%s %.4g ms%s", used ? ", " : "", row->info.name,
                 seconds * 1e3, tuned ? " as tuned" : "");
        double rank = gw_choice_rank(row, seconds);
        if (!best->row || rank < gw_choice_rank(best->row, best->seconds))
            *best = (struct gw_choice){ row, usual(wish), seconds, tuned };
    }
    return best->row ? GW_OK : refuse(NULL, error);
}

static gw_status cheapest_piece(struct gw_choice *best, const struct gw_problem *p,
                                const struct gw_terms *terms, struct gw_error *error)
{
    size_t elements = terms->count;
    const double told = best->seconds;
    if (best->tuned && gw_price_row(&best->seconds, best->row, p, terms, best->piece_count))
        return gw_fail(error, GW_ENOMEM, "not enough memory to price '%s'", best->row->info.name);
    double limit = best->seconds * WORTH_A_CHANGE;
    int tried = gw_pieces_of(best->row, p, elements, best->piece_count);
    for (size_t piece = PIECE_LEAST; piece <= PIECE_MOST; piece *= 2) {
        double seconds;
        int pieces = gw_pieces_of(best->row, p, elements, piece);
        if (pieces == tried)
            continue;
        tried = pieces;
        if (gw_price_row(&seconds, best->row, p, terms, piece))
            return gw_fail(error, GW_ENOMEM, "not enough memory to price '%s'",
                           best->row->info.name);
        if (seconds >= limit)
            continue;
        *best = (struct gw_choice){ best->row, piece, seconds, best->tuned };
        limit = seconds;
    }
    if (best->tuned) /* which knows no pieces: the model's, as when it was measured */
        best->seconds = told;
    return GW_OK;
}

static gw_status choose(struct gw_choice *best, const struct gw_problem *p,
                        const struct gw_terms *terms, const struct gw_wish *wish, char *others,
                        size_t capacity, struct gw_error *error)
{
    bool forced = wish->algorithm && *wish->algorithm;
    if (!forced)
        return cheapest_row(best, p, terms, wish, others, capacity, error);
    best->row = gw_algorithm_find(wish->algorithm, error);
    best->piece_count = usual(wish);
    if (!best->row)
        return GW_ESPEC;
    if (!gw_algorithm_applies(best->row, p))
        return refuse(best->row, error);
    best->tuned = gw_tuning_find(&best->seconds, &terms->tuned, best->row);
    if (!best->tuned && gw_price_row(&best->seconds, best->row, p, terms, best->piece_count))
        return gw_fail(error, GW_ENOMEM, "not enough memory to price '%s'", best->row->info.name);
    return GW_OK;
}

gw_status gw_choose(struct gw_choice *out, const struct gw_problem *p, const struct gw_terms *terms,
                    const struct gw_wish *wish, char *reason, size_t capacity,
                    struct gw_error *error)
{
    struct gw_choice best = { 0 };
    char others[GW_ERROR_TEXT] = "";
    gw_status s = choose(&best, p, terms, wish, others, sizeof others, error);
    if (!s && wish->piece_count == 0)
        s = cheapest_piece(&best, p, terms, error);
    if (s)
        return s;
    int pieces = gw_pieces_of(best.row, p, terms->count, best.piece_count);
    if (*others)
        snprintf(reason, capacity, "%s: cheapest of %s; %d pieces a block: %.4g ms%s",
                 best.row->info.name, others, pieces, best.seconds * 1e3,
                 terms->assumed ? ", by assumed rates" : "");
    else if (terms->assumed)
        snprintf(reason, capacity, "%s: asked for; %d pieces a block", best.row->info.name, pieces);
    else
        snprintf(reason, capacity, "%s: asked for; %d pieces a block: %.4g ms predicted",
                 best.row->info.name, pieces, best.seconds * 1e3);
    *out = best;
    return GW_OK;
}

bool gw_choice_is_open(const struct gw_problem *p, size_t elements, const struct gw_wish *wish)
{
    bool forced = wish->algorithm && *wish->algorithm, pieces = false;
    int rows = 0;
    for (int i = 0; gw_algorithm_rows[i]; i++) {
        const struct gw_algorithm_row *row = gw_algorithm_rows[i];
        if (!gw_algorithm_applies(row, p) ||
            (forced && strcmp(row->info.name, wish->algorithm) != 0))
            continue;
        rows++;
        pieces |= wish->piece_count == 0 && gw_pieces_of(row, p, elements, PIECE_LEAST) > 1;
    }
    return p->size > 1 && (rows > 1 || (rows == 1 && pieces));
}
