// The protobuf subprotocols for the published JavaScript client, whose own package for them is not on the registry:
// the numbers of wire-protocols section 5, written with protobufjs, which shares nothing with the emulator's codec.

const SCHEMA = `
syntax = "proto3";
message Any { string type_url = 1; bytes value = 2; }
message MessageData {
  oneof data { string text_data = 1; bytes binary_data = 2; Any protobuf_data = 3; string json_data = 4; }
}
message SendToGroup { string group = 1; optional uint64 ack_id = 2; MessageData data = 3; optional bool no_echo = 4; }
message Event { string event = 1; MessageData data = 2; optional uint64 ack_id = 3; }
message Membership { string group = 1; optional uint64 ack_id = 2; }
message SequenceAck { uint64 sequence_id = 1; }
message Nothing {}
message Upstream {
  oneof message {
    SendToGroup sendToGroup = 1; Event sendEvent = 5; Membership joinGroup = 6; Membership leaveGroup = 7;
    SequenceAck sequenceAck = 8; Nothing ping = 9;
  }
}
message Failure { string name = 1; string message = 2; }
message Ack { uint64 ack_id = 1; bool success = 2; optional Failure error = 3; }
message Data { string from = 1; optional string group = 2; MessageData data = 3; optional uint64 sequence_id = 4; }
message Connected { string connection_id = 1; string user_id = 2; optional string reconnection_token = 3; }
message Disconnected { string reason = 2; }
message System { oneof message { Connected connected = 1; Disconnected disconnected = 2; } }
message Downstream { oneof message { Ack ack = 1; Data data = 2; System system = 3; Nothing pong = 4; } }
`;

const arrayBuffer = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);

export function protobufProtocol(protobuf, name) {
  const { root } = protobuf.parse(SCHEMA);
  const [Upstream, Downstream, Any] = ["Upstream", "Downstream", "Any"].map((type) => root.lookupType(type));

  function wrap(data, dataType) {
    if (dataType === "text") return { textData: data };
    if (dataType === "json") return { jsonData: JSON.stringify(data) };
    const bytes = new Uint8Array(data);
    return dataType === "binary" ? { binaryData: bytes } : { protobufData: Any.decode(bytes) };
  }

  function unwrap(data) {
    if (data.data === "textData") return { dataType: "text", data: data.textData };
    if (data.data === "jsonData") return { dataType: "json", data: JSON.parse(data.jsonData) };
    if (data.data === "binaryData") return { dataType: "binary", data: arrayBuffer(data.binaryData) };
    return { dataType: "protobuf", data: arrayBuffer(Any.encode(data.protobufData).finish()) };
  }

  const number = (value) => (value == null ? undefined : Number(value));

  return {
    name,
    isReliableSubProtocol: name.includes("reliable"),
    writeMessage({ kind, data, dataType, ...rest }) {
      const body = dataType === undefined ? rest : { ...rest, data: wrap(data, dataType) };
      return arrayBuffer(Upstream.encode(Upstream.fromObject({ [kind]: body })).finish());
    },
    parseMessages(input) {
      const frame = Downstream.decode(new Uint8Array(input));
      const { ack, data, system } = frame;
      switch (frame.message) {
        case "ack":
          return { kind: "ack", ackId: number(ack.ackId), success: ack.success, error: ack.error ?? undefined };
        case "data": {
          const kind = data.from === "group" ? "groupData" : "serverData";
          // Whoever asks for a field that is not there gets the default of its type; only the own ones were sent.
          const sequenceId = Object.hasOwn(data, "sequenceId") ? number(data.sequenceId) : undefined;
          return { kind, group: data.group, sequenceId, ...unwrap(data.data) };
        }
        case "system":
          if (system.message === "disconnected") return { kind: "disconnected", message: system.disconnected.reason };
          return {
            kind: "connected",
            connectionId: system.connected.connectionId,
            userId: system.connected.userId,
            reconnectionToken: system.connected.reconnectionToken,
          };
        default:
          return { kind: "pong" };
      }
    },
  };
}
