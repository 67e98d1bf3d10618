#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stands for the unit and simulation tests where they cannot be built.
echo "SKIP: unit and simulation tests: CMocka is missing, install libcmocka-dev and configure again"
exit 77
