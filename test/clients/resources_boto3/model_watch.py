"""Holds every answer that a session's clients get against botocore's own service model."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import yaml

from .model_shapes import body_members, json_faults, local_name, text_faults, xml_faults

# Errors that every service's API reference names once for all its operations.
COMMON_ERRORS = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
}
# Models of these name next to none of the errors that their references have.
UNNAMED_ERRORS = ("ec2", "s3")
# What an answer's headers hold beside the members of the model.
COMMON_HEADERS = {"x-amz-request-id", "x-amz-id-2"}
ERRATA = yaml.safe_load(
    Path(__file__).with_name("model_errata.yaml").read_text(encoding="utf-8")
)


class ModelWatch:
    """Faults are kept, so that a run tells all of them."""

    def __init__(self, events):
        self.faults, self.operations = set(), set()
        events.register("before-parse", self.look)

    def look(self, operation_model, response_dict, **_):
        model = operation_model.service_model
        name = f"{model.service_name}:{operation_model.name}"
        self.operations.add(name)
        status = response_dict["status_code"]
        judge = error_faults if status >= 300 else answer_faults
        try:
            self.faults.update(f"{name}{fault}" for fault in judge(operation_model, response_dict))
        except (ElementTree.ParseError, ValueError) as error:
            self.faults.add(f"{name}: {status} with a body that cannot be read: {error}")

    def split(self):
        """The faults, without those of the models themselves; and which of these were not seen."""
        known = {one["fault"]: re.compile(one["fault"]) for one in ERRATA}
        faults, seen = [], set()
        for fault in sorted(self.faults):
            matching = {name for name, pattern in known.items() if pattern.fullmatch(fault)}
            seen |= matching
            if not matching:
                faults.append(fault)
        return faults, sorted(known.keys() - seen)


def answer_faults(operation, response):
    """The faults of an answer that is no error."""
    status = response["status_code"]
    wanted = operation.http.get("responseCode", 200)
    if status != wanted and status != 206:
        yield f": {status}, wanted {wanted}"
    shape = operation.output_shape
    yield from header_faults(shape, response["headers"])
    if operation.has_streaming_output:
        return
    protocol = operation.service_model.resolved_protocol
    if protocol in ("json", "rest-json"):
        content = json.loads(response["body"] or b"{}")
        if shape is not None:
            yield from json_faults(shape, content, "")
        elif content != {}:
            yield f": {content!r} where the model has nothing"
    elif protocol == "rest-xml":
        yield from rest_xml_faults(operation, response["body"])
    else:
        yield from query_faults(operation, response["body"])


def query_faults(operation, body):
    root = ElementTree.fromstring(body)
    if local_name(root) != f"{operation.name}Response":
        yield f": the root is {local_name(root)}"
    shape = operation.output_shape
    wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
    if operation.service_model.resolved_protocol == "query":
        apart = {"ResponseMetadata"}
        names = [local_name(one) for one in root]
        if names.count("ResponseMetadata") != 1 or set(names) - apart - {wrapper}:
            yield f": {', '.join(names)} in place of {wrapper} and ResponseMetadata"
        [root] = [one for one in root if local_name(one) == wrapper] or [None]
    else:
        for one in root.findall("{*}requestId"):
            root.remove(one)
    if shape is not None and root is None:
        yield f": no {wrapper}"
    elif shape is not None:
        yield from xml_faults(shape, root, "")


def rest_xml_faults(operation, body):
    shape = operation.output_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    members = body_members(shape) if shape is not None else {}
    if payload is not None and shape.members[payload].type_name in ("string", "blob"):
        return
    if not members:
        if body:
            yield f": {body[:100]!r} where the model has nothing"
        return
    root = ElementTree.fromstring(body)
    if operation.name == "GetBucketLocation":
        # The one answer whose root is the member itself; the region of us-east-1 is written empty.
        if root.text:
            yield from text_faults(shape.members["LocationConstraint"], root.text, "")
        return
    yield from xml_faults(shape if payload is None else shape.members[payload], root, "")


def header_faults(shape, headers):
    known = set(COMMON_HEADERS)
    prefixes = []
    for name, member in (shape.members if shape is not None else {}).items():
        place, key = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "headers":
            prefixes.append(key.lower())
        if place != "header":
            continue
        known.add(key.lower())
        value = headers.get(key)
        if value is not None and member.type_name != "timestamp":
            yield from text_faults(member, value, f" header {key}")
        elif value is None and name in shape.required_members:
            yield f" header {key}: missing"
    for name in headers:
        name = name.lower()
        if name.startswith("x-amz-") and name not in known and not name.startswith(tuple(prefixes)):
            yield f" header {name}: not in the model"


def error_faults(operation, response):
    """The faults of an error: its code must be one of the operation's, with the status it has."""
    model = operation.service_model
    status, body = response["status_code"], response["body"]
    if model.service_name in UNNAMED_ERRORS or not body:
        return
    code, members = read_error(model.resolved_protocol, response["headers"], body)
    shapes = {shape.error_code: shape for shape in operation.error_shapes}
    shape = shapes.get(code)
    if shape is None:
        if code not in COMMON_ERRORS:
            yield f": {code!r} is not one of its errors: {', '.join(sorted(shapes))}"
        return
    wanted = shape.metadata.get("error", {}).get("httpStatusCode", 400)
    if status != wanted:
        yield f": {code} with {status}, wanted {wanted}"
    for name in members:
        if name.lower() not in {one.lower() for one in shape.members}:
            yield f": {code}.{name} is not in the model"


def read_error(protocol, headers, body):
    """An error's code, and the names of the members beside it."""
    if protocol in ("json", "rest-json"):
        content = json.loads(body)
        named = headers.get("x-amzn-errortype") or content.get("__type", "")
        return re.split("[:#]", named)[0 if "x-amzn-errortype" in headers else -1], [
            name for name in content if name not in ("__type", "code")
        ]
    error = ElementTree.fromstring(body).find("{*}Error")
    if error is None:
        raise ValueError("no Error")
    members = {local_name(one): one.text for one in error}
    return members.get("Code"), [name for name in members if name not in ("Code", "Type")]
