# SPDX-License-Identifier: Apache-2.0
# Sourced by compare.sh and ablate.sh: the figure of a run of ferry-perf, and the interval of the
# median of ratios. A script may have a `launch` of its own.

duration=0.2 # of a run whose command names none

launch() { # RANKS PROGRAM...
	MPIEXEC_TIMEOUT=60 "${MPIEXEC:-mpiexec.mpich}" -n "$@"
}

# The one figure of a run that counts; empty when the run failed.
figure() { # DIRECTORY RANKS METRIC COMMAND...
	local where=$1 ranks=$2 metric
	metric=$(echo "$3" | tr _ ' ')
	shift 3
	case " $* " in *' -d '*) ;; *) set -- "$@" -d "$duration" ;; esac
	launch "$ranks" "$where/tools/ferry-perf" "$@" -r 1 -p none --json=/dev/stdout 2>/dev/null </dev/null |
		sed -n "s/.*\"metric\": \"$metric\",.*\"values\": \\[\\([0-9.e+-]*\\).*/\\1/p" | head -n 1
}

# Better than that? A over B, turned round where less is better; "failed" where a run failed.
ratio() { # A B more|less
	awk -v a="$1" -v b="$2" -v better="$3" '
		BEGIN { if (a > 0 && b > 0) print better == "more" ? a / b : b / a; else print "failed" }'
}

# Of the ratios on standard input: median, lower and upper end of its interval of 95 %. It is that
# of order statistics: of 20 sorted ratios the 6th and the 15th hold the median between them with
# 95.9 %, whatever the distribution is.
interval() {
	sort -g | awk '
		{ v[NR] = $1 }
		END {
			if (!NR) { print "- - -"; exit }
			# The largest k for which fewer than 2.5 % lie below the k-th (binomial, 1/2).
			p = 0.5 ^ NR; sum = p; k = 1
			for (i = 1; i <= NR / 2; i++) { p *= (NR - i + 1) / i; if (sum + p > 0.025) break; sum += p; k = i + 1 }
			m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
			printf "%.4g %.4g %.4g\n", m, v[k], v[NR - k + 1]
		}'
}
