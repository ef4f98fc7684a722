/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * What calls return. 0 is done, positive is "not yet", negative is an error. On an error nothing
 * the caller owns was changed and no output parameter was set, unless the call says otherwise.
 * The words of the last error of a handle come from gw_comm_error, gw_plan_error, gw_codec_error.
 */
#ifndef GRADWIRE_STATUS_H
#define GRADWIRE_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_API        __attribute__((visibility("default")))
#define GW_MUST_CHECK __attribute__((warn_unused_result))

#define GW_VERSION_MAJOR 0
#define GW_VERSION_MINOR 1
#define GW_VERSION_PATCH 0

/* X(name, value, sentence) */
#define GW_STATUSES(X)                                                                             \
    X(GW_OK, 0, "done")                                                                            \
    X(GW_PENDING, 1, "still under way")                                                            \
    X(GW_EINVAL, -1, "an argument is invalid")                                                     \
    X(GW_ESPEC, -2, "a spec string or setting is wrong")                                           \
    X(GW_ENOMEM, -3, "out of memory")                                                              \
    X(GW_ENOTSUP, -4, "this combination is not supported")                                         \
    X(GW_ESTATE, -5, "the call does not fit the handle's present state")                           \
    X(GW_ECAPACITY, -6, "a buffer is too small")                                                   \
    X(GW_ENONFINITE, -7, "the input holds NaN or infinity")                                        \
    X(GW_EPAYLOAD, -8, "received bytes are not a valid payload")                                   \
    X(GW_EMISMATCH, -9, "ranks disagree")                                                          \
    X(GW_ETIMEOUT, -10, "a rank did not answer before the deadline")                               \
    X(GW_EPEER, -11, "the run failed on another rank")                                             \
    X(GW_EBROKEN, -12, "the comm is unusable after an earlier failure")                            \
    X(GW_ETRANSPORT, -13, "the transport failed")                                                  \
    X(GW_EIO, -14, "a file could not be read or written")

#define GW_STATUS_ENUM(name, value, sentence) name = (value),
typedef enum gw_status { GW_STATUSES(GW_STATUS_ENUM) } gw_status;
#undef GW_STATUS_ENUM

/* The name ("GW_ENOMEM") and the sentence of a status; a constant string, never NULL. */
GW_API const char *gw_status_name(gw_status status);
GW_API const char *gw_status_text(gw_status status);

/* The version of the library that runs, "0.1.0"; the macros above are that of the headers. */
GW_API const char *gw_version(void);

#ifdef __cplusplus
}
#endif

#endif
