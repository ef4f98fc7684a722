/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* What the trainer says. Standard output has the result alone; all else goes to stderr. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

double progress_seconds(const tr_progress *progress)
{
    return progress->compute_s + progress->exchange_s + progress->update_s;
}

void report_words_of_error(const char *format, ...)
{
    char words[8192]; /* written in one piece, so that ranks do not mix their lines */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    fprintf(stderr, "train: %s\n", words);
}

int report_status(gw_status status, const char *doing, const char *words)
{
    int code = EXIT_COMM;
    if (status == GW_EINVAL || status == GW_ESPEC || status == GW_ENOTSUP || status == GW_EMISMATCH)
        code = EXIT_USAGE;
    else if (status == GW_ENONFINITE || status == GW_EPAYLOAD)
        code = EXIT_WRONG;
    return report_error(code, "%s: %s (%s)", doing, words[0] ? words : gw_status_text(status),
                        gw_status_name(status));
}

void report_progress(const tr_progress *progress, uint64_t steps, double rate)
{
    fprintf(stderr,
            "\rstep %" PRIu64 " of %" PRIu64 "  %.1f s  rate %.2g  train %.3f  held-out %.3f\033[K",
            progress->step, steps, progress_seconds(progress), rate,
            progress->loss_count > 0 ? progress->loss_sum / progress->loss_count
                                     : progress->train_loss,
            progress->heldout_loss);
    fflush(stderr);
}

void report_progress_end(void)
{
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

int report_curve(const char *path, const tr_progress *progress, int begin)
{
    FILE *file = fopen(path, begin ? "w" : "a");
    if (!file)
        return report_error(EXIT_USAGE, "%s: %s", path, strerror(errno));
    if (begin)
        fputs("# step seconds bytes train_loss heldout_loss\n", file);
    fprintf(file, "%" PRIu64 " %.6f %" PRIu64 " %.6f %.6f\n", progress->step,
            progress_seconds(progress), progress->sent_bytes, progress->train_loss,
            progress->heldout_loss);
    if (fclose(file) != 0)
        return report_error(EXIT_USAGE, "%s: %s", path, strerror(errno));
    return EXIT_GOOD;
}

static double per_step(const tr_progress *progress, uint64_t bytes)
{
    return progress->step ? (double)bytes / (double)progress->step : 0;
}

static double ratio(uint64_t raw, uint64_t bytes)
{
    return bytes ? (double)raw / (double)bytes : 1;
}

void report_words(const tr_progress *progress, const tr_result *result)
{
    printf("%s by %s over %s\n", result->codec, result->algorithm, result->comm);
    printf("  %d ranks, %" PRIu64 " parameters, %" PRIu64 " steps of %s, rate %g, momentum %g\n",
           result->ranks, result->parameters, progress->step, result->optimizer, result->rate,
           result->momentum);
    printf("  loss %.4f in training, %.4f held out; accuracy %.3f\n", progress->train_loss,
           progress->heldout_loss, progress->accuracy);
    printf("  %.0f bytes sent per step and rank, %.1f times less than raw\n",
           per_step(progress, progress->sent_bytes),
           ratio(progress->raw_bytes, progress->sent_bytes));
    if (result->pushes)
        printf("  %.0f bytes pulled per step and rank, %.1f times less than raw\n",
               per_step(progress, progress->received_bytes),
               ratio(progress->raw_received_bytes, progress->received_bytes));
    printf("  %.2f s: %.2f computing, %.2f exchanging, %.2f updating; and %.2f evaluating\n",
           progress_seconds(progress), progress->compute_s, progress->exchange_s,
           progress->update_s, progress->evaluation_s);
    printf("  digest %016" PRIx64 ", %s\n", result->digest,
           result->equal ? "equal on all ranks" : "of this worker's last pull");
}

int report_json(const char *path, const tr_progress *progress, const tr_result *result)
{
    char digest[24];
    snprintf(digest, sizeof digest, "%016" PRIx64, result->digest);
    json_t *object = json_pack(
        "{s:s, s:s, s:i, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:s, s:s, s:s, s:s, s:f, "
        "s:f, s:f, s:f, s:f, s:f, s:b, s:f, s:f}",
        "codec", result->codec, "algorithm", result->algorithm, "ranks", result->ranks, "steps",
        (json_int_t)progress->step, "params", (json_int_t)result->parameters, "train_loss",
        progress->train_loss, "heldout_loss", progress->heldout_loss, "accuracy",
        progress->accuracy, "bytes_per_step", per_step(progress, progress->sent_bytes), "seconds",
        progress_seconds(progress), "digest", digest, "ratio",
        ratio(progress->raw_bytes, progress->sent_bytes), "reason", result->reason, "comm",
        result->comm, "data", result->data, "optimizer", result->optimizer, "lr", result->rate,
        "momentum", result->momentum, "compute_s", progress->compute_s, "exchange_s",
        progress->exchange_s, "update_s", progress->update_s, "evaluation_s",
        progress->evaluation_s, "resumed", result->resumed, "received_per_step",
        per_step(progress, progress->received_bytes), "pull_ratio",
        ratio(progress->raw_received_bytes, progress->received_bytes));
    if (!object)
        return report_error(EXIT_WRONG, "the result cannot be written as JSON");
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    int failed = !file || json_dumpf(object, file, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0 ||
                 fputc('\n', file) == EOF;
    if (file)
        failed |= (file == stdout ? fflush(file) : fclose(file)) != 0;
    json_decref(object);
    return failed ? report_error(EXIT_USAGE, "%s: %s", path, strerror(errno)) : EXIT_GOOD;
}
