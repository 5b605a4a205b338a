"""A library has one home: the folders that may name it. Tests may use what the room they mirror
may use (tests/unit/<room>), and nothing else."""

import re

from tree import CXX_ENDINGS, Problem, code_only
from floors import includes

PACKET = ("dataplane/packet", "dataplane/worker", "tests/packet", "bench")

# (library, pattern of its headers, pattern of its identifiers or None, homes)
LIBRARIES = (
    ("DPDK", r"rte_", r"\b(?:rte|RTE)_\w+", PACKET),
    ("liburing", r"liburing", r"\bio_uring_\w+", ("base",)),
    ("jansson", r"jansson", r"\bjson_t\b",
     ("base/config", "base/ipc", "dataplane/daemon", "controlplane/cli", "tests/fuzz")),
    ("libfyaml", r"libfyaml", r"\bfy_(?:document|node|parser|event|token)\w*", ("base/config",)),
    ("jemalloc", r"jemalloc/", r"\bmallctl\w*", ("base",)),
    ("Hyperscan", r"hs(?:/|\.h|_)", None, ("dataplane/filter",)),
    ("OpenSSL", r"openssl/", None, ("dataplane/stream/transport", "controlplane/api")),
    ("libraft", r"raft(?:/|\.h)", None, ("controlplane/cluster",)),
    ("cmocka", r"cmocka", None, ("tests",)),
    ("libbpf", r"(?:bpf|xdp)/", None, ()),
    ("Google Benchmark", r"benchmark/", None, ("bench/shim",)),
)
CXX_HOME = "bench/shim"


def at_home(path, homes):
    mirrored = path[len("tests/unit/"):] if path.startswith("tests/unit/") else path
    return any(place.startswith(home + "/") for home in homes for place in (path, mirrored))


def check(tree):
    problems = []
    for path, text in tree.texts.items():
        if path.endswith(CXX_ENDINGS) and not path.startswith(CXX_HOME + "/"):
            problems.append(Problem(path, 1, f"C++ is only for {CXX_HOME}"))
        if path.endswith((".c", ".h") + CXX_ENDINGS):
            problems += check_file(path, text)
    return problems


def check_file(path, text):
    problems = []
    code = code_only(text).split("\n")
    for library, header, identifier, homes in LIBRARIES:
        if at_home(path, homes):
            continue
        home = ", ".join(homes) or "nobody's"
        for line, kind, included in includes(text):
            if kind == "<" and re.match(header, included):
                problems.append(Problem(path, line,
                                        f"{library} (<{included}>): its home is {home}"))
        if identifier is None:
            continue
        for line, content in enumerate(code, start=1):
            match = re.search(identifier, content)
            if match:
                problems.append(Problem(path, line,
                                        f"{library} ({match.group()}): its home is {home}"))
    return problems
