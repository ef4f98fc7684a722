# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the room session/.
check_PROGRAMS += tests/fuzz_keys
tests_fuzz_keys_SOURCES = tests/fuzz_keys.c $(fuzz_driver)
tests_fuzz_keys_LDFLAGS = $(fuzz_flags)
tests_fuzz_keys_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_keys
EXTRA_DIST += tests/corpus/keys

check_PROGRAMS += tests/fuzz_address
tests_fuzz_address_SOURCES = tests/fuzz_address.c $(fuzz_driver)
tests_fuzz_address_LDFLAGS = $(fuzz_flags)
tests_fuzz_address_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_address
EXTRA_DIST += tests/corpus/address

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
check_PROGRAMS += tests/test_digest
tests_test_digest_SOURCES = tests/test_digest.c
tests_test_digest_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(XXHASH_CFLAGS)
tests_test_digest_LDADD = libbase.la $(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_digest

check_PROGRAMS += tests/test_address
tests_test_address_SOURCES = tests/test_address.c
tests_test_address_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_address_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_address

check_PROGRAMS += tests/test_keys
tests_test_keys_SOURCES = tests/test_keys.c
tests_test_keys_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_keys_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_keys

check_PROGRAMS += tests/test_pipe
tests_test_pipe_SOURCES = tests/test_pipe.c
tests_test_pipe_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_pipe_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_pipe

check_PROGRAMS += tests/test_tls
tests_test_tls_SOURCES = tests/test_tls.c
tests_test_tls_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_tls_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_tls

check_PROGRAMS += tests/test_tls_foreign
tests_test_tls_foreign_SOURCES = tests/test_tls_foreign.c
tests_test_tls_foreign_CPPFLAGS = $(AM_CPPFLAGS) $(OPENSSL_CFLAGS) $(CHECK_CFLAGS)
tests_test_tls_foreign_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_tls_foreign

check_LTLIBRARIES += libstreamroom.la
libstreamroom_la_SOURCES = tests/stream_room.c tests/stream_room.h
libstreamroom_la_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(CHECK_CFLAGS)

check_PROGRAMS += tests/test_stream
tests_test_stream_SOURCES = tests/test_stream.c
tests_test_stream_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(CHECK_CFLAGS)
tests_test_stream_LDADD = libstreamroom.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_stream

check_PROGRAMS += tests/test_stream_crowd
tests_test_stream_crowd_SOURCES = tests/test_stream_crowd.c
tests_test_stream_crowd_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(CHECK_CFLAGS)
tests_test_stream_crowd_LDADD = libstreamroom.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_stream_crowd

check_PROGRAMS += tests/test_stream_close
tests_test_stream_close_SOURCES = tests/test_stream_close.c
tests_test_stream_close_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(CHECK_CFLAGS)
tests_test_stream_close_LDADD = libstreamroom.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_stream_close

check_PROGRAMS += tests/test_net_memory
tests_test_net_memory_SOURCES = tests/test_net_memory.c
tests_test_net_memory_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(CHECK_CFLAGS)
tests_test_net_memory_LDADD = libscarcememory.la $(rooms_LIBS) $(CHECK_LIBS)
tests_test_net_memory_LDFLAGS = $(scarce_flags)
TESTS += tests/test_net_memory

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
tests_test_session_memory_LDFLAGS = $(scarce_flags)
tests_test_session_memory_LDADD = libscarcememory.la libsession.la libbase.la \
	$(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_session_memory

check_PROGRAMS += tests/test_session_time
tests_test_session_time_SOURCES = tests/test_session_time.c \
	tests/session_pair.c tests/session_pair.h
tests_test_session_time_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_session_time_LDADD = libsession.la libbase.la $(library_LIBS) $(CHECK_LIBS)
TESTS += tests/test_session_time
endif
