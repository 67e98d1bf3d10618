# SPDX-License-Identifier: Apache-2.0
# Programs that are installed, as NAME-MPI: see the end of Makefile.am. The measuring core of ferry-perf is a library
# under a thin command line; its peers are plain MPI, so it sees MPI's headers. It includes public headers only.
# Those that need no MPI are installed by their short names.

# How several of them print text.
noinst_LTLIBRARIES += libferry-text.la
libferry_text_la_SOURCES = \
	%D%/text/json.c \
	%D%/text/json.h \
	%D%/text/utf8.c \
	%D%/text/utf8.h \
	# end

noinst_PROGRAMS += %D%/ferry-perf
installed_programs += %D%/ferry-perf
noinst_LTLIBRARIES += libferry-perf.la

%C%_ferry_perf_SOURCES = %D%/ferry-perf.c
%C%_ferry_perf_LDADD = libferry-perf.la $(libferry) $(MPI_LIBS) -lm

libferry_perf_la_LIBADD = libferry-text.la
libferry_perf_la_SOURCES = \
	%D%/perf/alltoall.c \
	%D%/perf/bandwidth.c \
	%D%/perf/base.c \
	%D%/perf/beside.c \
	%D%/perf/beside.h \
	%D%/perf/compute.c \
	%D%/perf/compute.h \
	%D%/perf/duel.c \
	%D%/perf/duel.h \
	%D%/perf/engine.c \
	%D%/perf/engine.h \
	%D%/perf/farm.c \
	%D%/perf/farm.h \
	%D%/perf/farm_ferry.c \
	%D%/perf/farm_mpi.c \
	%D%/perf/gnuplot.c \
	%D%/perf/gnuplot.h \
	%D%/perf/halo.c \
	%D%/perf/histogram.c \
	%D%/perf/histogram.h \
	%D%/perf/idle.c \
	%D%/perf/json.c \
	%D%/perf/latency.c \
	%D%/perf/limits.c \
	%D%/perf/memory.c \
	%D%/perf/memory.h \
	%D%/perf/options.c \
	%D%/perf/options.h \
	%D%/perf/overlap.c \
	%D%/perf/peer.h \
	%D%/perf/peer_batch.c \
	%D%/perf/peer_multiple.c \
	%D%/perf/peer_plain.c \
	%D%/perf/perf.h \
	%D%/perf/plot.c \
	%D%/perf/rate.c \
	%D%/perf/preload.c \
	%D%/perf/preload.h \
	%D%/perf/report.c \
	%D%/perf/report.h \
	%D%/perf/sink.c \
	%D%/perf/sink.h \
	%D%/perf/stats.c \
	%D%/perf/stats.h \
	%D%/perf/team.c \
	%D%/perf/team.h \
	%D%/perf/words.c \
	%D%/perf/words.h \
	# end

$(libferry_perf_la_OBJECTS) $(%C%_ferry_perf_OBJECTS): target_cppflags = $(MPI_CPPFLAGS) -DFERRY_MPIEXEC='"$(or $(MPIEXEC),mpiexec)"'
$(libferry_perf_la_OBJECTS) $(%C%_ferry_perf_OBJECTS): target_cflags = $(MPI_CFLAGS)

# The timelines of a job, merged. It needs no MPI and no library, and is installed by its short name. It sees the layout of the files
# (src/trace/format.h). Its parts are a library, because the tests look at pictures.
noinst_LTLIBRARIES += libferry-trace.la
bin_PROGRAMS += %D%/ferry-trace
%C%_ferry_trace_SOURCES = %D%/ferry-trace.c
%C%_ferry_trace_LDADD = libferry-trace.la
libferry_trace_la_LIBADD = libferry-text.la
libferry_trace_la_SOURCES = \
	%D%/timeline/align.c \
	%D%/timeline/align.h \
	%D%/timeline/events.c \
	%D%/timeline/file.c \
	%D%/timeline/file.h \
	%D%/timeline/job.c \
	%D%/timeline/job.h \
	%D%/timeline/lines.c \
	%D%/timeline/page.c \
	%D%/timeline/picture.c \
	%D%/timeline/picture.h \
	%D%/timeline/show.h \
	%D%/timeline/sorted.c \
	%D%/timeline/sorted.h \
	%D%/timeline/summary.c \
	# end
$(libferry_trace_la_OBJECTS) $(%C%_ferry_trace_OBJECTS): target_cppflags = -I$(top_srcdir)/src -I$(top_srcdir)/%D% -I%D%

# page.html as strings of C.
EXTRA_DIST += %D%/timeline/page.html
generated_sources += %D%/timeline/page.inc
%D%/timeline/page.inc: %D%/timeline/page.html
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed 's/[\\"]/\\&/g; s/^/"/; s/$$/\\n",/' $(srcdir)/%D%/timeline/page.html >$@.new && mv $@.new $@
%D%/timeline/page.lo: %D%/timeline/page.inc
# What looks at engines from outside needs no MPI and no library: it reads their files.
bin_PROGRAMS += %D%/ferry-top
noinst_LTLIBRARIES += libferry-top.la
%C%_ferry_top_SOURCES = %D%/ferry-top.c
%C%_ferry_top_LDADD = libferry-top.la libferry-monitor.la -lm
libferry_top_la_LIBADD = libferry-text.la
libferry_top_la_SOURCES = \
	%D%/perf/gnuplot.c \
	%D%/perf/gnuplot.h \
	%D%/top/clean.c \
	%D%/top/clean.h \
	%D%/top/dead.c \
	%D%/top/detail.c \
	%D%/top/document.c \
	%D%/top/engine.c \
	%D%/top/engine.h \
	%D%/top/families.c \
	%D%/top/families.h \
	%D%/top/host.c \
	%D%/top/host.h \
	%D%/top/json.c \
	%D%/top/json.h \
	%D%/top/options.c \
	%D%/top/options.h \
	%D%/top/page.c \
	%D%/top/page.h \
	%D%/top/picture.c \
	%D%/top/plain.c \
	%D%/top/plain.h \
	%D%/top/plot.c \
	%D%/top/prometheus.c \
	%D%/top/screen.c \
	%D%/top/screen.h \
	%D%/top/stages.c \
	%D%/top/stages.h \
	%D%/top/table.c \
	%D%/top/trouble.c \
	%D%/top/trouble.h \
	%D%/top/units.c \
	%D%/top/units.h \
	%D%/top/views.h \
	%D%/top/watch.c \
	%D%/top/watch.h \
	# end

# Beside it: a benchmark that needs no peer and no launcher, built by make check (tests/mpi/bench.sh), and commands
# ferry-info has some of the library's insides in it, beside the library that it loads (info/fail.c).
noinst_PROGRAMS += %D%/ferry-info
installed_programs += %D%/ferry-info
noinst_LTLIBRARIES += libferry-info.la

%C%_ferry_info_SOURCES = %D%/ferry-info.c
%C%_ferry_info_LDADD = libferry-info.la $(libferry) $(MPI_LIBS) $(HWLOC_LIBS)
%C%_ferry_info_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/%D%/info

libferry_info_la_LIBADD = libferry-text.la
libferry_info_la_SOURCES = \
	%D%/info/build.c \
	%D%/info/fail.c \
	%D%/info/info.h \
	%D%/info/machine.c \
	%D%/info/machine.h \
	%D%/info/machine_hwloc.c \
	%D%/info/mpi.c \
	%D%/info/options.c \
	%D%/info/out.c \
	%D%/info/out.h \
	%D%/info/places.c \
	src/base/cpus.c \
	src/base/letters.c \
	src/base/option.c \
	src/base/options.c \
	src/base/place.c \
	src/base/quota.c \
	# end
nodist_libferry_info_la_SOURCES = %D%/info/help.c
%D%/info/help.c: %D%/info/help.awk include/ferry.h
	$(AM_V_GEN)$(MKDIR_P) %D%/info && \
		$(AWK) -f $(srcdir)/%D%/info/help.awk $(top_srcdir)/include/ferry.h >$@.new && mv $@.new $@
CLEANFILES += %D%/info/help.c
EXTRA_DIST += %D%/info/help.awk
%D%/info/%.lo: target_cppflags = -I$(srcdir)/%D%/info $(MPI_CPPFLAGS) $(HWLOC_CFLAGS)

# Beside these: a benchmark that needs no peer and no launcher, built by make check (tests/mpi/bench.sh), and commands
# that run ferry-perf: two builds, rules on and off, Ferry and plain MPI.
check_PROGRAMS += %D%/futures
EXTRA_DIST += %D%/ablate.list %D%/ablate.sh %D%/compare.sh %D%/figures.sh %D%/instructions.sh %D%/lines.list \
	%D%/observed.sh %D%/settings.sh %D%/versus.list %D%/versus.sh
%C%_futures_SOURCES = %D%/futures.c
%C%_futures_LDADD = $(libferry) $(MPI_LIBS)
%C%_futures_LDFLAGS = $(SAN_CFLAGS) -pthread -no-install

# Is Ferry as fast as plain MPI? VERSUS are arguments of that command.
versus: %D%/ferry-perf
	@MPIEXEC='$(MPIEXEC)' MPIEXEC_FLAGS='$(MPIEXEC_FLAGS)' TEST_MPI='$(MPI_NAME)' \
		$(SHELL) $(srcdir)/%D%/versus.sh $(VERSUS)
.PHONY: versus

# The parameters of the policy, printed: for tests/api/policy.sh, and for the command that switches
# the rules off one by one. It sees the library's insides. ABLATE are arguments of that command.
check_PROGRAMS += %D%/policy
%C%_policy_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src
%C%_policy_SOURCES = %D%/policy.c
%C%_policy_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_policy_LDADD = libferry-sim.la
ablate: %D%/policy %D%/ferry-perf
	@MPIEXEC='$(MPIEXEC)' TEST_MPI='$(MPI_NAME)' $(SHELL) $(srcdir)/%D%/ablate.sh $(ABLATE)
.PHONY: ablate

# Instructions of each kind of message, by callgrind. The program sees the library's insides.
check_PROGRAMS += %D%/instructions
%C%_instructions_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src -I$(top_srcdir)/tests -I$(top_srcdir)/tests $(CK_CFLAGS) $(MPI_CPPFLAGS)
%C%_instructions_SOURCES = %D%/instructions.c
%C%_instructions_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_instructions_LDADD = libferry-mpi.la libferry-sim.la $(MSGPACK_LIBS) $(MPI_LIBS)
instructions: %D%/instructions
	@VALGRIND='$(VALGRIND)' $(SHELL) $(srcdir)/%D%/instructions.sh %D%/instructions \
		$(CC) $(CFLAGS)
.PHONY: instructions

# Where the time of one message at a time goes, by stages. It stands before MPI's functions.
check_PROGRAMS += %D%/stages
%C%_stages_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
%C%_stages_SOURCES = %D%/stages.c
%C%_stages_LDADD = $(libferry) $(MPI_LIBS)
%C%_stages_LDFLAGS = $(SAN_CFLAGS) -pthread -no-install -export-dynamic
stages: %D%/stages
	@for threads in 1 4 16; do $(or $(MPIEXEC),mpiexec) -n 2 %D%/stages $$threads || exit; done
.PHONY: stages

# What asks running jobs needs no MPI. It sees the library's insides.
bin_PROGRAMS += %D%/ferry-ask
noinst_LTLIBRARIES += libferry-ask.la
%C%_ferry_ask_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src
%C%_ferry_ask_SOURCES = %D%/ferry-ask.c
%C%_ferry_ask_LDADD = libferry-ask.la libferry-core.la $(MSGPACK_LIBS)
libferry_ask_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src
libferry_ask_la_LIBADD = libferry-text.la
libferry_ask_la_SOURCES = \
	%D%/ask/ask.h \
	%D%/ask/collect.c \
	%D%/ask/fold.c \
	%D%/ask/json.c \
	%D%/ask/print.c \
	%D%/ask/state.c \
	%D%/ask/why.c \
	# end

# Runs programs with the library of src/preload/ before their MPI. It is the same for all MPIs.
bin_SCRIPTS += %D%/ferry-preload
EXTRA_DIST += %D%/ferry-preload.sh
CLEANFILES += %D%/ferry-preload
%D%/ferry-preload: %D%/ferry-preload.sh Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's,[@]libdir@,$(libdir),g' -e 's,[@]VERSION@,$(VERSION),g' \
		$(srcdir)/%D%/ferry-preload.sh >$@.new && chmod +x $@.new && mv $@.new $@
