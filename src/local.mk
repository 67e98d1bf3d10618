# SPDX-License-Identifier: Apache-2.0
# The library in three parts. libferry-core has all that knows no MPI; unit
# tests link it as it is, and see its insides. libferry-mpi is the only part
# that is compiled with MPI's headers. libferry-sim is the core with the
# simulated network beside it, for the tests; it is not installed.

noinst_LTLIBRARIES += libferry-core.la libferry-mpi.la libferry-sim.la

libferry_core_la_SOURCES = \
	%D%/agree.c \
	%D%/agree.h \
	%D%/agree_news.c \
	%D%/block.c \
	%D%/block.h \
	%D%/cache.c \
	%D%/cache.h \
	%D%/call.c \
	%D%/channel.c \
	%D%/check.c \
	%D%/check.h \
	%D%/codec.c \
	%D%/codec.h \
	%D%/communication.c \
	%D%/communication.h \
	%D%/compose.c \
	%D%/compose.h \
	%D%/decode.c \
	%D%/decode.h \
	%D%/dispatch.c \
	%D%/engine.c \
	%D%/engine.h \
	%D%/exchange.c \
	%D%/exchange.h \
	%D%/executor.c \
	%D%/executor.h \
	%D%/future.c \
	%D%/future.h \
	%D%/helm.c \
	%D%/hooks.c \
	%D%/hooks.h \
	%D%/lane.c \
	%D%/lane.h \
	%D%/log.c \
	%D%/log.h \
	%D%/mailbox.c \
	%D%/mailbox.h \
	%D%/message.c \
	%D%/message.h \
	%D%/object.c \
	%D%/open.c \
	%D%/open.h \
	%D%/options.c \
	%D%/options.h \
	%D%/order.h \
	%D%/outgoing.c \
	%D%/pack.c \
	%D%/pack.h \
	%D%/place.c \
	%D%/place.h \
	%D%/port.h \
	%D%/post.c \
	%D%/program.c \
	%D%/program.h \
	%D%/progress.c \
	%D%/progress.h \
	%D%/receive.c \
	%D%/report.c \
	%D%/report.h \
	%D%/reception.c \
	%D%/record.h \
	%D%/status.c \
	%D%/status.h \
	%D%/task.h \
	%D%/thread.c \
	%D%/timer.c \
	%D%/transfer.c \
	%D%/transfer.h \
	%D%/transfer_chunk.c \
	%D%/transfer_in.c \
	%D%/transfer_land.c \
	%D%/transfer_out.c \
	%D%/transfer_sink.c \
	%D%/wake.c \
	%D%/wake.h \
	%D%/watch.c \
	%D%/watch.h \
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
	%D%/mpi.c \
	%D%/mpi_bell.c \
	%D%/mpi_bell.h \
	%D%/mpi_collective.c \
	%D%/mpi_collective.h \
	%D%/mpi_error.c \
	%D%/mpi_job.c \
	%D%/mpi_job.h \
	%D%/mpi_life.c \
	%D%/mpi_life.h \
	%D%/mpi_probe.c \
	%D%/mpi_probe.h \
	%D%/mpi_requests.c \
	%D%/mpi_requests.h \
	%D%/mpi_sendrecv.c \
	%D%/mpi_sendrecv.h \
	%D%/mpi_start.c \
	%D%/mpi_start.h \
	%D%/port_mpi.c \
	%D%/port_mpi.h \
	# end

libferry_sim_la_LIBADD = libferry-core.la
libferry_sim_la_SOURCES = \
	%D%/port_sim.c \
	%D%/port_sim.h \
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
