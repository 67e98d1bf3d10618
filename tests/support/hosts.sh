# SPDX-License-Identifier: Apache-2.0
# Sourced by what needs several hosts: they are made of namespaces of this machine, joined by a
# switch (a bridge), over links of a given rate. A host has a network, a name, shared memory and
# /dev/shm of its own, so that nothing in MPI or in the library takes two of them for one. Needs
# root, or user namespaces; iproute2; MPICH, whose launcher can be told how to reach a host.
#
#     hosts_enter "$@"        first: the script begins again in namespaces of its own; ends it with 77 where it cannot
#     hosts_up 2 1gbit        two hosts, host0 and host1; "none": over links without a limit
#     hosts_cable 5           then a second network between them, over a cable that can be told to lose
#                             frames and more, by that seed; see cable.c. What ranks say to one another
#                             goes over it, and what the launcher says does not.
#     cable cut 0             a command for it; ends when it is obeyed
#     on_hosts 1 PROGRAM ...  as many ranks on each of them
#
# All of it is gone with the script, however that ends: the namespaces, devices and processes are
# those of a process that the kernel kills all others with. Only a directory in $TMPDIR is left
# behind if the script is killed by SIGKILL. HOSTS_RATE tells what hosts_up was given.

hosts_skip() {
	echo "SKIP: hosts made of namespaces: $1"
	exit 77
}

# The script's second run is process 1 of a namespace of processes: when it ends, so do all in it.
# The first one waits, to take the directory away.
hosts_enter() {
	[ -z "$HOSTS_DIR" ] || return 0
	case "$TEST_MPI" in *MPICH*) ;; *) hosts_skip "they need MPICH, this is $TEST_MPI" ;; esac
	PATH=$PATH:/usr/sbin:/sbin
	for tool in unshare nsenter setpriv ip tc; do
		command -v $tool >/dev/null || hosts_skip "$tool is missing: install iproute2 and util-linux"
	done
	hosts_apart="--net --mount --pid --fork --kill-child --mount-proc"
	if ! unshare $hosts_apart true 2>/dev/null; then
		hosts_apart="--map-root-user $hosts_apart"
		unshare $hosts_apart true 2>/dev/null || hosts_skip "neither root nor user namespaces"
	fi
	HOSTS_DIR=$(mktemp -d) || exit 1
	export HOSTS_DIR PATH
	trap 'kill -KILL $hosts_inside 2>/dev/null; wait; rm -rf "$HOSTS_DIR"' EXIT
	trap 'exit 1' HUP INT TERM
	setpriv --pdeathsig KILL unshare $hosts_apart sh "$0" "$@" &
	hosts_inside=$!
	wait $hosts_inside
	exit
}

in_host() {
	hosts_pid=$(cat "$HOSTS_DIR/$1")
	shift
	nsenter --target "$hosts_pid" --net --uts --ipc --mount --wd="$PWD" "$@"
}

# The process in which the namespaces of a host live; it writes its number when they are as they
# should be. UCX looks for devices in /sys, which shows those of the namespace that mounted it.
hosts_start() {
	unshare --net --uts --ipc --mount sh -c '
		hostname "$1" && mount -t tmpfs tmpfs /dev/shm && mount -t sysfs sysfs /sys && ip link set lo up || exit 1
		echo $$ >"$2/$1.new" && mv "$2/$1.new" "$2/$1"
		exec sleep 86400' - "$1" "$HOSTS_DIR" </dev/null >/dev/null 2>"$HOSTS_DIR/error" &
	hosts_tries=0
	while [ ! -f "$HOSTS_DIR/$1" ]; do
		hosts_tries=$((hosts_tries + 1))
		[ $hosts_tries -lt 100 ] || hosts_skip "$1 does not start: $(cat "$HOSTS_DIR/error")"
		sleep 0.05
	done
}

hosts_connect() { # number
	ip link add port$1 type veth peer name eth0 netns "$(cat "$HOSTS_DIR/host$1")" &&
		ip link set port$1 master switch0 && ip link set port$1 up &&
		in_host host$1 ip addr add 10.77.0.$(($1 + 1))/24 dev eth0 && in_host host$1 ip link set eth0 up || return
	[ "$HOSTS_RATE" = none ] ||
		in_host host$1 tc qdisc add dev eth0 root tbf rate "$HOSTS_RATE" burst 256kb latency 20ms
}

hosts_up() { # how many, rate
	hosts_n=$1 HOSTS_RATE=$2
	ip link set lo up && ip link add switch0 type bridge && ip addr add 10.77.0.254/24 dev switch0 &&
		ip link set switch0 up || hosts_skip "there is no bridge in this kernel"
	hosts_i=0
	while [ $hosts_i -lt "$hosts_n" ]; do
		hosts_start host$hosts_i
		hosts_connect $hosts_i || hosts_skip "a link of $HOSTS_RATE cannot be made (veth and tc's tbf)"
		hosts_i=$((hosts_i + 1))
	done
}

# Frames of 9000 bytes, so that a processor carries 100 MB a second and more.
hosts_plug() { # number
	in_host host$1 ip link set cable0 mtu 9000 && in_host host$1 ip addr add 10.78.0.$(($1 + 1))/24 dev cable0 &&
		in_host host$1 ip link set cable0 up
}

hosts_cable() { # seed
	hosts_pids= hosts_i=0
	while [ $hosts_i -lt "$hosts_n" ]; do
		hosts_pids="$hosts_pids $(cat "$HOSTS_DIR/host$hosts_i")" hosts_i=$((hosts_i + 1))
	done
	mkfifo "$HOSTS_DIR/cable.control" && : >"$HOSTS_DIR/cable.report" || exit 1
	"$TEST_BUILDDIR/tests/support/cable" "$HOSTS_DIR/cable.control" "$HOSTS_DIR/cable.report" "$1" $hosts_pids \
		2>"$HOSTS_DIR/cable.error" &
	hosts_answered 0 || hosts_skip "there is no cable: $(cat "$HOSTS_DIR/cable.error")"
	hosts_i=0
	while [ $hosts_i -lt "$hosts_n" ]; do
		hosts_plug $hosts_i || hosts_skip "the cable has no end in host$hosts_i"
		hosts_i=$((hosts_i + 1))
	done
	UCX_NET_DEVICES=cable0 HOSTS_CABLE=$HOSTS_DIR/cable.control
	export HOSTS_CABLE
	${TEST_CC:-cc} -shared -fPIC -o "$HOSTS_DIR/finalize.so" "$TEST_SRCDIR/tests/support/finalize.c" || exit 1
	hosts_wrapper="env LD_PRELOAD=$HOSTS_DIR/finalize.so"
}

# Has the cable answered more than so often? It does soon.
hosts_answered() {
	hosts_tries=0
	while [ "$(wc -l <"$HOSTS_DIR/cable.report")" -le "$1" ]; do
		hosts_tries=$((hosts_tries + 1))
		[ $hosts_tries -lt 500 ] || return 1
		sleep 0.01
	done
}

cable() { # command
	hosts_before=$(wc -l <"$HOSTS_DIR/cable.report")
	echo "$*" 1<>"$HOSTS_DIR/cable.control"
	hosts_answered "$hosts_before" || { echo "the cable does not answer: $*" && exit 1; }
}

# How many frames the cable has carried, lost, doubled or cut so far.
cable_count() { # frames|lost|doubled|cut
	cable report
	tail -n 1 "$HOSTS_DIR/cable.report" | sed "s/.* \([0-9]*\) $1.*/\1/"
}

# Round trips of 1 to 2 ms, frames that overtake one another, and 1 of 100 lost and 1 of 100 doubled:
# until a job comes to its MPI_Finalize, see finalize.c.
hosts_bad_link() { cable delay 500 && cable jitter 500 && cable loss 10 && cable double 10; }
hosts_good_link() { cable delay 0 && cable jitter 0 && cable loss 0 && cable double 0; }

# What the launcher has to be told, for so many ranks on each host.
hosts_flags() {
	hosts_list=host0:$1 hosts_i=1
	while [ $hosts_i -lt "$hosts_n" ]; do
		hosts_list=$hosts_list,host$hosts_i:$1 hosts_i=$((hosts_i + 1))
	done
	echo "-launcher ssh -launcher-exec $TEST_SRCDIR/tests/support/host_shell.sh -iface switch0 -hosts $hosts_list"
}

# Ranks on one host meet in its shared memory, ranks on two over TCP.
on_hosts() { # ranks on each, program, arguments
	hosts_ranks=$(($1 * hosts_n)) hosts_told=$(hosts_flags $1)
	shift
	MPIEXEC_TIMEOUT=${TEST_TIMEOUT:-300} UCX_TLS=${UCX_TLS-tcp,self,posix,sysv,cma} \
		UCX_NET_DEVICES=${UCX_NET_DEVICES-eth0} $MPIEXEC $MPIEXEC_FLAGS $hosts_told -n $hosts_ranks \
		$hosts_wrapper "$@" </dev/null
}

# A test of tests/mpi, with one rank on each of as many hosts; prints PASS, FAIL or SKIP, and counts
# failures in $failed.
hosts_test() { # name, ranks
	hosts_status=0
	ln -sf "$1" "$TEST_BUILDDIR/tests/mpi/$1-hosts"
	MPIEXEC_FLAGS="$MPIEXEC_FLAGS $(hosts_flags 1)" UCX_TLS=${UCX_TLS-tcp,self,posix,sysv,cma} \
		UCX_NET_DEVICES=${UCX_NET_DEVICES-eth0} TEST_WRAPPER=$hosts_wrapper \
		sh "$TEST_SRCDIR/tests/support/mpirun.sh" "$2" \
		"$TEST_BUILDDIR/tests/mpi/$1-hosts" >"$HOSTS_DIR/test" 2>&1 || hosts_status=$?
	rm -f "$TEST_BUILDDIR/tests/mpi/$1-hosts"
	case $hosts_status in
	0) echo "PASS: $1 over $2 hosts" ;;
	77) echo "SKIP: $1 over $2 hosts: $(sed -n 's/^SKIP: //p' "$HOSTS_DIR/test" | head -n 1)" ;;
	*)
		echo "FAIL: $1 over $2 hosts: status $hosts_status"
		tail -n 40 "$HOSTS_DIR/test"
		failed=1
		;;
	esac
}
