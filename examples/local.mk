# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Programs that know only <gradwire.h>.
if WITH_EXAMPLES
noinst_PROGRAMS += examples/average examples/pushpull examples/overlap
examples_average_SOURCES = examples/average.c
examples_average_LDADD = libgradwire.la
examples_pushpull_SOURCES = examples/pushpull.c
examples_pushpull_LDADD = libgradwire.la
examples_overlap_SOURCES = examples/overlap.c
examples_overlap_CPPFLAGS = $(AM_CPPFLAGS) $(EXAMPLES_CFLAGS)
examples_overlap_LDADD = libgradwire.la $(EXAMPLES_LIBS)
noinst_PROGRAMS += examples/train
examples_train_SOURCES = \
	examples/training/checkpoint.c examples/training/checkpoint.h \
	examples/training/data.h \
	examples/training/digest.h \
	examples/training/evaluate.c \
	examples/training/exchange.c \
	examples/training/images.c \
	examples/training/model.c examples/training/model.h \
	examples/training/optimizer.c examples/training/optimizer.h \
	examples/training/options.c examples/training/options.h \
	examples/training/pushpull.c \
	examples/training/report.c examples/training/report.h \
	examples/training/resume.c \
	examples/training/serve.c examples/training/serve_place.c \
	examples/training/text.c \
	examples/training/train.c examples/training/trainer.h
examples_train_CPPFLAGS = $(AM_CPPFLAGS) $(EXAMPLES_CFLAGS)
examples_train_LDADD = libgradwire.la $(EXAMPLES_LIBS)
endif
