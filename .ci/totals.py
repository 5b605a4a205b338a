"""totals.py BROKEN SKIPS LOG...: adds up meson's test logs (a JSON object a line) and prints the
total.

BROKEN steps that no failed test explains (a build that broke) count as failures. So do smoke tests
that were skipped, whole or a case of them: that nothing could be tested must not look green. SKIPS
is a file of those that may be, one a line: NAME REASON, where NAME is a test ("kernel") or a case
of it ("forward.test_ip_in_ip"). Exit 1 if anything failed, or if nothing was tested at all.
"""

import collections
import json
import os
import re
import sys

KINDS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "IGNORED": "skipped"}
SMOKE = re.compile(r"\bsmoke\b.* / (\S+)$")
# unittest's line on a case, of which other output may have broken the middle.
SKIPPED_CASE = re.compile(r"^(test_\w+) \(.*?(?<=\.\.\. )skipped", re.MULTILINE)


def allowed(text):
    """The names of SKIPS; a line without a reason is an error."""
    names = set()
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) == 1:
            raise ValueError(f"{words[0]} may be skipped, but why?")
        names.update(words[:1])
    return names


def skipped_smoke(test):
    """The names under which a smoke test, or cases of it, were skipped."""
    smoke = SMOKE.search(test["name"])
    if smoke is None:
        return []
    if KINDS.get(test["result"]) == "skipped":
        return [smoke.group(1)]
    return [f"{smoke.group(1)}.{case}" for case in SKIPPED_CASE.findall(test.get("stderr", ""))]


def judge(test, may_skip):
    """("passed", "failed" or "skipped", why it failed)."""
    kind = KINDS.get(test["result"], "failed")
    if kind == "failed":
        return kind, test["result"]
    missing = [name for name in skipped_smoke(test) if name not in may_skip]
    if missing:
        return "failed", f"skipped, which .ci/skips does not allow: {', '.join(missing)}"
    return kind, None


def count(paths, may_skip):
    results = collections.Counter()
    for path in paths:
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as log:
            for line in log:
                test = json.loads(line)
                kind, why = judge(test, may_skip)
                results[kind] += 1
                if kind == "failed":
                    print(f"failed: {path.split('/')[0]}: {test['name']} ({why})")
    return results


def main():
    broken = int(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        may_skip = allowed(file.read())
    results = count(sys.argv[3:], may_skip)
    failed = max(results["failed"], broken)
    print(f"{results['passed']} passed, {failed} failed, {results['skipped']} skipped")
    return 0 if failed == 0 and results["passed"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
