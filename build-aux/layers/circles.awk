# SPDX-License-Identifier: Apache-2.0
#
# Circles of objects: the strongly connected components of edge[FILE, FILE], by Tarjan.

function visit(path,   i, other, circle) {
	number[path] = low[path] = ++n_visited
	stack[++n_stack] = path
	on_stack[path] = 1
	for (i = 1; i <= n_sources; i++) {
		other = source[i]
		if (!((path, other) in edge) || other == path)
			continue
		if (!(other in number)) {
			visit(other)
			if (low[other] < low[path])
				low[path] = low[other]
		} else if (on_stack[other] && number[other] < low[path])
			low[path] = number[other]
	}
	if (low[path] != number[path])
		return
	do {
		other = stack[n_stack--]
		on_stack[other] = 0
		circle = circle " " other
	} while (other != path)
	add_circle(circle)
}

# Its files in the order of the alphabet.
function add_circle(files,   n, i, j, part, other, folders, seen) {
	n = split(files, part, " ")
	if (n < 2)
		return
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && part[j] < part[j - 1]; j--) {
			other = part[j]
			part[j] = part[j - 1]
			part[j - 1] = other
		}
	files = part[1]
	for (i = 2; i <= n; i++)
		files = files " " part[i]
	for (i = 1; i <= n; i++)
		if (!(folder_of(part[i]) in seen)) {
			seen[folder_of(part[i])] = 1
			folders++
		}
	circle_size[files] = n
	if (n > largest_circle)
		largest_circle = n
	if (folders > 1)
		fault("circle " files, place(part[1]), "a circle of objects across folders: " \
			files ". Turn one of the calls round.")
	else if (n > limit["circle"])
		fault("circle " files, place(part[1]), "a circle of " n " objects: at most " \
			limit["circle"] ": " files ".")
	else if (!(files in named_circle))
		fault("circle " files, place(part[1]), "a circle of objects that src/layers.list " \
			"does not name: " files ".")
}

function check_circles(   i, files) {
	for (i = 1; i <= n_sources; i++)
		if (!(source[i] in number))
			visit(source[i])
	for (files in named_circle)
		if (!(files in circle_size))
			fault("no circle " files, "src/layers.list:" named_circle[files],
				"these are no circle of objects any more, take the line off: " \
					files ".")
}
