#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each MPI's build is installed under names of its own, such as libferry-mpich.so.0, ferry-mpich.pc
# and ferry-perf-mpich. The short names mean the default MPI; they are made and taken away here:
#
#   libferry.so, libferry.a, ferry.pc, ferry-perf   links, for who builds and runs programs
#   libferry.so.0                                   a library without code that loads the right one, for who
#                                                   loads Ferry by this name. A link would not do: ldconfig
#                                                   knows a library only by the name that it bears inside.
#
#   short-names.sh build MPI DIR COMPILER...        those of the libraries, in a build tree's DIR
#   short-names.sh install auto|yes|no MPI DIR LIBDIR PKGCONFIGDIR BINDIR PROGRAM...
#   short-names.sh uninstall MPI LIBDIR PKGCONFIGDIR BINDIR PROGRAM...
#
# auto: the build becomes the default unless that of another MPI is it already. Who the default is
# stands in where the link ferry.pc leads.

# The library's name with its major number; nothing where only the static one was built.
soname() { # DIR MPI
	for file in "$1/libferry-$2".so.*; do
		case ${file##*.so.} in *[!0-9]*) ;; *) echo "${file##*/}" ;; esac
	done
}

make_links() { # DIR, pairs on the input
	while read -r short long; do
		ln -sf "$long" "$1/$short" || exit 1
	done
}

library_links() { # DIR MPI
	name=$(soname "$1" "$2")
	[ -z "$name" ] || echo "libferry.so $name"
	[ ! -e "$1/libferry-$2.a" ] || echo "libferry.a libferry-$2.a"
}

# Without code, so its only content is the name of what it needs, found beside it.
build_loader() { # MPI DIR COMPILER...
	mpi=$1 dir=$2
	shift 2
	name=$(soname "$dir" "$mpi")
	[ -n "$name" ] || return 0
	loader=libferry.so.${name##*.}
	"$@" -shared -o "$dir/$loader" -Wl,-soname,"$loader" -Wl,-rpath,'$ORIGIN' \
		-L"$dir" -Wl,--push-state,--no-as-needed "-lferry-$mpi" -Wl,--pop-state
}

# The MPI of the default build; empty if there is none.
default_mpi() { # PKGCONFIGDIR
	link=$(readlink "$1/ferry.pc") || return
	[ ! -e "$1/$link" ] || echo "$link" | sed -n 's/^ferry-\(.*\)\.pc$/\1/p'
}

action=$1
shift
case $action in
build)
	build_loader "$@" && library_links "$2" "$1" | make_links "$2"
	;;
install)
	want=$1 mpi=$2 built=$3 lib=$4 pc=$5 bin=$6
	shift 6
	now=$(default_mpi "$pc")
	if [ "$want" = no ] || { [ "$want" = auto ] && [ -n "$now" ] && [ "$now" != "$mpi" ]; }; then
		echo "ferry-$mpi is installed; -lferry and pkg-config ferry mean ${now:-no build} (--enable-default-mpi decides)"
		exit 0
	fi
	library_links "$lib" "$mpi" | make_links "$lib" || exit 1
	for loader in "$built"/libferry.so.[0-9]*; do
		[ ! -e "$loader" ] || install -m 755 "$loader" "$lib" || exit 1
	done
	for program; do echo "$program $program-$mpi"; done | make_links "$bin" &&
		echo "ferry.pc ferry-$mpi.pc" | make_links "$pc"
	;;
uninstall)
	mpi=$1 lib=$2 pc=$3 bin=$4
	shift 4
	[ "$(default_mpi "$pc")" = "$mpi" ] || exit 0
	rm -f "$lib"/libferry.so "$lib"/libferry.so.[0-9]* "$lib"/libferry.a "$pc"/ferry.pc
	for program; do rm -f "$bin/$program"; done
	;;
*)
	echo "see $0 for what it takes" >&2
	exit 2
	;;
esac
