"""What of an answer's content the shapes of botocore's service models do not have. botocore itself
drops in silence what it does not know, and takes what is there for what must be."""

import base64
import binascii
import re

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def json_faults(shape, value, at):
    """The faults of a JSON value, each with the path to it."""
    if value is None:
        yield f"{at}: null"
    elif shape.type_name == "structure":
        yield from json_structure_faults(shape, value, at)
    elif shape.type_name == "list":
        if not isinstance(value, list):
            yield f"{at}: {value!r} is no list"
            return
        yield from bound_faults(shape, len(value), at)
        for one in value:
            yield from json_faults(shape.member, one, f"{at}[]")
    elif shape.type_name == "map":
        if not isinstance(value, dict):
            yield f"{at}: {value!r} is no map"
            return
        yield from bound_faults(shape, len(value), at)
        for key, one in value.items():
            yield from text_faults(shape.key, key, f"{at} key")
            yield from json_faults(shape.value, one, f"{at}.{key}")
    else:
        yield from json_scalar_faults(shape, value, at)


def json_structure_faults(shape, value, at):
    if not isinstance(value, dict):
        yield f"{at}: {value!r} is no structure"
        return
    members = {wire_name(name, member): member for name, member in body_members(shape).items()}
    for key, one in value.items():
        if key in members:
            yield from json_faults(members[key], one, f"{at}.{key}")
        else:
            yield f"{at}.{key}: not in the model"
    yield from missing_faults(shape, value, at)


def json_scalar_faults(shape, value, at):
    kind = shape.type_name
    if kind == "timestamp" and shape.serialization.get("timestampFormat") == "iso8601":
        kind = "string"
    wanted = {
        "boolean": (bool,),
        "integer": (int,),
        "long": (int,),
        "float": (int, float),
        "double": (int, float),
        "timestamp": (int, float),
    }.get(kind, (str,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        yield f"{at}: {value!r} in place of {kind}"
    elif isinstance(value, str):
        yield from text_faults(shape, value, at)
    elif kind in ("integer", "long", "float", "double"):
        yield from bound_faults(shape, value, at)


def xml_faults(shape, element, at):
    """The faults of an XML element, each with the path to it."""
    if shape.type_name == "structure":
        yield from xml_structure_faults(shape, element, at)
    elif shape.type_name == "list":
        name = shape.member.serialization.get("name", "member")
        items = list(element)
        for other in {local_name(one) for one in items} - {name}:
            yield f"{at}: an item is named {other}, wanted {name}"
        yield from xml_item_faults(shape, items, at)
    elif shape.type_name == "map":
        for entry in element:
            pair = {local_name(one): one for one in entry}
            key = pair.get(shape.key.serialization.get("name", "key"))
            value = pair.get(shape.value.serialization.get("name", "value"))
            if local_name(entry) != "entry" or key is None or value is None:
                yield f"{at}: no entry of key and value"
                continue
            yield from xml_faults(shape.key, key, f"{at} key")
            yield from xml_faults(shape.value, value, f"{at}.{key.text}")
    else:
        yield from text_faults(shape, element.text or "", at)


def xml_structure_faults(shape, element, at):
    members = {}
    for name, member in body_members(shape).items():
        inner = member.serialization.get("flattened") and member.type_name == "list"
        own = member.member.serialization.get("name") if inner else None
        members[own or wire_name(name, member)] = member
    found = {}
    for child in element:
        found.setdefault(local_name(child), []).append(child)
    for name, children in found.items():
        member = members.get(name)
        if member is None:
            yield f"{at}.{name}: not in the model"
        elif member.serialization.get("flattened"):
            yield from xml_item_faults(member, children, f"{at}.{name}")
        else:
            if len(children) > 1:
                yield f"{at}.{name}: {len(children)} times"
            yield from xml_faults(member, children[0], f"{at}.{name}")
    attributes = {name.replace(XSI, "xsi:") for name in element.attrib}
    yield from missing_faults(shape, {**found, **dict.fromkeys(attributes)}, at)


def xml_item_faults(shape, items, at):
    yield from bound_faults(shape, len(items), at)
    for one in items:
        yield from xml_faults(shape.member, one, f"{at}[]")


def text_faults(shape, text, at):
    """The faults of a text that stands for a scalar."""
    kind = shape.type_name
    if kind == "string":
        if shape.enum and text not in shape.enum:
            yield f"{at}: {text!r} is not one of {', '.join(shape.enum)}"
        pattern = compiled(shape.metadata.get("pattern"))
        if pattern is not None and not pattern.fullmatch(text):
            yield f"{at}: {text!r} does not match {shape.metadata['pattern']}"
        yield from bound_faults(shape, len(text), at)
    elif kind in ("integer", "long"):
        if not re.fullmatch(r"-?\d+", text):
            yield f"{at}: {text!r} in place of {kind}"
    elif kind == "boolean" and text not in ("true", "false"):
        yield f"{at}: {text!r} in place of {kind}"
    elif kind == "timestamp" and not TIME.fullmatch(text):
        yield f"{at}: {text!r} in place of {kind}"
    elif kind == "blob":
        try:
            base64.b64decode(text, validate=True)
        except binascii.Error:
            yield f"{at}: {text[:40]!r} is no base64"


def bound_faults(shape, size, at):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"{at}: {size} is below {least}"
    if most is not None and size > most:
        yield f"{at}: {size} is above {most}"


def missing_faults(shape, found, at):
    members = body_members(shape)
    for name in shape.required_members:
        if name in members and wire_name(name, members[name]) not in found:
            yield f"{at}.{name}: missing"


def body_members(shape):
    return {
        name: member
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }


def wire_name(name, member):
    return member.serialization.get("name", name)


def local_name(element):
    return element.tag.rpartition("}")[2]


def compiled(pattern):
    """A model's pattern, or None where Python's own syntax has no word for it."""
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error:
        return None
