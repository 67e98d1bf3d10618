# SPDX-License-Identifier: Apache-2.0
#
# What facts.awk sees line by line: comments, columns and words.

# The line without comments and without what is in quotes.
function strip(s,   out, quote) {
	out = ""
	while (s != "") {
		if (in_comment) {
			if (!match(s, /\*\//))
				return out
			in_comment = 0
			out = out " "
			s = substr(s, RSTART + 2)
			continue
		}
		if (!match(s, /\/\*|\/\/|["']/))
			return out s
		quote = substr(s, RSTART, RLENGTH)
		out = out substr(s, 1, RSTART - 1)
		s = substr(s, RSTART + RLENGTH)
		if (quote == "/*")
			in_comment = 1
		else if (quote == "//")
			return out
		else if (match(s, quote == "\"" ? "^([^\"\\\\]|\\\\.)*\"" : \
			"^([^'\\\\]|\\\\.)*'")) {
			out = out "\"\""
			s = substr(s, RLENGTH + 1)
		}
	}
	return out
}

function columns(s,   n, at) {
	gsub(/[\200-\277]/, "", s) # the further bytes of a character
	n = 0
	while ((at = index(s, "\t")) > 0) {
		n = int((n + at - 1) / 8) * 8 + 8
		s = substr(s, at + 1)
	}
	return n + length(s)
}

# Everything that is seen word by word.
function words(s,   word, before, all, of_struct) {
	all = s
	before = ""
	while (match(s, /[A-Za-z_][A-Za-z0-9_]*/)) {
		word = substr(s, RSTART, RLENGTH)
		of_struct = substr(s, 1, RSTART - 1) ~ /(\.|->) *$/
		s = substr(s, RSTART + RLENGTH)
		if (!((file, word) in seen_word)) {
			seen_word[file, word] = 1
			fact("word", FNR "\t" word)
		}
		if (s ~ /^ *\(/ && !of_struct && !((file, word) in seen_call)) {
			seen_call[file, word] = 1
			fact("call", FNR "\t" word)
		}
		if (before ~ /^(struct|union|enum)$/ && !((file, word) in seen_tag)) {
			seen_tag[file, word] = 1
			fact("mention", FNR "\t" word)
		}
		before = word
	}
	if (match(all, /(offsetof|[A-Za-z_]*(CONTAINER|container)[A-Za-z_]*) *\(/)) {
		s = substr(all, RSTART + RLENGTH)
		while (match(s, /[A-Za-z_][A-Za-z0-9_]*/)) {
			fact("container", FNR "\t" substr(s, RSTART, RLENGTH))
			s = substr(s, RSTART + RLENGTH)
		}
	}
}
