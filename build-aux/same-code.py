#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that a change of src/ only moved and renamed code.

    build-aux/same-code.py [--offsets] [--renames FILE] [--verbose] OLD NEW

OLD and NEW are source trees, or revisions of git. Every source of src/ in both is compiled with
-O0 for x86-64, and each function and variable of the one is compared with its counterpart in the
other: the same instructions in the same order, the same strings and constants, the same foreign
functions, and the counterparts of the same own functions and variables. Names, files, linkage,
line numbers, lengths of jumps and places in sections do not count.

A counterpart is what has the same name and code; or the same code and is used in the same places
by counterparts; or the same code, if nothing else has; or the same name. A file of renames,
"OLD NEW" a line, says what the name is to be. Functions of a header count once for each name and
code.

Where members moved within structs, functions differ in offsets only. These are listed apart, and
with --offsets they count as the same: then displacements from any register but the stack's do not
count, nor do additions of a constant to a 64-bit register. A constant that is a size still does.

Prints what is not the same, and counts; --verbose also prints what was renamed or moved. Exit 1 if
anything is not the same. MPICC names the compiler (mpicc.mpich), SAME_CODE_CFLAGS more flags.
"""
import argparse
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

CFLAGS = """-std=gnu11 -O0 -g0 -w -pthread -fno-pic -fno-pie -fno-jump-tables -ffunction-sections
    -fdata-sections -fmerge-constants -fno-stack-protector -fcf-protection=none
    -fno-asynchronous-unwind-tables -D__LINE__=0 -D__FILE__="file" -DFERRY_MPIEXEC="mpiexec"
    -DFERRY_MPI_ID="mpi" """.split()
PC_RELATIVE = {2, 4, 9, 22, 41, 42}  # R_X86_64_PC32, PLT32, GOTPCREL, GOTTPOFF, (REX_)GOTPCRELX
WRITE, STRINGS, MERGE, NOBITS = 1, 0x20, 0x10, 8
FUNCTION, OBJECT, THREAD_LOCAL = 2, 1, 6


class Node:
    """A function or variable: text with @ for each of refs, which are other nodes or names."""

    def __init__(self, kind, name, where):
        self.kind, self.name, self.where = kind, re.sub(r"\.\d+$", "", name), where
        self.text, self.loose, self.refs = (), (), []

    def __str__(self):
        return f"{self.kind} {self.name or 'without a name'} ({self.where})"


# ---- one object file ----------------------------------------------------------------------------

class Elf:
    def __init__(self, path, where):
        self.path, self.where = path, where
        with open(path, "rb") as file:
            self.data = file.read()
        at, = struct.unpack_from("<Q", self.data, 40)
        size, count, names = struct.unpack_from("<HHH", self.data, 58)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, at + i * size)
                         for i in range(count)]
        self.section_names = [self.string(names, s[0]) for s in self.sections]
        self.symbols, self.relocations = [], defaultdict(list)
        for s in self.sections:
            if s[1] == 2:
                for entry in struct.iter_unpack("<IBBHQQ", self.bytes(s)):
                    self.symbols.append((self.string(s[6], entry[0]),) + entry[1:])
        for s in self.sections:
            if s[1] == 4:
                for place, info, addend in struct.iter_unpack("<QQq", self.bytes(s)):
                    self.relocations[s[7]].append((place, info & 0xFFFFFFFF, info >> 32, addend))
        self.make_nodes()

    def bytes(self, section):
        return b"" if section[1] == NOBITS else self.data[section[4]:section[4] + section[5]]

    def string(self, section, at):
        at += self.sections[section][4]
        return self.data[at:self.data.index(b"\0", at)].decode()

    def make_nodes(self):
        """By the section: [(begin, end, node)]."""
        self.places, self.globals, self.anonymous = defaultdict(list), {}, {}
        for name, info, _, section, value, size in self.symbols:
            kind = info & 15
            if not section or section >= 0xFF00 or kind not in (FUNCTION, OBJECT, THREAD_LOCAL):
                continue
            node = Node("function" if kind == FUNCTION else "variable", name, self.where)
            self.places[section].append((value, value + size, node))
            if info >> 4:
                self.globals[name] = node

    def node_at(self, section, at):
        for begin, end, node in self.places[section]:
            if begin <= at < max(end, begin + 1):
                return node, at - begin
        return None, 0

    def literal(self, section, at):
        """What has no symbol: a string, a number, or a struct that ends where the next begins."""
        s = self.sections[section]
        data = self.bytes(s)
        if s[2] & STRINGS:
            end = at
            while any(data[end:end + s[9]]):
                end += s[9]
            return repr(data[at:end])
        if s[2] & MERGE:
            return repr(data[at:at + s[9]])
        key = section, at
        if key not in self.anonymous:
            self.anonymous[key] = Node("variable", "", self.where)
        return self.anonymous[key]

    def resolve(self, symbol, at, offset_matters=True):
        """(text, node or name or None) of the byte at that distance from the symbol."""
        name, _, _, section, value, _ = self.symbols[symbol]
        offset = f"+{at}" if at and offset_matters else ""
        if not section:
            return "@" + offset, name
        node, inside = self.node_at(section, value + at)
        if node:
            return "@" + (f"+{inside}" if inside and offset_matters else ""), node
        found = self.literal(section, value + at)
        return ("@", found) if isinstance(found, Node) else (found, None)

    def fill_variables(self):
        for section, places in list(self.places.items()):
            for begin, end, node in places:
                if node.kind == "variable":
                    self.fill_variable(node, section, begin, end)
        done = set()
        while len(done) < len(self.anonymous):  # one may point to the next
            starts = sorted(self.anonymous)
            for i, (section, begin) in enumerate(starts):
                if (section, begin) in done:
                    continue
                done.add((section, begin))
                after = starts[i + 1] if i + 1 < len(starts) else (None, 0)
                end = after[1] if after[0] == section else self.sections[section][5]
                self.fill_variable(self.anonymous[section, begin], section, begin, end, True)

    def fill_variable(self, node, section, begin, end, padded=False):
        s = self.sections[section]
        data = bytearray(self.bytes(s)[begin:end] if s[1] != NOBITS else bytes(end - begin))
        text = [f"{'written' if s[2] & WRITE else 'constant'}"]
        for place, kind, symbol, addend in self.relocations[section]:
            if begin <= place < end:
                what, ref = self.resolve(symbol, addend)
                text.append(f"{place - begin}: {kind} {what}")
                if ref is not None:
                    node.refs.append(ref)
        content = bytes(data).rstrip(b"\0") if padded else bytes(data)
        if node.name in ("__func__", "__PRETTY_FUNCTION__"):
            content = b""  # the name, which does not count
        node.text = node.loose = tuple(text + [content.hex()])

    def fill_functions(self):
        out = subprocess.run(["objdump", "-dw", "--no-show-raw-insn", self.path], check=True,
                             capture_output=True, text=True).stdout
        by_name = {name: i for i, name in enumerate(self.section_names)}
        parts = re.split(r"^Disassembly of section (.*):$", out, flags=re.M)
        for name, code in zip(parts[1::2], parts[2::2]):
            section = by_name[name]
            found = re.findall(r"^ *([0-9a-f]+):\t(.*)$", code, flags=re.M)
            lines = [(int(at, 16), re.sub(r"\s+#.*$", "", text).strip()) for at, text in found]
            for begin, end, node in self.places[section]:
                mine = [line for line in lines if begin <= line[0] < end]
                self.fill_function(node, section, begin, end, mine)

    def fill_function(self, node, section, begin, end, lines):
        ends = [line[0] for line in lines[1:]] + [end]
        relocations = [r for r in self.relocations[section] if begin <= r[0] < end]
        rows = []  # (address, strict, loose or None, target or None)
        for (at, text), after in zip(lines, ends):
            mine = [r for r in relocations if at <= r[0] < after]
            jump = re.match(r"(\S+)\s+([0-9a-f]+) <", text)
            loose = loosened(text)
            if mine:
                text = loose = jump.group(1) if jump else text
                for place, kind, symbol, addend in mine:
                    distance = addend + (after - place if kind in PC_RELATIVE else 0)
                    what, ref = self.resolve(symbol, distance)
                    text += " " + what
                    loose += " " + re.sub(r"^@\+-?\d+$", "@", what)
                    if ref is not None:
                        node.refs.append(ref)
                rows.append((at, text, loose, None))
            elif jump and jump.group(1) == "call":  # itself
                node.refs.append(self.node_at(section, int(jump.group(2), 16))[0])
                rows.append((at, "call @", "call @", None))
            elif jump:
                rows.append((at, jump.group(1), jump.group(1), int(jump.group(2), 16)))
            else:
                rows.append((at, text, loose, None))
        node.text = numbered((at, strict, target) for at, strict, _, target in rows)
        node.loose = numbered((at, loose, target) for at, _, loose, target in rows)


def loosened(text):
    """Without offsets of members; None: it is nothing but one."""
    if re.match(r"(add|sub) +\$-?0x[0-9a-f]+,%r(?!sp|bp)", text):
        return None
    text = re.sub(r"-?0x[0-9a-f]+(\(%r(?!sp|bp|ip))", r"\1", text)
    return re.sub(r"^lea +\((%r\w+)\),", r"mov    \1,", text)


def numbered(rows):
    """Jumps lead to the number of an instruction."""
    index, text, targets = {}, [], []
    for at, line, target in rows:
        index[at] = len(text)
        if line is not None:
            text.append(line)
            targets.append(target)
    return tuple(line if target is None else f"{line} to {index.get(target, 'outside')}"
                 for line, target in zip(text, targets))


# ---- one tree -----------------------------------------------------------------------------------

def sources(tree):
    for directory in ("src", "tests"):  # the simulated port may be a test's
        for path, _, files in os.walk(os.path.join(tree, directory)):
            for file in sorted(files):
                if file.endswith(".c") and (directory == "src" or os.path.basename(path) == "net"):
                    yield os.path.relpath(os.path.join(path, file), tree)


def compiled(tree, source, work):
    out = os.path.join(work, source.replace("/", "_") + ".o")
    command = [os.environ.get("MPICC", "mpicc.mpich")] + CFLAGS
    command += os.environ.get("SAME_CODE_CFLAGS", "").split()
    command += ["-I" + os.path.join(tree, d) for d in ("include", "src", "tests", os.path.dirname(source))]
    subprocess.run(command + ["-c", os.path.join(tree, source), "-o", out], check=True)
    elf = Elf(out, source)
    elf.fill_functions()
    elf.fill_variables()
    return elf


def read_tree(tree, work):
    """Its nodes, each of a header once for each name and code."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        elves = list(pool.map(lambda source: compiled(tree, source, work), sorted(sources(tree))))
    if not elves:
        sys.exit(f"same-code: there are no sources in {tree}/src")
    known = {name: node for elf in elves for name, node in elf.globals.items()}
    nodes = [n for elf in elves for places in elf.places.values() for _, _, n in places]
    nodes += [n for elf in elves for n in elf.anonymous.values()]
    for node in nodes:
        refs = [known.get(ref, ref) if isinstance(ref, str) else ref for ref in node.refs]
        node.outside = tuple(ref if isinstance(ref, str) else "" for ref in refs)
        node.refs = [ref for ref in refs if isinstance(ref, Node)]
        node.key = node.kind, node.outside, node.text
        node.loose_key = node.kind, node.outside, node.loose
    return merged(nodes)


def merged(nodes):
    first, same = {}, {}
    for node in nodes:
        names = tuple((ref.name, ref.key) for ref in node.refs)
        same[node] = first.setdefault((node.name, node.key, names), node)
    kept = [node for node in nodes if same[node] is node]
    for node in kept:
        node.refs = [same[ref] for ref in node.refs]
    return kept


# ---- counterparts -------------------------------------------------------------------------------

class Pairs:
    def __init__(self, old, new, renames):
        self.old, self.new, self.renames = old, new, renames
        self.to, self.back = {}, {}
        self.recent = []

    def add(self, a, b):
        self.to[a], self.back[b] = b, a
        self.recent.append((a, b))

    def new_name(self, node):
        return self.renames.get(node.name, node.name)

    def by(self, key_old, key_new):
        """Pairs those left whose key no other one left has on its side."""
        sides = []
        for nodes, taken, key in ((self.old, self.to, key_old), (self.new, self.back, key_new)):
            groups = defaultdict(list)
            for node in nodes:
                if node not in taken:
                    groups[key(node)].append(node)
            sides.append(groups)
        for key, group in sides[0].items():
            if key is not None and len(group) == 1 and len(sides[1].get(key, ())) == 1:
                self.add(group[0], sides[1][key][0])

    def follow(self, alike):
        """What counterparts use in the same place."""
        for a, b in self.recent:
            if len(a.refs) != len(b.refs) or a.loose_key != b.loose_key:
                continue
            for x, y in zip(a.refs, b.refs):
                if x not in self.to and y not in self.back and alike(x, y):
                    self.add(x, y)

    def find(self):
        new_names = {n.name for n in self.new}
        codes = [lambda n: n.key, lambda n: n.loose_key]
        for code in codes:  # what kept its name is found by its name
            self.settle(code, lambda x, y: code(x) == code(y) and
                        (x.name == y.name or x.name not in new_names))
        self.by(lambda n: n.name and (n.kind, self.new_name(n)) or None,
                lambda n: (n.kind, n.name))
        self.by(lambda n: (n.kind, self.new_name(n), os.path.basename(n.where)),
                lambda n: (n.kind, n.name, os.path.basename(n.where)))
        self.follow(lambda x, y: x.kind == y.kind)
        for code in codes:
            self.settle(code, lambda x, y: code(x) == code(y))

    def settle(self, code, alike):
        """Pairs what has the same code, the surest first, until there is nothing more to find."""
        def used(n):
            return tuple(id(self.to.get(r)) if r in self.to else id(r) if r in self.back else 0
                         for r in n.refs)

        def file(n):
            return os.path.basename(n.where)
        while True:
            before = len(self.to)
            for more in (lambda n: 0, used, file):
                self.by(lambda n: (code(n), self.new_name(n), more(n)),
                        lambda n: (code(n), n.name, more(n)))
            self.follow(alike)
            for more in (used, lambda n: 0):
                if len(self.to) == before:
                    self.by(lambda n: (code(n), more(n)), lambda n: (code(n), more(n)))
            if len(self.to) == before:
                return


# ---- what differs -------------------------------------------------------------------------------

def difference(a, b):
    """Of counterparts whose code differs: the first place."""
    for i, (x, y) in enumerate(zip(a.text + ("the end",), b.text + ("the end",))):
        if x != y:
            return f"{i}: {short(x)}  |  {short(y)}"
    for x, y in zip(a.outside, b.outside):
        if x != y:
            return f"{x or 'an own one'}  |  {y or 'an own one'}"
    return "another number of names"


def short(text):
    text = re.sub(r"\s+", " ", text)
    return text if len(text) < 60 else text[:57] + "..."


def other_refs(pairs, a, b):
    for x, y in zip(a.refs, b.refs):
        if pairs.to.get(x) is not y:
            return f"{x}  |  {y}"
    return None


def report(pairs, offsets, verbose):
    counts, lists = Counter(), defaultdict(list)
    for a in pairs.old:
        b = pairs.to.get(a)
        title = str(a) if b is None or str(a) == str(b) else f"{a} -> {b}"
        if b is None:
            lists["only in the old tree"].append(title)
        elif a.loose_key != b.loose_key:
            lists["changed"].append(f"{title}\n        {difference(a, b)}")
        elif other_refs(pairs, a, b):
            lists["use another one"].append(f"{title}\n        {other_refs(pairs, a, b)}")
        elif a.key != b.key and not offsets:
            lists["the same but for offsets"].append(f"{title}\n        {difference(a, b)}")
        else:
            counts[f"{a.kind}s are the same"] += 1
            counts[f"{a.kind}s of these have another name"] += a.name != b.name
            counts[f"{a.kind}s of these are in another file"] += a.where != b.where
            counts[f"{a.kind}s of these have other offsets"] += a.key != b.key
            if verbose and title != str(a):
                print(f"    {title}")
    lists["only in the new tree"] = [str(b) for b in pairs.new if b not in pairs.back]
    bad = 0
    for what, lines in lists.items():
        if lines:
            print(f"{what}: {len(lines)}")
            print("\n".join("    " + line for line in sorted(lines)))
            bad = 1
    for what, count in counts.items():
        if count:
            print(f"{count} {what}")
    return bad


def tree_of(name, work):
    if os.path.isdir(name):
        return name
    out = os.path.join(work, "tree")
    os.mkdir(out)
    archive = subprocess.run(["git", "archive", name], check=True, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", out], input=archive.stdout, check=True)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offsets", action="store_true")
    parser.add_argument("--renames", metavar="FILE")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    given = parser.parse_args()
    renames = {}
    if given.renames:
        with open(given.renames, encoding="utf-8") as file:
            renames = dict(line.split()[:2] for line in file if line.strip() and line[0] != "#")
    nodes = []
    for name in (given.old, given.new):
        with tempfile.TemporaryDirectory() as work:
            nodes.append(read_tree(tree_of(name, work), work))
    pairs = Pairs(nodes[0], nodes[1], renames)
    pairs.find()
    return report(pairs, given.offsets, given.verbose)


if __name__ == "__main__":
    sys.exit(main())
