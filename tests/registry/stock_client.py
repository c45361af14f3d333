"""The stock Confluent client against a registry: every route that it has, with its error codes.

usage: stock_client.py URL OLD.avsc NEW.avsc
"""

import sys

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

SUBJECT = "conclave.commands-value"


def refused(code, ask, *arguments):
    """That a call is refused with one of Confluent's codes."""
    try:
        answer = ask(*arguments)
    except SchemaRegistryError as error:
        assert error.error_code == code, f"{error.error_code}, not {code}: {error}"
        return
    raise AssertionError(f"{arguments} was answered with {answer}, not refused with {code}")


def main(url, old_path, new_path):
    with open(old_path) as file:
        old = Schema(file.read(), "AVRO")
    with open(new_path) as file:
        new = Schema(file.read(), "AVRO")
    client = SchemaRegistryClient({"url": url})
    assert client.get_subjects() == []
    refused(40401, client.get_versions, SUBJECT)
    refused(40401, client.get_latest_version, SUBJECT)
    refused(40401, client.lookup_schema, SUBJECT, old)
    refused(40403, client.get_schema, 77)
    assert client.get_compatibility() == "BACKWARD"
    refused(40408, client.get_compatibility, SUBJECT)
    refused(42203, client.set_compatibility, SUBJECT, "SIDEWAYS")
    client.set_compatibility(SUBJECT, "BACKWARD_TRANSITIVE")
    assert client.get_compatibility(SUBJECT) == "BACKWARD_TRANSITIVE"

    first = client.register_schema(SUBJECT, old)
    assert client.register_schema(SUBJECT, old) == first
    refused(40403, client.lookup_schema, SUBJECT, new)
    refused(40402, client.get_version, SUBJECT, 9)
    assert client.test_compatibility(SUBJECT, new)
    second = client.register_schema(SUBJECT, new)
    assert (first, second) == (1, 2), (first, second)
    assert client.get_versions(SUBJECT) == [1, 2]
    latest = client.get_latest_version(SUBJECT)
    assert (latest.schema_id, latest.version) == (second, 2)
    assert client.lookup_schema(SUBJECT, old).schema_id == first
    assert client.get_version(SUBJECT, 1).schema_id == first
    assert client.get_subjects() == [SUBJECT]
    # A client of its own: the first one remembers what it has registered.
    other = SchemaRegistryClient({"url": url})
    assert "OpenLog" in other.get_schema(second).schema_str

    stranger = Schema('{"type": "string"}', "AVRO")
    assert not client.test_compatibility(SUBJECT, stranger)
    refused(409, client.register_schema, SUBJECT, stranger)
    refused(42201, client.register_schema, "other-value", Schema('{"type": "nonsense"}', "AVRO"))

    text = '{"type": "record", "name": "Note", "fields": [{"name": "said", "type": "string"}]}'
    context = SerializationContext("notes", MessageField.VALUE)
    value = AvroSerializer(client, text)({"said": "hello"}, context)
    assert value[:5] == b"\0\0\0\0\3", value
    assert AvroDeserializer(other)(value, context) == {"said": "hello"}
    assert client.delete_subject("notes-value") == [1]
    refused(40401, client.get_versions, "notes-value")
    assert "said" in SchemaRegistryClient({"url": url}).get_schema(3).schema_str, "deleted, not gone"
    print("all as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
