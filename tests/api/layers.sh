#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make layers` finds: a small tree whose folders keep their order, and faults that are put
# into it, one after
# the other, each with the sentences that it has to get, and no others.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
number=0
failed=0

write() { # FILE: what stands on the standard input
	mkdir -p "$(dirname "$1")"
	case $1 in *.h) echo '#pragma once' ;; esac >"$1"
	cat >>"$1"
}
# Lines behind, or in front of, what is in a file.
add() { printf '%s\n' "$2" >>"tree/$1"; }
before() { { printf '%s\n' "$2" && cat "tree/$1"; } >tmp && cat tmp >"tree/$1"; }
change() { sed "$2" "tree/$1" >tmp && cat tmp >"tree/$1"; }
# The objects of files, as libtool and automake leave them.
build() { # FILE...: below src/, without .c
	for file; do
		name=${file##*/}
		case $file in mpi/*) name=libferry_mpi_la-$name ;; esac
		mkdir -p "build/src/${file%/*}/.deps" "build/src/${file%/*}/.libs"
		(cd tree && $TEST_CC -w -c -Iinclude -Isrc -I../system ${flags-} -MMD \
			-MF "../build/src/${file%/*}/.deps/$name.Plo" -o \
				"../build/src/${file%/*}/.libs/$name.o" "src/$file.c") 2>>said ||
			{ cat said && echo "does not compile: $file"; } >>errors
		rm -f said
	done
}
look() { $SHELL "$TEST_SRCDIR/build-aux/layers/layers.sh" "${mode-check}" tree build >out 2>&1; }
SHELL=${SHELL:-/bin/sh}
# The tree is checked: each sentence is a regular expression of a line, and there is a line for
# each.
finds() { # WHAT SENTENCE...
	number=$((number + 1))
	what=$1
	shift
	look
	status=$?
	[ $# -gt 0 ] && wanted=1 || wanted=0
	[ "$status" = $wanted ] || echo "exit $status" >>errors
	for sentence; do
		grep -q -- "$sentence" out || echo "not said: $sentence" >>errors
	done
	[ "$(wc -l <out)" = $# ] || echo "$# sentences were expected" >>errors
	if [ -s errors ]; then
		echo "not ok $number - $what"
		cat errors out | sed 's/^/# /'
		failed=1
	else
		echo "ok $number - $what"
	fi
	rm -rf errors tree build
	cp -pR clean/tree clean/build .
}

# ---- a tree without a fault -----------------------------------------------------

write system/mpi.h <<'C'
int MPI_Barrier(void);
C
write tree/include/ferry.h <<'C'
typedef struct ferry ferry;
typedef void ferry_fn(void *arg);
int ferry_go(ferry *engine);
C
write tree/include/ferry_mpi.h <<'C'
#include <mpi.h>
C
write tree/src/base/order.h <<'C'
#define FY_WIDTH(N) static inline int fy_load_##N(const int *p) { return __atomic_load_n(p, 0); }
FY_WIDTH(32)
FY_WIDTH(64)
typedef int fy_anywhere __attribute__((aligned(1)));
static inline int fy_load(const int *p) { return __atomic_load_n(p, 0); }
C
write tree/src/base/one.h <<'C'
#include "ferry.h"
struct fy_one {
	int a, b;
	struct {
		int c;
	} d;
	ferry *engine; /* a name that everybody may say; struct fy_four stands only in a comment */
};
extern int fy_one_count;
extern _Thread_local int fy_one_here __attribute__((tls_model("initial-exec"), aligned(8)));
int fy_one_get(struct fy_one *one)
	__attribute__((cold));
static inline int fy_one_add(struct fy_one *one) { return one->a + one->b; }
C
write tree/src/base/one.c <<'C'
#include "base/one.h"
#include <unistd.h>
#include "base/order.h"
int fy_one_count;
_Thread_local int fy_one_here __attribute__((tls_model("initial-exec"), aligned(8)));
static int fy_helper(void) { return getppid() + sizeof "struct fy_four"; }
int fy_one_get(struct fy_one *one)
{
	return one->a + fy_load(&fy_one_count) + fy_helper();
}
C
write tree/src/link/two.h <<'C'
#include "base/one.h"
struct fy_three;
struct fy_two {
	int (*call)(struct fy_one *one);
	ferry_fn *fn;
	struct fy_three *three;
};
int fy_two_send(struct fy_two *two);
C
write tree/src/link/two.c <<'C'
#include "link/two.h"
#include "link/three.h"
int fy_two_send(struct fy_two *two)
{
	return fy_three_count(two->three) + fy_one_get(0);
}
C
write tree/src/link/three.h <<'C'
#include "link/two.h"
int fy_three_count(struct fy_three *three);
int fy_counter_next(void);
C
write tree/src/link/three.c <<'C'
#include "link/three.h"
struct fy_three {
	struct fy_two two;
};
int fy_counter_next(void) { return 1; }
int fy_three_count(struct fy_three *three)
{
	return three ? fy_two_send(&three->two) : 0;
}
C
write tree/src/helm/door.h <<'C'
struct fy_four;
int fy_door_open(struct fy_four *four);
C
write tree/src/helm/door.c <<'C'
#include "helm/door.h"
#include "helm/four.h"
int fy_door_open(struct fy_four *four) { return fy_four_step(four); }
C
write tree/src/helm/four.h <<'C'
#include "link/two.h"
struct ferry {
	int a;
};
struct fy_four {
	struct fy_two two;
};
int fy_four_step(struct fy_four *four);
C
write tree/src/helm/four.c <<'C'
#include "helm/four.h"
int fy_four_step(struct fy_four *four) { return fy_two_send(&four->two); }
C
write tree/src/app/five.c <<'C'
#include "base/one.h"
#include "helm/door.h"
int ferry_go(ferry *engine)
{
	struct fy_four *four = 0;
	return fy_door_open(four) + fy_one_get(0);
}
C
write tree/src/mpi/one.h <<'C'
int fy_mpi_one_open(void);
C
write tree/src/mpi/one.c <<'C'
#include <mpi.h>
#include "ferry.h"
#include "ferry_mpi.h"
#include "mpi/one.h"
int fy_mpi_one_open(void) { return MPI_Barrier() + ferry_go(0); }
C
write tree/src/layers.list <<'C'
base: include/ferry.h
link: base
helm: base link
app: base helm/door.h
mpi: include/

limit header: 20
limit columns: 100
limit public-columns: 80
limit members: 6
limit circle: 6
limit pointers: 2
only header mpi.h: mpi/
only symbol MPI_*: mpi/
only word __atomic_*: base/order.h
only call getppid: base/one.*
only call fork exec*:
prefix base/order.h: fy_load_
prefix link/three.h: fy_counter_
circle link/three.c link/two.c: they are one thing
pointer fy_two.*: the user's
C
build base/one link/two link/three helm/door helm/four app/five mpi/one
mkdir clean
cp -pR tree build clean

finds "a tree without a fault"

# ---- includes -------------------------------------------------------------------

before src/link/two.c '#include "helm/four.h"'
finds "an include against the list" 'src/link/two.c:1: link/ may not include helm/four.h'
before src/app/five.c '#include "helm/four.h"'
finds "a header beside the one that is named" 'app/ may not include helm/four.h'
before src/base/one.c '#include "ferry_mpi.h"'
finds "a public header that is not named" 'base/ may not include include/ferry_mpi.h'
before src/link/two.c '#define HERE "helm/four.h"
#include HERE'
finds "an include by a macro" 'src/link/two.c:2: an #include by a macro'
before src/link/two.c '#include "three.h"'
finds "an include without its folder" '"three.h" is no header of this tree, or not by its full name'
before src/link/two.c '#include "link/../helm/four.h"'
finds "an include by a detour" 'is no header of this tree, or not by its full name'
flags='-include src/helm/four.h'
build link/two
flags=
finds "an include that no text shows" \
	'src/link/two.c: the compiler read helm/four.h, and no #include'

# ---- names ----------------------------------------------------------------------

change src/link/two.c 's/fy_two_send/fy_four_send/'
change src/link/two.h 's/fy_two_send/fy_four_send/'
change src/link/three.c 's/fy_two_send/fy_four_send/'
change src/helm/four.c 's/fy_two_send/fy_four_send/'
build link/two link/three helm/four
finds "a function with the prefix of another file" \
	'src/link/two.c:4: fy_four_send is defined here, and its name says helm/four'
add src/link/two.h 'int fy_nobody_here(void);'
add src/link/two.c 'int fy_nobody_here(void) { return 1; }'
build link/two
finds "a function with the prefix of no file" 'fy_nobody_here has the prefix of no file'
add src/link/two.h 'extern int fy_twofold;'
add src/link/two.c 'int fy_twofold;'
build link/two
finds "a variable with the prefix of no file" 'fy_twofold has the prefix of no file'
change src/mpi/one.h 's/fy_mpi_one/fy_one/'
change src/mpi/one.c 's/fy_mpi_one/fy_one/'
build mpi/one
finds "the short prefix of two files is the lower one's" \
	'src/mpi/one.c:[0-9]*: fy_one_open is defined here, and its name says base/one'
change src/link/two.h '/fy_two_send/d'
add src/link/three.h 'int fy_two_send(struct fy_two *two);'
finds "a declaration in another header" \
	'src/link/three.h:5: fy_two_send is declared here, and link/two.c defines it: declare it'
before src/helm/four.c 'int fy_two_send(struct fy_two *two);'
finds "a declaration in a source" \
	'src/helm/four.c:1: fy_two_send is declared here, .*: include link/two.h instead'
add src/link/two.c 'int fy_two_more(void) { return 1; }'
build link/two
finds "a function that no header declares" 'src/link/two.c:7: fy_two_more is declared nowhere'
add src/link/two.h 'int fy_two_less(void);'
finds "a declaration of nothing" \
	'src/link/two.h:10: fy_two_less is declared here, and no file defines it'
add src/link/two.h 'static inline int fy_three_none(void) { return 0; }'
finds "an inline function of another name" \
	'fy_three_none is defined here, and its name says link/three'

# ---- what belongs into one place ----------------------------------------------------

before src/link/two.c '#include <mpi.h>'
finds "a header of the system elsewhere" 'src/link/two.c:1: <mpi.h> belongs into mpi/'
add src/link/two.c 'static int now(int *p) { return __atomic_load_n(p, 0); }'
finds "an atomic elsewhere" 'src/link/two.c:7: __atomic_load_n belongs into base/order.h'
add src/link/two.c 'static int parent(void) { return getppid(); }'
finds "a system call elsewhere" 'src/link/two.c:7: getppid belongs into base/one'
add src/link/two.c '#include <unistd.h>
#define CALL(a, b) a##b()
int fy_two_parent(void) { return CALL(getp, pid); }'
add src/link/two.h 'int fy_two_parent(void);'
build link/two
finds "a system call that only the object shows" \
	'src/link/two.c: the object uses getppid, which belongs into base/one'
add src/link/two.c 'static int twin(void) { return fork(); }'
finds "a system call that has no place" 'fork belongs nowhere'
add src/link/two.c 'int MPI_Barrier(void);
int fy_two_wait(void) { return MPI_Barrier(); }'
add src/link/two.h 'int fy_two_wait(void);'
build link/two
finds "a function of MPI in the core" \
	'src/link/two.c: the object uses MPI_Barrier, which belongs into mpi/'
add src/base/one.c 'int MPI_Barrier(void);
int MPI_Barrier(void) { return 0; }'
build base/one
finds "a folder that stands before a function of MPI, which stays MPI's"
write system/link/made.inc <<'C'
C
before src/link/two.c '#include "link/made.inc"'
build link/two
finds "what a rule makes for a folder"
before src/link/two.c '#include "helm/made.inc"'
finds "what a rule makes for another folder" 'src/link/two.c.*"helm/made.inc" is no header of this tree'
change src/base/one.c 's/getppid()/1/'
build base/one
finds "a place that is not needed" \
	'src/layers.list:[0-9]*: base/one.* has nothing of getppid any more'

# ---- structs ------------------------------------------------------------------------

add src/link/three.c 'struct fy_four;'
finds "a forward declaration of a higher struct" \
	'src/link/three.c:10: struct fy_four is helm/four.h.s, which link/ may not know'
add src/app/five.c 'static int none(struct fy_two *two) { return !two; }'
finds "a struct of a folder that is not on the line" \
	'src/app/five.c:8: struct fy_two is link/two.h.s, which app/ may not know'
add src/link/two.c '#define FY_CONTAINER(p, type, member) ((type *)(void *)(p))
static void *up(void *p) { return FY_CONTAINER(p, ferry, a); }'
finds "from a member up to a higher struct" \
	'src/link/two.c:8: from a member up to ferry, which is helm/four.h.s'
add src/app/five.c 'enum fy_two { A };'
finds "a name that is defined twice" 'enum fy_two is defined in .* as well'
change src/base/one.h 's/int a, b;/int a, b, e, f, g;/'
finds "a struct of too many members" 'src/base/one.h:3: struct fy_one has 7 members: at most 6'
change src/base/one.h 's/} d;/};/; s/int c;/int c, d, e, f;/'
finds "with those of a part without a name" 'struct fy_one has 7 members'
add src/link/three.c 'struct mine { void (*say)(int a); };'
finds "a pointer to a function" 'src/link/three.c:10: mine.say is a pointer to a function' \
	'3 pointers to functions'
add src/link/three.c 'struct mine { ferry_fn *say; };'
finds "a pointer to a function by a type" \
	'src/link/three.c:10: mine.say is a pointer to a function' '3 pointers to functions'
change src/layers.list 's/pointers: 2/pointers: 3/'
finds "a number of pointers that is too high" '2 pointers to functions .* says 3'
add src/layers.list 'pointer fy_one.run: the user'
finds "a pointer that is named and not there" \
	'there is no pointer to a function fy_one.run any more'

# ---- sizes --------------------------------------------------------------------------

add src/link/two.h '












'
finds "a header of too many lines" 'src/link/two.h: 23 lines: a header has at most 20'
add src/link/two.c "$(printf '\t/*%90s*/' 'a tab is eight columns')"
finds "a line of too many columns" 'src/link/two.c:7: 102 columns: at most 100'
add include/ferry.h "$(printf '/*%78s*/' 'what everybody reads')"
finds "and one of a public header" 'include/ferry.h:5: 82 columns: at most 80'

# ---- objects that use one another -------------------------------------------------------

add src/link/two.c 'int fy_two_go(void) { return ferry_go(0); }'
add src/link/two.h 'int fy_two_go(void);'
change src/app/five.c 's/fy_door_open(four)/0/'
build link/two app/five
finds "a call against the order that no include shows" \
	'src/link/two.c: uses ferry_go of app/five.c, .*: turn the call round'
add src/base/one.c 'int fy_one_go(void) { return ferry_go(0); }'
add src/base/one.h 'int fy_one_go(void);'
build base/one
finds "a circle across folders" 'src/base/one.c: uses ferry_go of app/five.c' \
	'across folders: app/five.c base/one.c helm/door.c helm/four.c link/three.c link/two.c' \
	'these are no circle of objects any more'
change src/layers.list 's/circle: 6/circle: 1/; /^circle/d'
finds "a circle that is too large" 'a circle of 2 objects: at most 1: link/three.c link/two.c'
change src/layers.list '/^circle/d'
finds "a circle without a reason" \
	'a circle of objects that src/layers.list does not name: link/three.c link/two.c'
change src/link/three.c 's/fy_two_send(&three->two)/1/'
build link/three
finds "a circle that is named and not there" \
	'these are no circle of objects any more, take the line off: link/three.c link/two.c'

# ---- the list itself ---------------------------------------------------------------------

echo 'int none;' >tree/src/none.c
finds "a file beside the folders" 'src/none.c: a file belongs into a folder of src/' \
	'src/none.c: no object was made of it'
mkdir tree/src/new
echo '#define NONE' >tree/src/new/none.h
finds "a folder without a line" 'src/new/none.h: the folder new has no line in src/layers.list'
add src/layers.list 'none: base'
finds "a line without a folder" 'src/layers.list:[0-9]*: there is no file in src/none/'
change src/layers.list 's/^link: base/link: base helm/'
finds "a folder that names a higher one" \
	'src/layers.list:2: link names helm, which has no line above'
add src/layers.list 'link: base'
finds "two lines of a folder" 'src/layers.list:22: the folder link has a line already'
add src/layers.list 'link and base'
finds "a line without a colon" 'src/layers.list:22: a line is "WHAT: VALUE"'
change src/layers.list 's/^\(pointer[^:]*:\).*/\1/'
finds "a line without its reason" 'src/layers.list:21: this pointer has no reason'
add src/layers.list 'speed limit high: 9'
finds "a line that says nothing" 'nothing is called "speed limit high"'
add src/layers.list 'prefix base/one.h: fy_none_'
finds "a prefix that is not needed" 'no name begins with fy_none any more'
rm build/src/link/.libs/two.o
finds "a source without an object" 'src/link/two.c: no object was made of it' \
	'these are no circle' 'fy_two_send is declared here, and no file'

before src/link/two.c '#include "helm/four.h"'
echo 'include link/two.c helm/four.h: it moves with the next change' >tree/src/layers.exceptions
finds "a fault that an exception allows"
before src/link/two.c '#include "helm/four.h"'
echo 'include link/two.c helm/four.h:' >tree/src/layers.exceptions
finds "an exception without a reason" 'src/layers.exceptions:1: the exception has no reason'
before src/link/two.c '#include "helm/four.h"'
echo 'include link/two.c helm/four.h: it moves
include link/two.c helm/four.h: so it does' >tree/src/layers.exceptions
finds "an exception that stands there twice" \
	'src/layers.exceptions:2: the exception stands here twice'
echo 'include link/two.c helm/four.h: it moves' >tree/src/layers.exceptions
finds "an exception that is not needed" \
	'src/layers.exceptions:1: the exception .* is not needed any more'

before src/link/two.c '#include "helm/four.h"'
mode=exceptions
look
mode=check
sed 's/$/it moves/' out >tree/src/layers.exceptions
[ "$(wc -l <out)" = 1 ] || echo "one exception was expected" >>errors
finds "what prints the exceptions of today"

mode=figures
look
mode=check
grep -q '^lines of the largest header  *14  base/one.h$' out && grep -q \
	'^members of the largest struct  *4  fy_one$' out &&
	grep -q '^objects in the largest circle  *2$' out && grep -q \
		'^lines of code  *[0-9]' out || cat out >>errors
finds "the figures are those of the tree"
exit $failed
