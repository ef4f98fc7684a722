# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libserver.la
libserver_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS) $(UV_CFLAGS) $(HWLOC_CFLAGS)
libserver_la_SOURCES = \
	server/aggregate.h \
	server/job.h \
	server/optimize.h \
	server/policy.h \
	server/shard.h \
	server/files.c \
	server/store.c server/store.h server/store_parts.h \
	server/store_disk.c server/store_log.c server/store_recover.c server/store_snapshot.c
