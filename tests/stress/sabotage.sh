#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Do the tests find what they are for? Breaks a copy of the library in one place after the other,
# runs the simulation (FERRY_SEEDS seeds, 100 unless told) and the unit tests named below, and
# prints who saw it.
#
#     tests/stress/sabotage.sh [NAME...]
#     tests/stress/sabotage.sh --places       asks no test: does each change still find its place?
#
# Exit 1 when something was not seen, or when a change no longer finds its place in the source.
# SABOTAGE_DIR, if set, is where the copy is made and left; SABOTAGE_SECONDS how long a test may take
# (120); MAKEFLAGS is make's.
source=${TEST_SRCDIR-$(cd "$(dirname "$0")/../.." && pwd)}
places=no
[ "$1" != --places ] || { places=yes && shift; }
wanted=" $* "
FERRY_SEEDS=${FERRY_SEEDS-100} CMOCKA_MESSAGE_OUTPUT=TAP MAKE=${MAKE-make}
export FERRY_SEEDS CMOCKA_MESSAGE_OUTPUT
copy=$SABOTAGE_DIR
bad=0

prepare() {
	[ -n "$copy" ] || { copy=$(mktemp -d) && trap 'rm -rf "$copy"' EXIT; }
	rm -rf "$copy/build" && mkdir -p "$copy/build" && cd "$source" || exit 1
	if [ $places = yes ]; then
		tar c src examples | tar x -C "$copy" && chmod -R u+w "$copy" && cd "$copy/build" || exit 1
		return
	fi
	tar c --exclude=.git . | tar x -C "$copy" || exit 1
	cd "$copy/build" && ../configure CFLAGS='-O1 -g' >configure.log 2>&1 || { cat configure.log; exit 1; }
}

# What a test said of its own accord, or how it ended.
words() { # log status
	said=$(sed -n 's/^# \(seed [0-9]*: .*\)/\1/p; s/^not ok [0-9]* - \([a-z][a-z_0-9]*\).*/\1/p
		s/^FAILED: \(.*\) (the job ended .*/\1/p' "$1" | head -1)
	case $2 in
	124 | 137) said="${said:-does not end}" ;;
	13[0-9]) said="${said:-ends by a signal}" ;;
	esac
	grep -q 'Test failed with exception' "$1" && said='ends by a signal'
	echo "${said:-status $2}"
}

# Every test is asked, also when one before it has seen it.
ask() { # test...
	seen=
	[ $places = no ] || { seen='not asked' && return; }
	for test in "$@"; do
		status=0
		case $test in
		*.sh) # over MPI; it builds what it needs
			rm -f "tests/${test%.sh}.log"
			$MAKE all >make.log 2>&1 && $MAKE check TESTS="tests/$test" >>make.log 2>&1 || status=$?
			cp "tests/${test%.sh}.log" test.log || { what="$what [does not build]" seen= && return; }
			;;
		*)
			$MAKE "tests/$test.t" >make.log 2>&1 || { what="$what [does not build]" seen= && return; }
			timeout -k 5 "${SABOTAGE_SECONDS-120}" "tests/$test.t" >test.log 2>&1 || status=$?
			;;
		esac
		[ $status = 0 ] || seen="$seen${seen:+; }$test ($(words test.log $status))"
	done
}

# name, file, change (for sed), what it breaks, tests
break_it() {
	name=$1 file=../src/$2 change=$3 what=$4
	shift 4
	[ "$wanted" = '  ' ] || case $wanted in *" $name "*) ;; *) return ;; esac
	cp -p "$file" before
	sed -i "$change" "$file"
	if cmp -s before "$file"; then
		seen= bad=1
		what="$what [finds no place]"
	else
		ask "$@"
		[ -n "$seen" ] || bad=1
	fi
	cp before "$file"
	[ $places = yes ] && [ -n "$seen" ] ||
		printf '| %s | %s | %s | %s |\n' "$name" "$what" "${file#../src/}" "${seen:-NOBODY}"
	rows=$((rows + 1))
}

prepare
seen= rows=0
[ $places = yes ] || ask sim/mixed
[ -z "$seen" ] || { echo "without sabotage: $seen"; cat test.log make.log; exit 1; }
[ $places = yes ] || printf '| name | what is broken | in | caught by |\n|---|---|---|---|\n'
S=sim/mixed

# ---- order ----
break_it seq helm/arrivals.c 's/if (slot->seq == ch->in.seq \&\& !is_paused(ch) \&\& /if (/' \
	'batches are dispatched as they come, whatever their number' $S
break_it paused helm/arrivals.c 's/ \&\& !is_paused(ch) / /' \
	'a batch of the number of one that is paused is dispatched' sim/malformed
break_it second helm/arrivals.c 's/return ahead < 0 \&\& ahead >= -AHEAD_MAX;/return false;/' \
	'a batch that comes twice takes the place of the next one' sim/malformed
break_it doubt helm/arrivals.c 's/^\t\tfy_gaps_doubt(p);$//' \
	'after a batch that comes twice no missing number is looked for' sim/malformed
break_it hold helm/dispatch.c 's/^\tif (!s->first) {$/\tif (true) {/' \
	'a record behind a large message is delivered at once' $S
break_it skip helm/drain.c 's/if (!take_slow(p, r, size, tag)) {/if (!take_slow(p, r, size, tag) \&\& p->link.stats.steps % 2) {/' \
	'a record that stalls is skipped' $S
break_it overtake helm/drain.c 's/if (!ch->has_queue \&\& fy_put_record(p, ch, r, stream) == FY_PUT_DONE)/if (fy_put_record(p, ch, r, stream) == FY_PUT_DONE)/' \
	"a record overtakes its channel's queue" $S
break_it fast-queue helm/queued.c '/peer->queue.bytes += size;/{n;n;/fast_end/d}' \
	"the hot loop overtakes the channel's queue" $S sim/corners
break_it fast-stream link/credit.c \
	's/!ch->has_queue \&\& !ch->streams_out \&\& /!ch->has_queue \&\& /' \
	'the hot loop overtakes a large message' $S unit/link/test_credit
break_it stuck helm/drain.c 's/broke_off = lane->turn.lacks_room = true/broke_off = true/' \
	'what waits for room keeps its sender awake' sim/corners
break_it pad shared/lane.c 's/lane->tail + pad + size - lane->head_seen/lane->tail + size - lane->head_seen/' \
	'where a record would wrap, the room that it skips is not counted' $S unit/shared/test_lane
break_it newest shared/mailbox.c \
	'/^ferry_message \*fy_mailbox_take/,/^}/{s/first/last/g;s/m->next/m->mail.prev/;s/op_next/op_prev/}' \
	'the mailbox gives the newest first' $S unit/shared/test_mailbox

# ---- acknowledgement ----
break_it accepted link/channel.c 's/ch->in.refused\[0\].seq : ch->in.seq) - 1,/ch->in.refused[0].seq : ch->in.seq),/' \
	'batches are accepted one too high' $S
break_it twice link/pending.c 's/h->accepted) <= 0) {/h->accepted) <= 1) {/' \
	'an acceptance completes one batch too many' $S
break_it counted-twice link/counted.c 's/(runs->first->id >> 32) - seq) <= 0/(runs->first->id >> 32) - seq) <= 1/' \
	'an acceptance counts the posts of one batch too many' sim/counters unit/link/test_counted
break_it counted-unasked link/channel.c '/^static void close_last/,/^}/s/if (ch->counted.first)/if (false)/' \
	'nobody asks whether posts that count were accepted' sim/counters
break_it counted-full link/channel.c 's/ch->credit.hungry || ch->count_owed;/ch->credit.hungry;/' \
	'a full batch of posts that count, with nothing behind it, is not asked about' sim/counters
break_it counted-first shared/counter.c '/^static void note_failure/,/^}/s/if (fy_load_relaxed_32(&c->failed))/if (false)/' \
	'a counter tells the last failure instead of the first' unit/shared/test_counter
break_it mail-locked helm/mail.c 's/^\t\tappend(handled, m);/\t\tout_of_the_mailbox(p, m), fy_deliver_message(p, m);/' \
	'handlers run under the lock of the mailbox' sim/fences
break_it at-put helm/put.c 's/fy_put_await(p, ch, o->future, o->stream, o->op);/fy_future_complete(o->future, 0, NULL);/' \
	'a future completes when its record is put into a batch' $S
break_it stream-ack link/stream_in.c 's/s->unacked++;/s->unacked += 2;/' \
	'an acknowledgement of a stream counts double' $S unit/link/test_stream_in
break_it no-ack helm/dispatch.c 's/^\t\tch->in.ack_owed = true;/\t\tch->in.ack_owed = false;/' \
	'nothing is acknowledged of its own accord' $S
break_it call-id helm/replies.c \
	'/^bool fy_replies_put_bytes/,/^}/s/fy_record_set_ext(r, call_id)/fy_record_set_ext(r, call_id ^ 1)/' \
	'a reply goes to another call' $S

# ---- credit and memory ----
break_it held link/credit.c 's/ch->credit.window - ch->credit.unreturned;/ch->credit.window;/' \
	'what is held is not taken from the limit' $S unit/link/test_credit
break_it returned link/credit.c 's/ch->credit.unreturned -= bytes;/(void)bytes;/' \
	'credit is never returned' $S unit/link/test_credit
break_it spent link/credit.c \
	'/^void fy_credit_spend/,/^}/s/ch->credit.spent += (uint64_t)size + FY_MESSAGE_CHARGE;/(void)size;/' \
	'a record spends nothing' $S unit/link/test_credit
break_it spent-fast helm/drain.c '/ch->credit.spent += (uint64_t)(fill - ch->fill)/d' \
	'records of the hot loop spend nothing' $S sim/corners
break_it budget bulk/grants.c 's/(in->bytes.needs <= cap .*;/true;/' \
	'grants are given whatever the budget' $S
break_it kept bulk/blocks.c 's/^\ttrim(bulk, may_keep(bulk, beside + room));//' \
	'kept blocks make no room for messages' sim/blocks
break_it reuse bulk/blocks.c 's/^\tstruct fy_block \*b = \*list_of(bulk, room);/\tstruct fy_block *b = NULL;/' \
	'blocks are kept and never used again' sim/blocks unit/bulk/test_blocks
break_it idle bulk/blocks.c 's/> KEEP_FOR/> 100 * KEEP_FOR/' \
	'blocks that nobody uses are kept' sim/blocks unit/bulk/test_blocks
break_it pages shared/block.c 's/^\tmadvise(from, .*//' \
	'malloc keeps the pages of blocks' sim/blocks
break_it two-owners bulk/blocks.c 's/^\t\*b->here = b->next;//' \
	'a block is two messages at once' sim/blocks
break_it named bulk/memory.c 's/\*data = there ? there : fy_blocks_get/*data = fy_blocks_get/' \
	'memory that the program names is not used' sim/copies
break_it copied app/post.c 's/^\tmemcpy(m->body, o->body, o->nbytes);/& &/' \
	'a long body is copied twice' sim/copies
break_it full helm/queued.c '/^static void lower_full/,/^}/s/fy_store_release_8(.*, 0);/;/' \
	'a full rank stays full' $S
break_it bodies shared/room.h 's/return unsent + its >= /return false \&\& unsent + its >= /' \
	'long bodies are posted without a bound' sim/corners
break_it share shared/room.h 's/return unsent + its >= /return unsent + 0 * its >= /' \
	'one rank may take all of send_memory' sim/corners
break_it bodies-held link/release.c 's/fy_room_bodies_lower(.*);/;/' \
	'bodies that were sent are counted for ever' $S sim/corners
break_it bodies-untold helm/rooms.c '/^void fy_rooms_tell_freed/,/^}/s/fy_room_tell(.*);/;/' \
	'posters that wait for send_memory are not told' sim/corners
break_it never bulk/outbound.c '/^static void give_back/,/^}/s/fy_release_[a-z]*(bulk->link, .*m);/(void)bulk;/' \
	'a large message is never released' $S
break_it release bulk/outbound.c '/^static void give_back/,/^}/s/fy_release_[a-z]*(bulk->link, .*m);/{&&}/' \
	'a large message is released twice' $S
break_it turns bulk/turns.c '/^bool fy_turns_tag_free/,/^}/s/if (are_few(bulk, turns))/if (1)/' \
	'chunks with the same tag are under way together' $S sim/transfers unit/bulk/test_turns
break_it untold bulk/landing.c 's/^\t\tfy_grants_owe(bulk, in);/\t\tfy_inbound_free(bulk, in);/' \
	'a sender does not hear that not all of a message came' $S sim/transfers
break_it half bulk/landing.c '/^static bool may_be_whole/,/^}/s/return .*/return !in->dead;/' \
	'a message of which a chunk failed is delivered' $S sim/transfers
break_it parked bulk/inbound.c 's/in->lengths_known == in->announced.n_parts || in->dead)) {/1)) {/' \
	'a message is granted before its lengths are known' $S sim/malformed
break_it stalled bulk/landing.c 's/bulk->link->now - in->moved_at < STALLED/true/' \
	'a peer that sends nothing holds the budget for ever' $S sim/malformed
break_it unsent link/channel.c 's/if (b->request.status \&\& !ch->out.unsent) {/if (false) {/' \
	'a batch that was not sent is taken for sent' sim/corners
break_it refused-held helm/gone.c 's/^\t\tfy_stream_out_refuse(\&p->link, ch, s, \&r);/\t\t;/' \
	'held records that a receiver could not read stay open' sim/corners sim/malformed
break_it nudge shared/lane.c 's/lane->tail_seen - head <= FY_LANE_NUDGE \&\& //' \
	'a producer is woken for room that it cannot use' unit/shared/test_lane
break_it failed helm/arrivals.c 's/if (fy_unlikely(slot->request.status)) {/if (slot->request.status == FERRY_ECANCELED) {/' \
	'what MPI says of a receive that failed is believed' sim/corners
break_it gap helm/gaps.c 's/else if (again \&\& gap->seen)/else if (false)/' \
	'a batch that was lost is waited for without end' sim/corners
break_it left helm/dispatch.c 's/return waits || p->inside.n_left >= .*/return waits;/' \
	'a borrower of the helm copies whole batches' sim/corners
break_it until helm/drive.c 's/ || p->link.now >= until)/)/' \
	'who drives the engine does not look at the time' sim/corners
break_it unused helm/pace.c '/^	p->pace.idle_sleep = policy->sleep.sleep_awaited;$/d' \
	'an engine that was not used yet does not sleep' sim/corners
break_it together helm/drain.c 's/if (flood && drained) {/if (flood \&\& !drained \&\& drained) {/' \
	'floods do not give way to answers' sim/corners
break_it first-flood helm/drain.c '/drained->turn.share = 0;/{n;d}' \
	'the first of the floods that give way has every turn' sim/corners
break_it turned-back helm/drain.c 's/^\tfy_lanes_move_last(p, drained);/\tfy_lanes_turn_to(p, drained->next);/' \
	'a lane that is stuck turns the floods back' sim/corners
break_it answers helm/arrivals.c 's/++answers >= policy->look.answers_wait/false/' \
	'answers wait for all that has come' sim/corners
break_it wakes-one helm/drive.c 's/left = ready(arg) \&\& may_leave_to_wait(engine);/left = ready(arg) \&\& may_leave(engine);/' \
	'who sends a large message and waits next wakes the progress thread' sim/corners
break_it leaves helm/drive.c 's/if (came || p->link.dirty || p->link.freed)/if (came)/' \
	'who drove leaves an acknowledgement behind' sim/corners
break_it code bulk/grants.c 's/bulk->code_due = true;/;/' \
	'who drives stays where the program is to be asked' sim/corners
break_it attachment shared/message.c '/FY_PROGRAM("a release/{N;s/.*/;/}' \
	'an attachment is not given back' $S unit/shared/test_message

# ---- memory that is short ----
M=sim/memory
break_it half-made bulk/memory.c '/^static bool land(/,/^}/s/if (!data)/if (false)/' \
	'an attachment that found no memory has a length all the same' $M
break_it lengths bulk/inbound.c \
	's/^\tif (!lengths) {/\tif (!in) {/;s/\.lengths = lengths,/& .status = lengths ? 0 : FERRY_ENOMEM,/' \
	'an announcement that found no memory is taken for a wrong one' $M
break_it news helm/owed.c 's/o->news_owed || o->up_owed/o->up_owed/' \
	'news of a close that had no memory are forgotten' sim/memory
break_it owed link/channel.c 's/^\t       !ch->control_owed \&\& !ch->count_owed;/\t       !ch->count_owed;/' \
	'what is owed is forgotten when there is no batch for it' $M
break_it homeless helm/arrivals.c '/^static bool arrived/,/^}/s/keep_homeless(p, slot);/return true;/' \
	'a batch whose channel found no memory is thrown away' $M
break_it empty app/reply.c '/^int ferry_reply(/,/^}/s/FY_ANSWER_FAILED/FY_UNANSWERED/' \
	'a reply that found no memory is an empty one' $M
break_it unnoted link/failure.c 's/ch->failures.unnoted = status;/;/' \
	'a failure that found no memory is not told' $M
break_it sink bulk/grants.c 's/if (!waits_in_vain(bulk, in) || !fy_memory_sink(bulk, in))/if (true)/' \
	'what is prepaid waits for memory for ever' $M

# ---- the end ----
break_it one-round helm/agree.c 's/bool over = .*/bool over = still;/' \
	'one round decides an agreement' $S unit/helm/test_agree
break_it busy helm/agree.c 's/if (a->round \&\& !fy_agree_is_quiet(p))/if (false)/' \
	'an agreement does not ask who is busy' $S unit/helm/test_agree
break_it counts helm/agree.c 's/bool still = .*/bool still = true;/' \
	'an agreement does not compare the counts' $S unit/helm/test_agree
break_it freeze helm/agree.c 's/a->kind == FY_AGREE_CLOSE \&\& !a->frozen ? FREEZE : OVER/OVER/' \
	'a close does not freeze before it ends' $S unit/helm/test_agree
break_it again helm/agree.c 's/if (a->up_sent \&\& !has_news(a, &sum))/if (a->up_sent)/' \
	'counts that change are not sent up again' $S unit/helm/test_agree
break_it closer helm/news.c 's/if (a->kind == FY_AGREE_FENCE \&\& .*/if (false) {/' \
	'a fence waits on when a rank closes' unit/helm/test_agree
break_it kinds helm/agree.c 's/ kind == a->kind;/ true;/; s/a->kind \&\& kind == a->kind \&\& /a->kind \&\& /' \
	'a fence and a close match' unit/helm/test_agree
break_it open-alone engine/life.c 's/port->ops->offer(port, o->status, o->text);/port->ops->offer(port, 0, "");/' \
	'a rank whose open fails tells the others that all is well' sim/opens
break_it open-left engine/life.c '/^static void discard/,/^}/s/progress_free(e->progress);/;/' \
	'an open that fails leaves memory behind' sim/opens
break_it uncancelled helm/close.c '/^static void take_back_receives/,/^}/s/fy_receives_cancel(p);/;/' \
	'a receive that was not cancelled is not asked for again' sim/opens
break_it tag helm/inline.h 's/inside->tag = colour == link->counts.colour ? 0 : fy_record_tag(colour);/inside->tag = 0;/' \
	"what an inline handler posts has the rank's colour" $S sim/fences
break_it tag-pool shared/handler.c 's/struct handling here = { h, engine, .*, handlings };/struct handling here = { h, engine, 0, handlings };/' \
	"what an executor's handler posts has the rank's colour" $S sim/fences
break_it mark helm/drain.c 's/tag = fy_record_tag(p->link.counts.colour ^ 1);/tag = 0;/' \
	'what was posted before a fence counts for the next one' $S sim/fences
break_it starve helm/agree.c 's/if (a->kind == FY_AGREE_CLOSE || colour == old_colour(p))/if (true)/' \
	'a fence waits for what is posted after it' sim/fences unit/helm/test_agree
break_it undrained helm/lanes.c 's/if ((int64_t)(lane->head - lane->marks.agree) < 0 ||/if (/' \
	'a fence does not ask whether lanes are drained' unit/helm/test_agree
break_it handler-end helm/lanes.c 's/(int64_t)(lane->head - fy_load_acquire_64(&lane->handler_end\[colour\])) < 0)/false)/' \
	'likewise for what handlers posted' unit/helm/test_agree
break_it goodbye helm/close.c 's/if (!ch->bye.sent || !ch->bye.seen || ch->out.flight)/if (false)/' \
	'receives are cancelled without waiting for goodbyes' $S
break_it lane-twice helm/lanes.c '/^void fy_lanes_forget/,/^}/{/lane->life.let_go, 1/d}' \
	'the lane of a thread that left is given back twice' sim/lifetimes

# ---- checksums ----
break_it sum-batch helm/arrivals.c 's/ \&\& is_damaged(slot)) {/ \&\& !slot) {/' \
	"a batch's checksum is not looked at" sim/damage
break_it sum-large bulk/landing.c 's/ \&\& in->told.sum != in->flow.sum) {/ \&\& !in->ch) {/' \
	"a large message's checksum is not looked at" sim/damage
break_it sum-late bulk/landing.c 's/return fy_unlikely(bulk->link->options->checksum) \&\& !in->told.here/return !bulk/' \
	'a large message is delivered before its checksum is here' sim/damage
break_it sum-untold bulk/outbound.c 's/x->sum_owed = !fy_control_put(.*$/x->sum_owed = false;/' \
	'the checksum of a large message is not told' sim/damage
break_it sum-lanes base/crc32c.c 's/product(a, OVER_TWO)/product(a, OVER_ONE)/' \
	'lanes of a checksum are joined in the wrong place' unit/base/test_crc32c
break_it sum-open engine/share.c 's/if (here.checksum == there.checksum)/if (here.checksum == there.checksum || port)/' \
	'ranks open that differ in the option checksum' sim/opens

# ---- handlers of FERRY_ANYWHERE ----
A=sim/anywhere
break_it any-order helm/dispatch.c 's/fy_inline_may(&p->inside, &p->link, h) \&\& !p->link.tasks.first \&\&/fy_inline_may(\&p->inside, \&p->link, h) \&\&/' \
	'a handler of FERRY_ANYWHERE overtakes what is left for the progress thread' $A
break_it any-post helm/step.c 's/guest = guest;/guest = !user_code;/' \
	'a handler of FERRY_ANYWHERE runs on a thread that posts' $A
break_it any-left helm/step.c 's/(p->link.tasks.first || p->inside.left)/p->link.tasks.first/' \
	'nobody is woken for what a post left to the next wait' $A
break_it any-nested helm/drive.c 's/fy_thread_on_progress(NULL) ? NO_CODE : GUESTS;/GUESTS;/' \
	'a handler of FERRY_ANYWHERE runs in a handler of another engine' $A
break_it any-error base/program.c '/^void fy_program_host_begin/,/^}/s/= fy_fail_begin_guest();/= NULL;/' \
	"a handler on a thread that waits writes to that thread's last error" $A
break_it any-inside helm/inline.c '/^void fy_inline_begin_visit/,/^}/s/ \&\& !fy_thread_on_progress(NULL);/;/' \
	'a handler inside of another one has the last error of the thread' $A
break_it any-batch helm/dispatch.c '/^run_requests/,/^}/s/ \&\& !p->link.tasks.first \&\&/ \&\&/' \
	'a handler of FERRY_ANYWHERE overtakes what the one before it left for the progress thread' $A
break_it any-mask base/program.c '/^void fy_program_host_end/,/^}/s/if (host->masked)/if (false)/' \
	"a thread that waits keeps a handler's signal mask" $A
break_it any-colour helm/inline.c '/^void fy_inline_begin_visit/,/^}/s/fy_thread_tag_posts(.*, 0);/;/' \
	'what a handler of FERRY_ANYWHERE posts has the colour of the handler that waits' $A

# ---- who is gone ----
K='sim/crews unit/helm/test_crew'
break_it crew-best helm/crew.c 's/if (compare(h->of.ballot, c->best.ballot) > 0)/if (false)/' \
	'a coordinator goes by the last crew that it knows itself' $K
break_it crew-number helm/crew.c 's/c->proposal.number = c->best.number + !same;/c->proposal.number = c->now.number + 1;/' \
	'a crew is made smaller under the number that it has' $K
break_it crew-promise helm/crew.c '/^static void on_propose/,/^}/s/compare(h->word.ballot, c->promised) < 0/false/' \
	'an old ballot is accepted after a new one was promised' $K
break_it crew-all helm/crew.c '/^static void on_accept/,/^}/s/if (have_accepted(c))/if (true)/' \
	'one acceptance commits a crew' $K
break_it crew-keep helm/crew.c 's/fy_bits_keep(set, c->best.members, c->size);/;/' \
	'a rank that was left out comes back' $K
break_it crew-hear helm/crew.c '/^static bool is_missed/,/^}/s/fy_bits_has(c->silent, rank) ||/false ||/' \
	'nobody accuses a rank that is silent' $K
break_it crew-wait helm/crew.c '/^static void in_phase/,/^}/s/past >= ACCUSING(c)/false/' \
	'a coordinator that is dead as well is waited for' $K
break_it crew-tell helm/crew.c '/^static void commit/,/^}/s/owe_all(c, c->now.members/owe_all(c, c->proposal.members/' \
	'who is left out is not told' $K

D=sim/deaths
break_it look-ask helm/lookout.c '/^static void listen(/,/^}/s/fy_words_owe(p, ch, FY_WORD_ASK);/;/' \
	'a rank that is silent is not asked for a sign of life' $D
break_it look-clock helm/lookout.c '/^static void move_clock/,/^}/s/past < most ? past : most/past/' \
	'time in which the loop stood still is held against others' $D
break_it look-call helm/lookout.c '/^static bool is_awaited/,/^}/s/fy_peer_of(ch)->heard.call/false/' \
	'a rank that owes nothing but replies is not listened to' $D
break_it look-end helm/lookout.c '/^static void end_others/,/^}/s/fy_gone_end(.*);/;/' \
	'what waits for a rank that was left out does not end' $D
break_it look-stop helm/lookout.c '/^static void follow/,/^}/s/stop(p);/;/' \
	'a rank that was left out goes on' $D
break_it look-late helm/lookout.c '/^static void listen(/,/^}/s/ || late)$/)/' \
	'a rank that is late is taken for dead' $D
break_it look-proof helm/lookout.c '/^static bool prove(/,/^}/s/ || !port->ops->is_dead(port, ch->rank)/ || true/' \
	'a death is not proved' $D
break_it crew-late helm/crew.c '/^static bool is_time_up/,/^}/s/c->since = c->time;/;/' \
	'a coordinator does not wait for who is late' $K $D
break_it crew-proved helm/crew.c '/^static bool has_dead/,/^}/s/return true;/return false;/' \
	'a coordinator waits for the acceptance of a rank that is proved dead' $K
break_it dog-steps engine/watchdog.c '/^static bool is_blocked/,/^}/s/return stood \&\& /return /' \
	'the watchdog speaks for a loop that steps' unit/engine/test_watchdog
break_it dog-inside engine/watchdog.c '/^static bool is_blocked/,/^}/s/ \&\& inside != FY_INSIDE_NOTHING//' \
	'the watchdog speaks for a loop that stands in MPI' unit/engine/test_watchdog
break_it words-leave helm/close.c '/^static void give_up/,/^}/s/say_that_it_leaves(p, ch);/;/' \
	'a rank that ends by itself says nothing' $D

V='sim/survivors unit/helm/test_agree'
break_it crew-sent helm/agree.c '/^static void count_own/,/^}/s/sum->sent -= .*/;/' \
	'what was sent to a rank that is gone counts' $V
break_it crew-done helm/agree.c '/^static void count_own/,/^}/s/ch->counts.done.colour. +/0 +/' \
	'what came from a rank that is gone counts' $V
break_it crew-handled shared/handler.c 's/fy_add_64(&account->handled.colour., 1);/;/' \
	'what executors handled is of no rank' $V
break_it crew-rid helm/agree.c '/^static bool is_rid_of_others/,/^}/s/if (!crew_number(p))/if (true)/' \
	'what came from a rank that is gone comes after the fence' $V
break_it crew-again helm/agree.c '/^void fy_agree_new_crew/,/^}/s/begin_again(a);/;/' \
	'a new crew goes on where the old one was' $V
break_it crew-old helm/agree.c 's/return up->crew == crew_number(p) \&\& /return /' \
	'words of an older crew count' $V
break_it crew-later helm/agree.c '/^void fy_agree_up/,/^}/s/age == FY_AGREE_NEVER ||/age == FY_AGREE_LATER ||/' \
	'words of a later crew are lost' $V
break_it crew-over helm/agree.c 's/a->tell_over = a->finished != 0;/;/' \
	'who has finished does not say so in a new crew' $V
break_it crew-pass helm/agree.c '/^static void finish_too/,/^}/s/p->agree.tell_over = true;/;/' \
	'who hears that it is over keeps it' $V
break_it crew-frozen helm/agree.c 's/a->everybody = a->frozen = a->careful = false;/a->everybody = a->careful = false;/' \
	'a close that was frozen on one rank ends without freezing the others' $V
break_it crew-news helm/news.c '/^void fy_news_new_crew/,/^}/s/if (c->known .*/if (false) {/' \
	'a rank that died in a close fails fences of the others' $V
break_it crew-status helm/agree.c 's/bool lost = .*/bool lost = false;/' \
	'a fence that lost a rank says that all is well' $V
break_it crew-late helm/close.c '/^static bool must_give_up/,/^}/s/p->link.now >= fy_close_late_at(p)/false/' \
	'a close waits for ever for a rank that lives' $V
break_it look-nothing helm/lookout.c 's/p->link.port->proves \&\& prove_any(p)/prove_any(p)/' \
	'a death is looked for where none can be proved' sim/deaths
break_it note helm/notes.c 's/noted = give_note(p, ch);/noted = give_note(p, ch) || true;/' \
	'a death for whose note there is no memory is never told' sim/deaths
# over MPI
break_it says mpi/open.c 's/^\t\t\tfy_mpi_says_look(&o->says);/\t\t\t;/' \
	'an open that waits says nothing' mpi/open_says.sh
break_it says-end mpi/life.c 's/^\t\t\tfy_mpi_says_look(says);/\t\t\t(void)says;/' \
	'a close that waits for MPI_Finalize says nothing' mpi/close_says.sh
break_it open-dead mpi/port.c '/^static int assemble/,/^}/s/fy_timeout_in(timeout)/INT64_MAX/' \
	'an open waits for the dead for ever' mpi/deaths.sh
break_it proof query/inquiry.c 's/fy_verdict(&job) == FY_VERDICT_PROVED/fy_verdict(\&job) != FY_VERDICT_NO/' \
	'what is only likely is told as proved' mpi/stuck.sh
break_it given ../examples/controller.c '/^static unsigned choose_others/,/^}/s/task->given++;/;/' \
	'nobody is told that a task was given to another worker' mpi/controller.sh
# ---- the preload layer ----
break_it overtaking preload/lanes.c '/^static struct fy_preload_lane \*find_lowest/,/^}/s/limit = post_at.*;/;/' \
	'a message that a thread was told of is overtaken' unit/preload/test_lanes
break_it null preload/requests.c '/^void fy_preload_requests_finish/,/^}/s/^\t\trequests\[i\] = MPI_REQUEST_NULL;/\t\t;/' \
	'the handle of what has ended is not null' unit/preload/test_requests preload/arrays.sh
break_it preload-wake preload/waiter.c '/^bool fy_waiter_tell/,/^}/s/fy_futex_wake(.*);/(void)at;/' \
	'who waits for the helm is not woken' unit/preload/test_helm
break_it preload-awake preload/helm.c '/^static bool look_for_other/,/^}/s/fy_sub_32(&helm.awake, 1);/;/' \
	'who went on counts as awake, and nobody hands a sleeper the helm' unit/preload/test_helm
break_it preload-ended preload/helm.c '/^static bool look_up/,/^}/s/^\tif (fy_waiter_is_over(w))$/\tif (0)/' \
	'who takes the helm does not see that its wait has ended' unit/preload/test_helm
break_it preload-probe preload/probe.c '/^int fy_preload_probe/,/^}/s/fy_preload_helm_run(look, probe);/(void)look(probe);/' \
	'a probe sees the message of a receive that waits in a lane' preload/probes.sh
break_it type-free preload/flush.c 's/fy_preload_helm_flush();/;/' \
	'a datatype is freed before the message that uses it is sent' preload/lifetimes.sh
break_it takes-in preload/requests.c '/^static bool look_all/,/^}/s/look_testall(set, wait_all)/look_testall(set, test_all)/' \
	'who waits takes in messages of others' unit/preload/test_requests
# ---- schedules: threads against one another ----
break_it relist helm/lanes.c '/^bool fy_lanes_relist/,/^}/s/if (fy_swap_32(&lane->listed, 1) == 0)/if (true)/' \
	'a lane that its thread lists meanwhile is in the list twice' schedules/lane
break_it two-leave helm/drive.c '/^static bool take_turn/,/^}/s/if (leaves \&\& !last/if (false \&\& !last/' \
	'two drivers that count themselves out at once both leave the engine' schedules/helm
break_it gate future/executor.c '/^static bool gate_enter/,/^}/s/if (!(\(.*\) & GATE_CLOSED))/if (\1 | 1)/' \
	'a task is queued after the gate has closed' schedules/executor
break_it refs future/future.c '/^static inline.*succeed/,/^}/s/ ? 0 : FY_FUTURE_REF;/ ? FY_FUTURE_REF : FY_FUTURE_REF;/' \
	'a completion lets go of a future before its callback is queued' schedules/future
break_it parted shared/wake.c '/^void fy_wake_stop/,/^}/s/while (fy_load_acquire_32(&wake->wakers))/while (false)/' \
	'a shared word is unmapped while others wake' schedules/wake

# ---- parts that the simulation, which has one thread, does not show ----
break_it wake shared/lane.c '/^void fy_lane_consume/,/^}/s/fy_lane_nudge(lane);/;/' \
	'a producer that waits for room is not woken' $S unit/shared/test_lane
break_it strangers shared/company.c 's/is_long && company->suspects && /is_long \&\& /' \
	'one long yield makes a stranger' unit/shared/test_company
break_it later helm/arrivals.c '/^bool fy_arrivals_look/,/^}/s/p->receives.later &&/false \&\&/' \
	'receives that were used are not posted again' sim/corners
break_it at_once shared/habit.c 's/gap < policy->post.waits_at_once \&\& //' \
	'a call is left to a wait that comes late' unit/shared/test_habit
break_it sleeper shared/wake.c '/^void fy_wake_up/,/^}/s/fy_futex_wake(.*);/;/' \
	'an engine that sleeps long is not woken' $S unit/shared/test_wake
break_it rescan helm/mail.c '/^static bool open_box/,/^}/{s/fy_swap_32(.*);/;/;s/return open;/fy_swap_32(\&box->rescan, 0); return open;/}' \
	'a message that comes back during a look is in neither look' unit/helm/test_mail
break_it copy wire/record.h \
	's/__builtin_memcpy(t + n - 16, f + n - 16, 16);/__builtin_memcpy(t + (n \& ~15ul), f + (n \& ~15ul), 16);/' \
	'the copy of a body writes beyond its end' $S unit/wire/test_record
break_it unfold link/fold.c 's/return room == 0;/return true;/' \
	'lengths that do not fill the bytes pass' $S unit/shared/test_message
[ $places = no ] || echo "$rows mistakes were looked for in the source"
[ $rows -gt 0 ] || { echo "no mistake has that name:$wanted" >&2 && bad=1; }
exit $bad
