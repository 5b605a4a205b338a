"""Floors: a room includes only rooms on lower floors, and rooms on one floor never meet.

The table is the design: docs/architecture.md draws it. A new room gets its line here first.
"""

import re

from tree import Problem

GROUND = "ground"
DATA = "dataplane"
CONTROL = "controlplane"
MEMBER = "member"

# room: (tower, floor). The towers stand on the ground and never include each other.
ROOMS = {
    "base": (GROUND, 0),
    "base/config": (GROUND, 1),
    "base/ipc": (GROUND, 1),

    "storage/device": (DATA, 1),
    "storage/log": (DATA, 2),
    "storage/kafka": (DATA, 3),
    "dataplane/balance": (DATA, 3),
    "dataplane/limit": (DATA, 3),
    "dataplane/filter": (DATA, 3),
    "dataplane/cache": (DATA, 4),
    "dataplane/packet/wire": (DATA, 5),
    "dataplane/packet/port": (DATA, 5),
    "dataplane/packet/flow": (DATA, 5),
    "dataplane/packet/access": (DATA, 5),
    "dataplane/packet/local": (DATA, 5),
    "dataplane/packet/route": (DATA, 5),
    "dataplane/packet/steer": (DATA, 5),
    "dataplane/packet/trace": (DATA, 5),
    "dataplane/stream/transport": (DATA, 5),
    "dataplane/packet/stage": (DATA, 6),
    "dataplane/stream/http": (DATA, 6),
    "dataplane/stream/proxy": (DATA, 7),
    "dataplane/stream/kafka": (DATA, 7),
    "dataplane/worker": (DATA, 8),
    "dataplane/daemon": (DATA, 9),

    "controlplane/cluster": (CONTROL, 2),
    "controlplane/health": (CONTROL, 2),
    "controlplane/discovery": (CONTROL, 2),
    "controlplane/metrics": (CONTROL, 2),
    "controlplane/commit": (CONTROL, 3),
    "controlplane/api": (CONTROL, 4),
    "controlplane/cli": (CONTROL, 5),
    "controlplane/web": (CONTROL, 5),
    "controlplane/daemon": (CONTROL, 6),

    "member": (MEMBER, 2),
}

# Folders that may look into every room, and into which no room looks.
OUTSIDE = ("tests", "bench")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def room_of(path):
    """The room of a file: the longest room whose folder holds it, or None."""
    folder = path.rsplit("/", 1)[0]
    return folder if folder in ROOMS else None


def includes(text):
    for line, content in enumerate(text.split("\n"), start=1):
        match = INCLUDE.match(content)
        if match:
            yield line, match.group(1), match.group(2)


def forbidden(source, target):
    """Why room `source` may not include room `target`, or None."""
    if source == target:
        return None
    for one, other in (("dataplane/packet/", "dataplane/stream/"),
                       ("dataplane/stream/", "dataplane/packet/")):
        if source.startswith(one) and target.startswith(other):
            return "packet and stream never include each other"
    (tower, floor), (target_tower, target_floor) = ROOMS[source], ROOMS[target]
    if target_tower == GROUND and tower != GROUND:
        return None
    if tower != target_tower:
        return f"{source} ({tower}) and {target} ({target_tower}) are in different towers"
    if target_floor == floor:
        return f"{source} and {target} are on one floor ({floor}) and never meet"
    if target_floor > floor:
        return f"{target} (floor {target_floor}) is above {source} (floor {floor})"
    return None


def check(tree):
    """Every #include against the table, and every folder with C against the list of rooms."""
    problems = []
    for path in tree.c_files():
        top = path.split("/", 1)[0]
        room = room_of(path)
        if room is None and top not in OUTSIDE:
            problems.append(Problem(path, 1, "this folder is no room: give it a floor in "
                                             "tests/tidy/floors.py"))
            continue
        for line, _, included in includes(tree.texts[path]):
            if not tree.has(included):
                continue
            message = judge(room, included)
            if message:
                problems.append(Problem(path, line, message))
    return problems


def judge(room, included):
    target = room_of(included)
    if included.endswith("_priv.h") and room != target:
        # Tests may look inside the room they mirror; no other room may.
        return None if room is None else f"{included} is private to {target}"
    if room is None:
        return None
    if included.split("/", 1)[0] in OUTSIDE:
        return f"{room} may not include {included}: no room knows its tests or benchmarks"
    return forbidden(room, target) if target else None
