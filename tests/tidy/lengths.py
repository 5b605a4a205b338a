"""Lengths: functions of about 70 lines, files of about 800.

What is over stands in allowances.txt with its exact length. That list may only shrink: an entry
that is no longer needed or no longer exact fails, and so does a commit that adds or raises one.
"""

import ast
import re
import subprocess

from tree import CXX_ENDINGS, Problem, numbered

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
ALLOWANCES = "tests/tidy/allowances.txt"
MEASURED = (".c", ".h", ".py", ".sh", "meson.build") + CXX_ENDINGS

ATTRIBUTE = re.compile(r"__attribute__\(\(.*?\)\)")
NAME = re.compile(r"(\w+)\s*\(")


def c_functions(text):
    """(name, first line, lines) of each function. The format puts its braces in column 0."""
    signature, opened = [], None
    for line, content in numbered(text):
        if content == "{" and signature:
            name = NAME.search(ATTRIBUTE.sub("", " ".join(signature)))
            opened = (name.group(1) if name else "?", line)
        elif content.startswith("}") and opened:
            yield opened[0], opened[1], line - opened[1] + 1
            opened, signature = None, []
        elif opened is None:
            ended = not content or content.rstrip().endswith((";", "}")) or content[0] in "#/"
            signature = [] if ended else signature + [content]


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def over_length(tree):
    """{key: (path, line, length, limit)} of everything over its limit."""
    over = {}
    for path, text in tree.texts.items():
        if not path.endswith(MEASURED):
            continue
        lines = text.count("\n")
        if lines > FILE_LINES_MAX:
            over[path] = (path, 1, lines, FILE_LINES_MAX)
        if path.endswith("meson.build") or path.endswith(".sh"):
            continue
        functions = python_functions(text) if path.endswith(".py") else c_functions(text)
        for name, line, length in functions:
            if length > FUNCTION_LINES_MAX:
                over[f"{path}:{name}"] = (path, line, length, FUNCTION_LINES_MAX)
    return over


def read_allowances(text):
    """{key: length} of lines "PATH[:FUNCTION] LENGTH"; `#` opens a comment."""
    allowed = {}
    for content in text.split("\n"):
        words = content.split("#", 1)[0].split()
        if words:
            allowed[words[0]] = int(words[1])
    return allowed


def check(tree):
    allowed = read_allowances(tree.texts.get(ALLOWANCES, ""))
    over = over_length(tree)
    problems = []
    for key, (path, line, length, limit) in over.items():
        if allowed.get(key) != length:
            problems.append(Problem(path, line, f"{key} has {length} lines, at most "
                                                f"{allowed.get(key, limit)}: make it shorter"))
    for key in sorted(set(allowed) - set(over)):
        problems.append(Problem(ALLOWANCES, 1, f"{key} is short enough now: remove its line"))
    if tree.root:
        problems += check_history(tree.root, allowed)
    return problems


def grown(before, after):
    """The keys that `after` adds or raises."""
    return sorted(key for key, length in after.items() if length > before.get(key, 0))


def check_history(root, allowed):
    """No commit, and not the work tree, may lengthen the list it found."""
    steps = [("HEAD", "the work tree", allowed)]
    # Where git has no history of it (a fresh tarball), there is nothing to compare with.
    log = git(root, "log", "--no-merges", "--format=%h", "--", ALLOWANCES) or ""
    for commit in log.split():
        text = git(root, "show", f"{commit}:{ALLOWANCES}")
        steps.append((f"{commit}^", commit, read_allowances(text or "")))
    problems = []
    for parent, name, after in steps:
        before = git(root, "show", f"{parent}:{ALLOWANCES}")
        if before is None:
            continue
        for key in grown(read_allowances(before), after):
            problems.append(Problem(ALLOWANCES, 1, f"{name} lengthens the list by {key}"))
    return problems


def git(root, *arguments):
    try:
        return subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True,
                              text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
