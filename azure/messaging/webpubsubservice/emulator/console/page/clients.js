// Test clients in the page: real WebSockets, to a hub, with a token of the emulator's.

import { button, byId, list, make, onSubmit } from "./elements.js";
import { ask } from "./service.js";

const RELIABLE = "json.reliable.webpubsub.azure.v1";
const KEPT = 200;
const RECOVER = 500;
const FINAL = [1000, 1008];
const TEMPLATES = {
  "send to group": { type: "sendToGroup", group: "lobby", ackId: 1, dataType: "json", data: { hello: "group" } },
  "join group": { type: "joinGroup", group: "lobby", ackId: 1 },
  "leave group": { type: "leaveGroup", group: "lobby", ackId: 1 },
  event: { type: "event", event: "message", ackId: 1, dataType: "text", data: "hello" },
  ping: { type: "ping" },
  "sequence ack": { type: "sequenceAck", sequenceId: 1 },
};

export function startClients() {
  const form = byId("client-form");
  onSubmit(form, async ({ hub, userId, protocol, groups, roles, minutes }) => {
    const asked = { hub, userId, groups: list(groups), roles: list(roles), minutesToExpire: Number(minutes) };
    const { url } = await ask("POST", "tokens", asked);
    new Client(`${userId || "anonymous"} in ${hub}`, url, protocol);
  });
}

class Client {
  #acks = 0;

  constructor(name, url, protocol) {
    const { pathname, search } = new URL(url);
    this.url = `${location.protocol.replace("http", "ws")}//${location.host}${pathname}`;
    this.search = search;
    this.protocol = protocol;
    this.status = make("span", { className: "tag", role: "status" });
    this.log = make("ol", { className: "log", tabIndex: 0, "aria-label": `What ${name} sent and received`, role: "log" });
    this.text = make("textarea", { rows: 3, spellcheck: false, "aria-label": "Frame to send" });
    this.element = make(
      "article",
      { className: "client", "aria-label": name },
      make("h2", {}, name, " ", this.status),
      this.log,
      this.#templates(),
      this.text,
      make(
        "p",
        { className: "buttons" },
        button("Send frame", () => this.#send(), { className: "main" }),
        button("Close client", () => this.socket.close(1000)),
        button("Remove", () => this.#remove()),
      ),
    );
    byId("client-list").prepend(this.element);
    this.#connect(this.url + this.search);
  }

  #templates() {
    if (this.protocol === "") {
      this.text.value = "hello";
      return "";
    }
    const choice = make("select", { "aria-label": "Template of a frame" });
    choice.append(...Object.keys(TEMPLATES).map((name) => make("option", {}, name)));
    const fill = () => {
      const frame = structuredClone(TEMPLATES[choice.value]);
      if (frame.ackId) frame.ackId = this.#acks += 1;
      this.text.value = JSON.stringify(frame);
    };
    choice.onchange = fill;
    fill();
    return choice;
  }

  #connect(url) {
    this.socket = new WebSocket(url, this.protocol ? [this.protocol] : []);
    this.socket.binaryType = "arraybuffer";
    this.#say("connecting");
    this.socket.onopen = () => this.#say("open");
    this.socket.onmessage = ({ data }) => this.#receive(data);
    this.socket.onclose = ({ code, reason }) => {
      this.#note("end", `${code} ${reason}`);
      const recovers = this.token !== undefined && !FINAL.includes(code) && this.element.isConnected;
      this.#say(recovers ? "recovering" : "closed");
      if (recovers) setTimeout(() => this.#recover(), RECOVER);
    };
  }

  #recover() {
    const query = new URLSearchParams({ awps_connection_id: this.id, awps_reconnection_token: this.token });
    this.#connect(`${this.url}?${query}`);
  }

  #receive(data) {
    this.#note("in", typeof data === "string" ? data : `${data.byteLength} bytes`);
    if (this.protocol === "" || typeof data !== "string") return;
    const frame = JSON.parse(data);
    if (frame.event === "connected") {
      this.id = frame.connectionId;
      if (this.protocol === RELIABLE) this.token = frame.reconnectionToken;
    }
    if (this.protocol === RELIABLE && frame.sequenceId) {
      this.socket.send(JSON.stringify({ type: "sequenceAck", sequenceId: frame.sequenceId }));
    }
  }

  #send() {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(this.text.value);
    this.#note("out", this.text.value);
    if (this.protocol === "") return;
    try {
      const frame = JSON.parse(this.text.value);
      if (frame.ackId) this.text.value = JSON.stringify({ ...frame, ackId: (this.#acks = frame.ackId + 1) });
    } catch {
      // sent as it was typed: how the service takes it is worth seeing
    }
  }

  #note(kind, text) {
    const shown = this.token === undefined ? text : text.replaceAll(this.token, "(not shown)");
    this.log.append(make("li", { className: kind }, shown.replace(/("reconnectionToken":")[^"]*/, "$1(not shown)")));
    while (this.log.children.length > KEPT) this.log.firstChild.remove();
    this.log.scrollTop = this.log.scrollHeight;
  }

  #say(text) {
    this.status.textContent = text;
  }

  #remove() {
    this.element.remove();
    this.socket.close(1000);
  }
}
