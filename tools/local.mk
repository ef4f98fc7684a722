# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# The program, its manual and its completion.
if WITH_TOOLS
bin_PROGRAMS += gradwire
gradwire_SOURCES = \
	tools/gradwire.c tools/tool.h \
	tools/info.c tools/info_costs.c tools/info_json.c tools/info_man.c tools/info_methods.c \
	tools/info.h \
	tools/bench.c tools/bench.h \
	tools/bench_check.c \
	tools/bench_mpi.c \
	tools/bench_input.c tools/bench_input.h \
	tools/bench_options.c \
	tools/bench_echo.c tools/bench_echo.h \
	tools/bench_overlap.c \
	tools/bench_pushpull.c \
	tools/bench_ranks.c \
	tools/bench_report.c \
	tools/bench_size.c \
	tools/bench_tune.c \
	tools/bench_units.c tools/bench_units.h \
	tools/run.c tools/run.h \
	tools/run_folder.c \
	tools/run_input.c \
	tools/run_lines.c \
	tools/run_options.c \
	tools/run_report.c \
	tools/run_shim.c \
	tools/key.c \
	tools/numbers.c tools/numbers.h \
	tools/serve.c tools/serve.h tools/serve_options.c \
	tools/top.c tools/top.h tools/top_state.c tools/top_table.c tools/top_terminal.c
gradwire_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(MPI_CFLAGS) $(UV_CFLAGS)
gradwire_LDADD = libgradwire.la $(JANSSON_LIBS) $(MPI_LIBS) $(UV_LIBS)

dist_man_MANS += \
	doc/man/gradwire.1 \
	doc/man/gradwire-info.1 \
	doc/man/gradwire-bench.1 \
	doc/man/gradwire-run.1 \
	doc/man/gradwire-serve.1 \
	doc/man/gradwire-key.1 \
	doc/man/gradwire-top.1

# Made by the program from the library's own tables; a program for another machine cannot run here.
if !CROSS_COMPILING
nodist_man_MANS = doc/man/gradwire-codecs.7
CLEANFILES += doc/man/gradwire-codecs.7
doc/man/gradwire-codecs.7: gradwire$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) doc/man && ./gradwire$(EXEEXT) info --man >$@.part && mv $@.part $@
endif

bashcompletiondir = $(datadir)/bash-completion/completions
bashcompletion_DATA = tools/gradwire
CLEANFILES += tools/gradwire

# The file is named after the command that it completes.
tools/gradwire: tools/gradwire.bash-completion
	$(AM_V_GEN)$(MKDIR_P) tools && cp $(srcdir)/tools/gradwire.bash-completion $@
endif
EXTRA_DIST += tools/gradwire.bash-completion
