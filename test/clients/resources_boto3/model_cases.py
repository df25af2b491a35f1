"""Whether the watch sees what it is there to see: python -m resources_boto3.model_cases"""

import json
from pathlib import Path

import botocore.session
from botocore.awsrequest import HeadersDict
from checks import Checks

from .model_watch import ModelWatch


def is_as(fault, wanted):
    return fault == wanted if isinstance(wanted, str) else fault.startswith(wanted["starts"])


def main():
    checks = Checks()
    session = botocore.session.get_session()
    cases = json.loads(Path(__file__).with_name("model_cases.json").read_text(encoding="utf-8"))
    for case in cases:
        events = session.get_component("event_emitter")
        watch = ModelWatch(events)
        model = session.get_service_model(case["service"]).operation_model(case["operation"])
        response = {
            "status_code": case.get("status", 200),
            "headers": HeadersDict(case.get("headers", {})),
            "body": case["body"].encode(),
        }
        watch.look(operation_model=model, response_dict=response)
        found, wanted = sorted(watch.faults), case["faults"]
        same = len(found) == len(wanted) and all(map(is_as, found, wanted))
        checks.check(case["name"], same, f"found {found!r}, wanted {wanted!r}")
    checks.finish()


main()
