/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire run`: processes on this machine that find each other by sockets.
 *
 * One loop watches all of them. The job ends when its last rank has; or all are told to end, by
 * SIGTERM and after a grace by SIGKILL, when one has failed, a signal has come, the time is up, or
 * nobody reads the output any more. What a rank leaves behind in its process group ends with it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/run.h"
#include "tools/tool.h"

enum { GRACE_MS = 2000, LOOK_MS = 20, SIGNALS = 3, CHUNK = 65536 };

extern char **environ;

struct job;

struct rank {
    struct job *job;
    uv_process_t process;
    uv_pipe_t pipes[2];
    struct run_lines lines[2];
    struct run_ending *ending;
    bool leaves; /* something of its process group may be there still */
};

struct job {
    const struct run_options *options;
    struct run_folder folder;
    uv_loop_t loop;
    uv_signal_t signals[SIGNALS];
    uv_timer_t limit, grace, look;
    struct run_sink sinks[2];
    struct run_input input;
    struct rank *ranks;
    struct run_ending *endings;
    char **environment, *own; /* `own`: the variables of ours within it */
    char program[4096];
    char chunk[CHUNK];
    int started, over, pipes; /* ranks, ranks, pipes that are open */
    int first;                /* that failed; -1: none */
    int status;               /* of the launcher, if something came before a rank's failure */
    bool ending, killing, closed;
};

/* ---- the end --------------------------------------------------------------------------------- */

/* Before the shim has made its group there is only the process. */
static void tell(const struct rank *rank, int signal)
{
    if (kill(-rank->process.pid, signal) != 0 && !rank->ending->over)
        (void)kill(rank->process.pid, signal);
}

static void tell_all(struct job *job, int signal)
{
    for (int r = 0; r < job->started; r++) {
        struct rank *rank = &job->ranks[r];
        if (rank->ending->over && !rank->leaves)
            continue;
        rank->ending->asked |= !rank->ending->over;
        tell(rank, signal);
    }
}

static void end_grace(uv_timer_t *timer)
{
    struct job *job = timer->data;
    job->killing = true;
    tell_all(job, SIGKILL);
}

static void end_job(struct job *job)
{
    if (job->ending)
        return;
    job->ending = true;
    tell_all(job, SIGTERM);
    uv_timer_start(&job->grace, end_grace, GRACE_MS, 0);
}

static void close_pipe(struct rank *rank, int i)
{
    uv_handle_t *handle = (uv_handle_t *)&rank->pipes[i];
    if (uv_is_closing(handle))
        return;
    rank->job->pipes--;
    (void)run_lines_close(&rank->lines[i]);
    uv_close(handle, NULL);
}

static void close_all(struct job *job)
{
    job->closed = true;
    for (int r = 0; r < job->started; r++)
        for (int i = 0; i < 2; i++)
            close_pipe(&job->ranks[r], i);
    for (int i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&job->signals[i], NULL);
    uv_close((uv_handle_t *)&job->limit, NULL);
    uv_close((uv_handle_t *)&job->grace, NULL);
    uv_close((uv_handle_t *)&job->look, NULL);
    run_input_close(&job->input);
}

static bool leaves_any(struct job *job)
{
    bool any = false;
    for (int r = 0; r < job->started; r++) {
        struct rank *rank = &job->ranks[r];
        rank->leaves = rank->leaves && kill(-rank->process.pid, 0) == 0;
        any |= rank->leaves;
    }
    return any;
}

/* All ranks are over: wait for the ends of their pipes and for what they left behind, but for a
 * grace only, since a daemon may hold a pipe for good. */
static void look(uv_timer_t *timer)
{
    struct job *job = timer->data;
    if (job->closed)
        return;
    if ((job->pipes == 0 && !leaves_any(job)) || job->killing)
        close_all(job);
}

static void consider_end(struct job *job)
{
    if (job->over < job->started || uv_is_active((uv_handle_t *)&job->look) || job->closed)
        return;
    end_job(job);
    uv_timer_start(&job->look, look, 0, LOOK_MS);
}

/* Is this what went wrong first? Ranks that end by themselves mostly do so because another was
 * killed, though the news of both may come at the same time. */
static bool is_cause(const struct job *job, const struct run_ending *ending)
{
    if (run_ending_status(ending) == 0 || ending->asked)
        return false;
    return job->first < 0 || (ending->signal && !job->endings[job->first].signal);
}

static void exited(uv_process_t *process, int64_t status, int signal)
{
    struct rank *rank = process->data;
    struct job *job = rank->job;
    rank->ending->exit = (int)status;
    rank->ending->signal = signal;
    rank->ending->over = true;
    if (signal && signal != SIGTERM && !job->killing)
        rank->ending->asked = false; /* that was somebody else */
    rank->leaves = kill(-process->pid, SIGTERM) == 0;
    uv_close((uv_handle_t *)process, NULL);
    job->over++;
    if (rank == &job->ranks[0])
        run_input_close(&job->input);
    if (is_cause(job, rank->ending)) {
        job->first = (int)(rank - job->ranks);
        end_job(job);
    }
    consider_end(job);
}

static void interrupted(uv_signal_t *handle, int signal)
{
    struct job *job = handle->data;
    if (job->ending)
        end_grace(&job->grace);
    if (!job->status && job->first < 0)
        job->status = 128 + signal;
    end_job(job);
}

static void time_is_up(uv_timer_t *timer)
{
    struct job *job = timer->data;
    if (job->ending)
        return;
    tool_complain("run", "the job is not over after %g s", job->options->timeout);
    job->status = TOOL_TIME_LIMIT;
    end_job(job);
}

/* ---- output ---------------------------------------------------------------------------------- */

static void room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct rank *rank = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(rank->job->chunk, CHUNK);
}

static void spoken(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct rank *rank = stream->data;
    struct job *job = rank->job;
    int i = stream == (uv_stream_t *)&rank->pipes[1];
    if (count < 0) {
        close_pipe(rank, i);
    } else if (count > 0 && run_lines_add(&rank->lines[i], buffer->base, (size_t)count) != 0) {
        if (!job->ending && job->first < 0)
            job->status = 128 + SIGPIPE;
        end_job(job);
    }
}

/* ---- the start ------------------------------------------------------------------------------- */

static int start_rank(struct job *job, int r)
{
    struct rank *rank = &job->ranks[r];
    char parent[32], spec[256], **command = job->options->command;
    int count = 0;
    while (command[count])
        count++;
    char **words = calloc((size_t)count + 5, sizeof *words);
    if (!words)
        return UV_ENOMEM;
    const char *shim[] = { "gradwire", "run", RUN_SHIM, parent };
    memcpy(words, shim, sizeof shim);
    memcpy(words + 4, command, (size_t)count * sizeof *words);
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    run_folder_spec(&job->folder, r, spec, sizeof spec);
    snprintf(job->own, sizeof spec + 32, "GRADWIRE_LAUNCH=%s", spec);

    bool typed = r == 0 && job->input.opened, given = r == 0 && !isatty(STDIN_FILENO);
    uv_stdio_container_t files[3] = {
        { .flags = typed   ? UV_CREATE_PIPE | UV_READABLE_PIPE
                   : given ? UV_INHERIT_FD
                           : UV_IGNORE },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)rank->pipes },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
          .data.stream = (uv_stream_t *)(rank->pipes + 1) },
    };
    if (typed)
        files[0].data.stream = (uv_stream_t *)&job->input.pipe;
    else if (given)
        files[0].data.fd = STDIN_FILENO;
    uv_process_options_t options = { .exit_cb = exited,
                                     .file = job->program,
                                     .args = words,
                                     .env = job->environment,
                                     .stdio_count = 3,
                                     .stdio = files };
    int code = uv_spawn(&job->loop, &rank->process, &options);
    free(words);
    return code;
}

static void prepare_rank(struct job *job, int r)
{
    struct rank *rank = &job->ranks[r];
    rank->job = job;
    rank->ending = &job->endings[r];
    rank->process.data = rank;
    for (int i = 0; i < 2; i++) {
        (void)uv_pipe_init(&job->loop, &rank->pipes[i], 0);
        rank->pipes[i].data = rank;
        run_lines_open(&rank->lines[i], &job->sinks[i], r, job->options->plain);
    }
    job->started++;
    job->pipes += 2;
}

static void start(struct job *job)
{
    for (int r = 0; r < job->options->ranks && !job->ending; r++) {
        struct rank *rank = &job->ranks[r];
        prepare_rank(job, r);
        int code = start_rank(job, r);
        if (code) {
            tool_complain("run", "cannot start rank %d: %s", r, uv_strerror(code));
            uv_close((uv_handle_t *)&rank->process, NULL);
            rank->ending->over = true;
            close_pipe(rank, 0);
            close_pipe(rank, 1);
            job->status = TOOL_BAD_USE;
            job->over++;
            end_job(job);
            break;
        }
        rank->ending->started = true;
        for (int i = 0; i < 2; i++)
            (void)uv_read_start((uv_stream_t *)&rank->pipes[i], room, spoken);
    }
    run_input_start(&job->input);
    consider_end(job);
}

/* ---- the job --------------------------------------------------------------------------------- */

static bool names(const char *entry, const char *variable)
{
    size_t length = strlen(variable);
    return strncmp(entry, variable, length) == 0 && entry[length] == '=';
}

/* The launcher's own environment with two variables in place of what it says of them. */
static int prepare_environment(struct job *job)
{
    const char *link = job->options->link;
    size_t count = 0, used = 0;
    while (environ[count])
        count++;
    job->own = malloc(512);
    job->environment = calloc(count + 3, sizeof *job->environment);
    if (!job->own || !job->environment)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (!names(environ[i], "GRADWIRE_LAUNCH") && !(link && names(environ[i], "GRADWIRE_LINK")))
            job->environment[used++] = environ[i];
    job->environment[used++] = job->own;
    if (link) {
        snprintf(job->own + 384, 128, "GRADWIRE_LINK=%s", link);
        job->environment[used] = job->own + 384;
    }
    return 0;
}

static int prepare(struct job *job)
{
    static const int signals[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };
    size_t bytes = sizeof job->program;
    job->ranks = calloc((size_t)job->options->ranks, sizeof *job->ranks);
    job->endings = calloc((size_t)job->options->ranks, sizeof *job->endings);
    if (!job->ranks || !job->endings || prepare_environment(job) ||
        uv_exepath(job->program, &bytes) != 0 || uv_loop_init(&job->loop) != 0) {
        tool_complain("run", "out of memory, or of files");
        return -1;
    }
    for (int i = 0; i < SIGNALS; i++) {
        (void)uv_signal_init(&job->loop, &job->signals[i]);
        job->signals[i].data = job;
        (void)uv_signal_start(&job->signals[i], interrupted, signals[i]);
    }
    uv_timer_t *timers[] = { &job->limit, &job->grace, &job->look };
    for (int i = 0; i < 3; i++) {
        (void)uv_timer_init(&job->loop, timers[i]);
        timers[i]->data = job;
    }
    if (job->options->timeout > 0)
        uv_timer_start(&job->limit, time_is_up, (uint64_t)(job->options->timeout * 1000), 0);
    if (run_input_wanted())
        (void)run_input_open(&job->input, &job->loop);
    return 0;
}

static int run(const struct run_options *options)
{
    struct job job = { .options = options,
                       .first = -1,
                       .sinks = { { .file = STDOUT_FILENO }, { .file = STDERR_FILENO } } };
    if (run_folder_open(&job.folder, options->ranks, options->tcp))
        return TOOL_BAD_USE;
    int status = TOOL_BAD_USE;
    if (!prepare(&job)) {
        (void)signal(SIGPIPE, SIG_IGN); /* a write that fails tells as much */
        start(&job);
        uv_run(&job.loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&job.loop);
        status = job.status;
        if (!status && job.first >= 0) {
            run_report(job.endings, options->ranks, job.first);
            status = run_ending_status(&job.endings[job.first]);
        }
    }
    run_folder_close(&job.folder);
    free(job.environment);
    free(job.own);
    free(job.ranks);
    free(job.endings);
    return status;
}

int tool_run(int argc, char **argv)
{
    struct run_options options;
    if (argc > 1 && strcmp(argv[1], RUN_SHIM) == 0)
        return run_shim(argc - 2, argv + 2);
    if (run_options_parse(&options, argc, argv))
        return TOOL_BAD_USE;
    return run(&options);
}
