// The published JavaScript handler, doing what the Python handler of test_express_handler.py does. Prints its port, then
// one line of JSON for each notification.
"use strict";
const express = require("express");
const { WebPubSubEventHandler } = require("@azure/web-pubsub-express");

const tell = (value) => console.log(JSON.stringify(value));

const handler = new WebPubSubEventHandler("chat", {
  path: "/eventhandler",
  allowedEndpoints: [process.argv[2]],
  handleConnect(request, response) {
    const wish = (request.queries.wish ?? [""])[0];
    if (/^\d+$/.test(wish)) return response.fail(Number(wish), "no");
    if (wish !== "alter") return response.success();
    response.setState("count", 10);
    response.success({
      userId: "changed",
      groups: ["room"],
      roles: ["webpubsub.sendToGroup.room"],
      subprotocol: request.subprotocols[0],
    });
  },
  onConnected(request) {
    tell(["connected", request.context.userId ?? null, request.context.states]);
  },
  onDisconnected(request) {
    tell(["disconnected", request.context.userId ?? null, request.context.states]);
  },
  handleUserEvent(request, response) {
    switch (request.context.eventName) {
      case "count": {
        const count = (request.context.states.count ?? 0) + 1;
        response.setState("count", count);
        response.setState("last", request.data);
        return response.success(JSON.stringify({ count }), "json");
      }
      case "refuse":
        return response.fail(400, "no");
      case "nothing":
        return response.success();
      default:
        return response.success(request.dataType === "json" ? JSON.stringify(request.data) : request.data, request.dataType);
    }
  },
});

const app = express();
app.use(handler.getMiddleware());
const server = app.listen(0, "127.0.0.1", () => tell(server.address().port));
