# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcomm.la
libcomm_la_CPPFLAGS = $(AM_CPPFLAGS) $(HWLOC_CFLAGS) $(MPI_CFLAGS)
libcomm_la_SOURCES = \
	comm/comm.h
