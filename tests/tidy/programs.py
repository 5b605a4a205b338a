"""Rules that other programs hold: clang-format over all C, shellcheck over all shell scripts.
Where a program is missing, or is another version than the one whose output we keep, its rule is
skipped with a line that says so."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from tree import CXX_ENDINGS, Problem

CLANG_FORMAT_VERSION = "14"
BATCH = 24  # files a call of clang-format


def check(tree, note=print):
    return check_format(tree, note) + check_shell(tree, note)


def clang_format():
    """The program of the version we keep, or None."""
    for name in ("clang-format-" + CLANG_FORMAT_VERSION, "clang-format"):
        path = shutil.which(name)
        if path is None:
            continue
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        match = re.search(r"version (\d+)", said.stdout)
        if match and match.group(1) == CLANG_FORMAT_VERSION:
            return path
    return None


def check_format(tree, note):
    program = clang_format()
    if program is None:
        note(f"skipped: formatting (no clang-format {CLANG_FORMAT_VERSION} here)")
        return []
    files = [path for path in tree.texts if path.endswith((".c", ".h") + CXX_ENDINGS)]
    batches = [files[i:i + BATCH] for i in range(0, len(files), BATCH)]

    def run(batch):
        said = subprocess.run([program, "--dry-run", "--style=file", *batch], cwd=tree.root,
                              capture_output=True, text=True, check=False)
        return re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error):", said.stderr, re.MULTILINE)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [place for places in pool.map(run, batches) for place in places]
    first = {}
    for path, line in found:
        first.setdefault(path, line)
    return [Problem(path, line, "not formatted: clang-format -i") for path, line in first.items()]


def is_shell(path, text):
    return path.endswith(".sh") or bool(re.match(r"#!.*\b(?:ba)?sh\b", text))


def check_shell(tree, note):
    scripts = [path for path, text in tree.texts.items() if is_shell(path, text)]
    program = shutil.which("shellcheck")
    if program is None:
        note("skipped: shell scripts (no shellcheck here)")
        return []
    if not scripts:
        return []
    said = subprocess.run([program, "--format=gcc", *scripts], cwd=tree.root,
                          capture_output=True, text=True, check=False)
    return [Problem(path, line, message) for path, line, message in
            re.findall(r"^(\S+?):(\d+):\d+: (.*)$", said.stdout, re.MULTILINE)]
