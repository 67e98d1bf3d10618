# SPDX-License-Identifier: Apache-2.0
#
# To add a test, add its name to a list:
#   unit_tests   tests/unit/FOLDER/test_FILE.t  of src/FOLDER/FILE; CMocka, sees the library's insides, no MPI
#   sim_tests    tests/sim/NAME.t       from tests/sim/NAME.c; the same, with the simulated network
#   mpi_programs tests/mpi/NAME         from tests/mpi/NAME.c; the public headers and MPI's, exit 0, or 77 to skip
#   npN_tests    tests/mpi/NAME-N.npN   runs that program, or one of mpi_core_programs, with N ranks
#   stress_programs tests/stress/NAME   the same, made by make stress alone, and run by a script of stress_scripts
#   preload_programs tests/preload/NAME  from tests/preload/NAME.c; MPI's headers alone, and a NAME.sh that runs it
#   support_programs tests/support/NAME  run by scripts, without the library
#   schedule_tests tests/schedules/NAME.t  cases for the scheduler of tests/schedules, which runs the core's sources
#   script_tests DIR/NAME.sh            an executable script: exit 0, or 77 to skip
# A program of more than one source also gets its %C%_unit_NAME_t_SOURCES below the lists.
# mpi_core_programs link the core instead of the shared library, and see its insides.
# NAME of an MPI program has no "-" in it.
#
# The rank count is an extension, so that each count has its launcher line. It
# stands in the name as well: automake drops the extension to name the log.

unit_tests = \
	%D%/unit/base/test_barrier.t \
	%D%/unit/base/test_crc32c.t \
	%D%/unit/base/test_helper.t \
	%D%/unit/base/test_inbox.t \
	%D%/unit/base/test_letters.t \
	%D%/unit/base/test_list.t \
	%D%/unit/base/test_log.t \
	%D%/unit/base/test_options.t \
	%D%/unit/base/test_place.t \
	%D%/unit/base/test_program.t \
	%D%/unit/base/test_quota.t \
	%D%/unit/base/test_status.t \
	%D%/unit/base/test_waiting.t \
	%D%/unit/bulk/test_blocks.t \
	%D%/unit/bulk/test_outbound.t \
	%D%/unit/bulk/test_sink.t \
	%D%/unit/bulk/test_speed.t \
	%D%/unit/bulk/test_turns.t \
	%D%/unit/codec/test_check.t \
	%D%/unit/codec/test_codec.t \
	%D%/unit/engine/test_census.t \
	%D%/unit/engine/test_figures.t \
	%D%/unit/engine/test_watchdog.t \
	%D%/unit/future/test_compose.t \
	%D%/unit/future/test_executor.t \
	%D%/unit/future/test_future.t \
	%D%/unit/helm/test_agree.t \
	%D%/unit/helm/test_controls.t \
	%D%/unit/helm/test_crew.t \
	%D%/unit/helm/test_drain.t \
	%D%/unit/helm/test_handlers.t \
	%D%/unit/helm/test_mail.t \
	%D%/unit/helm/test_policy.t \
	%D%/unit/helm/test_queued.t \
	%D%/unit/helm/test_timer.t \
	%D%/unit/link/test_call.t \
	%D%/unit/link/test_counted.t \
	%D%/unit/link/test_credit.t \
	%D%/unit/link/test_stream_in.t \
	%D%/unit/link/test_stream_out.t \
	%D%/unit/monitor/test_file.t \
	%D%/unit/query/test_protocol.t \
	%D%/unit/query/test_server.t \
	%D%/unit/shared/test_company.t \
	%D%/unit/shared/test_counter.t \
	%D%/unit/shared/test_habit.t \
	%D%/unit/shared/test_lane.t \
	%D%/unit/shared/test_mailbox.t \
	%D%/unit/shared/test_message.t \
	%D%/unit/shared/test_seats.t \
	%D%/unit/shared/test_wake.t \
	%D%/unit/sim/test_net.t \
	%D%/unit/tools/test_ask.t \
	%D%/unit/tools/test_histogram.t \
	%D%/unit/tools/test_limits.t \
	%D%/unit/tools/test_text.t \
	%D%/unit/tools/test_timeline.t \
	%D%/unit/trace/test_trace.t \
	%D%/unit/tools/test_machine.t \
	%D%/unit/tools/test_top.t \
	%D%/unit/wire/test_record.t \
	# end
# Of the preload layer, over an MPI of a few functions.
if WITH_PRELOAD
preload_unit_tests = \
	%D%/unit/preload/test_helm.t \
	%D%/unit/preload/test_lanes.t \
	%D%/unit/preload/test_requests.t \
	# end
endif
preload_fake = %D%/unit/preload/fake.c %D%/unit/preload/fake.h
%C%_unit_preload_test_helm_t_SOURCES = %D%/unit/preload/test_helm.c $(preload_fake)
%C%_unit_preload_test_lanes_t_SOURCES = %D%/unit/preload/test_lanes.c $(preload_fake)
%C%_unit_preload_test_requests_t_SOURCES = %D%/unit/preload/test_requests.c $(preload_fake)

sim_tests = \
	%D%/sim/anywhere.t \
	%D%/sim/blocks.t \
	%D%/sim/copies.t \
	%D%/sim/corners.t \
	%D%/sim/counters.t \
	%D%/sim/crews.t \
	%D%/sim/damage.t \
	%D%/sim/lifetimes.t \
	%D%/sim/deaths.t \
	%D%/sim/fences.t \
	%D%/sim/malformed.t \
	%D%/sim/memory.t \
	%D%/sim/mixed.t \
	%D%/sim/opens.t \
	%D%/sim/peers.t \
	%D%/sim/questions.t \
	%D%/sim/races.t \
	%D%/sim/reports.t \
	%D%/sim/samples.t \
	%D%/sim/survivors.t \
	%D%/sim/timelines.t \
	%D%/sim/transfers.t \
	%D%/sim/verdicts.t \
	# end

# The real code with each schedule of a few threads: see schedules/schedule.h. No CMocka.
schedule_tests = \
	%D%/schedules/executor.t \
	%D%/schedules/future.t \
	%D%/schedules/helm.t \
	%D%/schedules/lane.t \
	%D%/schedules/wake.t \
	# end

mpi_programs = \
	%D%/mpi/abandoned \
	%D%/mpi/adopt \
	%D%/mpi/alone \
	%D%/mpi/anywhere \
	%D%/mpi/arguments \
	%D%/mpi/bottleneck \
	%D%/mpi/calls \
	%D%/mpi/close_delivers \
	%D%/mpi/closing \
	%D%/mpi/close_says \
	%D%/mpi/collective \
	%D%/mpi/communication \
	%D%/mpi/counters \
	%D%/mpi/deadlock \
	%D%/mpi/deaths \
	%D%/mpi/survivors \
	%D%/mpi/errors \
	%D%/mpi/executors \
	%D%/mpi/fences \
	%D%/mpi/forward \
	%D%/mpi/gather_memory \
	%D%/mpi/handlers \
	%D%/mpi/large \
	%D%/mpi/asked \
	%D%/mpi/late \
	%D%/mpi/leaving \
	%D%/mpi/logging \
	%D%/mpi/mailbox \
	%D%/mpi/mismatch \
	%D%/mpi/open_says \
	%D%/mpi/order \
	%D%/mpi/parted \
	%D%/mpi/plain_mpi \
	%D%/mpi/probe \
	%D%/mpi/process \
	%D%/mpi/races \
	%D%/mpi/refused \
	%D%/mpi/selfpost \
	%D%/mpi/sendrecv \
	%D%/mpi/short_threads \
	%D%/mpi/signals \
	%D%/mpi/silent \
	%D%/mpi/start \
	%D%/mpi/stuck \
	%D%/mpi/statistics \
	%D%/mpi/thread_level \
	%D%/mpi/top \
	%D%/mpi/unattended \
	%D%/mpi/unfinished \
	%D%/stress/soak \
	# end

mpi_core_programs = \
	%D%/mpi/allocations \
	%D%/mpi/collective_debug \
	%D%/mpi/failing \
	%D%/mpi/monitor \
	%D%/mpi/hangs \
	%D%/mpi/neighbours \
	%D%/mpi/opens \
	%D%/mpi/port_adopt \
	%D%/mpi/port_funneled \
	%D%/mpi/port_mpi \
	%D%/mpi/port_serialized \
	%D%/mpi/resources \
	%D%/mpi/unfinished_debug \
	# end

# Ordinary MPI programs, which their scripts run with and without the preload layer.
preload_programs = \
	%D%/preload/arrays \
	%D%/preload/collectives \
	%D%/preload/computes \
	%D%/preload/errors \
	%D%/preload/lifetimes \
	%D%/preload/many \
	%D%/preload/order \
	%D%/preload/probes \
	%D%/preload/report \
	%D%/preload/soak \
	# end

# Programs that scripts need; they see nothing of the library.
support_programs = \
	%D%/support/cable \
	%D%/support/monitor_file \
	# end

np1_tests = \
	examples/eventloop-1.np1 \
	examples/halo-1.np1 \
	examples/journal-1.np1 \
	examples/persistent-1.np1 \
	%D%/mpi/abandoned-1.np1 \
	%D%/mpi/allocations-1.np1 \
	%D%/mpi/arguments-1.np1 \
	%D%/mpi/closing-1.np1 \
	%D%/mpi/collective-1.np1 \
	%D%/mpi/counters-1.np1 \
	%D%/mpi/deadlock-1.np1 \
	%D%/mpi/errors-1.np1 \
	%D%/mpi/mailbox-1.np1 \
	%D%/mpi/order-1.np1 \
	%D%/mpi/probe-1.np1 \
	%D%/mpi/selfpost-1.np1 \
	%D%/mpi/sendrecv-1.np1 \
	%D%/mpi/start-1.np1 \
	%D%/mpi/thread_level-1.np1 \
	%D%/mpi/unattended-1.np1 \
	# end

np2_tests = \
	examples/eventloop-2.np2 \
	examples/halo-2.np2 \
	examples/hello-2.np2 \
	examples/journal-2.np2 \
	examples/persistent-2.np2 \
	%D%/mpi/abandoned-2.np2 \
	%D%/mpi/adopt-2.np2 \
	%D%/mpi/anywhere-2.np2 \
	%D%/mpi/bottleneck-2.np2 \
	%D%/mpi/calls-2.np2 \
	%D%/mpi/close_delivers-2.np2 \
	%D%/mpi/collective-2.np2 \
	%D%/mpi/collective_debug-2.np2 \
	%D%/mpi/communication-2.np2 \
	%D%/mpi/counters-2.np2 \
	%D%/mpi/deadlock-2.np2 \
	%D%/mpi/errors-2.np2 \
	%D%/mpi/executors-2.np2 \
	%D%/mpi/fences-2.np2 \
	%D%/mpi/forward-2.np2 \
	%D%/mpi/gather_memory-2.np2 \
	%D%/mpi/handlers-2.np2 \
	%D%/mpi/large-2.np2 \
	%D%/mpi/logging-2.np2 \
	%D%/mpi/mismatch-2.np2 \
	%D%/mpi/neighbours-2.np2 \
	%D%/mpi/monitor-2.np2 \
	%D%/mpi/opens-2.np2 \
	%D%/mpi/order-2.np2 \
	%D%/mpi/plain_mpi-2.np2 \
	%D%/mpi/port_adopt-2.np2 \
	%D%/mpi/port_funneled-2.np2 \
	%D%/mpi/port_mpi-2.np2 \
	%D%/mpi/port_serialized-2.np2 \
	%D%/mpi/probe-2.np2 \
	%D%/mpi/process-2.np2 \
	%D%/mpi/races-2.np2 \
	%D%/mpi/refused-2.np2 \
	%D%/mpi/selfpost-2.np2 \
	%D%/mpi/sendrecv-2.np2 \
	%D%/mpi/short_threads-2.np2 \
	%D%/mpi/signals-2.np2 \
	%D%/mpi/start-2.np2 \
	%D%/mpi/thread_level-2.np2 \
	%D%/mpi/unattended-2.np2 \
	%D%/mpi/unfinished-2.np2 \
	%D%/mpi/unfinished_debug-2.np2 \
	# end

np3_tests = \
	%D%/mpi/arguments-3.np3 \
	%D%/mpi/collective-3.np3 \
	%D%/mpi/collective_debug-3.np3 \
	%D%/mpi/communication-3.np3 \
	%D%/mpi/gather_memory-3.np3 \
	%D%/mpi/mailbox-3.np3 \
	%D%/mpi/opens-3.np3 \
	%D%/mpi/order-3.np3 \
	%D%/mpi/port_mpi-3.np3 \
	%D%/mpi/sendrecv-3.np3 \
	# end

np4_tests = \
	examples/halo-4.np4 \
	%D%/mpi/calls-4.np4 \
	%D%/mpi/close_delivers-4.np4 \
	%D%/mpi/collective-4.np4 \
	%D%/mpi/errors-4.np4 \
	%D%/mpi/fences-4.np4 \
	%D%/mpi/mismatch-4.np4 \
	%D%/mpi/order-4.np4 \
	# end

np8_tests = \
	# end

# One or two 2-rank tests that use every part, for the slow builds (sanitizers).
mpi_short_tests = \
	%D%/mpi/calls-2.np2 \
	%D%/mpi/order-2.np2 \
	%D%/mpi/races-2.np2 \
	# end

script_tests = \
	%D%/api/configure.sh \
	%D%/api/exports.sh \
	%D%/api/failures.sh \
	%D%/api/ferry_preload.sh \
	%D%/api/header_cxx.sh \
	%D%/api/header_warnings.sh \
	%D%/api/installed.sh \
	%D%/api/layers.sh \
	%D%/api/layers_tree.sh \
	%D%/api/lists.sh \
	%D%/api/man.sh \
	%D%/api/numbers.sh \
	%D%/api/plugin.sh \
	%D%/api/policy.sh \
	%D%/api/other_mpi.sh \
	%D%/api/post_path.sh \
	%D%/api/preload_table.sh \
	%D%/api/readme.sh \
	%D%/api/sabotage.sh \
	%D%/api/top.sh \
	%D%/api/troubleshooting.sh \
	%D%/api/two_mpis.sh \
	%D%/models/crew.sh \
	%D%/models/future.sh \
	%D%/models/helm.sh \
	%D%/models/preload_helm.sh \
	%D%/models/preload_lanes.sh \
	%D%/models/wake.sh \
	%D%/mpi/bench.sh \
	%D%/mpi/close_says.sh \
	%D%/mpi/controller.sh \
	%D%/mpi/deaths.sh \
	%D%/mpi/statistics.sh \
	%D%/mpi/survivors.sh \
	%D%/mpi/failing.sh \
	%D%/mpi/monitor_full.sh \
	%D%/mpi/ferry_info.sh \
	%D%/mpi/ferry_perf.sh \
	%D%/mpi/halo.sh \
	%D%/mpi/hangs.sh \
	%D%/mpi/stuck.sh \
	%D%/mpi/hosts.sh \
	%D%/mpi/launcher.sh \
	%D%/mpi/finalize.sh \
	%D%/mpi/open_says.sh \
	%D%/mpi/opens.sh \
	%D%/mpi/asked.sh \
	%D%/mpi/late.sh \
	%D%/mpi/leaving.sh \
	%D%/mpi/process.sh \
	%D%/mpi/python_peer.sh \
	%D%/mpi/resources.sh \
	%D%/mpi/timelines.sh \
	%D%/mpi/top.sh \
	%D%/mpi/versus.sh \
	%D%/mpi/wordcount.sh \
	%D%/preload/arrays.sh \
	%D%/preload/collectives.sh \
	%D%/preload/errors.sh \
	%D%/preload/lifetimes.sh \
	%D%/preload/many.sh \
	%D%/preload/order.sh \
	%D%/preload/perf.sh \
	%D%/preload/probes.sh \
	%D%/preload/report.sh \
	%D%/preload/soak.sh \
	%D%/preload/variables.sh \
	%D%/stress/soak.sh \
	# end

# Draws pictures, which takes 10 s: in check-np2 and distcheck.
picture_tests = %D%/mpi/ferry_perf_plot.sh

# Minutes, not part of check: make stress.
stress_scripts = \
	%D%/stress/deaths.sh \
	%D%/stress/failing.sh \
	%D%/stress/flood.sh \
	%D%/stress/hosts.sh \
	%D%/stress/idle.sh \
	%D%/stress/large.sh \
	%D%/stress/latency.sh \
	%D%/stress/memory.sh \
	%D%/stress/one_host.sh \
	%D%/stress/overlap.sh \
	%D%/stress/survivors.sh \
	# end
stress_programs = \
	%D%/stress/flood \
	# end
stress_tools = \
	%D%/stress/common.sh \
	%D%/stress/sabotage.sh \
	# end
stress_tests = \
	# end

test_support = \
	%D%/models/crew.pml \
	%D%/models/future.pml \
	%D%/models/helm.pml \
	%D%/models/preload_helm.pml \
	%D%/models/preload_lanes.pml \
	%D%/models/wake.pml \
	%D%/mpi/opened.h \
	%D%/mpi/system.h \
	%D%/preload/check.h \
	%D%/preload/modes.sh \
	%D%/sim/digest.h \
	%D%/sim/digest.sh \
	%D%/skips.list \
	%D%/support/deaths.sh \
	%D%/support/engine.h \
	%D%/support/environment.sh \
	%D%/support/finalize.c \
	%D%/support/flush.c \
	%D%/support/host_shell.sh \
	%D%/support/hosts.sh \
	%D%/support/jobs.sh \
	%D%/support/keep_alive.sh \
	%D%/support/models.sh \
	%D%/support/life.h \
	%D%/support/mpi_test.h \
	%D%/support/mpirun.sh \
	%D%/support/parted.sh \
	%D%/support/rank.sh \
	%D%/support/run.sh \
	%D%/support/skips.sh \
	%D%/support/test.h \
	# end

# Programs of more than one source, and with more than the usual libraries.
%C%_mpi_large_SOURCES = \
	%D%/mpi/copies.c \
	%D%/mpi/copies.h \
	%D%/mpi/large.c \
	# end

# As --enable-debug builds it; the library's own mpi_collective.o is then not linked.
%C%_mpi_collective_debug_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS) -DFERRY_DEBUG
%C%_mpi_collective_debug_SOURCES = \
	%D%/mpi/collective.c \
	src/mpi/collective.c \
	# end

%C%_mpi_unfinished_debug_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS) -DFERRY_DEBUG
%C%_mpi_unfinished_debug_SOURCES = \
	%D%/mpi/unfinished.c \
	src/mpi/collective.c \
	# end

%C%_mpi_port_mpi_SOURCES = \
	%D%/mpi/port_mpi.c \
	%D%/support/port_conformance.c \
	%D%/support/port_conformance.h \
	# end

# The virtual ranks with their network, their threads' part, and the books that are kept of both.
sim_world = \
	%D%/sim/actors.c \
	%D%/sim/ledger.c \
	%D%/sim/world.c \
	%D%/sim/world.h \
	# end
%C%_sim_timelines_t_SOURCES = %D%/sim/timelines.c $(sim_world) $(shortage)
%C%_sim_timelines_t_LDADD = libferry-trace.la $(LDADD)
%C%_sim_timelines_t_LDFLAGS = $(AM_LDFLAGS) $(shortage_ldflags)
%C%_sim_mixed_t_SOURCES = %D%/sim/mixed.c $(sim_world) $(shortage)
# What the library copies.
%C%_sim_copies_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=memcpy,--wrap=memmove \
	-Wl,--wrap=__memcpy_chk,--wrap=__memmove_chk
%C%_sim_corners_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fy_program_thread
%C%_sim_mixed_t_LDFLAGS = $(AM_LDFLAGS) $(shortage_ldflags)

# Allocations that fail: see support/shortage.h.
shortage = \
	%D%/support/shortage.c \
	%D%/support/shortage.h \
	# end
shortage_ldflags = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
	-Wl,--wrap=aligned_alloc,--wrap=posix_memalign,--wrap=strdup,--wrap=free
%C%_sim_deaths_t_SOURCES = %D%/sim/deaths.c $(shortage)
%C%_sim_deaths_t_LDFLAGS = $(AM_LDFLAGS) $(shortage_ldflags)
%C%_sim_opens_t_SOURCES = %D%/sim/opens.c $(shortage)
%C%_sim_opens_t_LDFLAGS = $(AM_LDFLAGS) $(shortage_ldflags)
%C%_mpi_opens_SOURCES = %D%/mpi/opens.c $(shortage)
%C%_mpi_resources_LDFLAGS = $(AM_LDFLAGS) -no-install -Wl,--wrap=shm_open,--wrap=shm_unlink -Wl,-u,fy_mpi_port_open
%C%_mpi_opens_LDFLAGS = $(AM_LDFLAGS) -no-install $(shortage_ldflags) -Wl,--wrap=pthread_create -Wl,-u,fy_mpi_port_open
%C%_mpi_allocations_SOURCES = %D%/mpi/allocations.c $(shortage)
%C%_mpi_allocations_LDFLAGS = $(AM_LDFLAGS) -no-install $(shortage_ldflags) -Wl,-u,fy_mpi_port_open
%C%_mpi_failing_LDFLAGS = $(AM_LDFLAGS) -no-install -Wl,-u,fy_mpi_port_open
%C%_sim_memory_t_SOURCES = %D%/sim/memory.c $(shortage)
%C%_sim_memory_t_LDFLAGS = $(AM_LDFLAGS) $(shortage_ldflags)
%C%_unit_shared_test_counter_t_SOURCES = %D%/unit/shared/test_counter.c $(shortage)
%C%_unit_shared_test_counter_t_LDFLAGS = $(AM_LDFLAGS) $(shortage_ldflags)
# Its messages come when a look has just begun.
%C%_unit_helm_test_mail_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fy_mailbox_try
%C%_unit_helm_test_controls_t_SOURCES = %D%/unit/helm/test_controls.c $(shortage)
%C%_unit_helm_test_controls_t_LDFLAGS = $(AM_LDFLAGS) $(shortage_ldflags)

%C%_unit_sim_test_net_t_SOURCES = \
	%D%/support/port_conformance.c \
	%D%/support/port_conformance.h \
	%D%/unit/sim/test_net.c \
	# end

# What it asks the system for fails when it wants.
%C%_unit_bulk_test_sink_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=memfd_create,--wrap=ftruncate \
	-Wl,--wrap=mmap,--wrap=munmap
# Its allocations fail when it wants.
%C%_unit_base_test_status_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=calloc

%C%_unit_tools_test_ask_t_LDADD = libferry-ask.la $(LDADD)
%C%_unit_tools_test_histogram_t_LDADD = libferry-perf.la $(LDADD) -lm
%C%_unit_tools_test_text_t_LDADD = libferry-text.la $(LDADD)
%C%_unit_tools_test_timeline_t_LDADD = libferry-trace.la $(LDADD)
%C%_unit_tools_test_limits_t_LDADD = libferry-perf.la $(LDADD) -lm
%C%_unit_tools_test_machine_t_LDADD = libferry-info.la $(HWLOC_LIBS) $(LDADD)

# Monitor files by hand.
monitor_image = \
	%D%/support/monitor_image.c \
	%D%/support/monitor_image.h \
	# end
%C%_support_monitor_file_SOURCES = %D%/support/monitor_file.c $(monitor_image)
%C%_unit_tools_test_top_t_SOURCES = %D%/unit/tools/test_top.c $(monitor_image)
%C%_unit_tools_test_top_t_LDADD = libferry-top.la libferry-monitor.la $(LDADD) -lm

# ---- how they are built ----------------------------------------------------

mpi_tests = $(np1_tests) $(np2_tests) $(np3_tests) $(np4_tests) $(np8_tests)
if HAVE_CMOCKA
tap_tests = $(unit_tests) $(preload_unit_tests) $(sim_tests)
else
tap_tests = %D%/support/no_cmocka.sh
endif

check_PROGRAMS += $(mpi_programs) $(mpi_core_programs) $(preload_programs) $(support_programs) %D%/api/header_c
TESTS = $(tap_tests) $(schedule_tests) %D%/api/header_c $(script_tests) $(mpi_tests)
EXTRA_PROGRAMS = $(unit_tests) $(preload_unit_tests) $(sim_tests) $(schedule_tests) $(stress_tests) $(stress_programs)
EXTRA_DIST += $(test_support) $(script_tests) $(picture_tests) $(stress_scripts) $(stress_tools) %D%/support/no_cmocka.sh %D%/api/header_cxx.cc \
	%D%/api/header_use.c

# Real programs, no wrapper scripts: what links $(libferry) finds it in the build tree.
LDADD = libferry-sim.la $(CMOCKA_LIBS) $(MSGPACK_LIBS)
mpi_public = $(mpi_programs) $(stress_programs)
$(mpi_public) $(mpi_core_programs) %D%/api/header_c: AM_LDFLAGS = $(SAN_CFLAGS) -pthread -no-install
$(mpi_public) %D%/api/header_c: $(libferry)
$(mpi_public) %D%/api/header_c: LDADD = $(libferry) $(MSGPACK_LIBS) $(MPI_LIBS)
$(preload_programs): AM_LDFLAGS = $(SAN_CFLAGS) -pthread -no-install
$(preload_programs): LDADD = $(MPI_LIBS)
$(support_programs): LDADD =
$(schedule_tests): AM_LDFLAGS = $(SAN_CFLAGS) -pthread $(schedule_wraps)
$(schedule_tests): libferry-scheduled.a
$(schedule_tests): LDADD = libferry-scheduled.a $(MSGPACK_LIBS)
$(mpi_core_programs): libferry-mpi.la
$(mpi_core_programs): LDADD = libferry-mpi.la libferry-sim.la $(MSGPACK_LIBS) $(MPI_LIBS)
%D%/unit/%.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
%D%/unit/preload/%.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests -I$(top_srcdir)/tests/support -Isrc $(CMOCKA_CFLAGS) $(MPI_CPPFLAGS)
%D%/unit/preload/%.$(OBJEXT): $(preload_generated)
$(preload_unit_tests): libferry-preload.la
$(preload_unit_tests): LDADD = libferry-preload.la $(CMOCKA_LIBS)
%D%/unit/tools/%.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS) $(MPI_CPPFLAGS)
%D%/sim/timelines.$(OBJEXT) %D%/unit/tools/test_timeline.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests \
	-I$(top_srcdir)/tests/support -I$(top_srcdir)/tools $(CMOCKA_CFLAGS)
%D%/sim/%.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
%D%/fuzz/%.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
%D%/stress/%.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests/mpi -I$(top_srcdir)/tests/support $(MPI_CPPFLAGS)
%D%/stress/%.$(OBJEXT): target_cflags = $(MPI_CFLAGS)
%D%/support/%.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
%D%/mpi/%.$(OBJEXT): target_cppflags = -I$(top_srcdir)/tests -I$(top_srcdir)/tests/support $(MPI_CPPFLAGS)
%D%/mpi/%.$(OBJEXT): target_cflags = $(MPI_CFLAGS)
%D%/preload/%.$(OBJEXT): target_cppflags = $(MPI_CPPFLAGS)
%D%/preload/%.$(OBJEXT): target_cflags = $(MPI_CFLAGS)
%D%/api/%.$(OBJEXT): AM_CPPFLAGS = -I$(top_srcdir)/include $(MSGPACK_CFLAGS) $(MPI_CPPFLAGS)

# It runs these.
if HAVE_CMOCKA
%D%/api/policy.log: tools/policy %D%/sim/corners.t %D%/unit/helm/test_policy.t
endif

# The core once more, under the scheduler of the schedules, with the simulated network.
EXTRA_LIBRARIES = libferry-scheduled.a
schedule_cppflags = -D_GNU_SOURCE -include $(top_srcdir)/%D%/schedules/front/base/order.h \
	-I$(top_srcdir)/%D%/schedules/front -I$(top_srcdir)/tests
%D%/schedules/%.$(OBJEXT): target_cppflags = $(schedule_cppflags)
libferry_scheduled_a_CPPFLAGS = $(schedule_cppflags) $(AM_CPPFLAGS)
libferry_scheduled_a_SOURCES = \
	$(libferry_core_la_SOURCES) \
	$(libferry_sim_la_SOURCES) \
	%D%/schedules/choice.c \
	%D%/schedules/choice.h \
	%D%/schedules/front/base/cache.h \
	%D%/schedules/front/base/order.h \
	%D%/schedules/memory.c \
	%D%/schedules/run.c \
	%D%/schedules/run.h \
	%D%/schedules/schedule.c \
	%D%/schedules/schedule.h \
	%D%/schedules/step.h \
	%D%/schedules/system.c \
	# end
schedule_wraps = \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=posix_memalign \
	-Wl,--wrap=strdup,--wrap=free,--wrap=nanosleep,--wrap=sched_yield \
	-Wl,--wrap=fy_futex_wait,--wrap=fy_futex_wake,--wrap=fy_clock_now,--wrap=fy_clock_process \
	-Wl,--wrap=fy_barrier_everywhere,--wrap=fy_barrier_is_everywhere,--wrap=fy_place_as_process \
	-Wl,--wrap=fy_program_thread \
	-Wl,--wrap=fy_waiting_begin,--wrap=fy_waiting_end,--wrap=fy_waiting_set_role \
	-Wl,--wrap=pthread_mutex_init,--wrap=pthread_mutex_destroy,--wrap=pthread_mutex_lock \
	-Wl,--wrap=pthread_mutex_trylock,--wrap=pthread_mutex_unlock,--wrap=pthread_create \
	-Wl,--wrap=pthread_join,--wrap=pthread_detach,--wrap=pthread_self,--wrap=pthread_setname_np \
	-Wl,--wrap=pthread_sigmask,--wrap=pthread_setcancelstate,--wrap=pthread_once \
	-Wl,--wrap=pthread_key_create,--wrap=pthread_setspecific,--wrap=pthread_getspecific

# NAME-N.npN is a link to NAME.
link_test = $(AM_V_GEN)$(MKDIR_P) $(@D) && ln -sf $(<F) $@
$(np1_tests): %-1.np1: % ; $(link_test)
$(np2_tests): %-2.np2: % ; $(link_test)
$(np3_tests): %-3.np3: % ; $(link_test)
$(np4_tests): %-4.np4: % ; $(link_test)
$(np8_tests): %-8.np8: % ; $(link_test)
CLEANFILES += $(mpi_tests) $(EXTRA_PROGRAMS) %D%/sim/digest.new %D%/sim/*.digest.log %D%/stress/soak.out

# ---- how they are run -------------------------------------------------------

TEST_EXTENSIONS = .t .sh .np1 .np2 .np3 .np4 .np8
test_run = $(SHELL) $(top_srcdir)/tests/support/run.sh
test_mpirun = $(SHELL) $(top_srcdir)/tests/support/mpirun.sh
LOG_COMPILER = $(test_run)
SH_LOG_COMPILER = $(test_run)
T_LOG_COMPILER = $(test_run)
T_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
NP1_LOG_COMPILER = $(test_mpirun) 1
NP2_LOG_COMPILER = $(test_mpirun) 2
NP3_LOG_COMPILER = $(test_mpirun) 3
NP4_LOG_COMPILER = $(test_mpirun) 4
NP8_LOG_COMPILER = $(test_mpirun) 8

# TEST_* are the harness's own; FERRY_SEEDS is read by the simulation tests.
AM_TESTS_ENVIRONMENT = \
	export TEST_SRCDIR='$(abs_top_srcdir)' TEST_BUILDDIR='$(abs_top_builddir)'; \
	export TEST_LIBFERRY='$(abs_top_builddir)/$(libferry)'; \
	export TEST_SANITIZER='$(SANITIZER)' TEST_MPI='$(MPI_NAME)' TEST_MPI_ID='$(MPI_ID)'; \
	export TEST_CC='$(CC)' TEST_CXX='$(CXX)' TEST_NM='$(NM)'; \
	export TEST_CFLAGS='$(CFLAGS) $(SAN_CFLAGS)' TEST_MPI_CPPFLAGS='$(MPI_CPPFLAGS)'; \
	export TEST_MSGPACK_CFLAGS='$(MSGPACK_CFLAGS)'; \
	export TEST_MPICC='$(MPICC)' MPIEXEC='$(MPIEXEC)' MPIEXEC_FLAGS='$(MPIEXEC_FLAGS)' PYTHON_PEER='$(PYTHON_PEER)'; \
	export PKG_CONFIG='$(PKG_CONFIG)' MAKE='$(MAKE)'; \
	export CMOCKA_MESSAGE_OUTPUT=TAP;

# At the end of a check: what was skipped and why.
check-local: check-TESTS
	@$(MAKE) --no-print-directory skips TESTS='$(TESTS)'
skips:
	@$(SHELL) $(top_srcdir)/tests/support/skips.sh $(TEST_LOGS)

check-unit: ; $(MAKE) check TESTS='$(tap_tests) $(schedule_tests)'
mpi_scripts = \
	%D%/api/other_mpi.sh \
	%D%/api/two_mpis.sh \
	%D%/mpi/launcher.sh \
	%D%/mpi/python_peer.sh \
	%D%/preload/arrays.sh \
	%D%/preload/collectives.sh \
	%D%/preload/lifetimes.sh \
	%D%/preload/order.sh \
	%D%/preload/probes.sh \
	# end
check-np2: ; $(MAKE) check TESTS='$(tap_tests) $(np1_tests) $(np2_tests) $(picture_tests) $(mpi_scripts)'
# What a distribution could lack: one of each kind. That it has all files is compared apart.
dist_tests = $(unit_tests) $(preload_unit_tests) %D%/api/header_c $(filter %D%/api/%,$(script_tests)) \
	$(picture_tests) $(mpi_short_tests) %D%/sim/mixed.t %D%/models/wake.sh %D%/mpi/hosts.sh \
	%D%/mpi/wordcount.sh %D%/preload/order.sh
# For builds in which everything is slow.
check-short: ; $(MAKE) check TESTS='$(tap_tests) %D%/api/layers.sh %D%/api/layers_tree.sh $(mpi_short_tests)'

# Under valgrind an error or a leak ends a test with 99, which the TAP driver calls an error.
check-valgrind:
	@test -n '$(VALGRIND)' || { echo 'valgrind is missing: install valgrind and configure again' >&2; exit 1; }
	TEST_SLOW=20 FERRY_SEEDS=$${FERRY_SEEDS-3} TEST_TIMEOUT=$${TEST_TIMEOUT-900} \
	TEST_WRAPPER='$(VALGRIND) -q --fair-sched=yes --leak-check=full --errors-for-leak-kinds=definite,indirect --error-exitcode=99' \
	$(MAKE) check TESTS='$(tap_tests)'

stress: all $(schedule_tests) $(stress_tests) $(stress_programs)
	FERRY_SEEDS=$${FERRY_SEEDS-10000} TEST_TIMEOUT=$${TEST_TIMEOUT-7200} FERRY_PREEMPTIONS=3 \
	$(MAKE) check TESTS='$(sim_tests) $(schedule_tests) $(stress_tests) $(stress_scripts)'

# Everything at once, at random, against books: MINUTES of it, with RANKS ranks of THREADS threads.
MINUTES = 10
RANKS = 2
THREADS = 8
soak: all %D%/stress/soak
	@$(AM_TESTS_ENVIRONMENT) SOAK_SECONDS=$$(($(MINUTES) * 60)) SOAK_RANKS=$(RANKS) SOAK_THREADS=$(THREADS) \
	$(SHELL) $(top_srcdir)/tests/stress/soak.sh

# Random bytes at what reads bytes; needs clang. Minutes: make fuzz FUZZ_SECONDS=600, each target
# for so long. A corpus stays in the build directory from run to run; `make clean` takes it away.
#   fuzz-msgpack  objects of msgpack
#   fuzz-options  the environment and the struct of options
#   fuzz-wire     whole conversations of two lying peers with a live engine, also where an allocation fails
# fuzz_seeds makes the first inputs of the last two: it runs engines and writes down what they say.
FUZZ_CC = clang
FUZZ_SECONDS = 15
FUZZ_FLAGS =
EXTRA_PROGRAMS += %D%/fuzz/fuzz_seeds
%C%_fuzz_fuzz_seeds_SOURCES = %D%/fuzz/fuzz_seeds.c %D%/fuzz/wire_acts.h
fuzz_msgpack_sources = \
	%D%/fuzz/fuzz_msgpack.c \
	src/codec/check.c \
	src/codec/decode.c \
	src/codec/head.c \
	src/codec/pack.c \
	src/base/fail.c \
	src/base/status.c \
	# end
fuzz_options_sources = \
	%D%/fuzz/fuzz_options.c \
	$(filter src/base/%.c,$(libferry_core_la_SOURCES)) \
	src/shared/policy_table.c \
	# end
fuzz_wire_sources = \
	%D%/fuzz/fuzz_wire.c \
	%D%/fuzz/wire_peer.c \
	$(filter-out %open.c,$(filter %.c,$(libferry_core_la_SOURCES) $(libferry_sim_la_SOURCES))) \
	# end
fuzz_headers = \
	%D%/fuzz/wire_acts.h \
	%D%/fuzz/wire_input.h \
	%D%/fuzz/wire_peer.h \
	# end
EXTRA_DIST += %D%/fuzz/fuzz_msgpack.c %D%/fuzz/fuzz_options.c %D%/fuzz/fuzz_wire.c %D%/fuzz/wire_peer.c $(fuzz_headers)
CLEANFILES += %D%/fuzz/fuzz_seeds %D%/fuzz/fuzz_msgpack %D%/fuzz/fuzz_options %D%/fuzz/fuzz_wire
clean-local:
	rm -rf %D%/fuzz/corpus %D%/fuzz/corpus-options %D%/fuzz/corpus-wire
fuzz_compile = $(FUZZ_CC) -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -pthread -Wall -Wextra \
	-DHAVE_CONFIG_H -I. -I$(top_srcdir)/include -I$(top_srcdir)/src -I$(top_srcdir)/tests $(CK_CFLAGS) $(MSGPACK_CFLAGS)
fuzz: fuzz-msgpack fuzz-options fuzz-wire
fuzz-msgpack:
	$(MKDIR_P) %D%/fuzz/corpus
	$(fuzz_compile) -o %D%/fuzz/fuzz_msgpack $(fuzz_msgpack_sources:%=$(top_srcdir)/%) $(MSGPACK_LIBS)
	ASAN_OPTIONS=allocator_may_return_null=1 %D%/fuzz/fuzz_msgpack -max_total_time=$(FUZZ_SECONDS) \
		-max_len=512 -artifact_prefix=%D%/fuzz/ $(FUZZ_FLAGS) %D%/fuzz/corpus
fuzz-options: %D%/fuzz/fuzz_seeds
	$(MKDIR_P) %D%/fuzz/corpus-options
	%D%/fuzz/fuzz_seeds options %D%/fuzz/corpus-options
	$(fuzz_compile) -o %D%/fuzz/fuzz_options $(fuzz_options_sources:%=$(top_srcdir)/%) $(MSGPACK_LIBS)
	%D%/fuzz/fuzz_options -max_total_time=$(FUZZ_SECONDS) -max_len=600 -len_control=0 -artifact_prefix=%D%/fuzz/ \
		$(FUZZ_FLAGS) %D%/fuzz/corpus-options
fuzz-wire: %D%/fuzz/fuzz_seeds
	$(MKDIR_P) %D%/fuzz/corpus-wire
	%D%/fuzz/fuzz_seeds wire %D%/fuzz/corpus-wire
	$(fuzz_compile) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc \
		-o %D%/fuzz/fuzz_wire $(fuzz_wire_sources:%=$(top_srcdir)/%) $(MSGPACK_LIBS)
	%D%/fuzz/fuzz_wire -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -len_control=0 -artifact_prefix=%D%/fuzz/ \
		$(FUZZ_FLAGS) %D%/fuzz/corpus-wire

# Does a run with the same seed take the same course as before? See doc/testing.md.
digest_tests = %D%/sim/mixed.t %D%/sim/races.t %D%/sim/transfers.t
digest: $(digest_tests)
	@$(SHELL) $(top_srcdir)/tests/sim/digest.sh $(DIGEST_LIST)

installcheck-local:
	$(AM_TESTS_ENVIRONMENT) TEST_PREFIX='$(DESTDIR)$(prefix)' TEST_LIBDIR='$(DESTDIR)$(libdir)' \
	TEST_BINDIR='$(DESTDIR)$(bindir)' TEST_DOCDIR='$(DESTDIR)$(docdir)' TEST_MANDIR='$(DESTDIR)$(mandir)' \
	$(SHELL) $(top_srcdir)/tests/api/installed.sh

.PHONY: skips check-unit check-np2 check-short check-valgrind digest stress soak fuzz fuzz-msgpack fuzz-options fuzz-wire

# The core with the simulated network beside it; not installed.
noinst_LTLIBRARIES += libferry-sim.la
libferry_sim_la_LIBADD = libferry-core.la
libferry_sim_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
libferry_sim_la_SOURCES = \
	%D%/sim/net/chance.c \
	%D%/sim/net/chance.h \
	%D%/sim/net/message.c \
	%D%/sim/net/message.h \
	%D%/sim/net/op.c \
	%D%/sim/net/op.h \
	%D%/sim/net/port.c \
	%D%/sim/net/port.h \
	%D%/sim/net/sim.c \
	%D%/sim/net/sim.h \
	# end
