/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What is typed goes to rank 0, piece by piece: the next is read when the last was taken. */
#include <string.h>
#include <unistd.h>

#include "tools/run.h"

bool run_input_wanted(void)
{
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

int run_input_open(struct run_input *input, uv_loop_t *loop)
{
    if (uv_tty_init(loop, &input->terminal, STDIN_FILENO, 0) != 0)
        return -1;
    (void)uv_pipe_init(loop, &input->pipe, 0);
    input->terminal.data = input->pipe.data = input->write.data = input;
    input->opened = true;
    return 0;
}

static void room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct run_input *input = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(input->buffer, sizeof input->buffer);
}

static void typed(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void taken(uv_write_t *write, int status)
{
    struct run_input *input = write->data;
    if (status == 0)
        (void)uv_read_start((uv_stream_t *)&input->terminal, room, typed);
    else
        run_input_close(input);
}

static void typed(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct run_input *input = stream->data;
    if (count == 0)
        return;
    (void)uv_read_stop(stream);
    uv_buf_t bytes = uv_buf_init(buffer->base, count > 0 ? (unsigned)count : 0);
    if (count < 0 || uv_write(&input->write, (uv_stream_t *)&input->pipe, &bytes, 1, taken) != 0)
        run_input_close(input);
}

void run_input_start(struct run_input *input)
{
    if (input->opened)
        (void)uv_read_start((uv_stream_t *)&input->terminal, room, typed);
}

void run_input_close(struct run_input *input)
{
    if (!input->opened)
        return;
    input->opened = false;
    uv_close((uv_handle_t *)&input->terminal, NULL);
    uv_close((uv_handle_t *)&input->pipe, NULL);
}
