# SPDX-License-Identifier: Apache-2.0
# The library in three parts. libferry-core has all that knows no MPI; unit
# tests link it as it is, and see its insides. libferry-mpi is the only part
# that is compiled with MPI's headers. libferry-sim is the core with the
# simulated network beside it, for the tests; it is not installed.

noinst_LTLIBRARIES += libferry-core.la libferry-mpi.la libferry-monitor.la

# What reads monitor files, also for tools that need nothing else of the library.
monitor_sources = \
	%D%/monitor/counters.h \
	%D%/monitor/directory.c \
	%D%/monitor/directory.h \
	%D%/monitor/entries.h \
	%D%/monitor/format.h \
	%D%/monitor/gauges.h \
	%D%/monitor/identity.c \
	%D%/monitor/identity.h \
	%D%/monitor/lock.c \
	%D%/monitor/lock.h \
	%D%/monitor/reader.c \
	%D%/monitor/reader.h
monitor_writer_sources = \
	%D%/monitor/file.c \
	%D%/monitor/file.h \
	%D%/monitor/layout.c \
	%D%/monitor/layout.h \
	%D%/monitor/sweep.c \
	%D%/monitor/sweep.h
libferry_monitor_la_SOURCES = $(monitor_sources)

libferry_core_la_SOURCES = \
	%D%/app/counter.c \
	%D%/app/fence.c \
	%D%/app/flush.c \
	%D%/app/handle.c \
	%D%/app/handle.h \
	%D%/app/hooks.c \
	%D%/app/hooks.h \
	%D%/app/info.c \
	%D%/app/own_lane.c \
	%D%/app/own_lane.h \
	%D%/app/peer.c \
	%D%/app/post.c \
	%D%/app/post.h \
	%D%/app/recv.c \
	%D%/app/recv.h \
	%D%/app/reply.c \
	%D%/app/reserve.c \
	%D%/app/reserve.h \
	%D%/app/room.c \
	%D%/app/rouse.c \
	%D%/app/rouse.h \
	%D%/base/barrier.c \
	%D%/base/barrier.h \
	%D%/base/bits.h \
	%D%/base/cache.c \
	%D%/base/cache.h \
	%D%/base/cancel.h \
	%D%/base/clock.c \
	%D%/base/clock.h \
	%D%/base/crc32c.c \
	%D%/base/crc32c.h \
	%D%/base/cpus.c \
	%D%/base/cpus.h \
	%D%/base/fail.c \
	%D%/base/fail.h \
	%D%/base/futex.c \
	%D%/base/futex.h \
	%D%/base/helper.c \
	%D%/base/helper.h \
	%D%/base/inbox.h \
	%D%/base/letters.c \
	%D%/base/letters.h \
	%D%/base/list.h \
	%D%/base/listener.c \
	%D%/base/listener.h \
	%D%/base/log.c \
	%D%/base/log.h \
	%D%/base/option.c \
	%D%/base/option.h \
	%D%/base/options.c \
	%D%/base/options.h \
	%D%/base/order.h \
	%D%/base/order_ck.h \
	%D%/base/peek.h \
	%D%/base/place.c \
	%D%/base/place.h \
	%D%/base/program.c \
	%D%/base/program.h \
	%D%/base/quota.c \
	%D%/base/quota.h \
	%D%/base/status.c \
	%D%/base/timeout.c \
	%D%/base/timeout.h \
	%D%/base/waiting.c \
	%D%/base/waiting.h \
	%D%/future/waiters.c \
	%D%/future/waiters.h \
	%D%/bulk/announce.c \
	%D%/bulk/announce.h \
	%D%/bulk/blocks.c \
	%D%/bulk/blocks.h \
	%D%/bulk/bulk.c \
	%D%/bulk/bulk.h \
	%D%/bulk/chunk.c \
	%D%/bulk/chunk.h \
	%D%/bulk/flow.c \
	%D%/bulk/flow.h \
	%D%/bulk/grants.c \
	%D%/bulk/grants.h \
	%D%/bulk/inbound.c \
	%D%/bulk/inbound.h \
	%D%/bulk/landing.c \
	%D%/bulk/landing.h \
	%D%/bulk/memory.c \
	%D%/bulk/memory.h \
	%D%/bulk/outbound.c \
	%D%/bulk/outbound.h \
	%D%/bulk/pair.h \
	%D%/bulk/sink.c \
	%D%/bulk/sink.h \
	%D%/bulk/speed.c \
	%D%/bulk/speed.h \
	%D%/bulk/turns.c \
	%D%/bulk/turns.h \
	%D%/codec/check.c \
	%D%/codec/check.h \
	%D%/codec/codec.c \
	%D%/codec/decode.c \
	%D%/codec/decode.h \
	%D%/codec/head.c \
	%D%/codec/head.h \
	%D%/codec/object.c \
	%D%/codec/object.h \
	%D%/codec/pack.c \
	%D%/codec/pack.h \
	%D%/engine/census.c \
	%D%/engine/census.h \
	%D%/engine/figures.c \
	%D%/engine/figures.h \
	%D%/engine/dump.c \
	%D%/engine/dump_signal.c \
	%D%/engine/dump_signal.h \
	%D%/engine/life.c \
	%D%/engine/life.h \
	%D%/engine/outside.c \
	%D%/engine/outside.h \
	%D%/engine/portrait.c \
	%D%/engine/portrait.h \
	%D%/engine/share.c \
	%D%/engine/share.h \
	%D%/engine/stuck.c \
	%D%/engine/stuck.h \
	%D%/engine/statistics.c \
	%D%/engine/statistics.h \
	%D%/engine/watchdog.c \
	%D%/engine/watchdog.h \
	%D%/future/backlog.c \
	%D%/future/backlog.h \
	%D%/future/compose.c \
	%D%/future/compose.h \
	%D%/future/executor.c \
	%D%/future/executor.h \
	%D%/future/future.c \
	%D%/future/future.h \
	%D%/future/hooks.c \
	%D%/future/hooks.h \
	%D%/future/later.c \
	%D%/future/later.h \
	%D%/future/pool.c \
	%D%/future/pool.h \
	%D%/future/promise.c \
	%D%/future/queue.c \
	%D%/future/queue.h \
	%D%/future/strand.c \
	%D%/future/strand.h \
	%D%/future/stuck.c \
	%D%/future/stuck.h \
	%D%/future/task.h \
	%D%/future/wait.c \
	%D%/future/wait.h \
	%D%/future/watch.c \
	%D%/future/watch.h \
	%D%/helm/agree.c \
	%D%/helm/agree.h \
	%D%/helm/arrivals.c \
	%D%/helm/arrivals.h \
	%D%/helm/ask.c \
	%D%/helm/ask.h \
	%D%/helm/close.c \
	%D%/helm/close.h \
	%D%/helm/colour.c \
	%D%/helm/colour.h \
	%D%/helm/command.c \
	%D%/helm/command.h \
	%D%/helm/controls.c \
	%D%/helm/controls.h \
	%D%/helm/crew.c \
	%D%/helm/crew.h \
	%D%/helm/deliver.c \
	%D%/helm/deliver.h \
	%D%/helm/dispatch.c \
	%D%/helm/dispatch.h \
	%D%/helm/drain.c \
	%D%/helm/drain.h \
	%D%/helm/drive.c \
	%D%/helm/drive.h \
	%D%/helm/errands.c \
	%D%/helm/errands.h \
	%D%/helm/flush.c \
	%D%/helm/flush.h \
	%D%/helm/gaps.c \
	%D%/helm/gaps.h \
	%D%/helm/gone.c \
	%D%/helm/gone.h \
	%D%/helm/handlers.c \
	%D%/helm/handlers.h \
	%D%/helm/helm.c \
	%D%/helm/helm.h \
	%D%/helm/inline.c \
	%D%/helm/inline.h \
	%D%/helm/lanes.c \
	%D%/helm/lanes.h \
	%D%/helm/left.c \
	%D%/helm/left.h \
	%D%/helm/loop.c \
	%D%/helm/loop.h \
	%D%/helm/lookout.c \
	%D%/helm/opens.c \
	%D%/helm/opens.h \
	%D%/helm/sample.c \
	%D%/helm/sample.h \
	%D%/helm/seen.c \
	%D%/helm/seen.h \
	%D%/helm/show.c \
	%D%/helm/show.h \
	%D%/helm/lookout.h \
	%D%/helm/mail.c \
	%D%/helm/mail.h \
	%D%/helm/news.c \
	%D%/helm/news.h \
	%D%/helm/notes.c \
	%D%/helm/notes.h \
	%D%/helm/owed.c \
	%D%/helm/owed.h \
	%D%/helm/peer.c \
	%D%/helm/peer.h \
	%D%/helm/pace.c \
	%D%/helm/pace.h \
	%D%/helm/policy.c \
	%D%/helm/policy.h \
	%D%/helm/portray.c \
	%D%/helm/portray.h \
	%D%/helm/progress.h \
	%D%/helm/put.c \
	%D%/helm/put.h \
	%D%/helm/question.c \
	%D%/helm/question.h \
	%D%/helm/queued.c \
	%D%/helm/queued.h \
	%D%/helm/receives.c \
	%D%/helm/receives.h \
	%D%/helm/replies.c \
	%D%/helm/replies.h \
	%D%/helm/report.c \
	%D%/helm/report.h \
	%D%/helm/rooms.c \
	%D%/helm/rooms.h \
	%D%/helm/sends.c \
	%D%/helm/sends.h \
	%D%/helm/step.c \
	%D%/helm/step.h \
	%D%/helm/timer.c \
	%D%/helm/timer.h \
	%D%/helm/tree.h \
	%D%/helm/words.c \
	%D%/helm/words.h \
	%D%/link/batch.c \
	%D%/link/batch.h \
	%D%/link/call.c \
	%D%/link/call.h \
	%D%/link/channel.c \
	%D%/link/channel.h \
	%D%/link/control.c \
	%D%/link/control.h \
	%D%/link/counted.c \
	%D%/link/counted.h \
	%D%/link/credit.c \
	%D%/link/credit.h \
	%D%/link/errors.c \
	%D%/link/errors.h \
	%D%/link/failure.c \
	%D%/link/failure.h \
	%D%/link/fold.c \
	%D%/link/fold.h \
	%D%/link/link.h \
	%D%/link/pending.c \
	%D%/link/pending.h \
	%D%/link/probe.c \
	%D%/link/probe.h \
	%D%/link/release.c \
	%D%/link/release.h \
	%D%/link/stream_in.c \
	%D%/link/stream_in.h \
	%D%/link/stream_out.c \
	%D%/link/stream_out.h \
	$(monitor_sources) \
	$(monitor_writer_sources) \
	%D%/port/port.h \
	%D%/port/starts.h \
	%D%/query/answer.c \
	%D%/query/answer.h \
	%D%/query/inquiry.c \
	%D%/query/inquiry.h \
	%D%/query/socket.c \
	%D%/query/socket.h \
	%D%/query/protocol.c \
	%D%/query/protocol.h \
	%D%/query/server.c \
	%D%/query/server.h \
	%D%/query/tell.c \
	%D%/query/tell.h \
	%D%/shared/account.h \
	%D%/shared/block.c \
	%D%/shared/block.h \
	%D%/shared/company.c \
	%D%/shared/company.h \
	%D%/shared/counter.c \
	%D%/shared/counter.h \
	%D%/shared/engine.c \
	%D%/shared/ending.h \
	%D%/shared/engine.h \
	%D%/shared/habit.c \
	%D%/shared/habit.h \
	%D%/shared/handler.c \
	%D%/shared/handler.h \
	%D%/shared/inside.h \
	%D%/shared/lane.c \
	%D%/shared/lane.h \
	%D%/shared/mailbox.c \
	%D%/shared/mailbox.h \
	%D%/shared/message.c \
	%D%/shared/message.h \
	%D%/shared/policy_table.c \
	%D%/shared/policy_table.h \
	%D%/shared/room.h \
	%D%/shared/seats.c \
	%D%/shared/seats.h \
	%D%/shared/shell.c \
	%D%/shared/shown.h \
	%D%/shared/shell.h \
	%D%/shared/tally.c \
	%D%/shared/tally.h \
	%D%/shared/tasks.c \
	%D%/shared/tasks.h \
	%D%/shared/thread.c \
	%D%/shared/thread.h \
	%D%/shared/wake.c \
	%D%/shared/wake.h \
	%D%/trace/records.c \
	%D%/trace/records.h \
	%D%/trace/file.c \
	%D%/trace/file.h \
	%D%/trace/format.h \
	%D%/trace/trace.c \
	%D%/trace/trace.h \
	%D%/watch/picture.c \
	%D%/watch/picture.h \
	%D%/watch/story.c \
	%D%/watch/story.h \
	%D%/watch/threads.c \
	%D%/watch/threads.h \
	%D%/watch/verdict.c \
	%D%/watch/verdict.h \
	%D%/unidist/set_aside.c \
	%D%/unidist/set_aside.h \
	%D%/unidist/ops.h \
	%D%/unidist/recv.c \
	%D%/unidist/send.c \
	%D%/wire/bodies.h \
	%D%/wire/checksum.c \
	%D%/wire/checksum.h \
	%D%/wire/crew_word.h \
	%D%/wire/header.h \
	%D%/wire/record.h \
	# end

# Do the folders keep their order? layers.list says it, build-aux/layers/layers.sh looks, at text and objects.
EXTRA_DIST += %D%/layers.list
layers = AWK='$(AWK)' NM='$(NM)' $(SHELL) $(top_srcdir)/build-aux/layers/layers.sh
layers: $(noinst_LTLIBRARIES) ; @$(layers) check $(top_srcdir) $(top_builddir)
layers-figures: $(noinst_LTLIBRARIES) ; @$(layers) figures $(top_srcdir) $(top_builddir)
.PHONY: layers layers-figures

libferry_mpi_la_CFLAGS = $(AM_CFLAGS) $(MPI_CFLAGS)
libferry_mpi_la_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS) \
	-DFERRY_MPIEXEC='"$(MPIEXEC)"' -DFERRY_MPI_ID='"$(MPI_ID)"'
libferry_mpi_la_SOURCES = \
	%D%/mpi/api.c \
	%D%/mpi/await.c \
	%D%/mpi/await.h \
	%D%/mpi/bells.c \
	%D%/mpi/bells.h \
	%D%/mpi/close.c \
	%D%/mpi/collective.c \
	%D%/mpi/collective.h \
	%D%/mpi/error.c \
	%D%/mpi/error.h \
	%D%/mpi/gather.c \
	%D%/mpi/gather.h \
	%D%/mpi/job.c \
	%D%/mpi/job.h \
	%D%/mpi/life.c \
	%D%/mpi/life.h \
	%D%/mpi/neighbours.c \
	%D%/mpi/neighbours.h \
	%D%/mpi/open.c \
	%D%/mpi/open.h \
	%D%/mpi/pmi.c \
	%D%/mpi/pmi.h \
	%D%/mpi/port.c \
	%D%/mpi/port.h \
	%D%/mpi/presence.c \
	%D%/mpi/presence.h \
	%D%/mpi/probes.c \
	%D%/mpi/probes.h \
	%D%/mpi/requests.c \
	%D%/mpi/requests.h \
	%D%/mpi/says.c \
	%D%/mpi/says.h \
	%D%/mpi/sendrecv.c \
	%D%/mpi/sendrecv.h \
	%D%/mpi/shield.c \
	%D%/mpi/shield.h \
	%D%/mpi/start.c \
	%D%/mpi/start.h \
	%D%/mpi/starts.c \
	%D%/mpi/starts.h \
	%D%/mpi/verdict.c \
	%D%/mpi/verdict.h \
	# end

# The version of the interface, current:revision:age. Before a release: revision
# + 1 if anything changed; if the interface changed, current + 1 and revision = 0,
# and then age + 1 if it only grew, else age = 0.
#   0:0:0  0.1.0
#   1:0:1  0.2.0: functions were added
ferry_version = 1:0:1
ferry_libadd = libferry-core.la libferry-mpi.la $(MSGPACK_LIBS) $(MPI_LIBS)
# nodelete: threads that used the library run destructors of it when they exit, also after a
# dlclose.
ferry_ldflags = $(AM_LDFLAGS) $(NO_UNDEFINED) -Wl,-z,nodelete -version-info $(ferry_version) \
	-export-symbols-regex '$(EXPORT_REGEX)'

# A library for each MPI has a name of its own, so that several stand side by side,
# and a program never gets one for an MPI that is not its own. What links it says
# $(libferry), and scripts find it in the build tree by the short names, see below.
libferry = libferry-@MPI_ID@.la
if MPI_IS_MPICH
lib_LTLIBRARIES += libferry-mpich.la
else
if MPI_IS_OPENMPI
lib_LTLIBRARIES += libferry-openmpi.la
else
lib_LTLIBRARIES += libferry-other.la
endif
endif
libferry_mpich_la_SOURCES =
libferry_mpich_la_LIBADD = $(ferry_libadd)
libferry_mpich_la_LDFLAGS = $(ferry_ldflags)
libferry_openmpi_la_SOURCES =
libferry_openmpi_la_LIBADD = $(ferry_libadd)
libferry_openmpi_la_LDFLAGS = $(ferry_ldflags)
libferry_other_la_SOURCES =
libferry_other_la_LIBADD = $(ferry_libadd)
libferry_other_la_LDFLAGS = $(ferry_ldflags)

# The short names, which mean the default MPI where they are installed, and in the build tree the
# only one.
short_names = $(SHELL) $(top_srcdir)/build-aux/short-names.sh
all-local: .libs/libferry.stamp
.libs/libferry.stamp: $(libferry)
	$(AM_V_GEN)$(short_names) build $(MPI_ID) .libs $(CC) $(CFLAGS) $(LDFLAGS) && : >$@
