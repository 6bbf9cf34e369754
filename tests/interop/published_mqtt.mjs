// Runs MQTT.js for a test. One line of JSON comes in for each call; one goes out for each answer ({id, result} or
// {id, error}) and for each event ({on, event, value}). Bytes are {"$bytes": base64}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.argv[2]}/package.json`);
const mqtt = require("mqtt");
const clients = new Map();

const tell = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const bytes = (value) => (value ? { $bytes: Buffer.from(value).toString("base64") } : null);

function unpack(_, value) {
  return value !== null && value.$bytes !== undefined ? Buffer.from(value.$bytes, "base64") : value;
}

function plain(properties = {}) {
  const { correlationData, ...others } = properties;
  return { ...others, correlationData: bytes(correlationData) };
}

const commands = {
  connect({ handle, url, options }) {
    const client = mqtt.connect(url, { reconnectPeriod: 50, connectTimeout: 5000, ...options });
    clients.set(handle, client);
    const on = (event, value) => tell({ on: handle, event, value });
    client.on("connect", (packet) => on("connected", { present: packet.sessionPresent, ...plain(packet.properties) }));
    client.on("message", (topic, payload, packet) =>
      on("message", { topic, payload: bytes(payload) ?? { $bytes: "" }, qos: packet.qos, ...plain(packet.properties) }),
    );
    client.on("disconnect", (packet) => on("told", packet.reasonCode));
    client.on("close", () => on("closed", null));
    client.on("error", (error) => on("error", error.code ?? String(error)));
  },
  subscribe: ({ handle, topic, options }) => clients.get(handle).subscribeAsync(topic, options),
  unsubscribe: ({ handle, topic }) => clients.get(handle).unsubscribeAsync(topic).then(() => null),
  publish: ({ handle, topic, payload, options }) =>
    clients.get(handle).publishAsync(topic, payload, options).then(() => null),
  end: ({ handle, force }) => clients.get(handle).endAsync(force),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...request } = JSON.parse(line, unpack);
  Promise.resolve()
    .then(() => commands[command](request))
    .then(
      (result) => tell({ id, result: result ?? null }),
      (error) => tell({ id, error: { message: error.message, code: error.code } }),
    );
}
process.exit(0);
