"""CloudTrail's events: what was asked of the sandbox, pages and all."""

from collections import Counter


def check(ledger, aws, lanes):
    events = aws.resumed("Events", "cloudtrail lookup-events", 50)
    requests = Counter(one["EventName"] for one in events)
    for lane in lanes:
        lane.check_pages(requests)
    ledger.equal("each once", len({one["EventId"] for one in events}), len(events))
    times = [one["EventTime"] for one in events]
    ledger.equal("the newest first", times, sorted(times, reverse=True))
    ledger.did("cloudtrail", "event", "list", "pages")
