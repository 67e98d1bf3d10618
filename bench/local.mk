# SPDX-License-Identifier: Apache-2.0
# Benchmarks beside ferry-perf: built by make check, not installed; tests/mpi/bench.sh runs each for a moment.

bench_programs = \
	%D%/futures \
	%D%/isend \
	%D%/transfer \
	# end

%C%_futures_SOURCES = %D%/futures.c
%C%_isend_SOURCES = %D%/isend.c
%C%_transfer_SOURCES = %D%/transfer.c

EXTRA_DIST += %D%/compare.sh %D%/instructions.sh %D%/lines.list
check_PROGRAMS += $(bench_programs)
$(bench_programs): $(libferry)
$(bench_programs): LDADD = $(libferry) $(MPI_LIBS)
$(bench_programs): AM_LDFLAGS = $(SAN_CFLAGS) -pthread -no-install
%D%/%.$(OBJEXT): AM_CPPFLAGS = -I$(top_srcdir)/include $(SAN_CPPFLAGS) $(MPI_CPPFLAGS)

# Instructions of each kind of message, by callgrind. The program sees the library's insides.
check_PROGRAMS += %D%/instructions
%C%_instructions_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src $(CK_CFLAGS)
%C%_instructions_SOURCES = %D%/instructions.c
%C%_instructions_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_instructions_LDADD = libferry-mpi.la libferry-sim.la $(MSGPACK_LIBS) $(MPI_LIBS)
instructions: %D%/instructions
	@VALGRIND='$(VALGRIND)' $(SHELL) $(srcdir)/%D%/instructions.sh %D%/instructions \
		$(CC) $(CFLAGS)
.PHONY: instructions
