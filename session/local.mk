# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libsession.la
libsession_la_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(OPENSSL_CFLAGS)
libsession_la_SOURCES = \
	session/address.c session/address.h \
	session/blob.c session/blob.h \
	session/connect.c \
	session/flow.c \
	session/frame.c session/frame.h \
	session/handshake.c \
	session/input.c \
	session/instance.c session/instance.h \
	session/key_file.c session/key_file.h \
	session/keys.c session/keys.h \
	session/listener.c \
	session/net.c session/net.h \
	session/output.c \
	session/pipe.c session/pipe.h \
	session/printable.c session/printable.h \
	session/session.c session/session.h session/session_inside.h \
	session/socket.c \
	session/strangers.c session/strangers.h \
	session/stream.c session/stream.h \
	session/tls.c session/tls.h
