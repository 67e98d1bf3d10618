#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model of the helm's hand-over. About 3,400,000 states.
. "$TEST_SRCDIR/tests/support/models.sh"
check_model helm 4
