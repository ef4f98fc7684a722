# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcompress.la
libcompress_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libcompress_la_LIBADD =
libcompress_la_SOURCES = \
	compress/chain.c compress/codec.h \
	compress/clip.c \
	compress/codecs.c compress/rows.h \
	compress/ef.c \
	compress/elements.c compress/elements.h \
	compress/kernels/kernels.h \
	compress/momentum.c \
	compress/payload.c \
	compress/public.c \
	compress/raw.c \
	compress/run.c

# Kernels and the codecs that stand on them.
libcompress_la_SOURCES += \
	compress/kernels/kernels.c compress/kernels/table.h \
	compress/kernels/scalar.c
