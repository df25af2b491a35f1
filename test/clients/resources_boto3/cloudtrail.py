"""CloudTrail's events: what was asked of the sandbox."""

from botocore.exceptions import ClientError

from .aws import paged


def check(ledger, aws):
    try:
        aws.client("iam").get_role(RoleName="nobody-there")
    except ClientError:
        pass
    trail = aws.client("cloudtrail")
    attribute = {"AttributeKey": "EventName", "AttributeValue": "GetRole"}
    events = trail.lookup_events(LookupAttributes=[attribute])["Events"]
    names = {one["EventName"] for one in events}
    ledger.equal("what was asked is on record", names, {"GetRole"})
    told = events[0]["CloudTrailEvent"]
    ledger.check("with what came of it", "NoSuchEntity" in told, told)
    found, sizes = paged(trail, "lookup_events", "Events", 50)
    times = [one["EventTime"] for one in found]
    ledger.equal("the newest first", times, sorted(times, reverse=True))
    ledger.check("in pages", len(sizes) >= 2 and set(sizes[:-1]) == {50}, sizes)
    ids = {one["EventId"] for one in found}
    ledger.equal("each once", len(ids), len(found))
    ledger.did("cloudtrail", "event", "list", "pages")
