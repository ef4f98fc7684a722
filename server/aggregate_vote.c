/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* vote: the sign that more than half of the workers have, +1 or -1, of each element. Who lies about
 * magnitudes gains nothing by it. Counted on packed words by the vote codec, which also draws the
 * coins; workers that push votes are not even decoded. */
#include "server/aggregate_rows.h"

enum { TIES };

static const char *codec(const struct gw_values *values)
{
    static const char *const specs[] = { "vote:ties=coin", "vote:ties=plus", "vote:ties=zero" };
    return specs[(int)values->number[TIES]];
}

static const gw_param params[] = {
    [TIES] = { "ties", GW_PARAM_NAME, "coin", 0, 0, "coin|plus|zero", "",
               "what a tie becomes: a fair coin from the shared seed, +1, or 0" },
    { NULL },
};

const struct gw_aggregator gw_aggregator_vote = {
    .name = "vote",
    .sentence = "the sign of the majority, +1 or -1",
    .paper = "Bernstein et al. 2019, signSGD with Majority Vote, arXiv:1810.05291",
    .params = params,
    .codec = codec,
};
