#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ferry-perf --preload: a peer with the layer and without it, in turns in one job. Each trial checks
# what its receiver read.
. "$TEST_SRCDIR/tests/preload/modes.sh"
perf=$TEST_BUILDDIR/tools/ferry-perf
quick='-d 0.02 -r 1'

launch -n 2 "$perf" rate $quick --preload symmetric
check "without the layer there is a sentence" says 'start the job by ferry-preload'
check "... and status 2" ended_with 2
launch -n 2 "$perf" rate $quick --preload nobody
check "a peer that there is not" says "takes the name of one peer of rate, not 'nobody'"
launch -n 2 "$perf" rate $quick --second
check "--second alone" says 'are for --preload'
[ "$modes" != plain ] || finish

with_layer() { launch -n 2 env LD_PRELOAD="$layer" FERRY_PRELOAD_REPORT=1 "$perf" "$@"; }
measured() { says '^  preload / '"$1"; }
while read -r mode peer threads more; do
	with_layer $mode $quick -t $threads --preload $peer $more
	check "$mode $more, $threads threads: preload beside $peer" measured $peer
	check "... and it ends well" ended_with 0
done <<END
rate symmetric 4
rate plain 1
latency multiple 2 --barrier
latency plain 1 --second
farm multiple 2
halo multiple 2
bandwidth plain 1
END
with_layer rate $quick -t 1 -s 64K --preload batch -p plain
check "a size that the peer does not take" says 'batch takes messages of at most'
with_layer rate $quick -t 4 --preload symmetric
check "the layer had work" says ' then [1-9][0-9]* nonblocking operations started at once'
finish
