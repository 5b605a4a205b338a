"""Editors' view: each sample is valid under configs/weir.schema.json, and slips are found.

Usage: json_schema_test.py ROOT. Skips (exit 77) where python3-jsonschema or python3-yaml is not
installed; the C tests hold the schema's freshness and shape by themselves.
"""

import json
import pathlib
import re
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


class Yaml12(yaml.SafeLoader):
    """YAML 1.2's core types alone: `on` is a word, `0000:01:00.0` no number."""


Yaml12.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"true|false", "tf"),
    ("int", r"-?[0-9]+", "-0123456789"),
    ("null", r"null|~|", ["n", "~", ""]),
]:
    Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"),
                                 list(first))


def main(root):
    schema = json.loads((root / "configs/weir.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    samples = sorted((root / "configs").glob("*.yaml"))
    assert samples
    for sample in samples:
        for error in validator.iter_errors(yaml.load(sample.read_text(), Yaml12)):
            sys.exit(f"{sample.name}: {error.json_path}: {error.message}")

    slips = [
        lambda file: file["node"].update(pol="busy"),
        lambda file: file["node"].update(poll="bussy"),
        lambda file: file["node"].update({"sleep-max": "200"}),
        lambda file: file["node"].pop("name"),
        lambda file: file["ports"][0].update(mtu=9001),
        lambda file: file["pools"][0]["members"][0].pop("address"),
        lambda file: file["vips"][0].update(port="http"),
    ]
    for number, slip in enumerate(slips):
        file = yaml.load((root / "configs/demo.yaml").read_text(), Yaml12)
        slip(file)
        if validator.is_valid(file):
            sys.exit(f"slip {number} was not found")
    print(f"{len(samples)} samples, {len(slips)} slips")


main(pathlib.Path(sys.argv[1]))
