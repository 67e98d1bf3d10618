# SPDX-License-Identifier: Apache-2.0
# The first sentence that include/ferry.h says of each option, as a table of C: what ferry-info says of it.
BEGIN {
	print "/* Made of include/ferry.h by help.awk. */"
	print "#include \"info.h\"\n"
	print "const struct info_help info_help[] = {"
}
/^struct ferry_options \{/ { inside = 1; next }
!inside { next }
/^\};/ { inside = 0; next }
/^\t\/\*/ { comment = "" }
/^\t(\/\*| \*)/ {
	line = $0
	sub(/^\t(\/\*| \*\/?) ?/, "", line)
	ends = sub(/ *\*\/.*/, "", line)
	comment = comment (comment == "" ? "" : " ") line
	next
}
/;$/ {
	name = $NF
	gsub(/[*;]/, "", name)
	if (comment != "")
		say(name, comment)
	comment = ""
}
# "1: " is what to set it to. A sentence ends where a capital follows.
function say(name, text) {
	sub(/^\(\*\) /, "", text)
	sub(/^1: /, "", text)
	if (match(text, /\. [A-Z]/))
		text = substr(text, 1, RSTART - 1)
	sub(/\.$/, "", text)
	gsub(/["\\]/, "\\\\&", text)
	printf "\t{ \"%s\", \"%s\" },\n", name, text
}
END { print "\t{ 0, 0 },\n};" }
