# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libsession.la
libsession_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS) $(UV_CFLAGS) $(OPENSSL_CFLAGS)
libsession_la_SOURCES = \
	session/address.h \
	session/blob.c session/blob.h \
	session/frame.c session/frame.h \
	session/handshake.c \
	session/input.c \
	session/keys.h \
	session/output.c \
	session/session.c session/session.h session/session_inside.h \
	session/stream.h \
	session/tls.h
