# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += \
	%D%/benchmarks.md \
	%D%/unidist.md \
	# end
