# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the room session/.
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
endif
