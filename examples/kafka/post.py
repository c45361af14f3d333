#!/usr/bin/env python3
"""Posts commands to Conclave with Confluent's own client, and waits for what was decided.

  python3 -m venv venv && venv/bin/pip install -r examples/kafka/requirements.txt
  venv/bin/python examples/kafka/post.py --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081

It makes a pool with two nodes and a quota, and asks for GPUs in it: five commands of two senders. Run
it again and each command is answered as a duplicate, because its id was used before; another --pool
starts anew. Exits 0, 1 when a command was refused or not decided in time, and 3 without broker or
registry.
"""

import argparse
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "command.avsc"
HOUR_MS = 3_600_000


def commands(pool):
    """What to post, in order: the order of one pool's commands is the order they are decided in."""
    operator = {"tenant": "", "user": "ops", "role": "operator"}
    ada = {"tenant": "vision", "user": "ada", "role": "tenant"}
    policy = {
        "council": "advise",
        "lease_max_ms": 24 * HOUR_MS,
        "lease_grace_ms": 60_000,
        "wait_bound_ms": HOUR_MS,
        "defer_retry_ms": 60_000,
        "queue_max": 1_000,
        "placement": "best_fit",
        "target_workload": [],
        "prices": [],
    }
    quota = {
        "tenant": "vision",
        "guarantee_gpu_milli": 4_000,
        "limit_gpu_milli": 12_000,
        "rate_per_minute": 600,
        "borrow_gpu_milli": 0,
        "weight": 1,
        "gpu_hour_budget": None,
        "budget_window_ms": 0,
    }
    request = {
        "request": "train",
        "tenant": "vision",
        "user": "ada",
        "gpu_models": ["A100"],
        "replicas": 2,
        "gpu_count": 2,
        "gpu_milli": 1_000,
        "cpu_milli": 8_000,
        "memory_mib": 65_536,
        "expected_duration_ms": HOUR_MS,
        "priority": 5,
        "preemptible": False,
        "deadline_ms": None,
        "budget_cap_micro_usd": None,
        "topology": "none",
        "labels": [{"name": "team", "value": "perception"}],
    }
    asked = [("policy", operator, "SetPoolPolicy", policy)]
    asked += [(name, operator, "RegisterNode", node(name)) for name in ("node-a", "node-b")]
    asked += [("quota", operator, "SetQuota", quota), ("train", ada, "RequestAllocation", request)]
    for name, actor, record, payload in asked:
        yield {
            "command_id": f"{pool}-{name}",
            "pool": pool,
            "actor": actor,
            "submitted_at_ms": time.time_ns() // 1_000_000,
            # A union of records: the branch is named, as two of them may have the same fields.
            "payload": (f"conclave.{record}", payload),
        }


def node(name):
    return {
        "node": name,
        "gpu_model": "A100",
        "gpu_count": 8,
        "cpu_milli": 64_000,
        "memory_mib": 1_048_576,
        "topology_group": "",
    }


def post(arguments, registry, security):
    """Posts all commands; gives partition and offset of each with its id."""
    # The one setting that is not the client's default. All commands of a pool belong into one partition,
    # the one that Java's clients and Conclave compute; librdkafka would compute another.
    producer = Producer(
        security | {"bootstrap.servers": arguments.brokers, "partitioner": "murmur2_random"}
    )
    topic = f"{arguments.prefix}.commands"
    serialize = AvroSerializer(registry, SCHEMA.read_text())
    where = SerializationContext(topic, MessageField.VALUE)
    posted, failed = {}, []

    def delivered(command_id):
        def report(error, message):
            if error is not None:
                failed.append(f"{command_id}: {error}")
            else:
                posted[message.partition(), message.offset()] = command_id

        return report

    for command in commands(arguments.pool):
        value = serialize(command, where)
        report = delivered(command["command_id"])
        # The key is the pool's name, as plain text.
        producer.produce(topic, key=command["pool"], value=value, on_delivery=report)
    if producer.flush(30):
        failed.append("not everything was delivered within 30 s")
    if failed:
        raise KafkaException("; ".join(failed))
    return posted


def listen(arguments, security):
    """A reader of the decisions that stands at their end. It needs no group: it commits nothing."""
    # read_committed is the default; what an aborted round wrote was never decided.
    consumer = Consumer(
        security
        | {
            "bootstrap.servers": arguments.brokers,
            "group.id": "conclave-example",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    topic = f"{arguments.prefix}.decisions"
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    if not partitions:
        raise KafkaException(f"there is no topic {topic}: conclave topics apply")
    ends = []
    for partition in partitions:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)
        ends.append(TopicPartition(topic, partition, end))
    consumer.assign(ends)
    return consumer


def wait(consumer, registry, posted, wait_s):
    """Prints the decision of each command; gives the ids of those that were refused or left out."""
    deserialize = AvroDeserializer(registry, return_record_name=True)
    waiting, refused = dict(posted), []
    until = time.monotonic() + wait_s
    while waiting and time.monotonic() < until:
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        # A decision stands in the partition of its command and names the command's offset.
        offset = int(dict(message.headers() or [])["command_offset"])
        command_id = waiting.pop((message.partition(), offset), None)
        if command_id is None:
            continue  # Somebody else's.
        where = SerializationContext(message.topic(), MessageField.VALUE)
        outcome, detail = deserialize(message.value(), where)["outcome"]
        outcome = outcome.removeprefix("conclave.")
        print(f"{message.partition()}:{offset} {command_id}: {outcome} {detail or ''}".rstrip())
        if outcome not in ("Accepted", "Duplicate"):
            refused.append(command_id)
    for command_id in waiting.values():
        print(f"{command_id}: no decision within {wait_s:g} s", file=sys.stderr)
    return refused + list(waiting.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--registry", default="http://127.0.0.1:8081")
    parser.add_argument("--prefix", default="conclave", help="of the topics' names")
    parser.add_argument("--pool", default="lab")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="for decisions")
    parser.add_argument(
        "-X", action="append", default=[], metavar="NAME=VALUE", help="security of the client"
    )
    arguments = parser.parse_args()
    security = dict(setting.split("=", 1) for setting in arguments.X)
    try:
        registry = SchemaRegistryClient({"url": arguments.registry})
        consumer = listen(arguments, security) if arguments.wait else None
        posted = post(arguments, registry, security)
        for (partition, offset), command_id in posted.items():
            print(f"{partition}:{offset} {command_id}: posted")
        left = wait(consumer, registry, posted, arguments.wait) if consumer else []
    except Exception as error:  # Of three libraries, without a class in common.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        tried = f"brokers {arguments.brokers}, registry {arguments.registry}"
        print(f"({tried}; examples/kafka/README.md says how to start both)", file=sys.stderr)
        sys.exit(3)
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
