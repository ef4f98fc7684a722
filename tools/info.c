/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire info`: the library's tables, for people. */
#include "tools/info.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "tools/numbers.h"
#include "tools/tool.h"

enum { KEY_JSON = 256, KEY_MAN, KEY_COSTS, KEY_COMM, KEY_RANKS, KEY_CODEC, RANKS_MAX = 256 };

struct request {
    int json, man, costs;
    const char *name; /* NULL: everything */
    struct info_costs of_costs;
};

const struct info_trait info_traits[] = {
    { GW_UNBIASED, "unbiased", "the expectation of what is decoded is what was encoded" },
    { GW_SUMMABLE, "summable", "payloads merge as they are, without decoding" },
    { GW_VOTE, "vote", "they merge to a vote, not to a sum" },
    { GW_WANTS_EF, "wants ef+", "biased: should stand under error feedback, as in ef+sign" },
    { GW_FIXED_SIZE, "fixed size", "bytes of a payload depend on the number of elements alone" },
    { GW_WRAPPER, "wrapper", "stands in front of another codec, joined by +" },
    { GW_ANY_TYPE, "any type", "takes every element type and operation, not only f32 sums" },
    { 0, NULL, NULL },
};

const char *info_kind_name(gw_param_kind kind)
{
    static const char *const names[] = {
        [GW_PARAM_INTEGER] = "integer", [GW_PARAM_REAL] = "real", [GW_PARAM_NAME] = "name",
        [GW_PARAM_TEXT] = "text",       [GW_PARAM_RATE] = "rate", [GW_PARAM_SECONDS] = "seconds"
    };
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

void info_describe_range(char *text, size_t capacity, const gw_param *param)
{
    const char *kind = info_kind_name(param->kind);
    if (param->kind == GW_PARAM_NAME)
        snprintf(text, capacity, "%s", param->names);
    else if (param->kind == GW_PARAM_TEXT)
        snprintf(text, capacity, "%s", kind);
    else
        snprintf(text, capacity, "%s %.10g .. %.10g%s%s", kind, param->min, param->max,
                 *param->unit ? " " : "", param->unit);
}

void info_print_params(const gw_param *params)
{
    for (; params && params->key; params++) {
        char range[128];
        info_describe_range(range, sizeof range, params);
        printf("      %-10s %s; %s\n", params->key, params->sentence, range);
        if (*params->standard)
            printf("      %-10s default %s\n", "", params->standard);
    }
}

static void print_codec(const gw_codec_info *codec)
{
    printf("  %-10s %s\n", codec->name, codec->sentence);
    if (codec->paper && *codec->paper)
        printf("  %-10s %s\n", "", codec->paper);
    const char *separator = "";
    printf("  %-10s traits: ", "");
    for (const struct info_trait *trait = info_traits; trait->bit; trait++) {
        if (!(codec->traits & trait->bit))
            continue;
        printf("%s%s", separator, trait->name);
        separator = ", ";
    }
    printf("%s\n", *separator ? "" : "none");
    info_print_params(codec->params);
}

static void print_algorithm(const gw_algorithm_info *algorithm)
{
    printf("  %-10s %s\n", algorithm->name, algorithm->sentence);
    if (algorithm->order && *algorithm->order)
        printf("  %-10s order of sums: %s\n", "", algorithm->order);
    if (algorithm->paper && *algorithm->paper)
        printf("  %-10s %s\n", "", algorithm->paper);
}

static void print_transport(const gw_transport_info *transport)
{
    printf("  %-10s %s\n", transport->name, transport->sentence);
    info_print_params(transport->params);
}

static void print_setting(const gw_setting_info *setting)
{
    printf("  %-20s %s (%s)\n", setting->variable, *setting->value ? setting->value : "(empty)",
           setting->origin);
    printf("  %-20s %s\n", "", setting->sentence);
}

static void print_kernels(void)
{
    const char *chosen = gw_info_kernels_chosen();
    gw_kernels_info kernels;
    for (size_t i = 0; gw_info_kernels(i, &kernels); i++) {
        const char *state = !kernels.usable ? "not on this CPU" : "usable";
        if (strcmp(kernels.name, chosen) == 0)
            state = "in use";
        printf("  %-10s %s%s%s\n", kernels.name, state, *kernels.needs ? "; needs " : "",
               kernels.needs);
    }
}

static int wanted(const char *name, const char *row)
{
    return !name || strcmp(name, row) == 0;
}

/* Under its title, which stands only over a table in full. */
static void print_codecs(const char *name)
{
    const gw_codec_info *codec;
    if (!name)
        printf("\nCodecs (gradwire info NAME shows one)\n");
    for (size_t i = 0; (codec = gw_info_codec(i)); i++)
        if (wanted(name, codec->name))
            print_codec(codec);
}

static void print_algorithms(const char *name)
{
    const gw_algorithm_info *algorithm;
    if (!name)
        printf("\nAlgorithms\n");
    for (size_t i = 0; (algorithm = gw_info_algorithm(i)); i++)
        if (wanted(name, algorithm->name))
            print_algorithm(algorithm);
}

static void print_transports(const char *name)
{
    const gw_transport_info *transport;
    if (!name)
        printf("\nTransports\n");
    for (size_t i = 0; (transport = gw_info_transport(i)); i++)
        if (wanted(name, transport->name))
            print_transport(transport);
}

static void print_settings(const char *name)
{
    gw_setting_info setting;
    if (!name)
        printf("\nSettings in force\n");
    for (size_t i = 0; gw_info_setting(i, &setting); i++)
        if (wanted(name, setting.variable))
            print_setting(&setting);
}

static void print_text(const char *name)
{
    if (!name) {
        printf("gradwire %s\n\nKernels\n", gw_version());
        print_kernels();
    }
    print_codecs(name);
    print_algorithms(name);
    print_transports(name);
    info_print_methods(name);
    print_settings(name);
}

static int read_ranks(const struct argp_state *state, const char *text)
{
    int ranks = 0;
    if (tool_parse_int(&ranks, text, 1, RANKS_MAX))
        argp_error(state, "--ranks %s is not a number from 1 to %d", text, RANKS_MAX);
    return ranks;
}

static void check_costs(const struct argp_state *state, const struct request *request)
{
    const struct info_costs *of = &request->of_costs;
    if (request->costs && (request->man || request->name))
        argp_error(state, "--costs goes with --json, --comm, --ranks and --codec only");
    if (!request->costs && (of->comm || of->ranks || of->codecs_count))
        argp_error(state, "--comm, --ranks and --codec go with --costs");
    if (of->comm && of->ranks)
        argp_error(state, "--ranks runs threads of its own: it does not go with --comm");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case KEY_JSON:
        request->json = 1;
        return 0;
    case KEY_MAN:
        request->man = 1;
        return 0;
    case KEY_COSTS:
        request->costs = 1;
        return 0;
    case KEY_COMM:
        request->of_costs.comm = arg;
        return 0;
    case KEY_RANKS:
        request->of_costs.ranks = read_ranks(state, arg);
        return 0;
    case KEY_CODEC:
        if (request->of_costs.codecs_count == INFO_CODECS_MAX)
            argp_error(state, "more than %d codecs", INFO_CODECS_MAX);
        request->of_costs.codecs[request->of_costs.codecs_count++] = arg;
        return 0;
    case ARGP_KEY_END:
        check_costs(state, request);
        if (request->man && (request->json || request->name))
            argp_error(state, "--man goes with nothing else");
        return 0;
    case ARGP_KEY_ARG:
        if (request->name)
            argp_error(state, "unexpected argument %s", arg);
        request->name = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Is there a row of that name? */
static int known(const char *name)
{
    const gw_codec_info *codec;
    const gw_algorithm_info *algorithm;
    const gw_transport_info *transport;
    gw_setting_info setting;
    for (size_t i = 0; (codec = gw_info_codec(i)); i++)
        if (strcmp(codec->name, name) == 0)
            return 1;
    for (size_t i = 0; (algorithm = gw_info_algorithm(i)); i++)
        if (strcmp(algorithm->name, name) == 0)
            return 1;
    for (size_t i = 0; (transport = gw_info_transport(i)); i++)
        if (strcmp(transport->name, name) == 0)
            return 1;
    for (size_t i = 0; gw_info_setting(i, &setting); i++)
        if (strcmp(setting.variable, name) == 0)
            return 1;
    return info_knows_method(name);
}

static int print_costs(struct request *request)
{
    static const char *const usual[] = { "raw", "fp16", "qsgd:bits=4", "ef+sign", "vote" };
    struct info_costs *of = &request->of_costs;
    of->json = request->json;
    if (of->codecs_count == 0) {
        memcpy(of->codecs, usual, sizeof usual);
        of->codecs_count = sizeof usual / sizeof usual[0];
    }
    int status = info_print_costs(of);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        tool_complain("info", "the output could not be written");
        return TOOL_BAD_USE;
    }
    return status;
}

int tool_info(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        { "json", KEY_JSON, NULL, 0, "one JSON object instead of text", 0 },
        { "costs", KEY_COSTS, NULL, 0,
          "measure what plans choose by, and predict; under mpirun, or with --ranks", 0 },
        { "comm", KEY_COMM, "SPEC", 0, "with --costs: on this comm", 0 },
        { "ranks", KEY_RANKS, "N", 0, "with --costs: on N ranks that are threads", 0 },
        { "codec", KEY_CODEC, "SPEC", 0, "with --costs: of this codec; may be repeated", 0 },
        { "man", KEY_MAN, NULL, 0, "the manual page of the codecs and of a server's terms, as roff",
          0 },
        { 0 }
    };
    static const struct argp argp = {
        .options = flags,
        .parser = parse,
        .args_doc = "[NAME]",
        .doc = "What this build can do: kernels, codecs with their parameters and papers, "
               "algorithms, transports, what a parameter server may be told, and the settings in "
               "force with where they came from. NAME shows what has that name alone."
               "\vExit status: 0 good, 1 bad use or a wrong GRADWIRE_ setting."
    };
    struct request request = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &request) != 0)
        return TOOL_BAD_USE;
    if (request.name && !known(request.name)) {
        tool_complain("info",
                      "no codec, algorithm, transport, setting or term of a server is called %s",
                      request.name);
        return TOOL_BAD_USE;
    }
    if (request.costs)
        return print_costs(&request);
    int failed = 0;
    if (request.json)
        failed = info_print_json(request.name);
    else if (request.man)
        info_print_man();
    else
        print_text(request.name);
    if (failed || fflush(stdout) != 0 || ferror(stdout)) {
        tool_complain("info", "the output could not be written");
        return TOOL_BAD_USE;
    }
    if (gw_info_check_settings()) {
        tool_complain("info", "%s", gw_comm_error(NULL));
        return TOOL_BAD_USE;
    }
    return TOOL_GOOD;
}
