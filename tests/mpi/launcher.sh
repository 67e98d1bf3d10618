#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Started by the launcher of another MPI every process is alone, and says so instead of running a
# job of one rank. The variables that such a launcher sets are set here; where it is installed it is
# started as well. Who is alone on purpose is not disturbed.
. "$TEST_SRCDIR/tests/support/jobs.sh"
unset OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_RANK PMIX_RANK PMI_SIZE PMI_RANK PMI_FD PMI_PORT \
	SLURM_STEP_NUM_TASKS SLURM_PROCID
program=$TEST_BUILDDIR/examples/hello

# alone VARIABLE=VALUE...: the program without a launcher, in this environment.
alone() {
	timeout --kill-after=10 60 env "$@" "$program" </dev/null >"$work/out" 2>"$work/err"
	status=$?
}
wrong_launcher() { failed && says "it is alone for .*: start the job with .*${MPIEXEC##*/}"; }
fine() { ended_with 0 && does_not_say alone; }

open_mpi='OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=0 PMIX_RANK=0'
pmi='PMI_SIZE=3 PMI_RANK=0'
case $TEST_MPI_ID in
mpich)
	foreign=$open_mpi more=PMIX_RANK=1 other='mpiexec.openmpi -n 3'
	alone $pmi
	check "another manager that speaks PMI, and that MPICH does not reach" wrong_launcher
	;;
openmpi)
	foreign=$pmi more=PMI_RANK=1 other='mpiexec.mpich -n 3'
	alone OMPI_COMM_WORLD_SIZE=3
	check "a program of one rank that a rank of the same MPI starts" fine
	;;
*)
	foreign=$open_mpi more=PMI_RANK=1 other=
	;;
esac

alone A=b
check "no launcher" fine
alone $foreign
check "rank 0 of 3 of another MPI's launcher" wrong_launcher
check "the variables are named" says "(${foreign%%=*} "
alone $more
check "a rank above 0, and no size" wrong_launcher
alone "${foreign%% *}" "${foreign%%=*}=1"
check "one rank of another MPI's launcher" fine
alone "${foreign%%=*}=" "${foreign%%=*}=three"
check "variables that hold no number" fine
launch -n 1 env $foreign "$program"
check "the right launcher with -n 1 inside of a job of the other" fine
launch -n 2 env $foreign "$program"
check "and with -n 2" fine

timeout 60 env $foreign "$TEST_BUILDDIR/tools/ferry-perf" rate </dev/null >"$work/out" 2>"$work/err"
status=$?
check "ferry-perf, which wants two ranks, names the launcher" says "not on 1; start it with .*${MPIEXEC##*/} -n 2"
program=$TEST_BUILDDIR/tests/mpi/alone
alone $foreign
check "a program that initialized MPI by itself" wrong_launcher
check "MPI stays the program's" says '^MPI works$'
program=$TEST_BUILDDIR/examples/hello

alone SLURM_NTASKS=3 SLURM_PROCID=0
check "a program of one rank in a batch script of Slurm" fine
alone SLURM_STEP_NUM_TASKS=3 SLURM_PROCID=0
check "a task of srun, which may be meant so, runs" ended_with 0
check "and says that it is alone" says 'srun started 3 tasks, and this process is alone'
alone SLURM_STEP_NUM_TASKS=3 SLURM_PROCID=1
check "which only the first of them says" fine

if [ -n "$other" ] && command -v "${other%% *}" >/dev/null; then
	timeout --kill-after=10 60 $other "$program" </dev/null >"$work/out" 2>"$work/err"
	status=$?
	check "${other%% *} itself" wrong_launcher
else
	echo "not checked: the launcher of another MPI itself, since none is installed"
fi
finish
