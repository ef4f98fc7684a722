# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# What this room adds to the build.

# Scripts that look at the tree, the library and what is installed.
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)'; export CC; MAKE='$(MAKE)'; export MAKE; \
	SANITIZE='$(filter -fsanitize% -fno-sanitize%,$(CFLAGS))'; export SANITIZE;
lints = \
	tests/lint_codecs.sh \
	tests/lint_exports.sh \
	tests/lint_includes.sh \
	tests/lint_readme.sh \
	tests/lint_style.sh \
	tests/lint_lints.sh
TESTS += $(lints) tests/consumer.sh
check_PROGRAMS += tests/rows
tests_rows_SOURCES = tests/rows.c
tests_rows_LDADD = libgradwire.la
EXTRA_DIST += tests/consumer.sh tests/consumer/consumer.c tests/consumer/headers.cc
EXTRA_DIST += tests/test_mpi_collectives.sh tests/test_mpi_reducer.sh
EXTRA_DIST += $(lints) tests/exports.txt tests/lsan.supp tests/cross/check.h tests/next_random.h

# How fast the kernels are, and how many instructions they take.
check_PROGRAMS += tests/bench_kernels tests/instructions
tests_bench_kernels_SOURCES = tests/bench_kernels.c tests/kernel_loops.c tests/kernel_loops.h \
	tests/memory_rates.c tests/memory_rates.h
tests_bench_kernels_LDADD = $(rooms_LIBS)
tests_instructions_SOURCES = tests/instructions.c tests/kernel_loops.c tests/kernel_loops.h
tests_instructions_LDADD = $(rooms_LIBS)
TESTS += tests/test_instructions.sh tests/test_cluster.sh
EXTRA_DIST += tests/test_instructions.sh tests/instructions.txt tests/test_cluster.sh

# A fuzz target is tests/fuzz_NAME.c, which holds LLVMFuzzerTestOneInput, and the folder
# tests/corpus/NAME/. In a normal build it is a test that replays the corpus; with --enable-fuzz it
# is a libFuzzer program. Its block:
#   check_PROGRAMS += tests/fuzz_NAME
#   tests_fuzz_NAME_SOURCES = tests/fuzz_NAME.c $(fuzz_driver)
#   tests_fuzz_NAME_LDFLAGS = $(fuzz_flags)
#   tests_fuzz_NAME_LDADD = $(rooms_LIBS)
#   fuzz_targets += tests/fuzz_NAME
#   EXTRA_DIST += tests/corpus/NAME
fuzz_targets =
if FUZZ
fuzz_driver =
fuzz_flags = -fsanitize=fuzzer
else
fuzz_driver = tests/fuzz_replay.c
fuzz_flags =
endif
EXTRA_DIST += tests/fuzz_replay.c
# For scripts/check.
.PHONY: fuzz-targets print-fuzz-targets print-tests print-helpers
fuzz-targets: $(fuzz_targets)
print-fuzz-targets:
	@echo $(fuzz_targets)
print-tests:
	@echo $(TESTS)
print-helpers:
	@echo $(filter-out $(TESTS),$(check_PROGRAMS))

check_PROGRAMS += tests/fuzz_state
tests_fuzz_state_SOURCES = tests/fuzz_state.c $(fuzz_driver)
tests_fuzz_state_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
tests_fuzz_state_LDFLAGS = $(fuzz_flags)
tests_fuzz_state_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_state
EXTRA_DIST += tests/corpus/state

check_PROGRAMS += tests/fuzz_decode
tests_fuzz_decode_SOURCES = tests/fuzz_decode.c $(fuzz_driver)
tests_fuzz_decode_LDFLAGS = $(fuzz_flags)
tests_fuzz_decode_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_decode
EXTRA_DIST += tests/corpus/decode

check_PROGRAMS += tests/fuzz_header
tests_fuzz_header_SOURCES = tests/fuzz_header.c $(fuzz_driver)
tests_fuzz_header_LDFLAGS = $(fuzz_flags)
tests_fuzz_header_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_header
EXTRA_DIST += tests/corpus/header

check_PROGRAMS += tests/fuzz_spec
tests_fuzz_spec_SOURCES = tests/fuzz_spec.c $(fuzz_driver)
tests_fuzz_spec_LDFLAGS = $(fuzz_flags)
tests_fuzz_spec_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_spec
EXTRA_DIST += tests/corpus/spec

if WITH_CHECK

check_LTLIBRARIES += libranks.la
libranks_la_SOURCES = tests/ranks.c tests/ranks.h tests/collective_bodies.c tests/collective_bodies.h
libranks_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)

# Memory that runs out.
check_LTLIBRARIES += libscarcememory.la
libscarcememory_la_SOURCES = tests/scarce_memory.c tests/scarce_memory.h
scarce_flags = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=free

check_PROGRAMS += tests/test_algorithms
tests_test_algorithms_SOURCES = tests/test_algorithms.c
tests_test_algorithms_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_algorithms_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_algorithms

check_PROGRAMS += tests/test_choice
tests_test_choice_SOURCES = tests/test_choice.c
tests_test_choice_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_choice_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_choice

check_PROGRAMS += tests/test_promises
tests_test_promises_SOURCES = tests/test_promises.c
tests_test_promises_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_promises_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_promises

check_PROGRAMS += tests/test_state
tests_test_state_SOURCES = tests/test_state.c
tests_test_state_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_state_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_state

check_PROGRAMS += tests/test_pins
tests_test_pins_SOURCES = tests/test_pins.c
tests_test_pins_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_pins_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_pins

check_PROGRAMS += tests/test_gate
tests_test_gate_SOURCES = tests/test_gate.c
tests_test_gate_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_gate_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_gate

check_PROGRAMS += tests/test_conservation
tests_test_conservation_SOURCES = tests/test_conservation.c
tests_test_conservation_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_conservation_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_conservation

check_PROGRAMS += tests/test_collectives
tests_test_collectives_SOURCES = tests/test_collectives.c
tests_test_collectives_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_collectives_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_collectives

check_PROGRAMS += tests/test_shared
tests_test_shared_SOURCES = tests/test_shared.c
tests_test_shared_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_shared_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_shared

check_LTLIBRARIES += libreducerbodies.la
libreducerbodies_la_SOURCES = tests/reducer_bodies.c tests/reducer_bodies.h
check_PROGRAMS += tests/test_reducer
tests_test_reducer_SOURCES = tests/test_reducer.c
tests_test_reducer_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_reducer_LDADD = libreducerbodies.la libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_reducer
if WITH_MPI
TESTS += tests/test_mpi_reducer.sh
check_PROGRAMS += tests/mpi_reducer
tests_mpi_reducer_SOURCES = tests/mpi_reducer.c
tests_mpi_reducer_LDADD = libreducerbodies.la libranks.la $(rooms_LIBS)
endif

check_PROGRAMS += tests/test_threads
tests_test_threads_SOURCES = tests/test_threads.c
tests_test_threads_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_threads_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_threads

check_PROGRAMS += tests/test_progress
tests_test_progress_SOURCES = tests/test_progress.c
tests_test_progress_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_progress_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_progress

check_PROGRAMS += tests/test_hierarchy
tests_test_hierarchy_SOURCES = tests/test_hierarchy.c
tests_test_hierarchy_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_hierarchy_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_hierarchy

check_PROGRAMS += tests/test_oom
tests_test_oom_SOURCES = tests/test_oom.c
tests_test_oom_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_oom_LDFLAGS = $(scarce_flags)
tests_test_oom_LDADD = libscarcememory.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_oom

if WITH_MPI
check_PROGRAMS += tests/mpi_progress
tests_mpi_progress_SOURCES = tests/mpi_progress.c
tests_mpi_progress_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CFLAGS)
tests_mpi_progress_LDADD = libranks.la $(rooms_LIBS)
TESTS += tests/test_mpi_collectives.sh
check_PROGRAMS += tests/mpi_collectives
tests_mpi_collectives_SOURCES = tests/mpi_collectives.c
tests_mpi_collectives_LDADD = libranks.la $(rooms_LIBS)
endif

check_PROGRAMS += tests/test_local
tests_test_local_SOURCES = tests/test_local.c tests/transport_bodies.c tests/transport_bodies.h
tests_test_local_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_local_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_local

check_PROGRAMS += tests/test_comm_memory
tests_test_comm_memory_SOURCES = tests/test_comm_memory.c
tests_test_comm_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_comm_memory_LDADD = libscarcememory.la $(rooms_LIBS) $(CHECK_LIBS)
tests_test_comm_memory_LDFLAGS = $(scarce_flags)
TESTS += tests/test_comm_memory

check_PROGRAMS += tests/test_kernels
tests_test_kernels_SOURCES = tests/test_kernels.c
tests_test_kernels_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_kernels_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_kernels

check_PROGRAMS += tests/test_scalar
tests_test_scalar_SOURCES = tests/test_scalar.c
tests_test_scalar_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_scalar_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_scalar

if WITH_MPI
check_PROGRAMS += tests/mpi_transport
tests_mpi_transport_SOURCES = tests/mpi_transport.c \
	tests/transport_bodies.c tests/transport_bodies.h
tests_mpi_transport_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CFLAGS)
tests_mpi_transport_LDADD = $(rooms_LIBS)
TESTS += tests/test_mpi_transport.sh tests/test_stopped.sh
endif
EXTRA_DIST += tests/test_mpi_transport.sh tests/test_stopped.sh

# Codecs.
EXTRA_DIST += tests/golden
check_LTLIBRARIES += libunits.la
libunits_la_SOURCES = tests/units.c tests/units.h
libunits_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
units_LIBS = libunits.la $(rooms_LIBS) $(CHECK_LIBS) -lm

check_PROGRAMS += tests/test_chain
tests_test_chain_SOURCES = tests/test_chain.c
tests_test_chain_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_chain_LDADD = $(units_LIBS)
TESTS += tests/test_chain

check_PROGRAMS += tests/test_payload
tests_test_payload_SOURCES = tests/test_payload.c
tests_test_payload_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_payload_LDADD = $(units_LIBS)
TESTS += tests/test_payload

check_PROGRAMS += tests/test_codec_memory
tests_test_codec_memory_SOURCES = tests/test_codec_memory.c
tests_test_codec_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_codec_memory_LDADD = libscarcememory.la $(rooms_LIBS) $(CHECK_LIBS)
tests_test_codec_memory_LDFLAGS = $(scarce_flags)
TESTS += tests/test_codec_memory

check_PROGRAMS += tests/test_qsgd
tests_test_qsgd_SOURCES = tests/test_qsgd.c tests/samples.h
tests_test_qsgd_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_qsgd_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_qsgd

check_PROGRAMS += tests/test_packed
tests_test_packed_SOURCES = tests/test_packed.c tests/samples.h
tests_test_packed_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_packed_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_packed

check_PROGRAMS += tests/test_wrappers
tests_test_wrappers_SOURCES = tests/test_wrappers.c
tests_test_wrappers_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_wrappers_LDADD = $(units_LIBS)
TESTS += tests/test_wrappers

check_PROGRAMS += tests/test_wrap
tests_test_wrap_SOURCES = tests/test_wrap.c
tests_test_wrap_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_wrap_LDADD = $(units_LIBS)
TESTS += tests/test_wrap

check_PROGRAMS += tests/test_vote
tests_test_vote_SOURCES = tests/test_vote.c
tests_test_vote_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_vote_LDADD = $(units_LIBS)
TESTS += tests/test_vote

check_PROGRAMS += tests/test_one_pass
tests_test_one_pass_SOURCES = tests/test_one_pass.c
tests_test_one_pass_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_one_pass_LDADD = $(units_LIBS)
TESTS += tests/test_one_pass

check_PROGRAMS += tests/test_sparse
tests_test_sparse_SOURCES = tests/test_sparse.c
tests_test_sparse_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_sparse_LDADD = $(units_LIBS)
TESTS += tests/test_sparse

check_PROGRAMS += tests/test_int
tests_test_int_SOURCES = tests/test_int.c
tests_test_int_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_int_LDADD = $(units_LIBS)
TESTS += tests/test_int

if WITH_TOOLS
check_PROGRAMS += tests/test_trace
tests_test_trace_SOURCES = tests/test_trace.c
tests_test_trace_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
tests_test_trace_LDADD = libranks.la $(rooms_LIBS) $(CHECK_LIBS) $(JANSSON_LIBS)
TESTS += tests/test_trace
endif

check_PROGRAMS += tests/test_elias
tests_test_elias_SOURCES = tests/test_elias.c
tests_test_elias_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_elias_LDADD = $(units_LIBS)
TESTS += tests/test_elias

check_PROGRAMS += tests/test_golden
tests_test_golden_SOURCES = tests/test_golden.c
tests_test_golden_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_golden_LDADD = $(units_LIBS)
TESTS += tests/test_golden

check_PROGRAMS += tests/test_terngrad
tests_test_terngrad_SOURCES = tests/test_terngrad.c tests/samples.h
tests_test_terngrad_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_terngrad_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_terngrad
endif

if !FUZZ
TESTS += $(fuzz_targets)
endif

# The program.
if WITH_CHECK
check_PROGRAMS += tests/test_bench_units
tests_test_bench_units_SOURCES = tests/test_bench_units.c \
	tools/bench_units.c tools/bench_units.h tools/bench_input.c tools/bench_input.h \
	tools/numbers.c tools/numbers.h
tests_test_bench_units_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_bench_units_LDADD = $(CHECK_LIBS)
TESTS += tests/test_bench_units
endif
if WITH_TOOLS
TESTS += tests/test_tools.sh
endif
EXTRA_DIST += tests/tool_lib.sh tests/test_tools.sh

if WITH_EXAMPLES
if WITH_MPI
TESTS += tests/test_train.sh tests/test_train_ps.sh
endif
endif
EXTRA_DIST += tests/train_lib.sh tests/test_train.sh tests/test_train_ps.sh
