"""Where files lie: own includes are paths from the root, C is built by the meson.build beside it,
links in documents lead somewhere, and the index of docs/ leads to every page."""

import posixpath
import re

from tree import CXX_ENDINGS, Problem, numbered
from floors import includes

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^\s*(?:```|~~~)")
INDEX = "docs/README.md"
# The endings that a meson.build may add to a name itself: `name + '_test.c'`.
COMPOSED = re.compile(r"_(?:test|fuzz|replay|bench)$")


def check(tree):
    problems = []
    for path in tree.texts:
        if path.endswith((".c", ".h") + CXX_ENDINGS):
            problems += check_includes(tree, path)
        if path.endswith((".c",) + CXX_ENDINGS) and not path.endswith((".hh", ".hpp")):
            problems += check_built(tree, path)
        if path.endswith(".md"):
            problems += check_links(tree, path)
        if path.startswith("docs/") and path.endswith(".md") and path != INDEX:
            problems += check_indexed(tree, path)
    return problems


def check_includes(tree, path):
    problems = []
    for line, kind, included in includes(tree.texts[path]):
        if kind == '"' and included not in tree.texts:
            problems.append(Problem(path, line, f'"{included}" is no path from the root'))
        if kind == "<" and included in tree.texts:
            problems.append(Problem(path, line, f"<{included}> is our own: use quotes"))
    return problems


def check_built(tree, path):
    folder, name = posixpath.split(path)
    build = posixpath.join(folder, "meson.build")
    if build not in tree.texts:
        return [Problem(path, 1, f"there is no {build}")]
    stem = COMPOSED.sub("", posixpath.splitext(name)[0])
    if not re.search(rf"\b{re.escape(stem)}", tree.texts[build]):
        return [Problem(path, 1, f"{build} does not build it")]
    return []


def check_links(tree, path):
    problems = []
    fenced = False
    for line, content in numbered(tree.texts[path]):
        if FENCE.match(content):
            fenced = not fenced
        if fenced:
            continue
        for target in LINK.findall(content):
            if not re.match(r"[a-z]+:", target) and not resolves(tree, path, target):
                problems.append(Problem(path, line, f"the link {target} leads nowhere"))
    return problems


def check_indexed(tree, path):
    linked = LINK.findall(tree.texts.get(INDEX, ""))
    if posixpath.relpath(path, "docs") in linked:
        return []
    return [Problem(path, 1, f"{INDEX} does not lead to it")]


def resolves(tree, path, target):
    target, _, anchor = target.partition("#")
    if target:
        folder = posixpath.dirname(path)
        path = posixpath.normpath(posixpath.join(folder, target))
    if not tree.has(path):
        return False
    return not anchor or not path.endswith(".md") or anchor in anchors(tree.texts[path])


def anchors(text):
    """The anchors that a forge makes of the headings."""
    found = set()
    for _, content in numbered(text):
        match = re.match(r"#+\s+(.*)", content)
        if match:
            words = re.sub(r"[^\w\s-]", "", match.group(1).lower())
            found.add(re.sub(r"\s", "-", words.strip()))
    return found
