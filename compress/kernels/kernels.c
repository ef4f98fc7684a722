/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The table of kernel sets, slowest first. A new set is one file and one row here. */
#include "compress/kernels/table.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gradwire/info.h>

#include <stdio.h>

#include "base/settings.h"

const struct gw_kernels *const gw_kernel_rows[] = {
    &gw_kernels_scalar,
#ifdef GW_X86
    &gw_kernels_avx2,
    &gw_kernels_avx512,
#endif
#ifdef GW_AARCH64
    &gw_kernels_neon,
#endif
    NULL,
};

/* Asks no row more than it has to: on a virtual machine the CPUID instruction takes microseconds,
 * and a codec is opened for each part of a layout. */
static const struct gw_kernels *fastest(void)
{
    size_t i = 0;
    while (gw_kernel_rows[i + 1])
        i++;
    while (i > 0 && !gw_kernel_rows[i]->usable())
        i--;
    return gw_kernel_rows[i];
}

gw_status gw_kernels_choose(const struct gw_kernels **out, struct gw_error *error)
{
    const char *wanted = gw_setting_text(GW_SET_KERNELS);
    if (!*wanted) {
        *out = fastest();
        return GW_OK;
    }
    char usable[GW_ERROR_TEXT / 4] = "";
    const struct gw_kernels *named = NULL;
    for (size_t i = 0; gw_kernel_rows[i]; i++) {
        const struct gw_kernels *row = gw_kernel_rows[i];
        if (strcmp(row->name, wanted) == 0)
            named = row;
        if (row->usable())
            snprintf(usable + strlen(usable), sizeof usable - strlen(usable), " %s", row->name);
    }
    if (!named)
        return gw_fail(error, GW_ESPEC, "GRADWIRE_KERNELS=%.64s: no such kernel set; usable:%s",
                       wanted, usable);
    if (!named->usable())
        return gw_fail(error, GW_ESPEC,
                       "GRADWIRE_KERNELS=%s needs %s, which this CPU lacks; "
                       "usable:%s",
                       wanted, named->needs, usable);
    *out = named;
    return GW_OK;
}

int gw_info_kernels(size_t index, gw_kernels_info *out)
{
    size_t rows = 0;
    while (gw_kernel_rows[rows])
        rows++;
    if (index >= rows)
        return 0;
    const struct gw_kernels *row = gw_kernel_rows[index];
    *out = (gw_kernels_info){ row->name, row->needs, row->usable() };
    return 1;
}

const char *gw_info_kernels_chosen(void)
{
    const struct gw_kernels *chosen;
    return gw_kernels_choose(&chosen, NULL) ? fastest()->name : chosen->name;
}
