# SPDX-License-Identifier: Apache-2.0
# Scripts of the build and of whoever changes the source; see CONTRIBUTING.md.

EXTRA_DIST += \
	.clang-format \
	.clang-tidy \
	.editorconfig \
	%D%/coverage.sh \
	%D%/format.sh \
	%D%/lint.sh \
	%D%/short-names.sh \
	%D%/sysroot.sh \
	include/.clang-format \
	# end

# 77: the tool that is needed is not there, and the script has said so. In .ci/run that is a
# failure.
may_skip = || test $$? = 77

format: ; @$(top_srcdir)/%D%/format.sh
format-check: ; @$(top_srcdir)/%D%/format.sh --check $(may_skip)

# generated_sources: what a rule writes and a source includes; a fresh build has none of it yet.
LINT_FILES =
lint-needs: config.h $(generated_sources)
lint: lint-needs
	@$(SHELL) $(top_srcdir)/%D%/lint.sh $(top_srcdir) '$(MAKE)' $(LINT_FILES) $(may_skip)

# Which tests: a target of tests/local.mk.
COVERAGE_TESTS = check
coverage:
	@$(SHELL) $(top_srcdir)/%D%/coverage.sh $(top_srcdir) '$(MAKE)' $(COVERAGE_TESTS) '$(MPICC)' '$(MPIEXEC)'

.PHONY: format format-check lint lint-needs coverage
