"""What the measurements of all rounds come to. Pure: lists of dictionaries in, text out."""

import collections
import statistics

BASE = "io"
HEADINGS = ("SUBJECT", "FLOWS", "PACKETS/S", "OF IO", "CYCLES", "MEDIAN", "ABOVE IO", "LOST",
            "50%", "99%", "99.9%")
MISSING = "-"


def paired(results, base, value):
    """{(subject, flows): [figure, figure of `base` in the same round]}."""
    of_round = {each["round"]: each[value] for each in base if each[value] is not None}
    pairs = collections.defaultdict(list)
    for each in results:
        if each[value] is not None and each["round"] in of_round:
            pairs[each["subject"], each["flows"]].append((each[value], of_round[each["round"]]))
    return pairs


def median(values, form):
    values = [value for value in values if value is not None]
    return form.format(statistics.median(values)) if values else MISSING


def row(key, measured, ratios, differences):
    cycles = [each["cycles"] for each in measured if each["cycles"] is not None]
    light = [each["light"] for each in measured if each["light"]]
    sent = sum(each["sent"] for each in light)
    lost = sum(each["lost"] for each in light)
    return (key[0], str(key[1]) if key[1] else "any",
            median([each["packets_per_second"] / 1e6 for each in measured], "{:.2f} M"),
            median([one / base for one, base in ratios], "{:.2f}"),
            f"{min(cycles):.0f}" if cycles else MISSING, median(cycles, "{:.0f}"),
            median([one - base for one, base in differences], "{:+.0f}"),
            f"{lost / sent * 100:.3f} %" if sent else MISSING,
            *(median([each["latency_us"][share] for each in light], "{:.0f}")
              for share in ("p50", "p99", "p999")))


def rows(results):
    """One row a subject and number of flows, in the order in which they were first measured."""
    base = [each for each in results if each["subject"] == BASE]
    rates = paired(results, base, "packets_per_second")
    cycles = paired(results, base, "cycles")
    measured = collections.defaultdict(list)
    for each in results:
        measured[each["subject"], each["flows"]].append(each)
    return [row(key, measured[key], rates.get(key, []), cycles.get(key, [])) for key in measured]


def table(results):
    lines = [HEADINGS, *rows(results)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
                     for line in lines)


def for_compare(results):
    """The form of Google Benchmark that bench/compare reads: one run a round."""
    runs = []
    for each in results:
        if each["cycles"] is None:
            continue
        name = f"end_to_end_{each['subject']}/{each['flows'] or 'any'}"
        runs.append({"name": name, "run_type": "iteration", "cycles/packet": each["cycles"],
                     "packets_per_second": each["packets_per_second"]})
    return {"context": {}, "benchmarks": runs}
