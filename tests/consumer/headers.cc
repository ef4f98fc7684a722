// SPDX-License-Identifier: BSD-3-Clause
// SPDX-FileCopyrightText: 2026 the gradwire authors
// The installed headers are C++ too.
#include <gradwire.h>

int main()
{
    gw_options options = {};
    options.codec = "ef+qsgd:bits=4";
    return gw_type_bytes(GW_F32) == sizeof(float) && options.codec != nullptr ? 0 : 1;
}
