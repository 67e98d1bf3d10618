#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# rank.sh PROGRAM [ARG...]: started by the launcher, once a rank. Output goes to
# $TEST_RANK_LOG.rankN.log, the exit status to $TEST_RANK_LOG.rankN.status.
rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${PMIX_RANK:-0}}}
export CMOCKA_MESSAGE_OUTPUT=STDOUT
$TEST_WRAPPER "$@" >"$TEST_RANK_LOG.rank$rank.log" 2>&1
status=$?
echo $status >"$TEST_RANK_LOG.rank$rank.status"
exit $status
