# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the room session/.
check_PROGRAMS += tests/fuzz_server_session
tests_fuzz_server_session_SOURCES = tests/fuzz_server_session.c \
	tests/fuzz_session.c tests/fuzz_session.h $(fuzz_driver)
tests_fuzz_server_session_LDFLAGS = $(fuzz_flags)
tests_fuzz_server_session_LDADD = libsession.la libbase.la $(library_LIBS)
fuzz_targets += tests/fuzz_server_session
EXTRA_DIST += tests/corpus/server_session

check_PROGRAMS += tests/fuzz_client_session
tests_fuzz_client_session_SOURCES = tests/fuzz_client_session.c \
	tests/fuzz_session.c tests/fuzz_session.h $(fuzz_driver)
tests_fuzz_client_session_LDFLAGS = $(fuzz_flags)
tests_fuzz_client_session_LDADD = libsession.la libbase.la $(library_LIBS)
fuzz_targets += tests/fuzz_client_session
EXTRA_DIST += tests/corpus/client_session

if WITH_CHECK
check_PROGRAMS += tests/test_frame
tests_test_frame_SOURCES = tests/test_frame.c
tests_test_frame_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(XXHASH_CFLAGS)
tests_test_frame_LDADD = libsession.la libbase.la $(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_frame

check_PROGRAMS += tests/test_session
tests_test_session_SOURCES = tests/test_session.c tests/session_pair.c tests/session_pair.h
tests_test_session_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_session_LDADD = libsession.la libbase.la $(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_session

check_PROGRAMS += tests/test_session_hostile
tests_test_session_hostile_SOURCES = tests/test_session_hostile.c \
	tests/session_pair.c tests/session_pair.h
tests_test_session_hostile_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_session_hostile_LDADD = libsession.la libbase.la $(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_session_hostile

check_PROGRAMS += tests/test_session_frames
tests_test_session_frames_SOURCES = tests/test_session_frames.c \
	tests/session_pair.c tests/session_pair.h
tests_test_session_frames_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_session_frames_LDADD = libsession.la libbase.la $(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_session_frames

check_PROGRAMS += tests/test_session_memory
tests_test_session_memory_SOURCES = tests/test_session_memory.c \
	tests/session_pair.c tests/session_pair.h
tests_test_session_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_session_memory_LDFLAGS = \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
tests_test_session_memory_LDADD = libsession.la libbase.la $(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_session_memory

check_PROGRAMS += tests/test_session_time
tests_test_session_time_SOURCES = tests/test_session_time.c \
	tests/session_pair.c tests/session_pair.h
tests_test_session_time_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_session_time_LDADD = libsession.la libbase.la $(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_session_time
endif
