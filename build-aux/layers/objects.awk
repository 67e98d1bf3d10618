# SPDX-License-Identifier: Apache-2.0
#
# The rules for what the compiler made: names, and which symbols are used. Reads a line
# "FILE OBJECT DEPFILE" a source ("-": there is none), what nm says of the objects, and the files in
# which the compiler noted the headers.

what == "sources" {
	split($0, field, " ")
	source_of[field[2]] = source_of[field[3]] = field[1]
	n_sources++
	source[n_sources] = field[1]
	has_object[field[1]] = field[2] != "-"
	next
}

what == "symbols" { # nm -P -A: "OBJECT: NAME TYPE ..."
	split($0, field, " ")
	sub(/:$/, "", field[1])
	path = source_of[field[1]]
	if (field[3] ~ /^[Uwv]$/) {
		n_uses++
		user[n_uses] = path
		used[n_uses] = field[2]
	} else if (!(field[2] in object_of)) {
		object_of[field[2]] = path
		n_symbols++
		symbol[n_symbols] = field[2]
	}
	next
}

what == "depends" {
	path = source_of[FILENAME]
	n = split($0, field, " ")
	for (i = 1; i <= n; i++)
		if (match(field[i], /^(.*\/)?src\//)) {
			name = substr(field[i], RLENGTH + 1)
			if (name ~ /\.h$/ && !((path, name) in depends)) {
				depends[path, name] = 1
				n_depends++
				depend[n_depends] = path "\t" name
			}
		}
	next
}

function check_objects(   i) {
	for (i = 1; i <= n_sources; i++)
		if (!has_object[source[i]])
			fault("object " source[i], place(source[i]), "no object was made of it: " \
				"build first, or name it in src/local.mk.")
}

function check_depends(   i, part) {
	for (i = 1; i <= n_depends; i++) {
		split(depend[i], part, "\t")
		if (part[2] in known && !((part[1], part[2]) in within))
			fault("hidden " part[1] " " part[2], place(part[1]), "the compiler read " \
				part[2] ", and no #include in the text" \
				" says so: write it where it is needed.")
	}
}

# ---- names ------------------------------------------------------------------

# fy_NOUN and fy_FOLDER_NOUN belong to FOLDER/NOUN. Of two files with one name the lower has the
# short prefix.
function make_prefixes(   path, stem, noun, folder) {
	for (path in known) {
		if (!internal(path))
			continue
		stem = stem_of(path)
		folder = folder_of(path)
		noun = stem
		sub(/.*\//, "", noun)
		if (folder != "")
			prefix_of["fy_" folder "_" noun] = stem
		if (!(("fy_" noun) in prefix_of) ||
			height[folder] < height[folder_of(prefix_of["fy_" noun])])
			prefix_of["fy_" noun] = stem
	}
}

# The file, without .c or .h, that a name says; "" for none. The longest prefix counts.
function owner_of(name) {
	while (!(name in prefix_of)) {
		if (name !~ /_/)
			return ""
		sub(/_[^_]*$/, "", name)
	}
	prefix_used[name] = 1
	return prefix_of[name]
}

function check_name(name, path, at,   owner) {
	owner = owner_of(name)
	if (owner == "")
		fault("name " name, place(path, at), name " has the prefix of no file: a name " \
			"begins with fy_ and its file's, here fy_" last_part(path) "_.")
	else if (owner != stem_of(path))
		fault("name " name, place(path, at), name " is defined here, and its name says " \
			owner ": move it there, or" \
			" name it fy_" last_part(path) "_...")
	return owner == stem_of(path)
}

function last_part(path) {
	path = stem_of(path)
	sub(/.*\//, "", path)
	return path
}

function check_names(   i, name, path, declared, here) {
	make_prefixes()
	for (i = 1; get("define", i); i++)
		if (internal(f[2]) && f[5] == "static" && f[4] ~ /^fy_/) {
			here[f[4]] = f[2]
			if (f[2] ~ /\.h$/)
				check_name(f[4], f[2], f[3])
		} else
			define_line[f[2], f[4]] = f[3]
	for (i = 1; get("declare", i); i++)
		declared[f[4]] = 1
	for (i = 1; i <= n_symbols; i++) {
		name = symbol[i]
		path = object_of[name]
		if (name !~ /^fy_[A-Za-z0-9_]*$/)
			continue
		if (check_name(name, path, define_line[path, name]) && !(name in declared))
			fault("undeclared " name, place(path, define_line[path, name]), name " " \
				"is declared nowhere: do so in " \
				stem_of(path) ".h, or make it static.")
	}
	for (i = 1; get("declare", i); i++) {
		name = f[4]
		if (!internal(f[2]) || name !~ /^fy_/ || here[name] == f[2])
			continue
		path = name in object_of ? object_of[name] : name in here ? here[name] : ""
		if (path == "")
			fault("undefined " name, place(f[2], f[3]), name " is declared here, and " \
				"no file defines it: take it off.")
		else if (f[2] ~ /\.c$/)
			fault("declared " name " " f[2], place(f[2], f[3]), name " is declared " \
				"here, and " path " defines it:" \
				" include " stem_of(path) ".h instead.")
		else if (stem_of(path) != stem_of(f[2])) {
			if (!(name in misplaced))
				n_misplaced++
			misplaced[name] = 1
			fault("declared " name " " f[2], place(f[2], f[3]), name " is declared " \
				"here, and " path " defines it:" \
				" declare it in " stem_of(path) ".h.")
		}
	}
}

function check_prefix_lines(   prefix) {
	for (prefix in prefix_line)
		if (!(prefix in prefix_used))
			fault("no prefix " prefix, "src/layers.list:" prefix_line[prefix],
				"no name begins with " prefix " any more: take it off the line.")
}

# ---- which symbols an object may use -------------------------------------------

function includes_directly(path, header,   i, part, n) {
	n = split(includes[path], part, "\n")
	for (i = 1; i <= n; i++)
		if (resolve(part[i]) == header)
			return 1
	return 0
}

# Is an #include told already by which a file gets that header? One of its own, or of a header of
# its folder.
function include_told(path, header,   other) {
	if (includes_directly(path, header))
		return 1
	for (other in known)
		if (((path, other) in within) && folder_of(other) == folder_of(path) &&
			includes_directly(other, header))
			return 1
	return 0
}

function check_arrow(path, target, name,   folder, header) {
	folder = folder_of(path)
	header = stem_of(target) ".h"
	if (folder == folder_of(target) || allowed(folder, header))
		return
	if (name ~ /^ferry_/ && has_word(line[folder], "include/"))
		return
	n_arrows++
	if (!include_told(path, header))
		fault("arrow " path " " target, place(path), "uses " name " of " target ", and " \
			"the line of " folder "/ in" \
			" src/layers.list names neither " folder_of(target) " nor " header ": " \
				"turn the call round.")
}

# The C library has some of its functions under a second name.
function plain_name(name) {
	sub(/64$/, "", name)
	if (name ~ /^__.*_chk$/)
		name = substr(name, 3, length(name) - 6)
	return name
}

# Does a place name this file, or a header that comes in with it and calls that function?
function has_place(n, path, name,   i, count, part, header) {
	if (is_place(n, path))
		return 1
	count = split(only_places[n], part, " ")
	for (i = 1; i <= count; i++)
		for (header in known)
			if (((header, name) in calls) && ((path, header) in within) &&
				at_place(header, part[i]))
				return 1
	return 0
}

# A name of another library, which a folder may define to stand before it: who uses it means that
# library's.
function is_foreign(name,   n) {
	for (n = 1; n <= n_only; n++)
		if (only_kind[n] == "symbol" && only_matches(n, name))
			return 1
	return 0
}

function check_uses(   i, n, name, path) {
	for (i = 1; i <= n_uses; i++) {
		name = used[i]
		path = user[i]
		if ((name in object_of) && !is_foreign(name)) {
			edge[path, object_of[name]] = 1
			check_arrow(path, object_of[name], name)
			continue
		}
		name = plain_name(name)
		for (n = 1; n <= n_only; n++)
			if (only_kind[n] ~ /^(symbol|call)$/ && only_matches(n, name) &&
				!has_place(n, path, name))
				fault("only " name " " path, place(path), "the object uses " \
					name ", which" belongs(n))
	}
}
