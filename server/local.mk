# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libserver.la
libserver_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS) $(UV_CFLAGS) $(HWLOC_CFLAGS)
libserver_la_SOURCES = \
