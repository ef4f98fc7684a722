# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the room server/.
check_PROGRAMS += tests/fuzz_job
tests_fuzz_job_SOURCES = tests/fuzz_job.c $(fuzz_driver)
tests_fuzz_job_LDFLAGS = $(fuzz_flags)
tests_fuzz_job_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_job
EXTRA_DIST += tests/corpus/job

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

check_LTLIBRARIES += libpsroom.la
libpsroom_la_SOURCES = tests/ps_room.c tests/ps_room.h
libpsroom_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

check_PROGRAMS += tests/test_ps
tests_test_ps_SOURCES = tests/test_ps.c
tests_test_ps_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_ps_LDADD = libpsroom.la libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_ps

check_PROGRAMS += tests/test_ps_calls
tests_test_ps_calls_SOURCES = tests/test_ps_calls.c
tests_test_ps_calls_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_ps_calls_LDADD = libpsroom.la libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_ps_calls

check_PROGRAMS += tests/test_ps_terms
tests_test_ps_terms_SOURCES = tests/test_ps_terms.c
tests_test_ps_terms_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_ps_terms_LDADD = libpsroom.la libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_ps_terms

check_PROGRAMS += tests/test_ps_life
tests_test_ps_life_SOURCES = tests/test_ps_life.c
tests_test_ps_life_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_ps_life_LDADD = libpsroom.la libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_ps_life
endif
