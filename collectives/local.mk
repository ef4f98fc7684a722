# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libcollectives.la
libcollectives_la_SOURCES =
