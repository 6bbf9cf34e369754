// The published JavaScript handler, doing for MQTT clients what the Python handler of test_mqtt_express_handler.py does.
// Prints its port, then one line of JSON for each notification.
"use strict";
const { createRequire } = require("node:module");

const load = createRequire(`${process.argv[2]}/package.json`);
const express = load("express");
const { WebPubSubEventHandler } = load("@azure/web-pubsub-express");

const tell = (value) => console.log(JSON.stringify(value));

const handler = new WebPubSubEventHandler("chat", {
  path: "/eventhandler",
  allowedEndpoints: ["http://127.0.0.1"],
  handleConnect(request, response) {
    const { protocolVersion, username, password, userProperties } = request.mqtt;
    tell(["connect", protocolVersion, username, password, (userProperties ?? []).map(({ name, value }) => [name, value])]);
    if (username === "banned") {
      return response.failWith({ mqtt: { code: protocolVersion === 5 ? 0x8a : 5, reason: "banned" } });
    }
    if (username === "wrong") return response.fail(401, "no");
    response.success({
      userId: username,
      groups: ["room"],
      roles: ["webpubsub.sendToGroup.room"],
      mqtt: { userProperties: [{ name: "x", value: "y" }] },
    });
  },
  onConnected: ({ context }) => tell(["connected", context.userId, context.mqtt.sessionId !== undefined]),
  onDisconnected: ({ mqtt }) => tell(["disconnected", mqtt.disconnectPacket?.code ?? null]),
  handleUserEvent(request, response) {
    if (request.context.eventName === "refuse") return response.fail(400, "no");
    const count = (request.context.states.count ?? 0) + 1;
    response.setState("count", count);
    response.success(JSON.stringify({ count }), "json");
  },
});

const app = express();
app.use(handler.getMiddleware());
const server = app.listen(0, "127.0.0.1", () => tell(server.address().port));
