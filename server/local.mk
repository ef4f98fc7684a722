# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libserver.la
libserver_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS) $(UV_CFLAGS) $(HWLOC_CFLAGS)
libserver_la_SOURCES = \
	server/aggregate.h \
	server/cut.c \
	server/job.c server/job.h \
	server/job_agree.c \
	server/job_inside.h \
	server/job_layout.c \
	server/job_text.c \
	server/modes.c \
	server/optimize.h \
	server/policy.c server/policy.h \
	server/shard.h \
	server/store.h
