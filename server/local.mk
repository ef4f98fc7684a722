# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libserver.la
libserver_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS) $(UV_CFLAGS) $(HWLOC_CFLAGS)
libserver_la_SOURCES = \
	server/aggregate.h server/aggregate_rows.h server/aggregators.c \
	server/aggregate_clip.c server/aggregate_linear.c server/aggregate_sorted.c \
	server/aggregate_vote.c \
	server/blocks.h \
	server/choice.c server/choice.h \
	server/cut.c \
	server/job.c server/job.h \
	server/job_agree.c \
	server/job_codecs.c \
	server/job_inside.h \
	server/job_layout.c \
	server/job_text.c \
	server/modes.c \
	server/optimize.h server/optimize_rows.h server/optimizers.c \
	server/optimize_adam.c server/optimize_lamb.c server/optimize_sgd.c \
	server/policy.c server/policy.h \
	server/shard.c server/shard.h server/shard_inside.h \
	server/shard_apply.c server/shard_hold.c server/shard_pull.c server/shard_state.c \
	server/store.h
