"""The files of the repository, as the rules see them.

A Tree is made from the work tree (what git tracks, and what it would track), or from a dictionary
by the self-tests, so that every rule can be shown a bad sample without touching the disk.
"""

import os
import re
import subprocess

C_ENDINGS = (".c", ".h")
CXX_ENDINGS = (".cc", ".cpp", ".cxx", ".hh", ".hpp")
BINARY_ENDINGS = (".png", ".pcap", ".bin", ".gz")


class Problem:
    """One broken rule: where, and what to do about it."""

    def __init__(self, path, line, message):
        self.path = path
        self.line = line
        self.message = message

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


class Tree:
    """Paths from the root and their texts. Fuzz corpora are data, not text, and are left out."""

    def __init__(self, texts, root=None):
        self.texts = texts
        self.root = root  # None for a tree that is not on the disk
        self.folders = {parent for path in texts for parent in parents(path)}

    @classmethod
    def from_disk(cls, root):
        texts = {}
        for path in sorted(listed(root)):
            if path.endswith(BINARY_ENDINGS) or path.startswith("tests/fuzz/corpus/"):
                continue
            full = os.path.join(root, path)
            if os.path.isfile(full):
                with open(full, encoding="utf-8", errors="replace") as file:
                    texts[path] = file.read()
        return cls(texts, root)

    def c_files(self):
        return [path for path in self.texts if path.endswith(C_ENDINGS)]

    def has(self, path):
        return path in self.texts or path in self.folders


def parents(path):
    """The folders above a path: "a/b/c.h" gives "a/b" and "a"."""
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        yield path


def listed(root):
    """What git has and what it would add; without git, all that is not hidden and not a build."""
    try:
        command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others",
                   "--exclude-standard"]
        output = subprocess.run(command, check=True, capture_output=True).stdout
        return [path for path in output.decode().split("\0") if path]
    except (OSError, subprocess.CalledProcessError):
        return walked(root)


def walked(root):
    paths = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names
                    if not name.startswith((".", "build")) and name != "__pycache__"]
        paths += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return paths


STRIPPED = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_only(text):
    """C text without comments and literals; lines keep their numbers."""
    return STRIPPED.sub(lambda match: "\n" * match.group().count("\n") or " ", text)


def numbered(text):
    return enumerate(text.split("\n"), start=1)
