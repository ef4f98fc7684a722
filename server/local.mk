# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libserver.la
libserver_la_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(HWLOC_CFLAGS)
libserver_la_SOURCES = \
	server/aggregate.h server/aggregate_rows.h server/aggregators.c \
	server/aggregate_clip.c server/aggregate_linear.c server/aggregate_sorted.c \
	server/aggregate_vote.c \
	server/blocks.h \
	server/choice.c server/choice.h \
	server/core.c server/core.h server/core_frames.c server/core_inside.h \
	server/core_members.c server/core_push.c server/core_recover.c server/core_round.c \
	server/core_status.c server/core_store.c \
	server/cut.c \
	server/decoder.c server/decoder.h \
	server/durability.c \
	server/encoder.c server/encoder.h \
	server/files.c \
	server/http.c \
	server/info.c \
	server/job.c server/job.h \
	server/job_agree.c \
	server/job_codecs.c \
	server/job_inside.h \
	server/job_layout.c \
	server/job_text.c \
	server/key_calls.c server/key_calls.h \
	server/link.c \
	server/modes.c \
	server/optimize.h server/optimize_rows.h server/optimizers.c \
	server/optimize_adam.c server/optimize_lamb.c server/optimize_sgd.c \
	server/policy.c server/policy.h \
	server/protocol.c server/protocol.h \
	server/ps.c server/ps_inside.h server/ps_step.c server/ps_thread.c \
	server/query.c \
	server/serve.c server/serve_inside.h server/serve_loop.c \
	server/shard.c server/shard.h server/shard_inside.h \
	server/shard_apply.c server/shard_hold.c server/shard_pull.c server/shard_state.c \
	server/store.c server/store.h server/store_parts.h \
	server/store_disk.c server/store_log.c server/store_recover.c server/store_snapshot.c \
	server/team.c server/team.h \
	server/worker.c server/worker.h server/worker_inside.h
