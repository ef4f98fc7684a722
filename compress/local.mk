# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcompress.la
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
	compress/int.c \
	compress/randomk.c \
	compress/raw.c \
	compress/rice.c compress/rice.h \
	compress/run.c \
	compress/select.c compress/select.h \
	compress/topk.c \
	compress/vote.c \
	compress/wrap.c

# Kernels and the codecs that stand on them.
libcompress_la_SOURCES += \
	compress/kernels/kernels.c compress/kernels/table.h \
	compress/kernels/scalar.c compress/kernels/scalar.h \
	compress/kernels/scalar_codes.c compress/kernels/scalar_half.c \
	compress/kernels/scalar_reduce.c compress/kernels/scalar_select.c \
	compress/kernels/scalar_signs.c \
	compress/kernels/scalar_votes.c compress/kernels/votes.h
libcompress_la_SOURCES += \
	compress/bucket.c compress/bucket.h \
	compress/elias.c compress/elias.h \
	compress/half.c compress/packed.h \
	compress/onebit.c \
	compress/qsgd.c compress/qsgd_elias.c compress/qsgd.h \
	compress/sign.c \
	compress/terngrad.c

# Each instruction set has its own library, for its flags.
if X86
noinst_LTLIBRARIES += libkernels_avx2.la
libkernels_avx2_la_CFLAGS = $(AM_CFLAGS) -mavx2 -mf16c
libkernels_avx2_la_SOURCES = \
	compress/kernels/avx2.c compress/kernels/avx2.h \
	compress/kernels/avx2_codes.c compress/kernels/avx2_half.c \
	compress/kernels/avx2_reduce.c compress/kernels/avx2_select.c \
	compress/kernels/avx2_signs.c \
	compress/kernels/avx2_votes.c
noinst_LTLIBRARIES += libkernels_avx512.la
libkernels_avx512_la_CFLAGS = $(AM_CFLAGS) -mavx512f -mavx512dq
libkernels_avx512_la_SOURCES = \
	compress/kernels/avx512.c compress/kernels/avx512.h \
	compress/kernels/avx512_codes.c compress/kernels/avx512_half.c \
	compress/kernels/avx512_reduce.c compress/kernels/avx512_select.c \
	compress/kernels/avx512_signs.c \
	compress/kernels/avx512_votes.c
libcompress_la_LIBADD += libkernels_avx2.la libkernels_avx512.la
endif
if AARCH64
libcompress_la_SOURCES += \
	compress/kernels/neon.c compress/kernels/neon.h \
	compress/kernels/neon_codes.c compress/kernels/neon_half.c \
	compress/kernels/neon_reduce.c compress/kernels/neon_signs.c \
	compress/kernels/neon_votes.c
endif
