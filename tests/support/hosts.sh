# SPDX-License-Identifier: Apache-2.0
# Sourced by what needs several hosts: they are made of namespaces of this machine, joined by a
# switch (a bridge), over links of a given rate. A host has a network, a name, shared memory and
# /dev/shm of its own, so that nothing in MPI or in the library takes two of them for one. Needs
# root, or user namespaces; iproute2; MPICH, whose launcher can be told how to reach a host.
#
#     hosts_enter "$@"        first: the script begins again in namespaces of its own; ends it with 77 where it cannot
#     hosts_up 2 1gbit        two hosts, host0 and host1; "none": over links without a limit
#     on_hosts 1 PROGRAM ...  as many ranks on each of them
#
# All of it is gone with the script. HOSTS_RATE tells what hosts_up was given.

hosts_skip() {
	echo "SKIP: hosts made of namespaces: $1"
	exit 77
}

hosts_enter() {
	[ -z "$HOSTS_DIR" ] || return 0
	case "$TEST_MPI" in *MPICH*) ;; *) hosts_skip "they need MPICH, this is $TEST_MPI" ;; esac
	for tool in unshare nsenter ip tc; do
		PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null ||
			hosts_skip "$tool is missing: install iproute2 and util-linux"
	done
	hosts_as=
	if ! unshare --net --mount true 2>/dev/null; then
		hosts_as=--map-root-user
		unshare $hosts_as --net --mount true 2>/dev/null || hosts_skip "neither root nor user namespaces"
	fi
	HOSTS_DIR=$(mktemp -d) PATH=$PATH:/usr/sbin:/sbin
	export HOSTS_DIR PATH
	exec unshare $hosts_as --net --mount sh "$0" "$@"
}

hosts_down() {
	for hosts_file in "$HOSTS_DIR"/host*; do
		[ -f "$hosts_file" ] && kill "$(cat "$hosts_file")" 2>/dev/null
	done
	rm -rf "$HOSTS_DIR"
}

in_host() {
	hosts_pid=$(cat "$HOSTS_DIR/$1")
	shift
	nsenter --target "$hosts_pid" --net --uts --ipc --mount --wd="$PWD" "$@"
}

# The process in which the namespaces of a host live; it writes its number when they are as they
# should be.
hosts_start() {
	unshare --net --uts --ipc --mount sh -c '
		hostname "$1" && mount -t tmpfs tmpfs /dev/shm && ip link set lo up || exit 1
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
	trap hosts_down EXIT
	trap 'exit 1' INT TERM
	ip link set lo up && ip link add switch0 type bridge && ip addr add 10.77.0.254/24 dev switch0 &&
		ip link set switch0 up || hosts_skip "there is no bridge in this kernel"
	hosts_i=0
	while [ $hosts_i -lt "$hosts_n" ]; do
		hosts_start host$hosts_i
		hosts_connect $hosts_i || hosts_skip "a link of $HOSTS_RATE cannot be made (veth and tc's tbf)"
		hosts_i=$((hosts_i + 1))
	done
}

# Ranks on one host meet in its shared memory, ranks on two over TCP.
on_hosts() { # ranks on each, program, arguments
	hosts_list=host0:$1 hosts_i=1 hosts_ranks=$(($1 * hosts_n)) hosts_each=$1
	shift
	while [ $hosts_i -lt "$hosts_n" ]; do
		hosts_list=$hosts_list,host$hosts_i:$hosts_each hosts_i=$((hosts_i + 1))
	done
	MPIEXEC_TIMEOUT=${TEST_TIMEOUT:-300} UCX_TLS=${UCX_TLS-tcp,self,posix,sysv,cma} \
		UCX_NET_DEVICES=${UCX_NET_DEVICES-eth0} $MPIEXEC $MPIEXEC_FLAGS \
		-launcher ssh -launcher-exec "$TEST_SRCDIR/tests/support/host_shell.sh" -iface switch0 \
		-hosts $hosts_list -n $hosts_ranks "$@" </dev/null
}
