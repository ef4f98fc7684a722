/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the trainer says: errors, progress, the curve, the result. */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include <gradwire.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses. */
enum { EXIT_GOOD = 0, EXIT_USAGE = 1, EXIT_WRONG = 2, EXIT_COMM = 3 };

/* Where a run stands; saved in checkpoints as it is. */
typedef struct tr_progress {
    uint64_t step;       /* steps done */
    uint64_t sent_bytes; /* by this rank in these steps */
    uint64_t raw_bytes;  /* what raw would have sent */
    uint64_t received_bytes, raw_received_bytes;
    double loss_sum, loss_count; /* training losses since the last evaluation, of this rank */
    double train_loss, heldout_loss, accuracy; /* of the last evaluation, of all ranks */
    double compute_s, exchange_s, update_s, evaluation_s;
} tr_progress;

/* Seconds of training: evaluations and checkpoints apart, which cost the same for every codec. */
double progress_seconds(const tr_progress *progress);

typedef struct tr_result {
    const char *codec, *algorithm, *reason, *comm, *data, *optimizer;
    int ranks;
    uint64_t steps, parameters, digest;
    double rate, momentum;
    int resumed;
    int equal;  /* all ranks' parameters have this digest */
    int pushes; /* to parameter servers */
} tr_result;

/* Say on stderr what is wrong; the value is `code`, in sight of compilers and analyzers. */
#define report_error(code, ...) (report_words_of_error(__VA_ARGS__), (code))
void report_words_of_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit status that fits a status of the library, after saying `doing` and the words. */
int report_status(gw_status status, const char *doing, const char *words);

/* One line that is overwritten by the next. */
void report_progress(const tr_progress *progress, uint64_t steps, double rate);
void report_progress_end(void);

/* Add a line to a curve file; a title first when `begin`. Returns an exit status. */
int report_curve(const char *path, const tr_progress *progress, int begin);

/* The result in words, and as one JSON object to a file ("-" is standard output). */
void report_words(const tr_progress *progress, const tr_result *result);
int report_json(const char *path, const tr_progress *progress, const tr_result *result);

#endif
