# SPDX-License-Identifier: Apache-2.0
# Sourced by ablate.sh and versus.sh, after figures.sh: where a run takes place. The name of a
# setting is in $setting:
#
#   two         2 ranks on the processors there are
#   one         2 ranks on one of them
#   ranksN      N ranks on the processors there are
#   preload     2 ranks on the processors there are, with the preload layer
#   hosts       2 ranks on two hosts, which are namespaces of this machine, over a link of 1 Gbit/s
#   hosts-fast  the same over a link without a limit
#
# A script that sources this calls itself with --inside SETTING for hosts; see setting_enter.
: "${TEST_SRCDIR=$(dirname "$here")}" "${TEST_MPI=MPICH}" "${MPIEXEC=mpiexec.mpich}" "${MPIEXEC_FLAGS=}"
export TEST_SRCDIR TEST_MPI MPIEXEC MPIEXEC_FLAGS
HOSTS_DIR=${HOSTS_DIR-}
. "$TEST_SRCDIR/tests/support/environment.sh"
. "$TEST_SRCDIR/tests/support/hosts.sh"
processor=$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/')
job_timeout=60 # seconds

has() { # LIST NAME
	case ,$1, in *,all,* | *,"$2",*) return 0 ;; esac
	return 1
}

# First, with the script's arguments: a script that is called for hosts begins again in namespaces.
# Ends it with 77 where there can be none.
setting_enter() {
	case " $* " in *' --inside hosts'*) hosts_enter "$@" ;; esac
}

# Makes the hosts of a script that is inside; and $work, a directory that is gone with the script.
setting_up() {
	case $setting in
	hosts*)
		mkdir "$HOSTS_DIR/work" && work=$HOSTS_DIR/work || exit 1
		if [ "$setting" = hosts ]; then hosts_up 2 1gbit; else hosts_up 2 none; fi
		;;
	*)
		work=$(mktemp -d) || exit 1
		trap 'rm -rf "$work"' EXIT
		;;
	esac
}

setting_ranks() {
	case $setting in ranks*) echo "${setting#ranks}" ;; *) echo 2 ;; esac
}

launch() { # RANKS PROGRAM...
	case $setting in
	one) MPIEXEC_TIMEOUT=$job_timeout taskset -c "$processor" $MPIEXEC $MPIEXEC_FLAGS -n "$@" ;;
	preload) MPIEXEC_TIMEOUT=$job_timeout tools/ferry-preload $MPIEXEC $MPIEXEC_FLAGS -n "$@" ;;
	hosts*) shift && TEST_TIMEOUT=$job_timeout on_hosts 1 "$@" ;;
	*) MPIEXEC_TIMEOUT=$job_timeout $MPIEXEC $MPIEXEC_FLAGS -n "$@" ;;
	esac
}
