# SPDX-License-Identifier: Apache-2.0
nobase_dist_doc_DATA += \
	%D%/benchmarks.md \
	%D%/benchmarks-runs.md \
	%D%/design.md \
	%D%/porting.md \
	%D%/rationale.md \
	%D%/testing.md \
	%D%/tuning.md \
	%D%/unidist.md \
	%D%/wire-format.md \
	# end
