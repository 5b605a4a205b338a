"""Holds the house rules over the whole tree: floors, homes of libraries, lengths, formatting.

    python3 tests/tidy/tidy.py [ROOT]

One line a broken rule, "FILE:LINE: what and what to do"; exit 1 if there is any.
"""

import os
import sys

import floors
import homes
import layout
import lengths
import programs
import text
from tree import Tree

RULES = (floors, homes, layout, lengths, text, programs)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(here))
    tree = Tree.from_disk(root)
    problems = [problem for rule in RULES for problem in rule.check(tree)]
    for problem in problems:
        print(problem)
    print(f"tidy: {len(tree.texts)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
