#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ferry-preload: what it makes of each launcher's command, which library it takes, what it says of
# programs that it cannot serve, and a real job. The command is installed into a directory of this
# test, so that its libraries are those that the test puts there.
. "$TEST_SRCDIR/tests/support/environment.sh"
work=$TEST_BUILDDIR/tests/api/ferry_preload.tmp
trap 'rm -rf "$work"' EXIT
rm -rf "$work" && mkdir -p "$work/prefix/bin" "$work/prefix/lib" "$work/bin" || exit 1
work=$(cd "$work" && pwd)
unset LD_PRELOAD FERRY_PRELOAD_REPORT
bad=0
command=$work/prefix/bin/ferry-preload
lib=$work/prefix/lib
sed "s,'[^']*lib[^']*' \"\\\$here/../lib\",\"\$here/../lib\"," "$TEST_BUILDDIR/tools/ferry-preload" >"$command" &&
	chmod +x "$command" || exit 1

run() { # ARG...: what ferry-preload makes of it, in $work/out and $work/err
	timeout --kill-after=10 60 env ${preloaded:+"LD_PRELOAD=$preloaded"} "$command" "$@" \
		</dev/null >"$work/out" 2>"$work/err"
	status=$?
}
fails() { # WHAT STATUS TEXT: how the last run ended, and a part of what it said
	if [ "$status" != "$2" ] || ! cat "$work/out" "$work/err" | grep -q -e "$3"; then
		echo "FAILED: $1: status $status instead of $2, or not \"$3\" in:"
		cut -c 1-300 "$work/out" "$work/err"
		bad=1
	else
		echo "ok: $1"
	fi
}
gives() { fails "$1" 0 "^$2\$"; }

# ---- programs and launchers ----------------------------------------------------

launcher() { # NAME VERSION: it says how it was called
	cat >"$work/bin/$1" <<X
#!/bin/sh
[ "\$1" != --version ] || { echo "$2"; exit; }
echo "\${LD_PRELOAD:-none}:" "\$@"
X
	chmod +x "$work/bin/$1"
}
mkdir "$work/bin/hydra" "$work/bin/orte" "$work/bin/other"
launcher hydra/mpiexec "HYDRA build details:"
launcher orte/mpirun "mpirun (Open MPI) 4.1.4"
launcher other/mpiexec "some other MPI"
launcher srun "slurm 23.02"
hydra=$work/bin/hydra/mpiexec orte=$work/bin/orte/mpirun

# What needs the library of an MPI, as far as the loader can tell.
echo 'int MPI_Init(void) { return 0; }' >"$work/mpi.c"
cat >"$work/program.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
int MPI_Init(void);
int main(void) { return puts(getenv("LD_PRELOAD")) < 0 || MPI_Init(); }
C
for soname in libmpich.so.12 libmpi.so.40; do
	$TEST_CC -shared -fPIC -Wl,-soname,$soname -o "$work/$soname" "$work/mpi.c" &&
		$TEST_CC -o "$work/needs_$soname" "$work/program.c" "$work/$soname" -Wl,-rpath,"$work" || exit 1
done
mpich=$work/needs_libmpich.so.12 openmpi=$work/needs_libmpi.so.40
echo 'int main(void) { return 0; }' >"$work/nothing.c"
echo 'const char *version = "MPICH Version: 4"; int main(void) { return version == 0; }' >"$work/inside.c"
$TEST_CC -o "$work/nothing" "$work/nothing.c" && $TEST_CC -o "$work/inside" "$work/inside.c" || exit 1
$TEST_CC -static -o "$work/static" "$work/nothing.c" || rm -f "$work/static"
$TEST_CC -shared -fPIC -Wl,-soname,libmpi.so.9999 -o "$work/libmpi.so.9999" "$work/mpi.c" &&
	$TEST_CC -o "$work/lost" "$work/program.c" "$work/libmpi.so.9999" || exit 1

# ---- the command alone -----------------------------------------------------------

run --help
fails "--help" 0 '^usage: ferry-preload'
run --version
fails "--version" 0 '^ferry-preload [0-9]'
run
fails "no program" 2 'name the program'
run --nonsense "$mpich"
fails "an unknown option" 2 'unknown option --nonsense'
run --mpi lam "$mpich"
fails "an unknown MPI" 2 'mpich or openmpi, and not lam'
run --check "$mpich" argument
fails "--check of two" 2 'takes one program'
run "$command" "$hydra" program
fails "ferry-preload of itself" 2 'not itself'
run "$work/mpi.c"
fails "what cannot be run" 1 'is no program'

# ---- without a library, with one, with both -----------------------------------------

run --check "$mpich"
fails "no library" 1 'is of MPICH, and there is no libferry-preload-mpich.so'
: >"$lib/libferry-preload-mpich.so"
run --check "$mpich"
fails "--check of what would work" 0 "would work: it needs libmpich.so.12, and $lib/libferry-preload-mpich.so"
run --check "$openmpi"
fails "the program of another MPI" 1 'is of Open MPI, and there is no libferry-preload-openmpi.so'
run "$orte" -n 2 program
fails "the launcher of another MPI" 1 'is of Open MPI, and there is no libferry-preload-openmpi.so'
run --mpi openmpi "$hydra" program
fails "a launcher that is not of that MPI" 1 'is of MPICH'
run "$work/bin/other/mpiexec" program
fails "the launcher of an unknown MPI" 1 'neither MPICH nor Open MPI'
: >"$lib/libferry-preload-openmpi.so"

run "$hydra" -n 2 program 'two words'
gives "MPICH's launcher" "none: -genv LD_PRELOAD $lib/libferry-preload-mpich.so -n 2 program two words"
run --report "$hydra" program
gives "with a report" "none: -genv LD_PRELOAD $lib/libferry-preload-mpich.so -genv FERRY_PRELOAD_REPORT 1 program"
run "$orte" -n 2 program
gives "Open MPI's launcher" "none: -x LD_PRELOAD=$lib/libferry-preload-openmpi.so -n 2 program"
run --report "$orte" program
gives "with a report, too" "none: -x LD_PRELOAD=$lib/libferry-preload-openmpi.so -x FERRY_PRELOAD_REPORT=1 program"
run --mpi=openmpi "$work/bin/srun" -n 2 program
gives "srun" "none: --export=ALL,LD_PRELOAD=$lib/libferry-preload-openmpi.so -n 2 program"
run "$work/bin/srun" -n 2 program
fails "srun, and two libraries" 2 'which MPI?'
run --mpi mpich "$work/bin/srun" --export=PATH program
fails "srun with an --export" 2 'srun takes one --export'

# What would break a launcher that got it is not there, so the loader only warns.
preloaded=first.so
run "$hydra" program
gives "what is in LD_PRELOAD stays in front" "first.so: -genv LD_PRELOAD first.so:$lib/libferry-preload-mpich.so program"
preloaded=/elsewhere/libferry-preload-mpich.so
run "$hydra" program
fails "a second libferry-preload" 1 'only one may be'
run --check "$mpich"
fails "a second libferry-preload, by --check" 1 'only one may be'
preloaded=

run "$mpich"
fails "a single process" 0 "^$lib/libferry-preload-mpich.so\$"
run "$openmpi"
fails "a single process of the other MPI" 0 "^$lib/libferry-preload-openmpi.so\$"

# ---- what it cannot serve --------------------------------------------------------------

run --check "$work/nothing"
fails "a program without MPI" 1 'is linked with no MPI'
run "$work/nothing"
fails "a program without MPI, when two libraries are there" 2 'which MPI?'
run --mpi mpich "$work/nothing"
fails "one that loads an MPI itself" 0 ''
run --check "$work/inside"
fails "an MPI that is linked statically" 1 'has its MPI inside'
run "$work/inside"
fails "it does not run without the library" 1 'has its MPI inside'
run --check "$hydra"
fails "--check of a launcher" 1 'is a launcher'
run --check "$command"
fails "--check of itself" 2 'not itself'
run --check "$work/lost"
fails "an MPI that the loader does not find" 1 'does not find it'
chmod u+s "$mpich"
run --check "$mpich"
fails "a program with the rights of another user" 1 'takes no LD_PRELOAD'
printf '#!/bin/sh\n' >"$work/script" && chmod +x "$work/script"
run --check "$work/script"
fails "--check of a script" 1 'is a script'
if [ -x "$work/static" ]; then
	run --check "$work/static"
	fails "a static program" 1 'is linked statically'
fi

# ---- a real job ---------------------------------------------------------------------------

real=$TEST_BUILDDIR/.libs/libferry-preload-$TEST_MPI_ID.so
if [ -f "$real" ] && [ "$TEST_SANITIZER" = no ] && [ -n "$MPIEXEC" ]; then
	cat >"$work/job.c" <<'C'
#include <mpi.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
	char line[4096];
	int there = 0, all = 0;
	MPI_Init(&argc, &argv);
	for (FILE *maps = fopen("/proc/self/maps", "r"); maps && fgets(line, sizeof line, maps);)
		if (strstr(line, "libferry-preload"))
			there = 1;
	MPI_Allreduce(&there, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	MPI_Finalize();
	printf("%d ranks have it\n", all);
	return 0;
}
C
	$TEST_MPICC -o "$work/job" "$work/job.c" || exit 1
	cp "$real" "$lib" || exit 1
	run --check "$work/job"
	fails "--check of a real program" 0 'would work'
	run $MPIEXEC $MPIEXEC_FLAGS -n 2 "$work/job"
	fails "a real job" 0 '^2 ranks have it$'
fi
exit $bad
