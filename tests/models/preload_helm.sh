#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model of the preload layer's helm. About 7,500,000 states.
. "$TEST_SRCDIR/tests/support/models.sh"
check_model preload_helm 8
