"""The messages of the protobuf subprotocols: numbers and presence are the service's (service facts, Protobuf).

A table, and the few lines that make message classes of it when this module is imported; generated code would tie the
package to one version of the protobuf runtime. What the messages mean is the business of ``_protobuf``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["CLASSES"]

# A message a paragraph; a field a line: "[optional|oneof] type name = number". No message has two oneofs.
# 'protobuf_data' is an Any on the wire: taken as bytes, it is passed on as it came.
_SCHEMA = """
UpstreamMessage
  oneof SendToGroupMessage send_to_group = 1
  oneof EventMessage event = 5
  oneof GroupRequest join_group = 6
  oneof GroupRequest leave_group = 7
  oneof SequenceAckMessage sequence_ack = 8
  oneof Empty ping = 9
  oneof InvokeMessage invoke = 10
  oneof Empty cancel_invocation = 11
  oneof StreamMessage stream_data = 13
  oneof StreamMessage stream_end = 14
  oneof GroupRequest set_group_state = 15
  oneof GroupRequest subscribe_group_state = 16
  oneof GroupRequest unsubscribe_group_state = 17

SendToGroupMessage
  string group = 1
  optional uint64 ack_id = 2
  MessageData data = 3
  optional bool no_echo = 4
  optional uint32 ttl_seconds = 5
  map metadata = 6
  StreamMessage stream = 7

EventMessage
  string event = 1
  MessageData data = 2
  optional uint64 ack_id = 3
  map metadata = 4
  StreamMessage stream = 5

GroupRequest
  string group = 1
  optional uint64 ack_id = 2

SequenceAckMessage
  uint64 sequence_id = 1

InvokeMessage
  string event = 1
  string invocation_id = 2

StreamMessage
  string stream_id = 1

Empty

MessageData
  oneof string text_data = 1
  oneof bytes binary_data = 2
  oneof bytes protobuf_data = 3
  oneof string json_data = 4

DownstreamMessage
  oneof AckMessage ack = 1
  oneof DataMessage data = 2
  oneof SystemMessage system = 3
  oneof Empty pong = 4
  oneof InvokeResponse invoke_response = 5
  oneof StreamClosed stream_closed = 8

AckMessage
  uint64 ack_id = 1
  bool success = 2
  optional ErrorMessage error = 3

ErrorMessage
  string name = 1
  string message = 2

DataMessage
  string from = 1
  optional string group = 2
  MessageData data = 3
  optional uint64 sequence_id = 4
  map metadata = 5

SystemMessage
  oneof ConnectedMessage connected = 1
  oneof DisconnectedMessage disconnected = 2

ConnectedMessage
  string connection_id = 1
  string user_id = 2
  optional string reconnection_token = 3

DisconnectedMessage
  string reason = 2

InvokeResponse
  string invocation_id = 1
  bool success = 2
  optional ErrorMessage error = 4

StreamClosed
  string stream_id = 1
  optional ErrorMessage error = 2
"""

_PACKAGE = "azure.webpubsub.emulator"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}


def _describe(schema: str) -> dict[str, Any]:
    """Return a class for each message, in a pool of their own: the process may know other versions of them."""
    file = descriptor_pb2.FileDescriptorProto(name="webpubsub.emulator.proto", package=_PACKAGE, syntax="proto3")
    for paragraph in schema.strip().split("\n\n"):
        name, *fields = paragraph.split("\n")
        message = file.message_type.add(name=name)
        if "  oneof " in paragraph:
            message.oneof_decl.add(name="message")
        for line in fields:
            _add_field(message, line)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}"))
        for message in file.message_type
    }


def _add_field(message: descriptor_pb2.DescriptorProto, line: str) -> None:
    *presence, kind, name, _, number = line.split()
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if kind == "map":
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        for index, part in enumerate(("key", "value"), 1):
            entry.field.add(name=part, number=index, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
        field.label = _Field.LABEL_REPEATED
        kind = f"{message.name}.{entry.name}"
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    if presence == ["oneof"]:
        field.oneof_index = 0
    elif presence == ["optional"]:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")


#: A class for each message, by its name in the table; its ``oneof`` is called ``message``.
CLASSES: Mapping[str, Any] = _describe(_SCHEMA)
