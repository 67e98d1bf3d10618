# SPDX-License-Identifier: Apache-2.0
# The declarations of a preprocessed mpi.h, as generate.sh says. Reads the table first.

FNR == 1 { n_files++ }
n_files == 1 && /^[^#]/ && NF { class[$1] = $2 }
n_files == 2 && !/^#/ { text = text " " $0 }

function fail(sentence) {
	print "declarations.awk: " sentence >"/dev/stderr"
	failed = 1
	exit 1
}

# Where the parenthesis ends that begins at the first character; 0 if it does not.
function closing(s,   i, depth, c) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		depth += (c == "(") - (c == ")")
		if (depth == 0)
			return i
	}
	return 0
}

# What stands before the name, without attributes.
function type_of(before,   at) {
	sub(/^.*[{}]/, "", before)
	while (match(before, /__attribute__ *\(/)) {
		at = RSTART
		before = substr(before, 1, at - 1) substr(before, at + RLENGTH - 1 + \
			closing(substr(before, at + RLENGTH - 1)))
	}
	gsub(/(^| )extern /, " ", before)
	gsub(/^ +| +$/, "", before)
	return before
}

# The names of the parameters, as the arguments of a call.
function arguments(name, params,   n, i, part, list) {
	if (params ~ /^ *(void)? *$/)
		return ""
	n = split(params, part, ",")
	for (i = 1; i <= n; i++) {
		gsub(/ *\[[^]]*\]/, "", part[i])
		gsub(/ +$/, "", part[i])
		if (part[i] !~ /[ *][A-Za-z_][A-Za-z_0-9]*$/)
			fail("MPI_" name " has a parameter that has no name: " part[i])
		sub(/^.*[ *]/, "", part[i])
		list = list (i > 1 ? ", " : "") part[i]
	}
	return list
}

function tell(name, type, params,   args) {
	if (what == "requests") {
		if (params " " type ~ /(^|[^A-Za-z_0-9])MPI_Request([^A-Za-z_0-9]|$)/)
			print name
		return
	}
	if (!(name in class) || class[name] == "pass")
		return
	args = arguments(name, params)
	if (what == "next")
		printf "#define FY_HAS_%s 1\n%s(%s, %s, (%s), (%s))\n", name,
			class[name] == "need" ? "FY_NEED" : "FY_NEXT", name, type, params, args
	else if (class[name] == "flush")
		printf "%s MPI_%s(%s)\n{\n\tfy_preload_flush();\n\treturn fy_next.%s(%s);\n}\n\n",
			type, name, params, name, args
}

END {
	if (failed)
		exit 1
	gsub(/[ \t]+/, " ", text)
	n = split(text, statement, ";")
	for (i = 1; i <= n; i++) {
		s = statement[i]
		if (s ~ /(^| )typedef / || !match(s, /[ *]MPI_[A-Z][A-Za-z_0-9]* ?\(/))
			continue
		name = substr(s, RSTART + 5, RLENGTH - 6)
		sub(/ $/, "", name)
		rest = substr(s, RSTART + RLENGTH - 1)
		type = type_of(substr(s, 1, RSTART))
		end = closing(rest)
		if (type == "" || !end || name in seen)
			continue
		seen[name] = 1
		n_told++
		tell(name, type, substr(rest, 2, end - 2))
	}
	if (!n_told)
		fail("mpi.h declares no function of MPI")
}
