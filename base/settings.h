/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* GRADWIRE_* environment variables: they only set defaults (call > plan > environment > default).
 * One table row per variable, in settings.c. */
#ifndef GW_BASE_SETTINGS_H
#define GW_BASE_SETTINGS_H

#include "base/error.h"
#include "base/spec.h"

enum gw_setting {
    GW_SET_CODEC,     /* default "raw" */
    GW_SET_ALGORITHM, /* default "" : the cheapest */
    GW_SET_COMM,      /* default "env:" */
    GW_SET_LAUNCH,    /* comm spec that env: stands for; default "": it looks for itself */
    GW_SET_LINK,      /* "RATE,LATENCY"; default "" */
    GW_SET_KERNELS,   /* default "" : the fastest */
    GW_SET_SEED,      /* default "1" */
    GW_SET_TIMEOUT,   /* seconds; default "60" */
    GW_SET_PIECE,     /* elements; default "0": chosen */
    GW_SET_NONFINITE, /* refuse|zero|pass */
    GW_SET_BUCKET,    /* bytes; default 4 MiB */
    GW_SET_PROGRESS,  /* caller|thread */
    GW_SET_THREADS,   /* default "0": this rank's share of the cores */
    GW_SET_GATE,      /* auto|off|live */
    GW_SET_GATE_EVERY,
    GW_SET_PINS,   /* file; default "": none */
    GW_SET_TUNING, /* file; default "": none */
    GW_SET_COSTS,  /* file; default "": none */
    GW_SET_TRACE,  /* prefix; default "": no trace */
    GW_SETTINGS
};

/* The value in force as text: the environment's, else the default. Never NULL. */
const char *gw_setting_text(enum gw_setting setting);

/* As a number (seed, timeout, piece) or the index of a name (nonfinite). The environment was
 * checked by gw_settings_check, so this cannot fail; a wrong value reads as the default. */
double gw_setting_number(enum gw_setting setting);

/* Check every GRADWIRE_ variable: an unknown name (the nearest valid one is in the words) or a
 * value out of range is GW_ESPEC. Called by every open. */
gw_status gw_settings_check(struct gw_error *error);

#endif
