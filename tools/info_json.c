/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire info --json`: the library's tables, for programs. Jansson's setters take NULL, which
 * memory that ran out gives, and fail then; so one look at the end is enough. */
#include "tools/info.h"

#include <jansson.h>
#include <string.h>

/* An object to which members are added until one fails. */
struct builder {
    json_t *object;
    int failed;
};

static struct builder builder_open(void)
{
    struct builder builder = { .object = json_object() };
    builder.failed = !builder.object;
    return builder;
}

static void add(struct builder *builder, const char *key, json_t *value)
{
    if (json_object_set_new(builder->object, key, value))
        builder->failed = 1;
}

static void add_text(struct builder *builder, const char *key, const char *text)
{
    add(builder, key, json_string(text ? text : ""));
}

/* NULL if anything failed. */
static json_t *builder_close(struct builder *builder)
{
    if (!builder->failed)
        return builder->object;
    json_decref(builder->object);
    return NULL;
}

static int append(json_t *array, json_t *value)
{
    return json_array_append_new(array, value);
}

/* An array that is worth keeping, or NULL. */
static json_t *array_close(json_t *array, int failed)
{
    if (!failed)
        return array;
    json_decref(array);
    return NULL;
}

static json_t *make_param(const gw_param *param)
{
    struct builder row = builder_open();
    add_text(&row, "key", param->key);
    add_text(&row, "kind", info_kind_name(param->kind));
    add_text(&row, "default", param->standard);
    add_text(&row, "unit", param->unit);
    add_text(&row, "sentence", param->sentence);
    if (param->kind == GW_PARAM_NAME) {
        add_text(&row, "names", param->names);
    } else if (param->kind != GW_PARAM_TEXT) {
        add(&row, "min", json_real(param->min));
        add(&row, "max", json_real(param->max));
    }
    return builder_close(&row);
}

static json_t *make_params(const gw_param *params)
{
    json_t *array = json_array();
    int failed = 0;
    for (; params && params->key; params++)
        failed |= append(array, make_param(params));
    return array_close(array, failed);
}

static json_t *make_traits(unsigned traits)
{
    json_t *array = json_array();
    int failed = 0;
    for (const struct info_trait *trait = info_traits; trait->bit; trait++)
        if (traits & trait->bit)
            failed |= append(array, json_string(trait->name));
    return array_close(array, failed);
}

static int wanted(const char *name, const char *row)
{
    return !name || strcmp(name, row) == 0;
}

static json_t *make_codecs(const char *name)
{
    json_t *array = json_array();
    int failed = 0;
    const gw_codec_info *codec;
    for (size_t i = 0; (codec = gw_info_codec(i)); i++) {
        if (!wanted(name, codec->name))
            continue;
        struct builder row = builder_open();
        add_text(&row, "name", codec->name);
        add_text(&row, "sentence", codec->sentence);
        add_text(&row, "paper", codec->paper);
        add(&row, "traits", make_traits(codec->traits));
        add(&row, "params", make_params(codec->params));
        failed |= append(array, builder_close(&row));
    }
    return array_close(array, failed);
}

static json_t *make_algorithms(const char *name)
{
    json_t *array = json_array();
    int failed = 0;
    const gw_algorithm_info *algorithm;
    for (size_t i = 0; (algorithm = gw_info_algorithm(i)); i++) {
        if (!wanted(name, algorithm->name))
            continue;
        struct builder row = builder_open();
        add_text(&row, "name", algorithm->name);
        add_text(&row, "sentence", algorithm->sentence);
        add_text(&row, "order", algorithm->order);
        add_text(&row, "paper", algorithm->paper);
        failed |= append(array, builder_close(&row));
    }
    return array_close(array, failed);
}

static json_t *make_transports(const char *name)
{
    json_t *array = json_array();
    int failed = 0;
    const gw_transport_info *transport;
    for (size_t i = 0; (transport = gw_info_transport(i)); i++) {
        if (!wanted(name, transport->name))
            continue;
        struct builder row = builder_open();
        add_text(&row, "name", transport->name);
        add_text(&row, "sentence", transport->sentence);
        add(&row, "params", make_params(transport->params));
        failed |= append(array, builder_close(&row));
    }
    return array_close(array, failed);
}

static json_t *make_methods(const struct info_methods *table, const char *name)
{
    json_t *array = json_array();
    int failed = 0;
    gw_method_info method;
    for (size_t i = 0; table->row(i, &method); i++) {
        if (!wanted(name, method.name))
            continue;
        struct builder row = builder_open();
        add_text(&row, "name", method.name);
        add_text(&row, "sentence", method.sentence);
        add_text(&row, "paper", method.paper);
        add(&row, "params", make_params(method.params));
        failed |= append(array, builder_close(&row));
    }
    return array_close(array, failed);
}

static json_t *make_settings(const char *name)
{
    json_t *array = json_array();
    int failed = 0;
    gw_setting_info setting;
    for (size_t i = 0; gw_info_setting(i, &setting); i++) {
        if (!wanted(name, setting.variable))
            continue;
        struct builder row = builder_open();
        add_text(&row, "variable", setting.variable);
        add_text(&row, "value", setting.value);
        add_text(&row, "origin", setting.origin);
        add_text(&row, "sentence", setting.sentence);
        failed |= append(array, builder_close(&row));
    }
    return array_close(array, failed);
}

static json_t *make_kernels(void)
{
    json_t *array = json_array();
    int failed = 0;
    gw_kernels_info kernels;
    for (size_t i = 0; gw_info_kernels(i, &kernels); i++) {
        struct builder row = builder_open();
        add_text(&row, "name", kernels.name);
        add_text(&row, "needs", kernels.needs);
        add(&row, "usable", json_boolean(kernels.usable));
        add(&row, "chosen", json_boolean(strcmp(kernels.name, gw_info_kernels_chosen()) == 0));
        failed |= append(array, builder_close(&row));
    }
    return array_close(array, failed);
}

int info_print_json(const char *name)
{
    struct builder info = builder_open();
    add_text(&info, "version", gw_version());
    if (!name)
        add(&info, "kernels", make_kernels());
    add(&info, "codecs", make_codecs(name));
    add(&info, "algorithms", make_algorithms(name));
    add(&info, "transports", make_transports(name));
    for (const struct info_methods *table = info_methods; table->title; table++)
        add(&info, table->key, make_methods(table, name));
    add(&info, "settings", make_settings(name));
    json_t *object = builder_close(&info);
    int failed = !object || json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) ||
                 putchar('\n') == EOF;
    json_decref(object);
    return failed ? -1 : 0;
}
