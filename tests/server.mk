# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the room server/.
check_PROGRAMS += tests/fuzz_job
tests_fuzz_job_SOURCES = tests/fuzz_job.c $(fuzz_driver)
tests_fuzz_job_LDFLAGS = $(fuzz_flags)
tests_fuzz_job_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_job
EXTRA_DIST += tests/corpus/job

check_LTLIBRARIES += libshards.la
libshards_la_SOURCES = tests/shards.c tests/shards.h
libshards_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)

check_PROGRAMS += tests/fuzz_shard_state
tests_fuzz_shard_state_SOURCES = tests/fuzz_shard_state.c $(fuzz_driver)
tests_fuzz_shard_state_LDFLAGS = $(fuzz_flags)
tests_fuzz_shard_state_LDADD = libshards.la $(rooms_LIBS)
fuzz_targets += tests/fuzz_shard_state
EXTRA_DIST += tests/corpus/shard_state

if WITH_CHECK
check_PROGRAMS += tests/test_policy
tests_test_policy_SOURCES = tests/test_policy.c tests/policy_oracle.c tests/policy_oracle.h
tests_test_policy_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_policy_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_policy

check_PROGRAMS += tests/test_modes
tests_test_modes_SOURCES = tests/test_modes.c
tests_test_modes_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_modes_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_modes

check_PROGRAMS += tests/test_job
tests_test_job_SOURCES = tests/test_job.c
tests_test_job_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_job_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_job

check_PROGRAMS += tests/test_job_agree
tests_test_job_agree_SOURCES = tests/test_job_agree.c
tests_test_job_agree_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_job_agree_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_job_agree

check_PROGRAMS += tests/test_cut
tests_test_cut_SOURCES = tests/test_cut.c
tests_test_cut_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_cut_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_cut

check_PROGRAMS += tests/test_job_memory
tests_test_job_memory_SOURCES = tests/test_job_memory.c
tests_test_job_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_job_memory_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
tests_test_job_memory_LDFLAGS = \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup
TESTS += tests/test_job_memory

check_PROGRAMS += tests/test_aggregators
tests_test_aggregators_SOURCES = tests/test_aggregators.c tests/samples.h
tests_test_aggregators_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_aggregators_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_aggregators

check_PROGRAMS += tests/test_optimizers
tests_test_optimizers_SOURCES = tests/test_optimizers.c tests/samples.h
tests_test_optimizers_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_optimizers_LDADD = $(rooms_LIBS) $(CHECK_LIBS) -lm
TESTS += tests/test_optimizers

check_PROGRAMS += tests/test_shard
tests_test_shard_SOURCES = tests/test_shard.c tests/samples.h
tests_test_shard_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_shard_LDADD = libshards.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_shard

check_PROGRAMS += tests/test_shard_memory
tests_test_shard_memory_SOURCES = tests/test_shard_memory.c
tests_test_shard_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_shard_memory_LDFLAGS = \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup
tests_test_shard_memory_LDADD = libshards.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_shard_memory

check_PROGRAMS += tests/test_shard_pull
tests_test_shard_pull_SOURCES = tests/test_shard_pull.c tests/samples.h
tests_test_shard_pull_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_shard_pull_LDADD = libshards.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_shard_pull
endif
