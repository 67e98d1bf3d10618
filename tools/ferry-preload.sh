#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ferry-preload: runs a program with libferry-preload before the functions of its MPI. A launcher
# itself runs without. It belongs to no MPI: which library is wanted the launcher or the program
# says. The page ferry-preload(1) has the rest.

help() {
	cat <<'TEXT'
usage: ferry-preload [--report] [--mpi NAME] LAUNCHER [ARGUMENT...] PROGRAM [ARGUMENT...]
       ferry-preload [--report] [--mpi NAME] PROGRAM [ARGUMENT...]
       ferry-preload --check PROGRAM
Run a program of MPI_THREAD_MULTIPLE as it is, with libferry-preload before its MPI. A launcher is
mpiexec or mpirun of MPICH or Open MPI, or srun. Without one the program runs as a single process.
  --check     would it work with PROGRAM here, and if not, why not; runs nothing
  --mpi NAME  mpich or openmpi, where neither launcher nor program says it
  --report    each rank says at its end what the library did
  --help      this text
  --version   the version of Ferry
Exit: the status of what it runs; 1 if it would not work; 2 for wrong arguments.
TEXT
}

say() { printf 'ferry-preload: %s\n' "$*" >&2; }
misused() {
	say "$*; --help says more"
	exit 2
}
refuse() {
	say "$*"
	exit 1
}

here=${0%/*}
[ "$here" != "$0" ] || here=.

# The file of the library: that of the build tree, if this is in one, or what is installed.
library_for() { # MPI
	for directory in "$here/../.libs" '@libdir@' "$here/../lib"; do
		[ -f "$directory/libferry-preload-$1.so" ] || continue
		(cd "$directory" && printf '%s\n' "$PWD/libferry-preload-$1.so")
		return
	done
	return 1
}

launcher_kind() { # COMMAND: hydra, openmpi, srun, unknown or none
	case ${1##*/} in
	srun) echo srun ;;
	mpiexec* | mpirun* | orterun* | prterun* | prun)
		case $("$1" --version 2>&1 </dev/null) in
		*HYDRA*) echo hydra ;;
		*OpenRTE* | *"Open MPI"* | *PRRTE* | *prterun*) echo openmpi ;;
		*) echo unknown ;;
		esac
		;;
	*) echo none ;;
	esac
}

# Sets kind (script, static, inside, absent, none, mpich, openmpi) and object, the name of the MPI's
# library that it needs.
look_at() { # FILE
	object=
	[ "$(dd if="$1" bs=2 count=1 2>/dev/null)" != '#!' ] || { kind=script; return; }
	if ! needed=$(LC_ALL=C ldd "$1" 2>&1); then
		kind=static
		return
	fi
	case $needed in *"statically linked"*) kind=static; return ;; esac
	found=$(printf '%s\n' "$needed" | sed -n 's/^[[:space:]]*\(libmpi\(ch\)\{0,1\}\.so[^ ]*\) => /\1 /p' | sed 1q)
	object=${found%% *}
	case $found in
	*"not found"*) kind=absent ;;
	libmpich.so* | libmpi.so.12*) kind=mpich ;;
	libmpi.so*) kind=openmpi ;;
	*) grep -a -q -e 'MPICH Version:' -e 'Open MPI v[0-9]' "$1" && kind=inside || kind=none ;;
	esac
}

spell() { case $1 in mpich) echo MPICH ;; openmpi) echo "Open MPI" ;; esac; }

# Why a program cannot have the library, as a sentence; nothing if it can, or if that is not known.
objection() { # PROGRAM FILE
	case $kind in
	static) echo "$1 is linked statically, so nothing can be loaded before its MPI: link it dynamically" ;;
	inside) echo "$1 has its MPI inside, linked statically, so nothing can stand before it: link it with the MPI's shared library" ;;
	absent) echo "$1 needs $object, and the loader does not find it here: see LD_LIBRARY_PATH" ;;
	esac
	if [ -u "$2" ] || [ -g "$2" ]; then
		echo "$1 runs as another user or group, and then the loader takes no LD_PRELOAD"
	fi
}

check_preload() {
	case $LD_PRELOAD in
	*libferry-preload*) refuse "LD_PRELOAD has a libferry-preload already ($LD_PRELOAD), and only one may be: unset it" ;;
	esac
}

# Sets library for the MPI $1; what needs it is $2.
find_library() {
	library=$(library_for "$1") ||
		refuse "$2 is of $(spell "$1"), and there is no libferry-preload-$1.so in @libdir@: build Ferry for that MPI"
	case $library in *[:\ ]*) refuse "LD_PRELOAD takes no colons or blanks, and the library is $library" ;; esac
}

# Of the only MPI that there is a library for; otherwise somebody has to say which.
find_any() { # PROGRAM
	if library=$(library_for mpich); then
		! library_for openmpi >/dev/null || misused "which MPI? $1 does not say, so do it by --mpi"
	else
		library=$(library_for openmpi) || refuse "there is no libferry-preload in @libdir@"
	fi
}

file_of() { # COMMAND
	if ! file=$(command -v -- "$1") || [ ! -f "$file" ] || [ ! -x "$file" ]; then
		refuse "$1 is no program that can be run"
	fi
}

# ---- arguments --------------------------------------------------------------

mode=run mpi='' report=
while [ $# -gt 0 ]; do
	case $1 in
	--help) help; exit 0 ;;
	--version) echo 'ferry-preload @VERSION@'; exit 0 ;;
	--check) mode=check ;;
	--report) report=1 ;;
	--mpi)
		[ $# -gt 1 ] || misused "--mpi needs a name"
		mpi=$2
		shift
		;;
	--mpi=*) mpi=${1#*=} ;;
	--) shift; break ;;
	-*) misused "unknown option $1" ;;
	*) break ;;
	esac
	shift
done
case $mpi in '' | mpich | openmpi) ;; *) misused "--mpi is mpich or openmpi, and not $mpi" ;; esac
[ $# -gt 0 ] || misused "name the program, or the launcher and its arguments"
case ${1##*/} in
ferry-preload) misused "ferry-preload runs a program of MPI or its launcher, and not itself" ;;
esac
[ "$mode" = run ] || [ $# -eq 1 ] || misused "--check takes one program and no arguments of it"
file_of "$1"
launcher=$(launcher_kind "$1")

# ---- would it work? ----------------------------------------------------------

if [ "$mode" = check ]; then
	[ "$launcher" = none ] || refuse "$1 is a launcher, which runs without the library: check the program that it starts"
	look_at "$file"
	why=$(objection "$1" "$file")
	[ -z "$why" ] || refuse "$why"
	case $kind in
	script) refuse "$1 is a script, and what it starts decides: check that" ;;
	none) refuse "$1 is linked with no MPI, so the library would do nothing there, unless the program loads an MPI itself" ;;
	esac
	check_preload
	[ -z "$mpi" ] || [ "$mpi" = "$kind" ] || refuse "--mpi is $mpi, and $1 is of $(spell "$kind")"
	find_library "$kind" "$1"
	echo "$1 would work: it needs $object, and $library is for $(spell "$kind")"
	exit 0
fi

# ---- run it -------------------------------------------------------------------

check_preload
case $launcher in
hydra) by_launcher=mpich ;;
openmpi) by_launcher=openmpi ;;
unknown) refuse "$1 is the launcher of an MPI that is neither MPICH nor Open MPI" ;;
*) by_launcher= ;;
esac
if [ -n "$by_launcher" ]; then
	[ -z "$mpi" ] || [ "$mpi" = "$by_launcher" ] || refuse "--mpi is $mpi, and $1 is of $(spell "$by_launcher")"
	find_library "$by_launcher" "$1"
elif [ "$launcher" = srun ]; then
	if [ -n "$mpi" ]; then find_library "$mpi" --mpi; else find_any "$1"; fi
else
	look_at "$file"
	why=$(objection "$1" "$file")
	[ -z "$why" ] || refuse "$why"
	case $kind in
	mpich | openmpi)
		[ -z "$mpi" ] || [ "$mpi" = "$kind" ] || refuse "--mpi is $mpi, and $1 is of $(spell "$kind")"
		find_library "$kind" "$1"
		;;
	*)
		if [ -n "$mpi" ]; then
			find_library "$mpi" --mpi
		else
			find_any "$1"
			say "$1 is linked with no MPI, so it has to load one itself (--mpi says that you know)"
		fi
		;;
	esac
fi
preload=${LD_PRELOAD:+$LD_PRELOAD:}$library
[ -z "$report" ] || export FERRY_PRELOAD_REPORT=1

command=$1
shift
case $launcher in
hydra)
	exec "$command" -genv LD_PRELOAD "$preload" ${report:+-genv FERRY_PRELOAD_REPORT 1} \
		${FERRY_PRELOAD:+-genv FERRY_PRELOAD "$FERRY_PRELOAD"} "$@"
	;;
openmpi)
	exec "$command" -x "LD_PRELOAD=$preload" ${report:+-x FERRY_PRELOAD_REPORT=1} \
		${FERRY_PRELOAD:+-x "FERRY_PRELOAD=$FERRY_PRELOAD"} "$@"
	;;
srun)
	for argument; do
		case $argument in
		--export | --export=*) misused "srun takes one --export: leave yours out, and set the variables before" ;;
		esac
	done
	exec "$command" "--export=ALL,LD_PRELOAD=$preload" "$@"
	;;
esac
LD_PRELOAD=$preload
export LD_PRELOAD
exec "$command" "$@"
