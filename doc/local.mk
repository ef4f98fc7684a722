# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# What this room adds to the build.
dist_doc_DATA = README.md NEWS
EXTRA_DIST += doc/design.md doc/algorithms.md doc/gate.md
EXTRA_DIST += doc/server.md
EXTRA_DIST += doc/training.md doc/loss-seconds.svg doc/loss-bytes.svg
EXTRA_DIST += doc/store-format.md
EXTRA_DIST += doc/codecs.md doc/kernels.md doc/wire-format.md
EXTRA_DIST += doc/tracing.md doc/trace.svg
EXTRA_DIST += doc/performance.md doc/memory.svg doc/roofline.svg
