#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The folders of src/ keep the order that src/layers.list says: make layers.
NM=$TEST_NM exec "${SHELL:-/bin/sh}" "$TEST_SRCDIR/build-aux/layers/layers.sh" check \
	"$TEST_SRCDIR" "$TEST_BUILDDIR"
