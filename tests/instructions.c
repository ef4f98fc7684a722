/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Runs each loop of kernel_loops.h once, in each row that can be counted under callgrind (which
 * knows no AVX-512), and prints its name. test_instructions.sh counts what `measured` takes. */
#include <stdio.h>
#include <string.h>

#include "compress/kernels/table.h"
#include "tests/kernel_loops.h"

enum { COUNT = 1 << 16 };

gw_status measured(struct kernel_case *one);

__attribute__((noinline)) gw_status measured(struct kernel_case *one)
{
    return kernel_case_run(one);
}

static gw_status run(const struct kernel_loop *loop, const char *kernels)
{
    struct kernel_case one;
    gw_status s = kernel_case_open(&one, loop, kernels, COUNT);
    if (!s)
        s = kernel_case_run(&one);
    if (!s)
        s = measured(&one);
    if (s)
        fprintf(stderr, "instructions: %s: %s\n", loop->name, one.error.text);
    else
        printf("%s\t%s\t%d\n", loop->name, kernels, COUNT);
    kernel_case_close(&one);
    return s;
}

int main(void)
{
    static const char *const rows[] = { "scalar", "avx2" };
    for (const struct kernel_loop *loop = kernel_loops; loop->name; loop++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
            for (size_t i = 0; gw_kernel_rows[i]; i++)
                if (strcmp(gw_kernel_rows[i]->name, rows[r]) == 0 && gw_kernel_rows[i]->usable() &&
                    run(loop, rows[r]))
                    return 1;
    return 0;
}
