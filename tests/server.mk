# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Tests of the room server/.
check_PROGRAMS += tests/fuzz_job
tests_fuzz_job_SOURCES = tests/fuzz_job.c $(fuzz_driver)
tests_fuzz_job_LDFLAGS = $(fuzz_flags)
tests_fuzz_job_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_job
EXTRA_DIST += tests/corpus/job
EXTRA_DIST += tests/test_soak.sh
if WITH_TOOLS
check_PROGRAMS += tests/fuzz_top
tests_fuzz_top_SOURCES = tests/fuzz_top.c tools/top.h tools/top_state.c tools/top_table.c \
	$(fuzz_driver)
tests_fuzz_top_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_top_LDFLAGS = $(fuzz_flags)
tests_fuzz_top_LDADD = $(JANSSON_LIBS)
fuzz_targets += tests/fuzz_top
TESTS += tests/test_serve.sh
TESTS += tests/test_soak.sh tests/test_siege.sh
endif

# What an open port sees.
check_PROGRAMS += tests/prober
tests_prober_SOURCES = tests/prober.c
tests_prober_LDADD =
EXTRA_DIST += tests/test_siege.sh

# Many workers on one server, in two processes.
check_PROGRAMS += tests/ps_load
tests_ps_load_SOURCES = tests/ps_load.c tests/load_clients.c tests/load_clients.h
tests_ps_load_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS)
tests_ps_load_LDADD = $(rooms_LIBS)
TESTS += tests/ps_load

# A worker as a process of its own, for tests that kill things.
check_PROGRAMS += tests/ps_worker
tests_ps_worker_SOURCES = tests/ps_worker.c
tests_ps_worker_LDADD = libgradwire.la
EXTRA_DIST += tests/test_serve.sh tests/corpus/top

check_LTLIBRARIES += libshards.la
libshards_la_SOURCES = tests/shards.c tests/shards.h
libshards_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)

check_PROGRAMS += tests/fuzz_shard_state
tests_fuzz_shard_state_SOURCES = tests/fuzz_shard_state.c $(fuzz_driver)
tests_fuzz_shard_state_LDFLAGS = $(fuzz_flags)
tests_fuzz_shard_state_LDADD = libshards.la $(rooms_LIBS)
fuzz_targets += tests/fuzz_shard_state
EXTRA_DIST += tests/corpus/shard_state

# The store.
check_LTLIBRARIES += libstoremodel.la
libstoremodel_la_SOURCES = tests/sim_files.c tests/sim_files.h tests/store_model.c tests/store_model.h

check_PROGRAMS += tests/fuzz_log
tests_fuzz_log_SOURCES = tests/fuzz_log.c $(fuzz_driver)
tests_fuzz_log_LDFLAGS = $(fuzz_flags)
tests_fuzz_log_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_log
EXTRA_DIST += tests/corpus/log

check_PROGRAMS += tests/fuzz_snapshot
tests_fuzz_snapshot_SOURCES = tests/fuzz_snapshot.c $(fuzz_driver)
tests_fuzz_snapshot_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
tests_fuzz_snapshot_LDFLAGS = $(fuzz_flags)
tests_fuzz_snapshot_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_snapshot
EXTRA_DIST += tests/corpus/snapshot

# Jobs on a simulated network.

check_LTLIBRARIES += libsimworld.la
libsimworld_la_SOURCES = tests/sim_net.c tests/sim_net.h tests/sim_wire.c \
	tests/sim_config.c tests/sim_demon.c tests/sim_gate.c tests/sim_ledger.c tests/sim_server.c \
	tests/sim_push.c tests/sim_worker.c tests/sim_world.c tests/sim_world.h

check_PROGRAMS += tests/fuzz_server_core
tests_fuzz_server_core_SOURCES = tests/fuzz_server_core.c \
	tests/sim_files.c tests/sim_files.h $(fuzz_driver)
tests_fuzz_server_core_CPPFLAGS = $(AM_CPPFLAGS)
tests_fuzz_server_core_LDFLAGS = $(fuzz_flags)
tests_fuzz_server_core_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_server_core
EXTRA_DIST += tests/corpus/server_core

check_PROGRAMS += tests/fuzz_core_state
tests_fuzz_core_state_SOURCES = tests/fuzz_core_state.c tests/skip_recovery.h \
	tests/sim_files.c tests/sim_files.h $(fuzz_driver)
tests_fuzz_core_state_CPPFLAGS = $(AM_CPPFLAGS)
tests_fuzz_core_state_LDFLAGS = $(fuzz_flags)
tests_fuzz_core_state_LDADD = $(rooms_LIBS)
fuzz_targets += tests/fuzz_core_state
EXTRA_DIST += tests/corpus/core_state

if WITH_CHECK
check_PROGRAMS += tests/test_team
tests_test_team_SOURCES = tests/test_team.c
tests_test_team_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_team_LDADD = libshards.la $(rooms_LIBS) $(CHECK_LIBS) -lm
TESTS += tests/test_team

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
tests_test_job_memory_LDADD = libscarcememory.la $(rooms_LIBS) $(CHECK_LIBS)
tests_test_job_memory_LDFLAGS = $(scarce_flags)
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
tests_test_shard_memory_LDFLAGS = $(scarce_flags)
tests_test_shard_memory_LDADD = libscarcememory.la libshards.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_shard_memory

check_PROGRAMS += tests/test_shard_pull
tests_test_shard_pull_SOURCES = tests/test_shard_pull.c tests/samples.h
tests_test_shard_pull_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_shard_pull_LDADD = libshards.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_shard_pull

check_PROGRAMS += tests/test_store
tests_test_store_SOURCES = tests/test_store.c
tests_test_store_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_store_LDADD = libstoremodel.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_store

check_PROGRAMS += tests/test_store_damage
tests_test_store_damage_SOURCES = tests/test_store_damage.c
tests_test_store_damage_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_store_damage_LDADD = libstoremodel.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_store_damage

check_PROGRAMS += tests/test_store_process
tests_test_store_process_SOURCES = tests/test_store_process.c
tests_test_store_process_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_store_process_LDADD = libstoremodel.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_store_process

check_PROGRAMS += tests/test_store_memory
tests_test_store_memory_SOURCES = tests/test_store_memory.c
tests_test_store_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_store_memory_LDADD = libscarcememory.la $(rooms_LIBS) $(CHECK_LIBS)
tests_test_store_memory_LDFLAGS = $(scarce_flags)
TESTS += tests/test_store_memory

check_PROGRAMS += tests/test_faults
tests_test_faults_SOURCES = tests/test_faults.c
tests_test_faults_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_faults_LDADD = libsimworld.la libstoremodel.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_faults

check_LTLIBRARIES += libcorebox.la
libcorebox_la_SOURCES = tests/core_box.c tests/core_box.h
libcorebox_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

check_PROGRAMS += tests/test_core
tests_test_core_SOURCES = tests/test_core.c
tests_test_core_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_core_LDADD = libcorebox.la libstoremodel.la $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_core

check_PROGRAMS += tests/test_core_rounds
tests_test_core_rounds_SOURCES = tests/test_core_rounds.c tests/skip_recovery.h
tests_test_core_rounds_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
tests_test_core_rounds_LDADD = libcorebox.la libstoremodel.la $(rooms_LIBS) $(CHECK_LIBS) \
	$(JANSSON_LIBS)
TESTS += tests/test_core_rounds

check_PROGRAMS += tests/test_worker
tests_test_worker_SOURCES = tests/test_worker.c tests/worker_box.c tests/worker_box.h
tests_test_worker_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_worker_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_worker

check_PROGRAMS += tests/test_ps_memory
tests_test_ps_memory_SOURCES = tests/test_ps_memory.c
tests_test_ps_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_test_ps_memory_LDADD = libscarcememory.la libsimworld.la libstoremodel.la \
	$(rooms_LIBS) $(CHECK_LIBS)
tests_test_ps_memory_LDFLAGS = $(scarce_flags)
TESTS += tests/test_ps_memory

check_PROGRAMS += tests/test_encoder
tests_test_encoder_SOURCES = tests/test_encoder.c
tests_test_encoder_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(XXHASH_CFLAGS)
tests_test_encoder_LDADD = $(rooms_LIBS) $(CHECK_LIBS)
TESTS += tests/test_encoder
endif
