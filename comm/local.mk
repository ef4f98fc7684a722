# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcomm.la
libcomm_la_CPPFLAGS = $(AM_CPPFLAGS) $(HWLOC_CFLAGS) $(MPI_CFLAGS)
libcomm_la_SOURCES = \
	comm/access.c \
	comm/comm.h \
	comm/control.c \
	comm/cores.c comm/cores.h \
	comm/env.c \
	comm/links.c comm/links.h \
	comm/local.c comm/local.h \
	comm/local_group.c \
	comm/open.c \
	comm/ops.c \
	comm/probe.c \
	comm/segment.c comm/segment.h \
	comm/self.c \
	comm/shaped.c \
	comm/topology.c \
	comm/transports.c
if WITH_MPI
libcomm_la_SOURCES += comm/mpi.c comm/mpi_message.c comm/mpi_message.h
endif
