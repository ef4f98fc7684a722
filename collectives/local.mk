# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcollectives.la
libcollectives_la_SOURCES = \
	collectives/agree.c \
	collectives/algorithms.c collectives/algorithms.h \
	collectives/buckets.c collectives/buckets.h \
	collectives/build.c \
	collectives/cache.c collectives/cache.h \
	collectives/choice.c collectives/choice.h \
	collectives/collectives.c \
	collectives/costs.c collectives/costs.h \
	collectives/direct.c \
	collectives/doubling.c \
	collectives/execute.c \
	collectives/gate.c collectives/gate.h collectives/gate_run.c \
	collectives/gather.c \
	collectives/graph.c collectives/graph.h \
	collectives/heap.c collectives/heap.h \
	collectives/hierarchy.c \
	collectives/info_costs.c \
	collectives/layout.c collectives/layout.h \
	collectives/linear.c \
	collectives/live.c collectives/live.h \
	collectives/memory.c collectives/memory.h \
	collectives/messages.c \
	collectives/native.c \
	collectives/native_times.c \
	collectives/pins.c collectives/pins.h collectives/pins_text.c \
	collectives/plan.c collectives/plan.h \
	collectives/pool.c collectives/pool.h \
	collectives/predict.c \
	collectives/price.c collectives/price.h \
	collectives/print.c \
	collectives/progress.c collectives/progress.h \
	collectives/rates.c collectives/rates.h \
	collectives/records.c collectives/records.h \
	collectives/reducer.c collectives/reducer.h \
	collectives/reducer_load.c \
	collectives/reducer_open.c \
	collectives/reducer_state.c \
	collectives/ring.c \
	collectives/scatter.c \
	collectives/shared.c \
	collectives/start.c \
	collectives/state.c collectives/state.h collectives/state_fold.c \
	collectives/steps.c collectives/steps.h \
	collectives/trace.c collectives/trace.h \
	collectives/trace_file.c collectives/trace_file.h \
	collectives/tree.c \
	collectives/trial.c collectives/trial.h \
	collectives/tuning.c collectives/tuning.h \
	collectives/work.c
