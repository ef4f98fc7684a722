/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Numbers that no other process has. */
#include "session/instance.h"

#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"

/* Before the system has gathered randomness, time and process tell processes apart. */
uint64_t gw_instance_new(void)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = gw_mix64((uint64_t)gw_now_ns() ^ (uint64_t)getpid() << 32);
    return number ? number : 1;
}
