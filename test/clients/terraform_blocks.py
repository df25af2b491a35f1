"""Reads Terraform's language from standard input with python-hcl2; prints its blocks as JSON."""

import json
import sys

import hcl2


def bare(text):
    """A label or a text without its quotes; an expression without its braces."""
    if text.startswith("${"):
        return text[2:-1]
    return json.loads(text) if text.startswith('"') else text


document = hcl2.loads(sys.stdin.read())
resources = [
    {"type": bare(kind), "name": bare(name), "attributes": sorted(body)}
    for block in document.get("resource", [])
    for kind, named in block.items()
    if not kind.startswith("__")
    for name, body in named.items()
    if not name.startswith("__")
]
imports = [{"to": bare(block["to"]), "id": bare(block["id"])} for block in document.get("import", [])]
others = [name for name in document if name not in ("resource", "import") and not name.startswith("__")]
json.dump({"resources": resources, "imports": imports, "others": others}, sys.stdout)
