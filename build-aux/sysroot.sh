#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The libraries that Ferry needs, for another processor, from Debian's packages, into a directory of
# their own. Nothing is installed, and the lists of packages of this machine stay as they are.
#   build-aux/sysroot.sh DIR [arm64]
# Left in DIR: usr/, and mpicc, which tells configure the flags of the MPI there. Exit 77 with a
# sentence: the packages are not to be had here.
dir=$1 machine=${2-arm64}
packages='libck-dev libmsgpack-dev libmsgpackc2 libcmocka-dev libcmocka0 libmpich-dev libmpich12'

skip() { # SENTENCE
	echo "sysroot: $1"
	exit 77
}

[ -n "$dir" ] || { echo "usage: $0 DIR [MACHINE]" >&2; exit 2; }
for tool in apt-get dpkg; do
	command -v $tool >/dev/null || skip "there is no $tool here, and so no package of $machine"
done
mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" || exit 1
dir=$(cd "$dir" && pwd)
[ ! -e "$dir/made" ] || exit 0

# apt as if this machine had no package, and were one of the other kind.
: >"$dir/apt/status"
apt() {
	apt-get -q -o APT::Architecture="$machine" -o APT::Architectures::="$machine" \
		-o Dir::State="$dir/apt" -o Dir::State::lists="$dir/apt/lists" \
		-o Dir::State::status="$dir/apt/status" -o Dir::Cache="$dir/apt/cache" \
		-o APT::Sandbox::User= "$@" >>"$dir/apt/log" 2>&1
}
apt update # whether that was enough shows with the packages
(cd "$dir/apt/cache/archives" && apt download $packages) ||
	skip "the packages of $machine are not to be had (the log is $dir/apt/log)"
for package in "$dir"/apt/cache/archives/*.deb; do
	dpkg -x "$package" "$dir" || exit 1
done

# Debian's mpicc is a script for its own machine.
include=$(find "$dir/usr/include" -name mpi.h | head -n 1)
library=$(find "$dir/usr/lib" -name libmpich.so | head -n 1)
[ -n "$include" ] && [ -n "$library" ] || { echo "sysroot: there is no MPI in $dir" >&2; exit 1; }
cat >"$dir/mpicc" <<END
#!/bin/sh
case \$1 in -show) echo cc -I${include%/*} -L${library%/*} -lmpich ;; *) exit 1 ;; esac
END
chmod +x "$dir/mpicc" && : >"$dir/made"
