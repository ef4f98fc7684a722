# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
noinst_LTLIBRARIES += libsession.la
libsession_la_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS) $(UV_CFLAGS) $(OPENSSL_CFLAGS)
libsession_la_SOURCES = \
	session/address.c session/address.h \
	session/blob.c session/blob.h \
	session/frame.h \
	session/key_file.c session/key_file.h \
	session/keys.c session/keys.h \
	session/session.h \
	session/stream.h \
	session/tls.c session/tls.h
