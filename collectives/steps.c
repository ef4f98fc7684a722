/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Building step lists. */
#include "collectives/steps.h"

#include <stdlib.h>

#define GW_STEP_NAME(name, class, sentence) [GW_STEP_##name] = #name,
static const char *const names[] = { GW_STEP_KINDS(GW_STEP_NAME) };

#define GW_STEP_CLASS(name, class, sentence) [GW_STEP_##name] = GW_CLASS_##class,
static const uint8_t classes[] = { GW_STEP_KINDS(GW_STEP_CLASS) };

const char *gw_step_name(enum gw_step_kind kind)
{
    return names[kind];
}

enum gw_step_class gw_step_class(enum gw_step_kind kind)
{
    return (enum gw_step_class)classes[kind];
}

void gw_steps_free(struct gw_step_list *list)
{
    free(list->steps);
    free(list->slots);
    *list = (struct gw_step_list){ 0 };
}

static void add(struct gw_step_list *list, struct gw_step step)
{
    if (list->count == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 64;
        struct gw_step *steps = realloc(list->steps, (size_t)capacity * sizeof *steps);
        if (!steps) {
            list->status = GW_ENOMEM;
            return;
        }
        list->steps = steps;
        list->capacity = capacity;
    }
    step.phase = list->phase;
    list->steps[list->count++] = step;
}

int gw_steps_slots(struct gw_step_list *list, enum gw_slot_kind kind, int piece, int count)
{
    int first = list->slots_count;
    if (first + count > list->slots_capacity) {
        int capacity = 2 * (first + count);
        struct gw_slot *slots = realloc(list->slots, (size_t)capacity * sizeof *slots);
        if (!slots) {
            list->status = GW_ENOMEM;
            return 0;
        }
        list->slots = slots;
        list->slots_capacity = capacity;
    }
    for (int i = 0; i < count; i++)
        list->slots[first + i] = (struct gw_slot){ .kind = kind, .piece = piece };
    list->slots_count += count;
    return first;
}

void gw_steps_add(struct gw_step_list *list, enum gw_step_kind kind, int piece, int slot)
{
    add(list,
        (struct gw_step){ .kind = kind, .peer = -1, .piece = piece, .slot = slot, .from = -1 });
}

void gw_steps_send(struct gw_step_list *list, int peer, int slot)
{
    add(list, (struct gw_step){
                  .kind = GW_STEP_SEND, .peer = peer, .piece = -1, .slot = slot, .from = -1 });
}

void gw_steps_recv(struct gw_step_list *list, int peer, int slot)
{
    add(list, (struct gw_step){
                  .kind = GW_STEP_RECV, .peer = peer, .piece = -1, .slot = slot, .from = -1 });
}

void gw_steps_take(struct gw_step_list *list, enum gw_step_kind kind, int peer, int piece)
{
    add(list,
        (struct gw_step){ .kind = kind, .peer = peer, .piece = piece, .slot = -1, .from = -1 });
}

void gw_steps_merge(struct gw_step_list *list, int piece, int from, int slot)
{
    add(list, (struct gw_step){
                  .kind = GW_STEP_MERGE, .peer = -1, .piece = piece, .slot = slot, .from = from });
}

void gw_steps_consult(struct gw_step_list *list, int rank, int size)
{
    for (int distance = 1; distance < size; distance *= 2) {
        int slots = gw_steps_slots(list, GW_SLOT_SIGN, -1, 2);
        list->phase++;
        gw_steps_add(list, GW_STEP_SIGN, -1, slots);
        gw_steps_send(list, (rank + distance) % size, slots);
        gw_steps_recv(list, (rank - distance + size) % size, slots + 1);
    }
    list->phase++;
}

void gw_steps_confirm(struct gw_step_list *list, int rank, int size)
{
    gw_steps_consult(list, rank, size);
    gw_steps_add(list, GW_STEP_COMMIT, -1, -1);
}

void gw_steps_agree(struct gw_step_list *list, int rank, int size)
{
    int slots = gw_steps_slots(list, GW_SLOT_SIDE, -1, size);
    for (int i = 1; i < size; i++)
        gw_steps_recv(list, (rank - i + size) % size, slots + (rank - i + size) % size);
    gw_steps_add(list, GW_STEP_PROPOSE, -1, slots + rank);
    for (int i = 1; i < size; i++)
        gw_steps_send(list, (rank + i) % size, slots + rank);
    add(list, (struct gw_step){
                  .kind = GW_STEP_ADOPT, .peer = -1, .piece = -1, .slot = -1, .from = slots });
    list->phase++;
}
