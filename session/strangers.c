/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Strangers, counted by where they come from. */
#include "session/strangers.h"

#include <stddef.h>

static void count_crowd(struct gw_strangers *strangers, uint64_t home, int more)
{
    for (struct gw_stranger *s = strangers->oldest; s; s = s->newer)
        if (s->home == home)
            s->crowd += more;
}

void gw_strangers_add(struct gw_strangers *strangers, struct gw_stranger *stranger, uint64_t home)
{
    int crowd = 1;
    count_crowd(strangers, home, 1);
    for (struct gw_stranger *s = strangers->oldest; s && crowd == 1; s = s->newer)
        if (s->home == home)
            crowd = s->crowd;
    *stranger = (struct gw_stranger){
        .older = strangers->newest, .home = home, .crowd = crowd, .listed = true
    };
    if (strangers->newest)
        strangers->newest->newer = stranger;
    else
        strangers->oldest = stranger;
    strangers->newest = stranger;
    strangers->count++;
}

void gw_strangers_remove(struct gw_strangers *strangers, struct gw_stranger *stranger)
{
    if (!stranger->listed)
        return;
    stranger->listed = false;
    if (stranger->older)
        stranger->older->newer = stranger->newer;
    else
        strangers->oldest = stranger->newer;
    if (stranger->newer)
        stranger->newer->older = stranger->older;
    else
        strangers->newest = stranger->older;
    strangers->count--;
    count_crowd(strangers, stranger->home, -1);
}

struct gw_stranger *gw_strangers_worst(const struct gw_strangers *strangers)
{
    struct gw_stranger *worst = strangers->oldest;
    for (struct gw_stranger *s = worst; s; s = s->newer)
        if (s->crowd > worst->crowd)
            worst = s;
    return worst;
}
