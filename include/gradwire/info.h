/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * The library's tables, for programs that list them. Each gw_*_info(i) gives row i or NULL past
 * the last one; rows are constants. Threads: any.
 */
#ifndef GRADWIRE_INFO_H
#define GRADWIRE_INFO_H

#include "comm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gw_param_kind {
    GW_PARAM_INTEGER,
    GW_PARAM_REAL,
    GW_PARAM_NAME,   /* one of `names` */
    GW_PARAM_TEXT,   /* taken as it stands */
    GW_PARAM_RATE,   /* bits per second: "100mbit", "1.5gbit" */
    GW_PARAM_SECONDS /* "50us", "2ms", "1s", "0.5" */
} gw_param_kind;

/* One parameter of a spec string. */
typedef struct gw_param {
    const char *key;
    gw_param_kind kind;
    const char *standard; /* the default, as it would be written; "" for none */
    double min, max;      /* numbers only, both inclusive */
    const char *names;    /* GW_PARAM_NAME: the valid names, "max|l2" */
    const char *unit;     /* "bits", "elements", ""; never NULL */
    const char *sentence;
} gw_param;

typedef enum gw_codec_traits {
    GW_UNBIASED = 1,   /* the expectation of what is decoded is what was encoded */
    GW_SUMMABLE = 2,   /* payloads merge without decoding */
    GW_WANTS_EF = 4,   /* biased: should stand under ef+ */
    GW_FIXED_SIZE = 8, /* payload bytes depend on the element count alone */
    GW_WRAPPER = 16,   /* stands in front of another codec: "ef+sign" */
    GW_VOTE = 64,      /* merges to a vote, not a sum: a mean does not divide it */
    GW_ANY_TYPE = 32   /* encodes all element types and operations, not only f32 sums */
} gw_codec_traits;

typedef struct gw_codec_info {
    const char *name;
    const char *sentence;
    const char *paper;
    const gw_param *params; /* ends with a row whose key is NULL */
    unsigned traits;
} gw_codec_info;

typedef struct gw_algorithm_info {
    const char *name;
    const char *sentence;
    const char *order; /* in which order it sums */
    const char *paper;
} gw_algorithm_info;

typedef struct gw_transport_info {
    const char *name;
    const char *sentence;
    const gw_param *params; /* ends with a row whose key is NULL */
} gw_transport_info;

typedef struct gw_kernels_info {
    const char *name;
    const char *needs; /* CPU features */
    int usable;        /* on this CPU */
} gw_kernels_info;

typedef struct gw_setting_info {
    const char *variable; /* "GRADWIRE_CODEC" */
    const char *value;    /* in force; valid until the environment changes */
    const char *origin;   /* "environment" or "default" */
    const char *sentence;
} gw_setting_info;

GW_API const gw_codec_info *gw_info_codec(size_t index);
GW_API const gw_algorithm_info *gw_info_algorithm(size_t index);
GW_API const gw_transport_info *gw_info_transport(size_t index);

/* These two are filled in; 0 past the last row, else 1. */
GW_API int gw_info_kernels(size_t index, gw_kernels_info *out);
GW_API int gw_info_setting(size_t index, gw_setting_info *out);

/* The kernel set in use: GRADWIRE_KERNELS, else the fastest that this CPU can run. */
GW_API const char *gw_info_kernels_chosen(void);

/* ---- costs -----------------------------------------------------------------------------------
 *
 * What plans choose by. Rates are 0 where there is nothing to measure. */
typedef struct gw_costs_info {
    double near_bits_per_s, near_latency_s, near_message_s; /* between ranks of one node */
    double far_bits_per_s, far_latency_s, far_message_s;    /* between ranks of different nodes */
    double crowding;                                        /* ranks per core, at least 1 */
    double read_bytes_per_s, write_bytes_per_s;             /* memory, past the caches */
    double copy_bytes_per_s, sum_bytes_per_s;               /* of floats, in the cache */
    /* Of one codec: bytes of floats per second of one core, in the cache; payload per float. */
    double encode_bytes_per_s, decode_bytes_per_s, add_bytes_per_s, merge_bytes_per_s;
    double payload_bytes;
    double reserved[8];
} gw_costs_info;

/* Measure what was not measured yet: takes milliseconds, once per comm and codec. Collective; every
 * rank gets the same numbers, the worst that any found. Errors: as making a plan; the words are in
 * gw_comm_error(comm). */
GW_API GW_MUST_CHECK gw_status gw_info_costs(gw_comm *comm, const char *codec, gw_costs_info *out);

/* Seconds that the cost model predicts for an allreduce (f32, mean) of `count` elements; after
 * gw_info_costs. `algorithm` NULL or "": the cheapest. Local.
 * Errors: GW_ENOTSUP (the algorithm does not apply), GW_ESPEC, GW_ENOMEM, GW_EINVAL. */
GW_API GW_MUST_CHECK gw_status gw_info_predict(gw_comm *comm, const char *codec,
                                               const char *algorithm, size_t count,
                                               double *seconds);

/* Check all GRADWIRE_ variables of the environment. GW_ESPEC names the wrong one and the nearest
 * valid name or the valid values, in gw_comm_error(NULL). */
GW_API GW_MUST_CHECK gw_status gw_info_check_settings(void);

#ifdef __cplusplus
}
#endif

#endif
