# SPDX-License-Identifier: Apache-2.0
#
# The rules for what stands in the files. Reads what facts.awk says.

what == "facts" {
	split($0, field, "\t")
	kind = field[1]
	path = field[2]
	if (kind == "alias")
		tag_of[field[2]] = field[3]
	else if (kind == "functype")
		functype[field[2]] = 1
	else if (kind == "lines") {
		known[path] = 1
		n_lines[path] = field[3]
		n_code[path] = field[4]
		widest[path] = field[5]
		widest_at[path] = field[6]
	} else {
		n_facts[kind]++
		fact_of[kind, n_facts[kind]] = $0
		if (kind == "mention")
			mentions[path, field[4]] = 1
		else if (kind == "include")
			includes[path] = includes[path] "\n" field[4]
		else if (kind == "call")
			calls[path, field[4]] = 1
		else if (kind == "tag")
			defined_in[field[4]] = defined_in[field[4]] (defined_in[field[4]] == "" \
				? "" : " ") path
	}
	next
}

function internal(path) { return path !~ /^include\// }
function place(path, at) { return (internal(path) ? "src/" : "") path (at ? ":" at : "") }

# Each fact of a kind in turn: for (i = 1; get("include", i); i++), then f[] has its fields.
function get(kind, i) { return i <= n_facts[kind] && split(fact_of[kind, i], f, "\t") }

# The path of what an #include in quotes names, "" for what is not of this tree.
function resolve(name) {
	gsub(/"/, "", name)
	return name in known ? name : ("include/" name) in known ? "include/" name : ""
}

# All headers of this tree that a file includes, and those that they include, as the text says:
# within[FILE, HEADER].
function add_closure(root, path,   n, i, part, header) {
	n = split(includes[path], part, "\n")
	for (i = 1; i <= n; i++) {
		header = resolve(part[i])
		if (header != "" && !((root, header) in within)) {
			within[root, header] = 1
			add_closure(root, header)
		}
	}
}

function check_folders(   path, folder, files) {
	for (path in known) {
		if (!internal(path))
			continue
		folder = folder_of(path)
		files[folder] = 1
		if (folder == "" || path ~ /\/.*\//)
			fault("place " path, place(path), "a file belongs into a folder of src/, " \
				"directly.")
		else if (!(folder in height))
			fault("folder " folder, place(path), "the folder " folder " has no line " \
				"in src/layers.list: write one" \
				" behind the line of the last folder that it includes.")
	}
	for (folder in height)
		if (!(folder in files))
			fault("folder " folder, "src/layers.list:" folder_line[folder],
				"there is no file in src/" folder "/: take the line off.")
}

# What a rule writes for sources of that folder is no part of this tree, and no header.
function made_there(folder, name) {
	return index(name, "\"" folder "/") == 1 && name ~ /^"[^\/]*\/[^\/]*\.inc"$/
}

function check_includes(   i, path, folder, name, header) {
	for (i = 1; get("include", i); i++) {
		path = f[2]
		folder = folder_of(path)
		name = f[4]
		if (!internal(path) || name ~ /^<.*>$/)
			continue
		header = resolve(name)
		if (header != "") {
			if (!allowed(folder, header))
				fault("include " path " " header, place(path, f[3]), folder "/ " \
					"may not include " header ": its line in" \
					" src/layers.list does not name it. Move what is needed " \
						"further down, or hand it over as an" \
					" argument.")
		} else if (name !~ /^"/)
			fault("include " path " " name, place(path, f[3]),
				"an #include by a macro: nobody sees what it includes. Write the " \
					"name.")
		else if (name != "\"config.h\"" && !made_there(folder, name))
			fault("include " path " " name, place(path, f[3]),
				name " is no header of this tree, or not by its full name: write " \
					"\"folder/name.h\" as it stands" \
				" below src/, or <name.h> for the system's.")
	}
}

# Is one of the places that a line "only" names this file?
function is_place(n, path,   count, i, part, found) {
	count = split(only_places[n], part, " ")
	found = 0
	for (i = 1; i <= count; i++)
		if (at_place(path, part[i])) {
			place_used[n, part[i]] = 1
			found = 1
		}
	return found
}

function only_matches(n, name,   count, i, part) {
	count = split(only_names[n], part, " ")
	for (i = 1; i <= count; i++)
		if (matches(name, part[i]))
			return 1
	return 0
}

function belongs(n) {
	return (only_places[n] == "" ? " belongs nowhere" : " belongs into " only_places[n]) " " \
		"(src/layers.list:" only_line[n] ")."
}

function check_only_fact(kind, path, at, name,   n) {
	for (n = 1; n <= n_only; n++)
		if (only_kind[n] == kind && only_matches(n, name) && !is_place(n, path))
			fault("only " name " " path, place(path, at), (kind == "header" ? "<" \
				name ">" : name) belongs(n) \
				" Call a function of that file instead.")
}

function check_only(   i, n, count, part, name) {
	for (i = 1; get("include", i); i++)
		if (internal(f[2]) && f[4] ~ /^</) {
			name = f[4]
			gsub(/[<>]/, "", name)
			check_only_fact("header", f[2], f[3], name)
		}
	for (i = 1; get("call", i); i++)
		if (internal(f[2]))
			check_only_fact("call", f[2], f[3], f[4])
	for (i = 1; get("word", i); i++)
		if (internal(f[2]))
			check_only_fact("word", f[2], f[3], f[4])
	for (n = 1; n <= n_only; n++) {
		count = only_kind[n] == "symbol" ? 0 : split(only_places[n], part, " ")
		for (i = 1; i <= count; i++)
			if (!((n, part[i]) in place_used))
				fault("only " only_names[n] " " part[i], "src/layers.list:" \
					only_line[n],
					part[i] " has nothing of " only_names[n] " any more: " \
						"take it off the line.")
	}
}

function check_tags(   tag, n, part) {
	for (tag in defined_in) {
		n = split(defined_in[tag], part, " ")
		if (n > 1)
			fault("tag " tag, place(part[2]), "struct, union or enum " tag " is " \
				"defined in " part[1] " as well: give" \
				" one of them another name.")
	}
}

# May this folder say the name of that struct? Yes, if it may include the file that defines it, or
# a header that it may
# include by name speaks of it.
function may_mention(folder, tag,   n, i, part) {
	n = split(defined_in[tag], part, " ")
	if (n == 0)
		return 1
	for (i = 1; i <= n; i++)
		if (allowed(folder, part[i]))
			return 1
	n = split(line[folder], part, " ")
	for (i = 1; i <= n; i++)
		if ((part[i], tag) in mentions)
			return 1
	return 0
}

function check_mentions(   i, tag) {
	for (i = 1; get("mention", i); i++)
		if (internal(f[2]) && !may_mention(folder_of(f[2]), f[4]))
			fault("mention " f[2] " " f[4], place(f[2], f[3]), "struct " f[4] " is " \
				defined_in[f[4]] "'s, which " \
				folder_of(f[2]) "/ may not know, not even by its name: take the " \
					"part that is needed, declared further down.")
	for (i = 1; get("container", i); i++) {
		tag = f[4] in tag_of ? tag_of[f[4]] : ""
		if (tag != "" && internal(f[2]) && !may_mention(folder_of(f[2]), tag))
			fault("mention " f[2] " " tag, place(f[2], f[3]), "from a member up to " \
				f[4] ", which is " \
				defined_in[tag] "'s: " folder_of(f[2]) "/ may not know it. Keep " \
					"a pointer that its owner sets.")
	}
}

function check_sizes(   path, i, most) {
	for (path in known) {
		if (internal(path) && path ~ /\.h$/ && n_lines[path] > limit["header"])
			fault("header " path, place(path), n_lines[path] " lines: a header has " \
				"at most " limit["header"] \
				". Give a part of it a file of its own.")
		most = internal(path) ? limit["columns"] : limit["public-columns"]
		if (widest[path] > most)
			fault("columns " path, place(path, widest_at[path]), widest[path] " " \
				"columns: at most " most ".")
	}
	for (i = 1; get("struct", i); i++)
		if (internal(f[2]) && f[5] > limit["members"])
			fault("members " f[4], place(f[2], f[3]), "struct " f[4] " has " f[5] " " \
				"members: at most " limit["members"] \
				" at one level. Make parts, each declared by the file that owns " \
					"it.")
}

# Is a member a pointer to a function?
function is_function(type,   n, i, part) {
	if (type == "(*)")
		return 1
	n = split(type, part, /[^A-Za-z0-9_]+/)
	for (i = 1; i <= n; i++)
		if (part[i] in functype)
			return 1
	return 0
}

function check_pointers(   i, name, pattern, found) {
	for (i = 1; get("member", i); i++) {
		if (!internal(f[2]) || !is_function(f[6]))
			continue
		n_pointers++
		name = f[4] "." f[5]
		found = 0
		for (pattern in named_pointer)
			if (matches(name, pattern)) {
				pointer_used[pattern] = 1
				found = 1
			}
		if (!found)
			fault("pointer " name, place(f[2], f[3]), name " is a pointer to a " \
				"function that src/layers.list does not" \
				" name: call the function, or hand on what is complete to the " \
					"next phase.")
	}
	for (pattern in named_pointer)
		if (!(pattern in pointer_used))
			fault("no pointer " pattern, "src/layers.list:" named_pointer[pattern],
				"there is no pointer to a function " pattern " any more: take " \
					"the line off.")
	if (n_pointers != limit["pointers"])
		fault("pointers", "src/layers.list", n_pointers + 0 " pointers to functions in " \
			"structs, and \"limit pointers\" says " \
			limit["pointers"] + 0 ": there may be no more. If there are fewer, write " \
				"their number.")
}
