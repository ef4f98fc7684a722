# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcompress.la
libcompress_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libcompress_la_LIBADD =
libcompress_la_SOURCES = \
	compress/codec.h \
	compress/kernels/kernels.h

# Kernels and the codecs that stand on them.
libcompress_la_SOURCES += \
	compress/kernels/kernels.c compress/kernels/table.h \
	compress/kernels/scalar.c
