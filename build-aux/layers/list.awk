# SPDX-License-Identifier: Apache-2.0
#
# src/layers.list and src/layers.exceptions, and how a fault is told. Both files have a
# line "WHAT: VALUE" a thing; the list says at its head what there is. Functions of the other files
# here use what this one has read:
#   line[FOLDER], height[FOLDER]     what it may include, and which line of a folder it is
#   limit[NAME]
#   prefix_of[PREFIX]                the file, without .c or .h, that owns names which begin so
#   n_only, only_kind[], only_names[], only_places[]
#   named_circle[FILES], named_pointer[STRUCT.MEMBER]

BEGIN { sorted = "sort -t: -k1,1 -k2,2n" }

function trim(s) {
	gsub(/[ \t]+/, " ", s)
	sub(/^ /, "", s)
	sub(/ $/, "", s)
	return s
}

# A fault, by a key that stays the same when lines move. What an exception allows is not told.
function fault(key, place, sentence) {
	if (key in told)
		return
	told[key] = 1
	if (key in exception) {
		exception_used[key] = 1
		return
	}
	n_faults++
	if (mode == "exceptions")
		print key ": " | sorted
	else if (mode == "check")
		print place ": " sentence | sorted
}

function list_name() { return what == "list" ? "layers.list" : "layers.exceptions" }

function list_fault(sentence) {
	fault("list " FILENAME " " FNR, "src/" list_name() ":" FNR, sentence)
}

function folder_of(path) { return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "" }
function stem_of(path) { sub(/\.[ch]$/, "", path); return path }
function has_word(words, word) { return index(" " words " ", " " word " ") > 0 }

# May this folder know that file? (That a folder has no line is told once.)
function allowed(folder, path) {
	if (folder == folder_of(path) || !(folder in height))
		return 1
	if (path ~ /^include\//)
		return has_word(line[folder], path) || has_word(line[folder], "include/")
	return has_word(line[folder], path) || has_word(line[folder], folder_of(path))
}

# Does NAME match a pattern that may end with "*"?
function matches(name, pattern) {
	if (pattern ~ /\*$/)
		return index(name, substr(pattern, 1, length(pattern) - 1)) == 1
	return name == pattern
}

# Places: a folder with "/", a file, or a file with ".*" for both its .c and its .h.
function at_place(path, place) {
	if (place ~ /\/$/)
		return index(path, place) == 1
	return path == place || (place ~ /\.\*$/ &&
		stem_of(path) == substr(place, 1, length(place) - 2))
}

function read_folder(folder, names,   n, i, name, part) {
	if (folder in height)
		list_fault("the folder " folder " has a line already.")
	line[folder] = names
	n_folders++
	height[folder] = n_folders
	folder_line[folder] = FNR
	n = split(names, part, " ")
	for (i = 1; i <= n; i++) {
		name = part[i] ~ /\// ? folder_of(part[i]) : part[i]
		if (name != "include" && !(name in height))
			list_fault(folder " names " name ", which has no line above: a folder " \
				"may name those above it.")
	}
}

function read_prefixes(path, names,   n, i, part) {
	n = split(names, part, " ")
	for (i = 1; i <= n; i++) {
		sub(/_$/, "", part[i])
		prefix_of[part[i]] = stem_of(path)
		prefix_line[part[i]] = FNR
	}
}

what == "list" || what == "exceptions" {
	if ($0 ~ /^[ \t]*(#|$)/)
		next
	at = index($0, ":")
	key = trim(substr($0, 1, at - 1))
	value = trim(substr($0, at + 1))
	if (!at || key == "") {
		list_fault("a line is \"WHAT: VALUE\".")
		next
	}
}

what == "exceptions" {
	if (value == "")
		list_fault("the exception has no reason: write it behind the colon.")
	if (key in exception)
		list_fault("the exception stands here twice.")
	exception[key] = FNR
	next
}

what == "list" {
	n = split(key, part, " ")
	rest = key
	sub(/^[^ ]+ /, "", rest)
	if (n == 1)
		read_folder(key, value)
	else if (part[1] == "limit" && n == 2)
		limit[part[2]] = value + 0
	else if (part[1] == "prefix" && n == 2)
		read_prefixes(part[2], value)
	else if (part[1] == "only" && part[2] ~ /^(header|call|word|symbol)$/ && n > 2) {
		n_only++
		only_kind[n_only] = part[2]
		sub(/^[^ ]+ /, "", rest)
		only_names[n_only] = rest
		only_places[n_only] = value
		only_line[n_only] = FNR
	} else if (part[1] == "circle" || part[1] == "pointer") {
		if (value == "")
			list_fault("this " part[1] " has no reason: write it behind the colon.")
		if (part[1] == "circle")
			named_circle[rest] = FNR
		else
			named_pointer[rest] = FNR
	} else
		list_fault("nothing is called \"" key "\": see the head of the file.")
	next
}

function tell_stale_exceptions(   key) {
	for (key in exception)
		if (!(key in exception_used))
			fault("stale " key, "src/layers.exceptions:" exception[key],
				"the exception \"" key "\" is not needed any more: take it off.")
}
