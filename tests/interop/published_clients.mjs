// Runs the published JavaScript clients for a test. One line of JSON comes in for each call; one goes out for each answer
// ({id, result} or {id, error}) and for each event ({on, event, value}). Bytes are {"$bytes": base64}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { protobufProtocol } from "./protobuf_protocol.mjs";

const require = createRequire(`${process.argv[2]}/package.json`);
const service = require("@azure/web-pubsub");
const clients = {
  pinned: () => require("@azure/web-pubsub-client"),
  newest: () => require("@azure/web-pubsub-client-newest"),
};

const EVENTS = ["connected", "disconnected", "stopped", "server-message", "group-message", "rejoin-group-failed"];
const objects = new Map();
const dismissed = new Set();

const tell = (value) => process.stdout.write(`${JSON.stringify(value, pack)}\n`);

function pack(_, value) {
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString("base64") };
  if (value instanceof Error) return explain(value);
  return value;
}

function unpack(_, value) {
  if (value === null || value.$bytes === undefined) return value;
  const bytes = Buffer.from(value.$bytes, "base64");
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

function explain(error) {
  const { name, message, ackId, errorDetail, invocationId, statusCode, code } = error;
  return { name, message, ackId, errorDetail, invocationId, statusCode, code };
}

function protocolOf(library, name) {
  if (name === "json.webpubsub.azure.v1") return library.WebPubSubJsonProtocol();
  if (name === "json.reliable.webpubsub.azure.v1") return library.WebPubSubJsonReliableProtocol();
  return protobufProtocol(require("protobufjs"), name);
}

const commands = {
  client({ handle, version, urls, protocol, options }) {
    const library = clients[version]();
    // The last URL serves for every later connection.
    const getClientAccessUrl = async () => {
      // A client that is stopped while it reconnects goes on for ever; without a URL it cannot.
      if (dismissed.has(handle)) throw new Error("the test is over");
      return urls.length > 1 ? urls.shift() : urls[0];
    };
    const client = new library.WebPubSubClient(
      { getClientAccessUrl },
      { ...options, protocol: protocolOf(library, protocol) },
    );
    for (const event of EVENTS) client.on(event, (value) => tell({ on: handle, event, value }));
    objects.set(handle, client);
  },
  // Previews. Only the protocol of the client knows the state of groups: it writes the frames and reads the reports.
  tell_state({ handle, message }) {
    return objects.get(handle)._sendMessageWithAckId((ackId) => ({ ...message, ackId }));
  },
  hear_states({ handle }) {
    const protocol = objects.get(handle)._protocol;
    const parse = protocol.parseMessages.bind(protocol);
    protocol.parseMessages = (input) => {
      const message = parse(input);
      if (message?.kind?.startsWith("groupState")) tell({ on: handle, event: "state", value: message });
      return message;
    };
  },
  hear_streams({ handle, options }) {
    const hear = async (stream) => {
      const told = { group: stream.groupName, stream: stream.streamId };
      try {
        for await (const { data } of stream) tell({ on: handle, event: "stream", value: { ...told, data } });
        tell({ on: handle, event: "stream", value: { ...told, end: true } });
      } catch (error) {
        tell({ on: handle, event: "stream", value: { ...told, error } });
      }
    };
    objects.get(handle).onGroupStream(hear, options);
  },
  async open_stream({ handle, of, args }) {
    const writer = await objects.get(of).openGroupStream(...args);
    writer.onError((error) => tell({ on: handle, event: "error", value: error }));
    objects.set(handle, writer);
    return writer.streamId;
  },
  begin_invoke({ handle, of, args }) {
    const controller = new AbortController();
    const outcome = objects.get(of).invokeEvent(...args, { abortSignal: controller.signal });
    outcome.catch(() => {});
    objects.set(handle, { controller, outcome });
  },
  abort_invoke({ handle }) {
    objects.get(handle).controller.abort();
    return objects.get(handle).outcome;
  },
  dismiss({ handle }) {
    dismissed.add(handle);
    objects.get(handle).stop();
  },
  service({ handle, args }) {
    objects.set(handle, new service.WebPubSubServiceClient(...args));
  },
  group({ handle, of, name }) {
    objects.set(handle, objects.get(of).group(name));
  },
  call({ handle, method, args }) {
    return objects.get(handle)[method](...args);
  },
  async list({ handle, options, pages }) {
    const found = [];
    const iterator = await objects.get(handle).listConnections(options);
    for await (const each of pages ? iterator.byPage() : iterator) found.push(each);
    return found;
  },
  odata({ parts, values }) {
    return service.odata(parts, ...values);
  },
  methods({ handle }) {
    return Object.getOwnPropertyNames(Object.getPrototypeOf(objects.get(handle)));
  },
};

async function answer(request) {
  try {
    tell({ id: request.id, result: (await commands[request.command](request)) ?? null });
  } catch (error) {
    tell({ id: request.id, error: explain(error) });
  }
}

createInterface({ input: process.stdin })
  .on("line", (line) => answer(JSON.parse(line, unpack)))
  .on("close", () => process.exit());
