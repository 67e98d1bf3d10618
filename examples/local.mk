# SPDX-License-Identifier: Apache-2.0
# Examples: built by make and run by the tests. Their sources are installed, with a Makefile. They
# see the public headers only. -no-install: real programs in the build tree, no wrapper scripts.

example_programs = \
	%D%/controller \
	%D%/eventloop \
	%D%/halo \
	%D%/halo_plain \
	%D%/halo_ported \
	%D%/hello \
	%D%/journal \
	%D%/persistent \
	%D%/python_host \
	%D%/wordcount \
	# end

%C%_controller_SOURCES = \
	%D%/controller.c \
	%D%/controller_matrix.c \
	%D%/controller_matrix.h \
	%D%/controller_worker.c \
	%D%/controller_worker.h \
	# end

# wordcount_verify.c is the second opinion: it shares nothing with the job.
%C%_wordcount_SOURCES = \
	%D%/wordcount.c \
	%D%/wordcount_input.c \
	%D%/wordcount_input.h \
	%D%/wordcount_options.c \
	%D%/wordcount_options.h \
	%D%/wordcount_table.c \
	%D%/wordcount_table.h \
	%D%/wordcount_verify.c \
	%D%/wordcount_verify.h \
	%D%/wordcount_words.c \
	%D%/wordcount_words.h \
	# end

if HAVE_LIBUV
%D%/eventloop.$(OBJEXT): example_cppflags = -DWITH_LIBUV $(LIBUV_CFLAGS)
endif
%C%_eventloop_LDADD = $(LDADD) $(LIBUV_LIBS)

# What is installed beside the sources, and the rank in Python that python_host is run with.
EXTRA_DIST += \
	%D%/Makefile \
	%D%/python_agreement.py \
	%D%/python_channel.py \
	%D%/python_crew.py \
	%D%/python_mpi.py \
	%D%/python_peer.py \
	%D%/python_rank.py \
	%D%/python_monitor.py \
	%D%/python_wire.py \
	# end

noinst_PROGRAMS += $(example_programs)
$(example_programs): $(libferry)
$(example_programs): LDADD = $(libferry) $(MSGPACK_LIBS) $(MPI_LIBS) -lm
$(example_programs): AM_LDFLAGS = $(SAN_CFLAGS) -pthread -no-install
%D%/%.$(OBJEXT): AM_CPPFLAGS = -I$(top_srcdir)/include $(example_cppflags) $(SAN_CPPFLAGS) $(MSGPACK_CFLAGS) $(MPI_CPPFLAGS)
