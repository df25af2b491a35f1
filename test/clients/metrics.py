"""Reads a page of metrics on standard input with Prometheus' own parser; prints what is on it."""
import json
import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text

read = {"openmetrics": openmetrics, "text": text}[sys.argv[1]].text_string_to_metric_families
page = sys.stdin.read()
samples = [
    [family.type, sample.name, sample.labels, sample.value]
    for family in read(page)
    for sample in family.samples
]
# The older parser gives a family without samples too, OpenMetrics' checks the order of all.
print(json.dumps({"samples": samples, "families": sorted(family.name for family in read(page))}))
