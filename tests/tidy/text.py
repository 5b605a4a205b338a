"""Rules on single lines: what may not stand in a committed file at all."""

import glob
import re

from tree import CXX_ENDINGS, Problem, code_only, numbered

LINE_COLUMNS_MAX = 100
CODE_ENDINGS = (".c", ".h", ".py", ".sh", ".yaml", "Makefile") + CXX_ENDINGS

# Spelled in two halves so that this file passes its own rules.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}*~-])/(?:wo" r"rk|ro" r"ot|home/\w+)/\w")
# Not a function type, or a pointer to one, that only returns such a thing.
TYPEDEF = re.compile(r"\btypedef\s+(?:struct|union|enum)\b"
                     r"(?!\s+\w+\s+\**\w+\s*\()(?!\s+\w+\s*\(\*)")
# A page of ours, not a piece of an address on the web. Decisions are named by number, too.
PAGE = re.compile(r"(?<![\w./:-])docs/[\w./-]*\w")

# Where packages come from is this machine's affair; Debian's own names are everybody's.
PUBLIC_HOSTS = ("deb.debian.org", "security.debian.org", "ftp.debian.org")
APT_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*")


def registry_hosts(patterns=APT_SOURCES):
    """The hosts this machine installs packages from, read here so that no file has to name them."""
    hosts = set()
    for pattern in patterns:
        for path in glob.glob(pattern):
            with open(path, encoding="utf-8", errors="replace") as file:
                hosts |= set(re.findall(r"https?://(?:[^@/\s]*@)?([\w.-]+)", file.read()))
    return sorted(hosts - set(PUBLIC_HOSTS))


def is_code(path):
    return path.endswith(CODE_ENDINGS) or "." not in path.rsplit("/", 1)[-1]


def check(tree, hosts=None):
    if hosts is None:
        hosts = registry_hosts()
    problems = []
    for path, text in tree.texts.items():
        problems += check_lines(path, text, hosts)
        if not path.startswith("tests/tidy/"):
            problems += check_pages(tree, path, text)
        if path.endswith((".c", ".h")):
            problems += check_c(path, text)
    return problems


def check_lines(path, text, hosts):
    problems = []
    for line, content in numbered(text):
        if "\t" in content and path.rsplit("/", 1)[-1] not in ("Makefile", ".gitmodules"):
            problems.append(Problem(path, line, "a tab: indent with spaces"))
        if content != content.rstrip():
            problems.append(Problem(path, line, "blanks at the end of the line"))
        if is_code(path) and len(content) > LINE_COLUMNS_MAX:
            problems.append(Problem(path, line, f"{len(content)} columns, at most "
                                                f"{LINE_COLUMNS_MAX}"))
        if UNFINISHED.search(content):
            problems.append(Problem(path, line, "unfinished work: do it, or file an issue"))
        if MACHINE_PATH.search(content):
            problems.append(Problem(path, line, "a path of one machine: make it relative"))
        for host in hosts:
            if host in content:
                problems.append(Problem(path, line, "names the package host of one machine"))
    if text and not text.endswith("\n"):
        problems.append(Problem(path, text.count("\n") + 1, "no newline at the end of the file"))
    return problems


def check_pages(tree, path, text):
    problems = []
    for line, content in numbered(text):
        for page in PAGE.findall(content):
            if not tree.has(page) and not any(there.startswith(page + "-")
                                              for there in tree.texts):
                problems.append(Problem(path, line, f"names {page}, which does not exist"))
    return problems


def check_c(path, text):
    problems = []
    if path.endswith(".h") and "#pragma once" not in text.split("\n"):
        problems.append(Problem(path, 1, "a header opens with #pragma once"))
    for line, content in numbered(code_only(text)):
        if TYPEDEF.search(content):
            problems.append(Problem(path, line, "structs, unions and enums are never typedef'd"))
    return problems
