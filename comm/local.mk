# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcomm.la
libcomm_la_CPPFLAGS = $(AM_CPPFLAGS) $(HWLOC_CFLAGS) $(MPI_CFLAGS) $(UV_CFLAGS)
libcomm_la_SOURCES = \
	comm/access.c \
	comm/comm.h \
	comm/control.c \
	comm/cores.c comm/cores.h \
	comm/env.c \
	comm/links.c comm/links.h \
	comm/local.c comm/local.h \
	comm/local_group.c \
	comm/op_book.c comm/op_book.h \
	comm/open.c \
	comm/ops.c \
	comm/probe.c \
	comm/segment.c comm/segment.h \
	comm/self.c \
	comm/shaped.c \
	comm/tcp.c comm/tcp.h \
	comm/tcp_context.c \
	comm/tcp_engine.c \
	comm/tcp_in.c \
	comm/tcp_join.c \
	comm/tcp_lanes.c \
	comm/tcp_out.c \
	comm/tcp_peers.c \
	comm/topology.c \
	comm/transports.c
if WITH_MPI
libcomm_la_SOURCES += comm/mpi.c comm/mpi_message.c comm/mpi_message.h
endif
