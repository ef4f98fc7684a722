# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the transport tcp: and of gradwire run.
tcp_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(UV_CFLAGS)
check_PROGRAMS += tests/fuzz_peers
tests_fuzz_peers_SOURCES = tests/fuzz_peers.c $(fuzz_driver)
tests_fuzz_peers_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS)
tests_fuzz_peers_LDFLAGS = $(fuzz_flags)
tests_fuzz_peers_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_peers
EXTRA_DIST += tests/corpus/peers

check_PROGRAMS += tests/fuzz_lanes
tests_fuzz_lanes_SOURCES = tests/fuzz_lanes.c $(fuzz_driver)
tests_fuzz_lanes_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS)
tests_fuzz_lanes_LDFLAGS = $(fuzz_flags)
tests_fuzz_lanes_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_lanes
EXTRA_DIST += tests/corpus/lanes

if WITH_CHECK
check_PROGRAMS += tests/test_tcp
tests_test_tcp_SOURCES = tests/test_tcp.c tests/tcp_ranks.c tests/tcp_ranks.h \
	tests/transport_bodies.c tests/transport_bodies.h
tests_test_tcp_CPPFLAGS = $(tcp_CPPFLAGS)
tests_test_tcp_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_tcp

check_PROGRAMS += tests/test_tcp_faults
tests_test_tcp_faults_SOURCES = tests/test_tcp_faults.c tests/tcp_ranks.c tests/tcp_ranks.h \
	tests/transport_bodies.c tests/transport_bodies.h
tests_test_tcp_faults_CPPFLAGS = $(tcp_CPPFLAGS)
tests_test_tcp_faults_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_tcp_faults

check_PROGRAMS += tests/test_tcp_memory
tests_test_tcp_memory_SOURCES = tests/test_tcp_memory.c tests/tcp_ranks.c tests/tcp_ranks.h \
	tests/transport_bodies.c tests/transport_bodies.h
tests_test_tcp_memory_CPPFLAGS = $(tcp_CPPFLAGS)
tests_test_tcp_memory_LDADD = libscarcememory.la $(rooms_LIBS) $(CHECK_LIBS)
tests_test_tcp_memory_LDFLAGS = $(scarce_flags)
TESTS += tests/test_tcp_memory

check_PROGRAMS += tests/tcp_collectives
tests_tcp_collectives_SOURCES = tests/tcp_collectives.c
tests_tcp_collectives_LDADD = libranks.la $(rooms_LIBS)
if WITH_TOOLS
TESTS += tests/test_run.sh
endif
endif
EXTRA_DIST += tests/test_run.sh tests/tsan.supp
