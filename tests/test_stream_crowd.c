/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* Listeners in a crowd: strangers that say nothing or nonsense, and no descriptors left. Who is
 * honest gets in all the same, or as soon as there is room. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/strangers.h"
#include "stream_room.h"
#include "tests/next_random.h"

static struct room room;

/* ---- who has to go --------------------------------------------------------------------------- */

/* Against the rule, word for word: of those whose home has most, the oldest. */
static int worst_of(const uint64_t *homes, const bool *there, int count)
{
    int worst = -1, most = 0;
    for (int i = 0; i < count; i++) {
        int crowd = 0;
        for (int j = 0; j < count && there[i]; j++)
            crowd += there[j] && homes[j] == homes[i];
        if (crowd > most) {
            most = crowd;
            worst = i;
        }
    }
    return worst;
}

START_TEST(the_worst)
{
    enum { ALL = 400 };
    static struct gw_stranger strangers[ALL];
    static uint64_t homes[ALL];
    static bool there[ALL];
    struct gw_strangers list = { .count = 0 };
    uint64_t seed = 3;
    int added = 0, present = 0;
    for (int step = 0; step < 1500; step++) {
        uint64_t number = next_random(&seed);
        if (number % 3 && added < ALL) {
            homes[added] = (number >> 20) % 5;
            there[added] = true;
            gw_strangers_add(&list, &strangers[added], homes[added]);
            added++, present++;
        } else if (added > 0) {
            int gone = (int)((number >> 20) % (unsigned)added);
            present -= there[gone];
            there[gone] = false;
            gw_strangers_remove(&list, &strangers[gone]); /* twice does no harm */
        }
        int worst = worst_of(homes, there, added);
        const struct gw_stranger *got = gw_strangers_worst(&list);
        ck_assert_int_eq(list.count, present);
        ck_assert_msg(worst < 0 ? !got : got == &strangers[worst], "step %d: expected %d, got %ld",
                      step, worst, got ? (long)(got - strangers) : -1L);
    }
}
END_TEST

/* ---- strangers ------------------------------------------------------------------------------- */

enum { CROWD = 300, PLACES = 64 };

static void turn(int times)
{
    for (int i = 0; i < times; i++)
        uv_run(&room.loop, UV_RUN_NOWAIT);
}

START_TEST(an_honest_one_in_a_crowd)
{
    static int fds[2 * CROWD];
    uint64_t accepted, dropped, seed = 5;
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    room_open(&room, (enum room_kind)_i);
    room.strangers = PLACES;
    room_listen(&room);
    struct side *early = room_connect(&room, 1, "terms");
    room_run(&room, &early->readies, 1);
    for (int i = 0; i < CROWD; i++) {
        uint8_t noise[200];
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] = (uint8_t)next_random(&seed);
        ck_assert_int_ge(fds[2 * i] = room_raw(&room), 0);
        ck_assert_int_ge(fds[2 * i + 1] = room_raw(&room), 0);
        turn(1);
        (void)!write(fds[2 * i + 1], noise, 1 + next_random(&seed) % sizeof noise);
    }
    struct side *honest = room_connect(&room, 1, "terms");
    room_run(&room, &honest->readies, 1);
    turn(100);
    gw_listener_counts(room.listener, &accepted, &dropped);
    ck_assert_uint_eq(accepted, 2 * CROWD + 2);
    ck_assert_uint_ge(dropped, 2 * CROWD - PLACES);
    ck_assert_int_eq(early->closed, 0);
    int open = 0;
    for (int i = 0; i < room.count; i++)
        open += room.sides[i]->stream != NULL;
    ck_assert_int_le(open, PLACES + 4);
    for (int i = 0; i < 2 * CROWD; i++)
        close(fds[i]);
    room_close(&room);
}
END_TEST

/* ---- descriptors ----------------------------------------------------------------------------- */

/* Another process connects `count` times and holds on. */
static pid_t hold(int count)
{
    fflush(NULL);
    pid_t child = fork();
    if (child != 0)
        return child;
    for (int i = 0; i < count; i++) {
        int fd = room_raw(&room);
        if (fd >= 0)
            (void)!write(fd, "\x9d", 1);
    }
    for (;;)
        pause();
}

static void let_go(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

enum { DESCRIPTORS = 64 };

static void limit_descriptors(void)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = DESCRIPTORS;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void join(void)
{
    struct side *honest = room_connect(&room, 1, "terms");
    while (!honest->readies) {
        if (honest->gone)
            honest = room_connect(&room, 1, "terms"); /* as a worker does */
        uv_run(&room.loop, UV_RUN_ONCE);
    }
}

/* Strangers have taken all descriptors: the oldest of them give theirs up. */
START_TEST(strangers_take_all)
{
    uint64_t accepted = 0, dropped;
    room_open(&room, (enum room_kind)_i);
    room_listen(&room);
    pid_t child = hold(50 + DESCRIPTORS);
    limit_descriptors();
    while (accepted < 50 + DESCRIPTORS - 20) {
        uv_run(&room.loop, UV_RUN_NOWAIT);
        gw_listener_counts(room.listener, &accepted, &dropped);
    }
    let_go(child);
    join();
    room_close(&room);
}
END_TEST

static void over(uv_timer_t *timer)
{
    ((struct room *)timer->data)->out_of_time = true;
}

/* Others have: what comes is turned away, without going round in circles. */
START_TEST(others_take_all)
{
    int taken[DESCRIPTORS], count = 0, turns = 0;
    uint64_t accepted, dropped;
    room_open(&room, (enum room_kind)_i);
    room_listen(&room);
    pid_t child = hold(100);
    limit_descriptors();
    while ((taken[count] = dup(0)) >= 0)
        count++;
    room_run_ms(&room, 200);
    gw_listener_counts(room.listener, &accepted, &dropped);
    ck_assert_uint_eq(accepted, dropped);
    uv_timer_start(&room.guard, over, 300, 0);
    for (room.out_of_time = false; !room.out_of_time; turns++)
        uv_run(&room.loop, UV_RUN_ONCE);
    ck_assert_msg(turns < 100, "%d turns of the loop for nothing", turns);
    while (count > 0)
        close(taken[--count]);
    let_go(child);
    join();
    room_close(&room);
}
END_TEST

/* ---- files of Unix sockets ------------------------------------------------------------------- */

static gw_status listen_at(const char *path, struct gw_listener **out, struct gw_error *error)
{
    static const struct gw_stream_calls none = { .event = NULL };
    struct gw_address address;
    char text[128];
    snprintf(text, sizeof text, "unix:%s", path);
    ck_assert_int_eq(gw_address_parse(&address, text, strlen(text), error), GW_OK);
    return gw_listener_open(out, room.net, &address, NULL, &room.setup, 0, &none, NULL, error);
}

START_TEST(socket_files)
{
    struct gw_listener *first = NULL, *second = NULL;
    struct gw_error error = { .status = GW_OK };
    struct stat info;
    char path[64];
    room_open(&room, UNIX_PLAIN);
    snprintf(path, sizeof path, "%s/other", room.folder);
    mode_t before = umask(0);
    ck_assert_int_eq(listen_at(path, &first, &error), GW_OK);
    umask(before);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 07777u, 0600);
    ck_assert_int_eq(listen_at(path, &second, &error), GW_EIO);
    ck_assert_msg(strstr(error.text, "in use") != NULL, "%s", error.text);
    /* A server that was killed leaves its file. */
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        unlink(path);
        _exit(listen_at(path, &second, &error) != GW_OK);
    }
    int status = 1;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    gw_listener_close(first); /* not its file any more: it stays */
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_msg(listen_at(path, &second, &error) == GW_OK, "%s", error.text);
    gw_listener_close(second);
    ck_assert_int_ne(stat(path, &info), 0);
    /* Other files are left alone. */
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    ck_assert_int_eq(listen_at(path, &second, &error), GW_EIO);
    ck_assert_msg(strstr(error.text, "in use") != NULL, "%s", error.text);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(listen_at("/nowhere/socket", &second, &error), GW_EIO);
    room_close(&room);
}
END_TEST

START_TEST(public_addresses)
{
    static const char *const texts[] = { "0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.org:80" };
    static const struct gw_stream_calls none = { .event = NULL };
    room_open(&room, UNIX_PLAIN);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct gw_address address;
        struct gw_listener *listener;
        struct gw_stream *stream;
        struct gw_error error = { .status = GW_OK };
        ck_assert_int_eq(gw_address_parse(&address, texts[i], strlen(texts[i]), NULL), GW_OK);
        ck_assert_int_eq(gw_listener_open(&listener, room.net, &address, NULL, &room.setup, 0,
                                          &none, NULL, &error),
                         GW_ENOTSUP);
        ck_assert_msg(strstr(error.text, "\"gradwire key ") != NULL, "%s", error.text);
        error.text[0] = '\0';
        ck_assert_int_eq(
            gw_stream_connect(&stream, room.net, &address, NULL, &room.setup, &none, NULL, &error),
            GW_ENOTSUP);
        ck_assert_msg(strstr(error.text, "\"gradwire key ") != NULL, "%s", error.text);
    }
    room_close(&room);
}
END_TEST

/* With keys, every address of this machine. */
START_TEST(public_with_keys)
{
    room_open(&room, TCP_TLS);
    ck_assert_int_eq(gw_address_parse(&room.address, "0.0.0.0:0", 9, NULL), GW_OK);
    room_listen(&room);
    struct side *client = room_connect(&room, 1, "terms");
    room_run(&room, &client->readies, 1);
    struct gw_listener *second;
    struct gw_error error = { .status = GW_OK };
    static const struct gw_stream_calls none = { .event = NULL };
    ck_assert_int_eq(gw_listener_open(&second, room.net, &room.address, room.serving, &room.setup,
                                      0, &none, NULL, &error),
                     GW_EIO);
    ck_assert_msg(strstr(error.text, room.address.text) != NULL, "%s", error.text);
    room_close(&room);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream_crowd");
    TCase *t = tcase_create("crowd");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_worst);
    tcase_add_loop_test(t, an_honest_one_in_a_crowd, 0, ROOM_KINDS);
    tcase_add_loop_test(t, strangers_take_all, 0, ROOM_KINDS);
    tcase_add_loop_test(t, others_take_all, 0, 2);
    tcase_add_test(t, socket_files);
    tcase_add_test(t, public_addresses);
    tcase_add_test(t, public_with_keys);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
