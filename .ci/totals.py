"""totals.py BROKEN LOG...: adds up meson's test logs (a JSON object a line) and prints the total.

BROKEN steps that no failed test explains (a build that broke) count as failures. Exit 1 if anything
failed, or if nothing was tested at all.
"""

import collections
import json
import os
import sys

KINDS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}


def count(paths):
    results = collections.Counter()
    for path in paths:
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as log:
            for line in log:
                test = json.loads(line)
                result = test["result"]
                kind = KINDS.get(result, "failed")
                results[kind] += 1
                if kind == "failed":
                    print(f"failed: {path.split('/')[0]}: {test['name']} ({result})")
    return results


def main():
    broken = int(sys.argv[1])
    results = count(sys.argv[2:])
    failed = max(results["failed"], broken)
    print(f"{results['passed']} passed, {failed} failed, {results['skipped']} skipped")
    return 0 if failed == 0 and results["passed"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
