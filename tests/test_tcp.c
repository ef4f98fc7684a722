/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport tcp: over Unix sockets, loopback and with keys: the bodies of every transport, and
 * what is its own: messages that are kept, held and withdrawn. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "comm/tcp.h"
#include "tests/tcp_ranks.h"

static void run_all(enum tcp_kind kind, const char *prefix, int ranks)
{
    for (const struct transport_case *c = transport_cases; c->name; c++)
        tcp_run(kind, prefix, ranks, c->name, c->body);
}

START_TEST(bodies_on_unix_sockets)
{
    run_all(TCP_UNIX, "", _i);
}
END_TEST

START_TEST(bodies_on_loopback)
{
    run_all(TCP_LOOPBACK, "", 3);
}
END_TEST

START_TEST(bodies_with_keys)
{
    run_all(TCP_KEYS, "", 3);
}
END_TEST

START_TEST(bodies_on_a_shaped_link)
{
    run_all(TCP_UNIX, "shaped:rate=1000mbit,latency=20us/", 3);
}
END_TEST

/* ---- messages that nobody has asked for ------------------------------------------------------ */

enum { MANY = 40, LARGE = 1 << 20, LIMIT = 4 << 20 };

static gw_status start_large(gw_comm *comm, const uint8_t *out, struct gw_op **ops)
{
    gw_status s = GW_OK;
    for (int i = 0; i < MANY && !s; i++)
        s = gw_comm_send(comm, 1, 7, out + i, LARGE, &ops[i]);
    return s;
}

static void finish_all(gw_comm *comm, struct gw_op **ops, int count, struct body_result *result)
{
    for (int i = 0; i < count; i++) {
        gw_status s = finish_op(comm, ops[i], NULL);
        expect(result, s == GW_OK, "message %d: %s", i, gw_status_name(s));
    }
}

/* Rank 0 sends far more than rank 1 keeps, and behind it a message on another channel, which must
 * come through nevertheless. Then all the rest is there, in order. */
static void body_hold(gw_comm *comm, struct body_result *result)
{
    uint8_t *room = malloc(LARGE + MANY), note = 0;
    struct gw_op *ops[MANY], *other = NULL;
    size_t got = 0;
    for (int i = 0; i < LARGE + MANY; i++)
        room[i] = (uint8_t)(i * 7 + i / 251);
    gw_tcp_set_kept(comm, LIMIT);
    expect(result, gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
    if (comm->rank == 0) {
        gw_status s = start_large(comm, room, ops);
        note = 42;
        s = s ? s : gw_comm_send(comm, 1, 8, &note, 1, &other);
        expect(result, s == GW_OK, "sends: %s", gw_status_name(s));
        expect(result, finish_op(comm, other, NULL) == GW_OK, "the note was not sent");
        finish_all(comm, ops, MANY, result);
    } else {
        gw_status s = gw_comm_recv(comm, 0, 8, &note, 1, &other);
        s = s ? s : finish_op(comm, other, &got);
        expect(result, s == GW_OK && note == 42, "the note: %s, %d", gw_status_name(s), note);
        uint8_t *in = malloc(LARGE);
        for (int i = 0; i < MANY && !result->words[0]; i++) {
            s = gw_comm_recv(comm, 0, 7, in, LARGE, &ops[i]);
            s = s ? s : finish_op(comm, ops[i], &got);
            expect(result, s == GW_OK && got == LARGE && memcmp(in, room + i, LARGE) == 0,
                   "message %d: %s, %zu bytes, or other content", i, gw_status_name(s), got);
        }
        free(in);
    }
    expect(result, gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
    free(room);
}

START_TEST(a_flood_is_held)
{
    tcp_run(_i ? TCP_KEYS : TCP_UNIX, "", 2, "hold", body_hold);
}
END_TEST

/* A message of which a part is on its way is withdrawn while it is held: the receive that met it
 * takes the next one. */
static void body_withdraw(gw_comm *comm, struct body_result *result)
{
    enum { HUGE = 64 << 20 };
    uint8_t word[4] = { 0, 0, 0, 0 }, *huge = comm->rank == 0 ? calloc(HUGE, 1) : NULL;
    struct gw_op *op = NULL, *next = NULL;
    size_t got = 0;
    gw_tcp_set_kept(comm, 1000);
    expect(result, gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
    if (comm->rank == 0) {
        gw_status s = gw_comm_send(comm, 1, 5, huge, HUGE, &op);
        expect(result, s == GW_OK, "send: %s", gw_status_name(s));
        expect(result, gw_comm_cancel(comm, op), "the buffer of a held message is not ours");
        memcpy(word, "next", 4);
        s = gw_comm_send(comm, 1, 5, word, 4, &next);
        s = s ? s : finish_op(comm, next, NULL);
        expect(result, s == GW_OK, "the next send: %s", gw_status_name(s));
    } else {
        gw_status s = gw_comm_recv(comm, 0, 5, word, 4, &op);
        s = s ? s : finish_op(comm, op, &got);
        /* The cancel may have come before the first byte left, or after the last. */
        expect(result, s == GW_OK && got == 4 && memcmp(word, "next", 4) == 0,
               "after a withdrawn message: %s, %zu bytes", gw_status_name(s), got);
    }
    expect(result, gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
    free(huge);
}

START_TEST(a_held_send_is_withdrawn)
{
    tcp_run(TCP_UNIX, "", 2, "withdraw", body_withdraw);
}
END_TEST

/* ---- ends ------------------------------------------------------------------------------------ */

/* Rank 1 leaves a split, and its messages are still there; then it is missed. */
static void body_leave(gw_comm *comm, struct body_result *result)
{
    gw_comm *part = NULL;
    struct gw_op *op = NULL;
    uint8_t byte = 0;
    size_t got = 0;
    gw_status s = gw_comm_split(&part, comm, 0, 0);
    if (!expect(result, s == GW_OK, "split: %s", gw_comm_error(comm)))
        return;
    if (comm->rank == 1) {
        byte = 9;
        s = gw_comm_send(part, 0, 3, &byte, 1, &op);
        s = s ? s : finish_op(part, op, NULL);
        expect(result, s == GW_OK, "send: %s", gw_status_name(s));
    }
    if (comm->rank > 0) {
        gw_comm_close(part);
    } else {
        s = gw_comm_recv(part, 2, 3, &byte, 1, &op);
        s = s ? s : finish_op(part, op, &got);
        expect(result, s == GW_ETRANSPORT && strstr(part->broken.text, "rank 2 has closed"),
               "a receive from who left: %s, %s", gw_status_name(s), part->broken.text);
    }
    s = gw_barrier(comm);
    expect(result, s == GW_OK, "the parent: %s", gw_comm_error(comm));
    if (comm->rank == 0) /* not before rank 1 has sent */
        gw_comm_close(part);
    s = gw_comm_split(&part, comm, 0, 0);
    expect(result, s == GW_OK, "another split: %s", gw_comm_error(comm));
    s = gw_barrier(part);
    expect(result, s == GW_OK, "its barrier: %s", gw_comm_error(part));
    gw_comm_close(part);
}

START_TEST(who_left_a_comm_is_named)
{
    tcp_run(TCP_UNIX, "", 3, "leave", body_leave);
}
END_TEST

/* What a rank has sent is there after it has closed; what it has not is an error at once. */
static void body_bye(gw_comm *comm, struct body_result *result)
{
    enum { BYTES = 3 << 20 };
    uint8_t *room = calloc(BYTES, 1);
    struct gw_op *op = NULL;
    size_t got = 0;
    if (comm->rank == 1) {
        memset(room, 5, BYTES);
        gw_status s = gw_comm_send(comm, 0, 3, room, BYTES, &op);
        s = s ? s : finish_op(comm, op, NULL);
        expect(result, s == GW_OK, "send: %s", gw_status_name(s));
        free(room);
        return; /* and closes */
    }
    gw_status s = gw_comm_recv(comm, 1, 4, room, 1, &op);
    s = s ? s : finish_op(comm, op, &got);
    expect(result, s == GW_ETRANSPORT && strstr(comm->broken.text, "rank 1 has closed"),
           "a receive from who closed: %s, %s", gw_status_name(s), comm->broken.text);
    comm->broken.status = GW_OK; /* to look at what came before */
    s = gw_comm_recv(comm, 1, 3, room, BYTES, &op);
    s = s ? s : finish_op(comm, op, &got);
    expect(result, s == GW_OK && got == BYTES && room[BYTES - 1] == 5,
           "a message of who closed: %s, %zu bytes", gw_status_name(s), got);
    free(room);
}

START_TEST(who_closed_is_named)
{
    tcp_run(_i ? TCP_LOOPBACK : TCP_UNIX, "", 2, "bye", body_bye);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tcp");
    TCase *t = tcase_create("bodies");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, bodies_on_unix_sockets, 1, 5);
    tcase_add_test(t, bodies_on_loopback);
    tcase_add_test(t, bodies_with_keys);
    tcase_add_test(t, bodies_on_a_shaped_link);
    suite_add_tcase(suite, t);
    t = tcase_create("own");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_flood_is_held, 0, 2);
    tcase_add_test(t, a_held_send_is_withdrawn);
    tcase_add_test(t, who_left_a_comm_is_named);
    tcase_add_loop_test(t, who_closed_is_named, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
