# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	base/clock.h \
	base/error.c base/error.h \
	base/random.c base/random.h \
	base/settings.c base/settings.h \
	base/spec.c base/spec.h \
	base/status.c \
	base/stream.c base/stream.h \
	base/types.h
libbase_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
