/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The environment variables, one row each. */
#include "base/settings.h"

#include <gradwire/info.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "GRADWIRE_"

extern char **environ;

/* A parameter table whose keys are variable names, so that specs and settings share one parser. */
static const gw_param settings[GW_SETTINGS + 1] = {
    [GW_SET_CODEC] = { PREFIX "CODEC", GW_PARAM_TEXT, "raw", 0, 0, NULL, "",
                       "codec spec of plans that name none" },
    [GW_SET_ALGORITHM] = { PREFIX "ALGORITHM", GW_PARAM_TEXT, "", 0, 0, NULL, "",
                           "algorithm of plans that name none; empty: the cheapest" },
    [GW_SET_COMM] = { PREFIX "COMM", GW_PARAM_TEXT, "env:", 0, 0, NULL, "",
                      "comm spec where the program gives none" },
    [GW_SET_LAUNCH] = { PREFIX "LAUNCH", GW_PARAM_TEXT, "", 0, 0, NULL, "",
                        "comm spec that env: stands for, as gradwire run sets it; empty: none" },
    [GW_SET_LINK] = { PREFIX "LINK", GW_PARAM_TEXT, "", 0, 0, NULL, "",
                      "RATE,LATENCY of a simulated link around every comm; empty: none" },
    [GW_SET_KERNELS] = { PREFIX "KERNELS", GW_PARAM_TEXT, "", 0, 0, NULL, "",
                         "kernel set; empty: the fastest that this CPU can run" },
    [GW_SET_SEED] = { PREFIX "SEED", GW_PARAM_INTEGER, "1", 0, 9007199254740992.0, NULL, "",
                      "seed of all random numbers" },
    [GW_SET_TIMEOUT] = { PREFIX "TIMEOUT", GW_PARAM_SECONDS, "60s", 1e-6, 1e6, NULL, "s",
                         "limit of every wait" },
    [GW_SET_PIECE] = { PREFIX "PIECE", GW_PARAM_INTEGER, "0", 0, 1e12, NULL, "elements",
                       "elements per piece of a block; 0: chosen" },
    [GW_SET_NONFINITE] = { PREFIX "NONFINITE", GW_PARAM_NAME, "refuse", 0, 0, "refuse|zero|pass",
                           "", "what becomes of NaN and infinity in the input" },
    [GW_SET_BUCKET] = { PREFIX "BUCKET", GW_PARAM_INTEGER, "4194304", 1, 9e15, NULL, "bytes",
                        "elements of a reducer's bucket" },
    [GW_SET_PROGRESS] = { PREFIX "PROGRESS", GW_PARAM_NAME, "caller", 0, 0, "caller|thread", "",
                          "who moves runs forward: the caller's waits, or a thread" },
    [GW_SET_THREADS] = { PREFIX "THREADS", GW_PARAM_INTEGER, "0", 0, 1024, NULL, "",
                         "threads that compute; 0: this rank's share of the node's cores" },
    [GW_SET_GATE] = { PREFIX "GATE", GW_PARAM_NAME, "auto", 0, 0, "auto|off|live", "",
                      "whether plans may send raw where their codec would be slower" },
    [GW_SET_GATE_EVERY] = { PREFIX "GATE_EVERY", GW_PARAM_INTEGER, "100", 1, 1e9, NULL, "runs",
                            "runs between two looks of a live gate" },
    [GW_SET_PINS] = { PREFIX "PINS", GW_PARAM_TEXT, "", 0, 0, NULL, "",
                      "file of plans' decisions, to repeat them; empty: none" },
    [GW_SET_TUNING] = { PREFIX "TUNING", GW_PARAM_TEXT, "", 0, 0, NULL, "",
                        "tuning file that gradwire bench --tune wrote; empty: none" },
    [GW_SET_COSTS] = { PREFIX "COSTS", GW_PARAM_TEXT, "", 0, 0, NULL, "",
                       "file that keeps measured links by set of hosts; empty: none" },
    [GW_SET_TRACE] = { PREFIX "TRACE", GW_PARAM_TEXT, "", 0, 0, NULL, "",
                       "PREFIX of a trace of all ranks; empty: none" },
};

const char *gw_setting_text(enum gw_setting setting)
{
    const char *value = getenv(settings[setting].key);
    return value ? value : settings[setting].standard;
}

static gw_status setting_value(double *out, enum gw_setting setting, const char *text,
                               struct gw_error *error)
{
    const gw_param one[] = { settings[setting], { 0 } };
    struct gw_values values;
    char pair[GW_SPEC_TEXT];
    int length = snprintf(pair, sizeof pair, "%s=%s", one[0].key, text);
    if (length < 0 || (size_t)length >= sizeof pair || strchr(text, ','))
        return gw_fail(error, GW_ESPEC, "%s=%s is not valid", one[0].key, text);
    gw_status s = gw_spec_parse(&values, "environment", one, pair, strlen(pair), error);
    if (!s)
        *out = values.number[0];
    return s;
}

double gw_setting_number(enum gw_setting setting)
{
    double value = 0;
    if (setting_value(&value, setting, gw_setting_text(setting), NULL))
        (void)setting_value(&value, setting, settings[setting].standard, NULL);
    return value;
}

static gw_status check_variable(const char *entry, struct gw_error *error)
{
    const char *names[GW_SETTINGS];
    size_t length = strcspn(entry, "=");
    for (int i = 0; i < GW_SETTINGS; i++) {
        names[i] = settings[i].key;
        if (strlen(names[i]) != length || memcmp(names[i], entry, length) != 0)
            continue;
        double ignored;
        if (settings[i].kind == GW_PARAM_TEXT)
            return GW_OK;
        return setting_value(&ignored, i, entry + length + 1, error);
    }
    const char *near = gw_nearest(entry, length, names, GW_SETTINGS);
    return gw_fail(error, GW_ESPEC, "environment: unknown variable %.*s%s%s%s", (int)length, entry,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

gw_status gw_settings_check(struct gw_error *error)
{
    for (char **entry = environ; entry && *entry; entry++) {
        if (strncmp(*entry, PREFIX, strlen(PREFIX)) != 0)
            continue;
        gw_status s = check_variable(*entry, error);
        if (s)
            return s;
    }
    return GW_OK;
}

int gw_info_setting(size_t index, gw_setting_info *out)
{
    if (index >= GW_SETTINGS)
        return 0;
    out->variable = settings[index].key;
    out->value = gw_setting_text((enum gw_setting)index);
    out->origin = getenv(settings[index].key) ? "environment" : "default";
    out->sentence = settings[index].sentence;
    return 1;
}

gw_status gw_info_check_settings(void)
{
    return gw_settings_check(gw_open_error());
}
