# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
include_HEADERS = include/gradwire.h
gradwireincludedir = $(includedir)/gradwire
gradwireinclude_HEADERS = \
	include/gradwire/status.h \
	include/gradwire/comm.h \
	include/gradwire/codec.h \
	include/gradwire/plan.h \
	include/gradwire/reducer.h \
	include/gradwire/ps.h \
	include/gradwire/server.h \
	include/gradwire/info.h
if WITH_MPI
gradwireinclude_HEADERS += include/gradwire/mpi.h
endif
