"""Reads every record of bookings.events.v1 as an outsider does, and says whether it understood them all.

An outsider has a Kafka client, the schemas and nothing of ours. It picks the schema of a record's value by the
header `ce_type`, passes over a `sequence` that it has seen, and relies on there being no gap.

Prints a JSON summary. Ends with 1 if something was not as promised; `problems` says what.
"""

import argparse
import json
import pathlib
import sys
from collections import Counter

from jsonschema import Draft202012Validator, FormatChecker
from kafka import KafkaConsumer, TopicPartition

TOPIC = "bookings.events.v1"
# The first so many problems are shown; the rest is counted.
SHOWN = 20


def validator(file):
    schema = json.loads(file.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    formats = Draft202012Validator.FORMAT_CHECKER
    # The checker passes over formats that it has no library for.
    missing = {"uuid", "date-time"} - set(formats.checkers)
    if missing:
        sys.exit(f"no checker for the formats {missing}")
    return Draft202012Validator(schema, format_checker=formats)


def records(brokers):
    """Every record that is there now, partition by partition, in order."""
    consumer = KafkaConsumer(
        bootstrap_servers=brokers, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    for number in sorted(consumer.partitions_for_topic(TOPIC) or []):
        partition = TopicPartition(TOPIC, number)
        end = consumer.end_offsets([partition])[partition]
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        while consumer.position(partition) < end:
            for record in consumer.poll(timeout_ms=1000).get(partition, []):
                if record.offset < end:
                    yield record
    consumer.close()


class NotAsPromised(Exception):
    """A record that an outsider cannot rely on."""


def expect(promise, otherwise):
    if not promise:
        raise NotAsPromised(otherwise)


def fits(schema, instance, what):
    wrong = [f"{error.json_path}: {error.message}" for error in schema.iter_errors(instance)]
    expect(not wrong, f"{what}: {'; '.join(wrong)}")


class Reader:
    """Understands records one by one, and remembers how far each booking has come."""

    def __init__(self, schemas):
        self.headers = validator(schemas / "headers" / f"{TOPIC}.json")
        self.values = {file.stem: validator(file) for file in (schemas / TOPIC).glob("*.json")}
        self.sequences = {}
        self.events = Counter()
        self.records = 0
        self.repeats = 0
        self.problems = []

    def read(self, record):
        self.records += 1
        try:
            self.understand(record)
        except (NotAsPromised, ValueError) as problem:
            self.problems.append(f"{record.partition}/{record.offset}: {problem}")

    def understand(self, record):
        names = [name for name, _ in record.headers]
        expect(len(names) == len(set(names)), f"a header is there twice: {names}")
        headers = {name: value.decode("utf-8") for name, value in record.headers}
        fits(self.headers, headers, "headers")

        kind = headers["ce_type"]
        expect(kind in self.values, f"no schema for the event type {kind}")
        value = json.loads(record.value)
        fits(self.values[kind], value, kind)

        booking, sequence = value["booking_id"], value["sequence"]
        expect(value["type"] == kind, f"ce_type {kind}, but the value is a {value['type']}")
        expect(headers["ce_subject"] == booking, "ce_subject is not the booking")
        expect(headers["ce_sequence"] == str(sequence), "ce_sequence is not the value's")
        expect(headers["ce_id"] == f"{booking}-{sequence}", "ce_id is not <booking>-<sequence>")
        expect(headers["ce_time"] == value["at"], "ce_time is not the value's")
        expect(record.key == str(value["show_id"]).encode("ascii"), f"the key {record.key} is not the show")

        seen = self.sequences.get(booking, 0)
        if sequence <= seen:
            self.repeats += 1
            return
        self.sequences[booking] = sequence
        self.events[kind] += 1
        expect(sequence == seen + 1, f"booking {booking}: {sequence} follows {seen}")

    def summary(self):
        return {
            "records": self.records,
            "bookings": len(self.sequences),
            "repeats": self.repeats,
            "events": dict(sorted(self.events.items())),
            "problems": self.problems[:SHOWN],
            "problems_in_all": len(self.problems),
        }


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--brokers", required=True, help="host:port")
    arguments.add_argument("--schemas", required=True, type=pathlib.Path, help="the directory schemas/")
    arguments = arguments.parse_args()
    reader = Reader(arguments.schemas)
    for record in records(arguments.brokers):
        reader.read(record)
    print(json.dumps(reader.summary(), indent=2))
    sys.exit(1 if reader.problems else 0)


if __name__ == "__main__":
    main()
