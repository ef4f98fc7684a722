# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# What this room adds to the build.
EXTRA_DIST += scripts/lib.sh scripts/cross-tests scripts/mpirun scripts/check scripts/demo scripts/analyze \
	scripts/bench-kernels scripts/bench-cluster scripts/draw-trace scripts/cluster scripts/figures scripts/soak \
	scripts/siege scripts/suppressions
