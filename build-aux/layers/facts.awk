# SPDX-License-Identifier: Apache-2.0
#
# Reads C files and says what stands in them, a fact a line, fields between tabs:
#   lines FILE TOTAL CODE WIDEST LINE      the longest line is LINE, in columns, a tab up to the
#                                          next eighth
#   include FILE LINE "x/y.h"              or <y.h>, or the name of a macro
#   define FILE LINE NAME static|global    a function fy_... or ferry_... with its body
#   declare FILE LINE NAME                 a function or an extern variable without it
#   tag FILE LINE NAME                     the body of struct, union or enum NAME
#   mention FILE LINE NAME                 the first struct, union or enum NAME
#   struct FILE LINE NAME MEMBERS          members at one level; those of a part without a name are
#                                          its owner's
#   member FILE LINE STRUCT NAME TYPE      TYPE: "(*)" is a pointer to a function, else its words
#   alias NAME TAG, functype NAME          by typedef
#   container FILE LINE WORD               a word in the arguments of offsetof or of a macro named
#                                          ..CONTAINER..
#   word FILE LINE NAME, call FILE LINE NAME   the first one in the file; call: "(" follows, and it
#                                              is no member
# It knows C no better than this tree needs: a function's or struct's last brace stands in the
# first column.

function fact(kind, more) { print kind "\t" file "\t" more }

# Without what stands between pairs of these brackets, and without the brackets.
function flat(s, left, right,   out, deep, c) {
	out = ""
	deep = 0
	while (match(s, left == "[" ? "[][]" : "[()]")) {
		c = substr(s, RSTART, 1)
		if (!deep)
			out = out substr(s, 1, RSTART - 1)
		s = substr(s, RSTART + 1)
		deep += c == right ? -1 : 1
	}
	return out s
}

function last_word(s) {
	sub(/[^A-Za-z0-9_]+$/, "", s)
	sub(/.*[^A-Za-z0-9_]/, "", s)
	return s
}

# The function fy_... or ferry_... that a declaration or a head is of: the name before a bracket
# that is in no other.
function function_of(s,   name, depth, c) {
	while (match(s, /\(/)) {
		name = last_word(substr(s, 1, RSTART - 1))
		if (name ~ /^(fy|ferry)_/)
			return name
		s = substr(s, RSTART + 1)
		for (depth = 1; depth && match(s, /[()]/); s = substr(s, RSTART + 1))
			depth += substr(s, RSTART, 1) == "(" ? 1 : -1
	}
	return ""
}

function without_attributes(s) {
	gsub(/__attribute__ *\(\(([^()]*\([^()]*\))*[^()]*\)\)/, "", s)
	return s
}

# Without the uses of macros that stand before it: they end with no semicolon.
function bare(s) {
	while (match(s, /^ *[A-Z][A-Z0-9_]* *\([^()]*\)/))
		s = substr(s, RSTART + RLENGTH)
	return s
}

function declaration(s,   name, n, i, part) {
	s = bare(s)
	if (s ~ /^ *typedef /) {
		if (match(s, /\( *\* *[A-Za-z0-9_]+ *\)/))
			print "functype\t" last_word(substr(s, RSTART, RLENGTH))
		else if (s ~ /\(/)
			print "functype\t" last_word(flat(s, "(", ")"))
		else if (s ~ /^ *typedef +(struct|union|enum) +[^ ]+ +@? *[^ ]+ *$/) {
			split(s, part, " ")
			print "alias\t" last_word(s) "\t" part[3]
		}
		return
	}
	if (s ~ /(^|[^A-Za-z_])_Static_assert|=/ && s !~ /^ *extern/)
		return
	s = without_attributes(s)
	if ((name = function_of(s)) != "")
		fact("declare", line_of_stmt "\t" name)
	else if (s ~ /(^| )extern /) {
		s = flat(flat(s, "(", ")"), "[", "]")
		n = split(s, part, ",")
		for (i = 1; i <= n; i++)
			fact("declare", line_of_stmt "\t" last_word(part[i]))
	}
}

# A statement in a struct; how many members it has.
function members(s, owner,   n, i, part, pointer, name, type) {
	s = without_attributes(s)
	if (s ~ /_Static_assert/ || s ~ /^ *$/)
		return 0
	if (s ~ /^ *(struct|union) *@ *$/)
		return inner
	pointer = s ~ /\( *\* *[A-Za-z0-9_]* *(\[[^]]*\])? *\) *\(/
	if (pointer) {
		match(s, /\( *\* *[A-Za-z0-9_]*/)
		fact("member", line_of_stmt "\t" owner "\t" \
			last_word(substr(s, RSTART, RLENGTH)) "\t(*)")
		return 1
	}
	s = flat(flat(s, "(", ")"), "[", "]")
	type = s
	sub(/ *\**[A-Za-z0-9_]+ *(,.*|:.*)?$/, "", type)
	n = split(s, part, ",")
	for (i = 1; i <= n; i++) {
		name = part[i]
		sub(/:.*/, "", name)
		fact("member", line_of_stmt "\t" owner "\t" last_word(name) "\t" type)
	}
	return n
}

function open_block(   head, tag) {
	head = without_attributes(stmt)
	depth++
	was_paren[depth] = paren
	paren = 0
	heads[depth] = stmt
	kind[depth] = "block"
	if (match(head, /(^|[^A-Za-z0-9_])(struct|union|enum)( +[A-Za-z0-9_]+)* *$/)) {
		head = substr(head, RSTART, RLENGTH)
		kind[depth] = head ~ /enum/ ? "enum" : "struct"
		tag = last_word(head)
		if (tag ~ /^(struct|union|enum)$/)
			tag = ""
		else
			fact("tag", FNR "\t" tag)
		owner[depth] = tag != "" ? tag : depth > 1 && owner[depth - 1] != "" \
			? owner[depth - 1] : "struct of " file
		named[depth] = tag
		begun[depth] = FNR
		count[depth] = 0
		# "struct @ name;": its body has been read
		heads[depth] = substr(stmt, 1, length(stmt) - length(head)) " " head " @ "
		if (tag == "")
			sub(/(struct|union|enum) +@ $/, "struct @ ", heads[depth])
	} else if (at_top(depth - 1)) {
		if (stmt ~ /extern +"" *$/)
			kind[depth] = "top"
		else if (stmt !~ /=/ && function_of(head) != "") {
			kind[depth] = "function"
			fact("define", FNR "\t" function_of(head) "\t" \
				(stmt ~ /(^|[^A-Za-z_])static /  ? "static" : "global"))
		} else if (stmt ~ /=/) {
			kind[depth] = "value"
			heads[depth] = heads[depth] "@ "
		} else
			kind[depth] = "function"
	}
	stmt = ""
}

function at_top(d) { return d == 0 || kind[d] == "top" }

function close_block() {
	if (depth == 0)
		return
	if (kind[depth] == "struct") {
		inner = count[depth]
		fact("struct", begun[depth] "\t" owner[depth] "\t" inner)
	}
	stmt = kind[depth] ~ /^(struct|enum|value)$/ ? heads[depth] : ""
	paren = was_paren[depth]
	depth--
}

function end_statement() {
	if (at_top(depth))
		declaration(stmt)
	else if (kind[depth] == "struct")
		count[depth] += members(stmt, owner[depth])
	stmt = ""
}

function code(s,   c) {
	while (match(s, /[{}();]/)) {
		c = substr(s, RSTART, 1)
		if (stmt ~ /^ *$/)
			line_of_stmt = FNR
		stmt = stmt substr(s, 1, RSTART - 1)
		s = substr(s, RSTART + 1)
		if (c == "{")
			open_block()
		else if (c == "}")
			close_block()
		else if (c == ";" && !paren)
			end_statement()
		else {
			paren += c == "(" ? 1 : c == ")" ? -1 : 0
			stmt = stmt c
		}
	}
	if (stmt ~ /^ *$/ && s !~ /^ *$/)
		line_of_stmt = FNR
	stmt = stmt s " "
}

function end_file() {
	if (file != "")
		fact("lines", total "\t" n_code "\t" widest "\t" widest_at)
}

FNR == 1 {
	end_file()
	file = FILENAME
	sub(/^src\//, "", file)
	in_comment = in_directive = depth = paren = total = n_code = widest = widest_at = 0
	stmt = ""
}

{
	total++
	wide = columns($0)
	if (wide > widest) {
		widest = wide
		widest_at = FNR
	}
	if (!in_comment && !in_directive && $0 ~ /^[ \t]*#[ \t]*include/) {
		name = $0
		sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
		if (match(name, /^("[^"]*"|<[^>]*>)/))
			name = substr(name, 1, RLENGTH)
		fact("include", FNR "\t" name)
		n_code++
		strip($0) # a comment may begin here
		next
	}
	line = strip($0)
	gsub(/[ \t]+/, " ", line)
	if (line ~ /^ *$/)
		next
	n_code++
	words(line)
	if (in_directive || line ~ /^ *#/) {
		in_directive = $0 ~ /\\$/
		next
	}
	# What #if and #else left open is closed where a definition ends.
	if (line ~ /^}/ && depth > 0) {
		while (depth > 1 && kind[1] != "top")
			close_block()
		paren = 0
	}
	code(line)
}

END { end_file() }
