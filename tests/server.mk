# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the room server/.
if WITH_CHECK
# The store.
check_LTLIBRARIES += libstoremodel.la
libstoremodel_la_SOURCES = tests/sim_files.c tests/sim_files.h tests/store_model.c tests/store_model.h

check_PROGRAMS += tests/test_store
tests_test_store_SOURCES = tests/test_store.c
tests_test_store_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_store_LDADD = libstoremodel.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_store
endif
