# SPDX-License-Identifier: Apache-2.0
#
# All rules in turn, and the figures. mode: check, exceptions (each fault as a line of
# src/layers.exceptions), figures.

function figure(what_it_is, value, which) {
	printf "%-44s %5d%s\n", what_it_is, value, which == "" ? "" : "  " which
}

function print_figures(   path, i, header, n_large, n_all, code, members, struct, key,
	n_circles, n) {
	for (path in known) {
		if (!internal(path))
			continue
		n++
		code += n_code[path]
		n_all += n_lines[path]
		n_large += n_lines[path] > 500
		if (path ~ /\.h$/ && (header == "" || n_lines[path] > n_lines[header]))
			header = path
	}
	for (i = 1; get("struct", i); i++)
		if (internal(f[2]) && f[5] > members) {
			members = f[5]
			struct = f[4]
		}
	for (key in circle_size)
		n_circles++
	figure("files", n)
	figure("lines", n_all)
	figure("lines of code", code)
	figure("files over 500 lines", n_large)
	figure("lines of the largest header", n_lines[header], header)
	figure("members of the largest struct", members, struct)
	figure("pointers to functions in structs", n_pointers)
	figure("functions declared in another file's header", n_misplaced)
	figure("names that do not say their file", count_of("name"))
	figure("includes against the order", count_of("include"))
	figure("uses of symbols against the order", n_arrows)
	figure("circles of objects", n_circles)
	figure("objects in the largest circle", largest_circle)
	n = 0
	for (key in exception)
		n++
	figure("exceptions", n)
	figure("faults that no exception names", n_faults)
}

# How many faults of a kind there are, those that an exception names too.
function count_of(kind,   key, n) {
	for (key in told)
		n += index(key, kind " ") == 1
	return n
}

END {
	for (path in known)
		add_closure(path, path)
	check_folders()
	check_includes()
	check_only()
	check_tags()
	check_mentions()
	check_sizes()
	check_pointers()
	check_objects()
	check_depends()
	check_names()
	check_prefix_lines()
	check_uses()
	check_circles()
	tell_stale_exceptions()
	close(sorted)
	if (mode == "figures")
		print_figures()
	exit mode == "check" && n_faults > 0
}
