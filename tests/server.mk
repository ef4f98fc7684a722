# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the room server/.
if WITH_CHECK
check_LTLIBRARIES += libshards.la
libshards_la_SOURCES = tests/shards.c tests/shards.h
libshards_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)

check_PROGRAMS += tests/test_shard
tests_test_shard_SOURCES = tests/test_shard.c tests/samples.h
tests_test_shard_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_shard_LDADD = libshards.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_shard

check_PROGRAMS += tests/test_shard_pull
tests_test_shard_pull_SOURCES = tests/test_shard_pull.c tests/samples.h
tests_test_shard_pull_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_shard_pull_LDADD = libshards.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_shard_pull
endif
