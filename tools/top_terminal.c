/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* The terminal of `gradwire top`: keys at once, a frame over the one before without flicker, and
 * everything as it was in the end. Ctrl-C comes as a signal, so that it also ends a long question.
 */
#include "tools/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t quit, resized;

static struct termios before;
static int changed; /* the terminal's settings are ours */

static void note_quit(int number)
{
    (void)number;
    quit = 1;
}

static void note_resized(int number)
{
    (void)number;
    resized = 1;
}

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void top_terminal_catch(void)
{
    set_handler(SIGINT, note_quit);
    set_handler(SIGTERM, note_quit);
    set_handler(SIGHUP, note_quit);
}

int top_terminal_quits(void)
{
    return quit;
}

void top_terminal_open(void)
{
    set_handler(SIGWINCH, note_resized);
    if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0) {
        struct termios settings = before;
        settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        settings.c_cc[VMIN] = 1;
        settings.c_cc[VTIME] = 0;
        settings.c_cc[VSUSP] = _POSIX_VDISABLE; /* would leave the shell without an echo */
        changed = tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0;
    }
    fputs("\033[?25l\033[2J", stdout); /* no cursor; an empty window */
}

void top_terminal_close(void)
{
    fputs("\033[?25h", stdout);
    fflush(stdout);
    if (changed)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    changed = 0;
}

void top_terminal_size(size_t *lines, size_t *columns)
{
    struct winsize size;
    *lines = 24;
    *columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return;
    if (size.ws_row)
        *lines = size.ws_row;
    if (size.ws_col)
        *columns = size.ws_col;
}

void top_terminal_draw(const char *text)
{
    size_t lines, columns;
    top_terminal_size(&lines, &columns);
    fputs("\033[H", stdout);
    for (size_t line = 0; *text && line < lines; line++) {
        size_t bytes = strcspn(text, "\n");
        /* What follows the last column would be on the next line. */
        fprintf(stdout, "%s%.*s\033[K", line ? "\r\n" : "",
                (int)(bytes < columns ? bytes : columns), text);
        text += bytes + (text[bytes] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

static double clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Has q been pressed, or has the terminal gone? */
static int reads_quit(void)
{
    char keys[64];
    ssize_t bytes = read(STDIN_FILENO, keys, sizeof keys);
    if (bytes < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    return bytes <= 0 || memchr(keys, 'q', (size_t)bytes) || memchr(keys, 'Q', (size_t)bytes);
}

enum top_event top_terminal_wait(double seconds)
{
    const double end = clock_s() + seconds;
    struct pollfd look = { .fd = changed ? STDIN_FILENO : -1, .events = POLLIN };
    for (;;) {
        double left = end - clock_s();
        if (quit)
            return TOP_QUIT;
        if (resized) {
            resized = 0;
            return TOP_RESIZED;
        }
        if (left <= 0)
            return TOP_TIME;
        /* A signal just before the poll is seen after a second, at the latest. */
        if (poll(&look, 1, left < 1 ? (int)(left * 1000) + 1 : 1000) > 0 && reads_quit())
            return TOP_QUIT;
    }
}
