# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcompress.la
libcompress_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libcompress_la_LIBADD =
libcompress_la_SOURCES = \
	compress/codec.h \
	compress/kernels/kernels.h
