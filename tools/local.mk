# SPDX-License-Identifier: Apache-2.0
# Programs that are installed, as NAME-MPI: see the end of Makefile.am. The measuring core of ferry-perf is a library
# under a thin command line; its peers are plain MPI, so it sees MPI's headers.

noinst_PROGRAMS += %D%/ferry-perf
installed_programs += %D%/ferry-perf
noinst_LTLIBRARIES += libferry-perf.la

%C%_ferry_perf_SOURCES = %D%/ferry-perf.c
%C%_ferry_perf_LDADD = libferry-perf.la $(libferry) $(MPI_LIBS) -lm

libferry_perf_la_SOURCES = \
	%D%/perf.h \
	%D%/perf_alltoall.c \
	%D%/perf_bandwidth.c \
	%D%/perf_base.c \
	%D%/perf_call.c \
	%D%/perf_duel.c \
	%D%/perf_duel.h \
	%D%/perf_engine.c \
	%D%/perf_engine.h \
	%D%/perf_gnuplot.c \
	%D%/perf_gnuplot.h \
	%D%/perf_halo.c \
	%D%/perf_histogram.c \
	%D%/perf_histogram.h \
	%D%/perf_idle.c \
	%D%/perf_json.c \
	%D%/perf_latency.c \
	%D%/perf_memory.c \
	%D%/perf_memory.h \
	%D%/perf_options.c \
	%D%/perf_options.h \
	%D%/perf_overlap.c \
	%D%/perf_peer.h \
	%D%/perf_peer_batch.c \
	%D%/perf_peer_multiple.c \
	%D%/perf_peer_plain.c \
	%D%/perf_plot.c \
	%D%/perf_rate.c \
	%D%/perf_report.c \
	%D%/perf_report.h \
	%D%/perf_sink.c \
	%D%/perf_sink.h \
	%D%/perf_stats.c \
	%D%/perf_stats.h \
	%D%/perf_team.c \
	%D%/perf_team.h \
	# end

$(libferry_perf_la_OBJECTS) $(%C%_ferry_perf_OBJECTS): target_cppflags = $(MPI_CPPFLAGS) -DFERRY_MPIEXEC='"$(or $(MPIEXEC),mpiexec)"'
$(libferry_perf_la_OBJECTS) $(%C%_ferry_perf_OBJECTS): target_cflags = $(MPI_CFLAGS)
