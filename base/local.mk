# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	base/clock.h \
	base/digest.c base/digest.h base/digest_any.c \
	base/error.c base/error.h \
	base/random.c base/random.h \
	base/settings.c base/settings.h \
	base/spec.c base/spec.h \
	base/status.c \
	base/stream.c base/stream.h \
	base/types.h
libbase_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libbase_la_LIBADD =
if X86
noinst_LTLIBRARIES += libdigest_avx2.la libdigest_avx512.la
libdigest_avx2_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libdigest_avx2_la_CFLAGS = $(AM_CFLAGS) -mavx2
libdigest_avx2_la_SOURCES = base/digest_avx2.c
libdigest_avx512_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libdigest_avx512_la_CFLAGS = $(AM_CFLAGS) -mavx512f
libdigest_avx512_la_SOURCES = base/digest_avx512.c
libbase_la_LIBADD += libdigest_avx2.la libdigest_avx512.la
else
EXTRA_DIST += base/digest_avx2.c base/digest_avx512.c
endif
