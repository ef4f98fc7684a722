/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Names and sentences of statuses, from the one list in status.h. */
#include <gradwire/status.h>

#define GW_STRING(x)       #x
#define GW_DOTTED(a, b, c) GW_STRING(a) "." GW_STRING(b) "." GW_STRING(c)

#define GW_CASE_NAME(name, value, sentence)                                                        \
    case value:                                                                                    \
        return #name;
#define GW_CASE_TEXT(name, value, sentence)                                                        \
    case value:                                                                                    \
        return sentence;

const char *gw_status_name(gw_status status)
{
    switch ((int)status) {
        GW_STATUSES(GW_CASE_NAME)
    default:
        return "GW_UNKNOWN";
    }
}

const char *gw_status_text(gw_status status)
{
    switch ((int)status) {
        GW_STATUSES(GW_CASE_TEXT)
    default:
        return "not a status of gradwire";
    }
}

const char *gw_version(void)
{
    return GW_DOTTED(GW_VERSION_MAJOR, GW_VERSION_MINOR, GW_VERSION_PATCH);
}
