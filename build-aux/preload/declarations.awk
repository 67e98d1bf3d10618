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

# The names of the parameters, as the arguments of a call; "?" if one of them has none.
function arguments(params,   n, i, part, list) {
	if (params ~ /^ *(void)? *$/)
		return ""
	n = split(params, part, ",")
	for (i = 1; i <= n; i++) {
		gsub(/ *\[[^]]*\]/, "", part[i])
		gsub(/ +$/, "", part[i])
		if (part[i] !~ /[ *][A-Za-z_][A-Za-z_0-9]*$/)
			return "?"
		sub(/^.*[ *]/, "", part[i])
		list = list (i > 1 ? ", " : "") part[i]
	}
	return list
}

function note(name, type, params) {
	if (what == "requests") {
		if (params " " type ~ /(^|[^A-Za-z_0-9])MPI_Request([^A-Za-z_0-9]|$)/)
			print name
		return
	}
	if (!(name in class))
		class[name] = "other"
	args[name] = arguments(params)
	if (class[name] == "free" || (class[name] == "other" && args[name] == "?"))
		return
	if (args[name] == "?")
		fail("MPI_" name " has a parameter that has no name")
	types[name] = type
	parameters[name] = params
	order[++n_order] = name
}

# The nonblocking function that does the same: it has a request more, or one in place of a status.
function twin_of(name,   twin, with) {
	if (class[name] != "flush")
		return ""
	twin = "I" tolower(substr(name, 1, 1)) substr(name, 2)
	if (name ~ /^(File|Comm)_/)
		twin = substr(name, 1, 5) "i" substr(name, 6)
	with = args[name]
	sub(/(, )?status$/, "", with)
	return (twin in types) && args[twin] == with ", request" ? twin : ""
}

function define(opening, name, body) {
	printf "%s%s%s(%s)\n{\n%s}\n\n", types[name], opening, name, parameters[name], body
}

function serialize(name,   twin, body) {
	twin = twin_of(name)
	if (twin != "") {
		body = "\tMPI_Request request;\n\tif (!fy_serialized_applies())\n\t\treturn fy_real." name \
			"(" args[name] ");\n\tint code_ = serialized_" twin "(" args[twin] ");\n" \
			"\treturn code_ == MPI_SUCCESS ? fy_preload_wait(&request, " \
			(args[name] ~ /status$/ ? "status" : "MPI_STATUS_IGNORE") \
			", MPI_COMM_WORLD) : code_;\n"
		sub(/request\)/, "\\&request)", body)
	} else {
		body = "\tbool mine = fy_serialized_enter(\"MPI_" name "\");\n\t" types[name] \
			" result_ = fy_real." name "(" args[name] ");\n\tfy_serialized_leave(mine);\n" \
			"\treturn result_;\n"
	}
	printf "static "
	define(" serialized_", name, body)
}

# MPI has not begun before these, and has ended behind them.
function is_serialized(name) { return name !~ /^(Abort|Init|Init_thread|Finalize)$/ }

function tell(name,   of) {
	of = class[name]
	if (what == "next")
		printf "#define FY_HAS_%s 1\n%s(%s, %s, (%s), (%s))\n", name,
			of == "own" || of == "flush" ? "FY_NEXT" : of == "need" ? "FY_NEED" : "FY_ALSO",
			name, types[name], parameters[name], args[name]
	else if (what == "passes" && of == "flush")
		define(" MPI_", name, "\tfy_preload_flush();\n\treturn fy_next." name "(" args[name] ");\n")
	else if (what == "others" && of != "flush" && of != "own")
		define(" MPI_", name, "\tfy_next_need();\n\treturn fy_next." name "(" args[name] ");\n")
	else if (what == "serialized" && is_serialized(name)) {
		serialize(name)
		serialized = serialized "\tfy_next." name " = serialized_" name ";\n"
	}
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
		note(name, type, substr(rest, 2, end - 2))
	}
	if (!n_told)
		fail("mpi.h declares no function of MPI")
	if (what == "serialized")
		for (i = 1; i <= n_order; i++) if (is_serialized(order[i]))
			printf "static %s serialized_%s(%s);\n", types[order[i]], order[i], parameters[order[i]]
	for (i = 1; i <= n_order; i++)
		tell(order[i])
	if (what == "serialized")
		printf "static void take_place(void)\n{\n%s}\n", serialized
}
