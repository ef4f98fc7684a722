/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The transport tcp: when ranks are late, absent, of another opinion, killed or frozen, and when
 * strangers knock. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm/tcp.h"
#include "session/stream.h"
#include "tests/tcp_ranks.h"

/* ---- two ranks that open in their own ways --------------------------------------------------- */

struct opener {
    pthread_t thread;
    char spec[320];
    int64_t delay_ns;
    gw_status status;
    char words[640];
    gw_comm *comm;
};

static void *open_one(void *argument)
{
    struct opener *self = argument;
    gw_sleep_ns(self->delay_ns);
    self->status = gw_comm_open(&self->comm, self->spec);
    snprintf(self->words, sizeof self->words, "%s", gw_comm_error(NULL));
    return NULL;
}

static void start_opener(struct opener *self)
{
    ck_assert_int_eq(pthread_create(&self->thread, NULL, open_one, self), 0);
}

static void join_opener(struct opener *self)
{
    pthread_join(self->thread, NULL);
    if (self->status == GW_OK)
        gw_comm_close(self->comm);
}

static void expect_status(const struct opener *self, gw_status status, const char *words)
{
    ck_assert_msg(self->status == status && (!words || strstr(self->words, words)),
                  "%s: expected %s with '%s', got %s: %s", self->spec, gw_status_name(status),
                  words ? words : "", gw_status_name(self->status), self->words);
}

START_TEST(a_late_rank_is_waited_for)
{
    struct tcp_folder folder;
    struct opener ranks[2] = { { .delay_ns = _i == 0 ? 300000000 : 0 },
                               { .delay_ns = _i == 1 ? 300000000 : 0 } };
    tcp_folder_open(&folder, _i ? TCP_LOOPBACK : TCP_UNIX, 2);
    for (int r = 0; r < 2; r++) {
        tcp_folder_spec(&folder, "", r, ranks[r].spec, sizeof ranks[r].spec);
        start_opener(&ranks[r]);
    }
    for (int r = 0; r < 2; r++) {
        pthread_join(ranks[r].thread, NULL);
        expect_status(&ranks[r], GW_OK, NULL);
    }
    gw_comm_close(ranks[0].comm);
    gw_comm_close(ranks[1].comm);
    tcp_folder_close(&folder);
}
END_TEST

START_TEST(absent_ranks_are_named)
{
    struct tcp_folder folder;
    struct opener rank = { .delay_ns = 0 };
    setenv("GRADWIRE_TIMEOUT", "0.2", 1);
    tcp_folder_open(&folder, TCP_UNIX, 4);
    tcp_folder_spec(&folder, "", 2, rank.spec, sizeof rank.spec);
    start_opener(&rank);
    join_opener(&rank);
    expect_status(&rank, GW_ETIMEOUT, "rank 0, 1, 3 did not come within 0.2 s");
    tcp_folder_close(&folder);
}
END_TEST

/* Both hear what the other says. */
START_TEST(ranks_that_disagree_hear_why)
{
    struct tcp_folder folder;
    struct opener ranks[2] = { { .delay_ns = 0 } };
    tcp_folder_open(&folder, TCP_UNIX, 3);
    snprintf(ranks[0].spec, sizeof ranks[0].spec, "tcp:ranks=2,rank=0,peers=%s", folder.peers);
    snprintf(ranks[1].spec, sizeof ranks[1].spec, "tcp:ranks=3,rank=1,peers=%s", folder.peers);
    for (int r = 0; r < 2; r++)
        start_opener(&ranks[r]);
    for (int r = 0; r < 2; r++) {
        join_opener(&ranks[r]);
        expect_status(&ranks[r], GW_EMISMATCH, "rank 1 says \"transport tcp 1, 3 ranks");
        expect_status(&ranks[r], GW_EMISMATCH, "rank 0 says \"transport tcp 1, 2 ranks");
    }
    tcp_folder_close(&folder);
}
END_TEST

/* Somebody of another job does not end this one: he alone hears of it. */
START_TEST(another_group_is_turned_away)
{
    struct tcp_folder folder;
    struct opener ranks[3] = { { .delay_ns = 0 }, { .delay_ns = 200000000 } };
    char other[96];
    tcp_folder_open(&folder, TCP_UNIX, 2);
    snprintf(other, sizeof other, "%s/other", folder.path);
    FILE *file = fopen(other, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "unix:%s/0\nunix:%s/other-1\n", folder.path, folder.path);
    ck_assert_int_eq(fclose(file), 0);
    tcp_folder_spec(&folder, "", 0, ranks[0].spec, sizeof ranks[0].spec);
    tcp_folder_spec(&folder, "", 1, ranks[1].spec, sizeof ranks[1].spec);
    snprintf(ranks[2].spec, sizeof ranks[2].spec, "tcp:ranks=2,rank=1,peers=%s", other);
    for (int r = 0; r < 3; r++)
        start_opener(&ranks[r]);
    pthread_join(ranks[2].thread, NULL);
    expect_status(&ranks[2], GW_EMISMATCH, "rank 0 says");
    for (int r = 0; r < 2; r++) {
        pthread_join(ranks[r].thread, NULL);
        expect_status(&ranks[r], GW_OK, NULL);
    }
    gw_comm_close(ranks[0].comm);
    gw_comm_close(ranks[1].comm);
    ck_assert_int_eq(unlink(other), 0);
    tcp_folder_close(&folder);
}
END_TEST

START_TEST(wrong_specs_are_told)
{
    static const struct {
        const char *peers, *spec, *words;
        gw_status status;
    } cases[] = {
        { "unix:/tmp/x\n", "tcp:", "needs ranks=", GW_ESPEC },
        { "unix:/tmp/x\n", "tcp:ranks=2,rank=2,peers=%s", "rank=2 is not below", GW_ESPEC },
        { "unix:/tmp/x\n", "tcp:ranks=2,rank=0,peers=%s", "1 addresses, expected", GW_ESPEC },
        { "unix:/tmp/x\n", "tcp:ranks=1,rank=0,peers=%s.none", "No such file", GW_EIO },
        { "#\nnothing\n", "tcp:ranks=1,rank=0,peers=%s", "peers:2:", GW_ESPEC },
        { "tcp:10.0.0.1:70\ntcp:10.0.0.2:70\n", "tcp:ranks=2,rank=0,peers=%s", "gradwire key",
          GW_ENOTSUP },
        { "unix:/nowhere/x\nunix:/tmp/x\n", "tcp:ranks=2,rank=0,peers=%s", "/nowhere/x", GW_EIO },
    };
    struct tcp_folder folder;
    struct opener rank = { .delay_ns = 0 };
    tcp_folder_open(&folder, TCP_UNIX, 1);
    FILE *file = fopen(folder.peers, "we");
    ck_assert_ptr_nonnull(file);
    fputs(cases[_i].peers, file);
    ck_assert_int_eq(fclose(file), 0);
    const char *hole = strstr(cases[_i].spec, "%s");
    int before = hole ? (int)(hole - cases[_i].spec) : (int)strlen(cases[_i].spec);
    snprintf(rank.spec, sizeof rank.spec, "%.*s%s%s", before, cases[_i].spec,
             hole ? folder.peers : "", hole ? hole + 2 : "");
    start_opener(&rank);
    join_opener(&rank);
    expect_status(&rank, cases[_i].status, cases[_i].words);
    tcp_folder_close(&folder);
}
END_TEST

/* ---- strangers ------------------------------------------------------------------------------- */

static int knock(const struct tcp_folder *folder, int rank)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s/%d", folder->path, rank);
    if (connect(file, (struct sockaddr *)&name, sizeof name) == 0)
        return file;
    close(file);
    return -1;
}

/* A header that claims to be somebody, with good checksums. */
static void send_header(int file, uint8_t type, uint32_t worker, uint32_t length)
{
    uint8_t header[GW_FRAME_HEADER];
    struct gw_frame frame = { .version = GW_PROTOCOL_NEWEST,
                              .type = type,
                              .worker = worker,
                              .length = length,
                              .checksum = gw_frame_checksum(NULL, 0) };
    gw_frame_write(header, &frame);
    (void)!send(file, header, sizeof header, MSG_NOSIGNAL);
}

/* While a rank is waited for strangers talk nonsense, claim to be ranks, or say nothing at all.
 * When all ranks are there, nobody listens any more. */
START_TEST(strangers_do_not_matter)
{
    struct tcp_folder folder;
    struct opener ranks[2] = { { .delay_ns = 0 }, { .delay_ns = 400000000 } };
    int files[40];
    tcp_folder_open(&folder, TCP_UNIX, 2);
    for (int r = 0; r < 2; r++) {
        tcp_folder_spec(&folder, "", r, ranks[r].spec, sizeof ranks[r].spec);
        start_opener(&ranks[r]);
    }
    while ((files[0] = knock(&folder, 0)) < 0)
        gw_sleep_ns(1000000);
    for (int i = 1; i < 40; i++) {
        static const char nonsense[] = "GET / HTTP/1.1\r\n\r\n";
        files[i] = knock(&folder, 0);
        ck_assert_int_ge(files[i], 0);
        if (i % 4 == 0)
            (void)!send(files[i], nonsense, sizeof nonsense, MSG_NOSIGNAL);
        if (i % 4 == 1)
            send_header(files[i], (uint8_t)i, (uint32_t)i, 0);
        if (i % 4 == 2)
            send_header(files[i], GW_FRAME_HELLO, 1, UINT32_MAX);
    }
    for (int r = 0; r < 2; r++) {
        pthread_join(ranks[r].thread, NULL);
        expect_status(&ranks[r], GW_OK, NULL);
    }
    int late = -1;
    for (int i = 0; i < 1000 && (late = knock(&folder, 0)) >= 0; i++) {
        close(late); /* the thread is about to close it */
        gw_sleep_ns(1000000);
    }
    ck_assert_msg(late < 0, "rank 0 still listens");
    gw_comm_close(ranks[0].comm);
    gw_comm_close(ranks[1].comm);
    for (int i = 0; i < 40; i++)
        close(files[i]);
    tcp_folder_close(&folder);
}
END_TEST

/* ---- death ----------------------------------------------------------------------------------- */

static pid_t fork_rank(const struct tcp_folder *folder, int rank)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    char spec[320];
    gw_comm *comm;
    tcp_folder_spec(folder, "", rank, spec, sizeof spec);
    gw_status s = gw_comm_open(&comm, spec);
    while (s == GW_OK) /* the second is where it ends */
        s = gw_barrier(comm);
    for (;;)
        pause();
}

/* Rank 2 is killed or stopped while the others wait, for rank 1 even: it is rank 2 that they
 * name. The comm's own deadline is far away. */
START_TEST(a_dead_rank_is_named_at_once)
{
    static const int signals[] = { SIGKILL, SIGSTOP };
    struct tcp_folder folder;
    char spec[320];
    gw_comm *comm;
    struct gw_op *op;
    uint8_t byte;
    tcp_folder_open(&folder, _i / 2 ? TCP_KEYS : TCP_UNIX, 3);
    pid_t idle = fork_rank(&folder, 1), victim = fork_rank(&folder, 2);
    tcp_folder_spec(&folder, "", 0, spec, sizeof spec);
    ck_assert_msg(gw_comm_open(&comm, spec) == GW_OK, "%s", gw_comm_error(NULL));
    ck_assert_msg(gw_barrier(comm) == GW_OK, "%s", gw_comm_error(comm));
    ck_assert_int_eq(kill(victim, signals[_i % 2]), 0);
    int64_t before = gw_now_ns();
    gw_status s = gw_comm_recv(comm, 1, 9, &byte, 1, &op);
    s = s ? s : finish_op(comm, op, NULL);
    double seconds = (double)(gw_now_ns() - before) / 1e9;
    (void)kill(victim, SIGKILL);
    (void)kill(idle, SIGKILL);
    (void)waitpid(victim, NULL, 0);
    (void)waitpid(idle, NULL, 0);
    ck_assert_msg(s == GW_ETRANSPORT && strstr(comm->broken.text, "rank 2 is lost"),
                  "signal %d: expected GW_ETRANSPORT by rank 2, got %s after %g s: %s",
                  signals[_i % 2], gw_status_name(s), seconds, comm->broken.text);
    printf("signal %d: noticed after %.3f s: %s\n", signals[_i % 2], seconds, comm->broken.text);
    ck_assert_int_eq(gw_barrier(comm), GW_EBROKEN);
    gw_comm_close(comm);
    tcp_folder_close(&folder);
}
END_TEST

/* Who computes for longer than a silent rank would be let live is not dead. */
static void body_busy(gw_comm *comm, struct body_result *result)
{
    if (comm->rank == 1)
        gw_sleep_ns(gw_session_times_default.dead_ns + 300000000);
    expect(result, gw_barrier(comm) == GW_OK, "barrier: %s", gw_comm_error(comm));
}

START_TEST(a_busy_rank_is_alive)
{
    tcp_run(TCP_UNIX, "", 2, "busy", body_busy);
}
END_TEST

/* ---- a peer without a connection ------------------------------------------------------------- */

struct lone {
    struct tcp_engine engine;
    struct tcp_peer peer;
    struct tcp_link link;
    struct gw_error error;
};

static struct lone *lone_open(void)
{
    struct lone *lone = calloc(1, sizeof *lone);
    ck_assert_ptr_nonnull(lone);
    lone->engine.opened = lone->engine.poked = true; /* there is no thread to be woken */
    pthread_mutex_init(&lone->engine.lock, NULL);
    pthread_cond_init(&lone->engine.rung, NULL);
    lone->peer.engine = &lone->engine;
    lone->peer.rank = 1;
    lone->peer.state = TCP_READY;
    lone->peer.link = &lone->link;
    lone->link = (struct tcp_link){ .engine = &lone->engine, .peer = &lone->peer };
    return lone;
}

static void lone_close(struct lone *lone)
{
    gw_tcp_lanes_free(&lone->peer);
    gw_tcp_contexts_free(lone->peer.contexts);
    pthread_cond_destroy(&lone->engine.rung);
    pthread_mutex_destroy(&lone->engine.lock);
    free(lone);
}

/* A frame with a payload of zeros comes. */
static gw_status lone_hear(struct lone *lone, uint8_t type, uint8_t flags, uint32_t length)
{
    uint8_t *room = NULL;
    struct gw_event event = { .kind = GW_EVENT_FRAME };
    event.frame = (struct gw_frame){ .type = type, .flags = flags, .length = length, .spec = 5 };
    event.frame.sequence = lone->peer.in_sequence;
    gw_status s = gw_tcp_admit(&lone->link, &event.frame, &room, &lone->error);
    if (s)
        return s;
    event.placed = room != NULL;
    event.payload = room ? room : calloc(1, (size_t)length + 1);
    ck_assert_ptr_nonnull(event.payload);
    s = gw_tcp_take(&lone->peer, &event);
    gw_event_release(&event);
    return s;
}

/* A message without a byte costs memory, too, so the limit holds for it. */
START_TEST(empty_messages_have_a_limit)
{
    enum { MOST = 4 * GW_TCP_WINDOW / GW_TCP_OVERHEAD + 2 };
    struct lone *lone = lone_open();
    gw_status s = GW_OK;
    int count = 0;
    for (; count <= MOST && !s; count++)
        s = lone_hear(lone, GW_TCP_MESSAGE, GW_TCP_LAST, 0);
    ck_assert_msg(s == GW_ECAPACITY && strstr(lone->error.text, "told to hold"),
                  "expected GW_ECAPACITY after %d empty messages, got %s after %d: %s", MOST,
                  gw_status_name(s), count, lone->error.text);
    lone_close(lone);
}
END_TEST

/* What a rank that leaves has sent in part is thrown away, and what it was held for is gone. */
START_TEST(who_leaves_is_held_no_more)
{
    struct lone *lone = lone_open();
    lone->engine.kept_max = 1000;
    ck_assert_int_eq(lone_hear(lone, GW_TCP_MESSAGE, 0, 5000), GW_OK);
    ck_assert(lone->peer.holds);
    ck_assert_int_eq(lone_hear(lone, GW_TCP_LEAVE, 0, 0), GW_OK);
    ck_assert_uint_eq(lone->peer.kept, 0);
    ck_assert(!lone->peer.holds);
    lone_close(lone);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tcp_faults");
    TCase *t = tcase_create("joining");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, a_late_rank_is_waited_for, 0, 2);
    tcase_add_test(t, absent_ranks_are_named);
    tcase_add_test(t, ranks_that_disagree_hear_why);
    tcase_add_test(t, another_group_is_turned_away);
    tcase_add_loop_test(t, wrong_specs_are_told, 0, 7);
    tcase_add_test(t, strangers_do_not_matter);
    suite_add_tcase(suite, t);
    t = tcase_create("death");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, a_dead_rank_is_named_at_once, 0, 4);
    tcase_add_test(t, a_busy_rank_is_alive);
    suite_add_tcase(suite, t);
    t = tcase_create("limits");
    tcase_add_test(t, empty_messages_have_a_limit);
    tcase_add_test(t, who_leaves_is_held_no_more);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
