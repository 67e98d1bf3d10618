# SPDX-License-Identifier: Apache-2.0
# The library that is loaded before a program (LD_PRELOAD) and stands before its MPI's functions.
# It is linked with no MPI: it is the program that brings it. Without shared libraries, and for an
# MPI whose handles are not known, there is none.

EXTRA_DIST += \
	%D%/functions.list \
	build-aux/preload/declarations.awk \
	build-aux/preload/generate.sh \
	# end

# What the table and mpi.h say.
generate_preload = AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/preload/generate.sh
preload_needs = \
	%D%/functions.list \
	build-aux/preload/declarations.awk \
	build-aux/preload/generate.sh \
	# end
preload_generated = %D%/next.inc %D%/others.inc %D%/passes.inc %D%/serialized.inc
%D%/%.inc: $(preload_needs)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(generate_preload) $(*F) $(srcdir)/%D%/functions.list \
		$(CC) $(CPPFLAGS) $(MPI_CPPFLAGS) >$@.new && mv $@.new $@
if WITH_PRELOAD
generated_sources += $(preload_generated)
endif

# All of it, as tests link it. base/ has no more than what is named here.
preload_sources = \
	%D%/caller.c \
	%D%/caller.h \
	%D%/ended.c \
	%D%/ended.h \
	%D%/errors.c \
	%D%/errors.h \
	%D%/flush.c \
	%D%/flush.h \
	%D%/held.c \
	%D%/held.h \
	%D%/helm.c \
	%D%/helm.h \
	%D%/lanes.c \
	%D%/lanes.h \
	%D%/next.c \
	%D%/next.h \
	%D%/passes.c \
	%D%/post.c \
	%D%/post.h \
	%D%/probe.c \
	%D%/probe.h \
	%D%/progress.c \
	%D%/progress.h \
	%D%/report.c \
	%D%/report.h \
	%D%/requests.c \
	%D%/requests.h \
	%D%/serialized.c \
	%D%/serialized.h \
	%D%/slot.c \
	%D%/slot.h \
	%D%/start.c \
	%D%/start.h \
	%D%/wait.c \
	%D%/wait.h \
	%D%/waiter.c \
	%D%/waiter.h \
	%D%/wrap_life.c \
	%D%/wrap_request.c \
	%D%/wrap_start.c \
	%D%/wrap_wait.c \
	src/base/clock.c \
	src/base/futex.c \
	src/base/futex.h \
	# end
if WITH_PRELOAD
noinst_LTLIBRARIES += libferry-preload.la
endif
libferry_preload_la_SOURCES = $(preload_sources)
libferry_preload_la_CPPFLAGS = $(AM_CPPFLAGS) -I%D%/.. $(MPI_CPPFLAGS)
libferry_preload_la_CFLAGS = $(AM_CFLAGS) $(MPI_CFLAGS)
libferry_preload_la_LIBADD =
$(libferry_preload_la_OBJECTS): $(preload_generated)

# Named as the library for this MPI is, and never unloaded: threads that exit later call it.
preload_ldflags = $(AM_LDFLAGS) -module -shared -avoid-version $(NO_UNDEFINED) -Wl,-z,nodelete \
	-export-symbols-regex '$(PRELOAD_EXPORT_REGEX)'
if WITH_PRELOAD_MODULE
if MPI_IS_MPICH
lib_LTLIBRARIES += libferry-preload-mpich.la
else
lib_LTLIBRARIES += libferry-preload-openmpi.la
endif
endif
libferry_preload_mpich_la_SOURCES =
libferry_preload_mpich_la_LIBADD = libferry-preload.la
libferry_preload_mpich_la_LDFLAGS = $(preload_ldflags)
libferry_preload_openmpi_la_SOURCES =
libferry_preload_openmpi_la_LIBADD = libferry-preload.la
libferry_preload_openmpi_la_LDFLAGS = $(preload_ldflags)
