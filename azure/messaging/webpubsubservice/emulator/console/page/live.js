// Who is connected: hubs, their connections, groups and users; and what one does with a connection.

import { byId, facts, make, reconcile, tell } from "./elements.js";
import { ask, call, inHub } from "./service.js";

const PROTOCOLS = {
  "json.webpubsub.azure.v1": "JSON",
  "json.reliable.webpubsub.azure.v1": "JSON, reliable",
  "protobuf.webpubsub.azure.v1": "protobuf",
  "protobuf.reliable.webpubsub.azure.v1": "protobuf, reliable",
};

export const count = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
const protocol = (name) => (name === null ? "simple" : (PROTOCOLS[name] ?? name));

export class Hubs {
  #state = { hubs: [] };
  #chosen = null;

  constructor({ onShow, onSend, empty }) {
    this.empty = empty;
    this.form = byId("connection");
    const press = (name, act) => {
      this.form.elements[name].onclick = () => tell(this.form, () => act(this.#chosen.hub, this.#chosen.id));
    };
    press("show", (hub, id) => onShow(id));
    press("message", (hub, id) => onSend(hub, id));
    press("drop", async (hub, id) => {
      await ask("POST", "drop", { connectionId: id });
      return "Dropped: a reliable client can recover it.";
    });
    press("close", async (hub, id) => {
      await call("DELETE", `${inHub(hub, "connections", id)}?reason=closed%20in%20the%20console`);
      return "Closed.";
    });
    press("grant", (hub, id) => this.#permit("PUT", "Granted.", hub, id));
    press("revoke", (hub, id) => this.#permit("DELETE", "Revoked.", hub, id));
    this.form.onsubmit = (event) => event.preventDefault();
  }

  async #permit(method, done, hub, id) {
    const { permission, group } = this.form.elements;
    const target = inHub(hub, "permissions", permission.value, "connections", id);
    await call(method, `${target}?targetName=${encodeURIComponent(group.value)}`);
    return done;
  }

  show(state) {
    this.#state = state;
    const place = byId("hub-list");
    if (state.hubs.length === 0) place.replaceChildren(...this.empty());
    else {
      for (const child of [...place.children]) if (!child.dataset.key) child.remove();
      reconcile(place, state.hubs, (hub) => hub.name, newHub, (element, hub) => this.#fillHub(element, hub));
    }
    const names = (id, values) => byId(id).replaceChildren(...values.map((value) => make("option", { value })));
    names("hub-names", state.hubs.map((hub) => hub.name));
    names("user-names", [...new Set(state.hubs.flatMap((hub) => hub.users.map((user) => user.userId)))]);
    this.#showChosen();
  }

  #fillHub(element, hub) {
    const [title, counts, connections, groups, users] = element.children;
    title.textContent = hub.name;
    counts.textContent = [
      count(hub.connectionCount, "connection"),
      count(hub.groupCount, "group"),
      count(hub.userCount, "user"),
    ].join(", ");
    reconcile(
      connections,
      hub.connections,
      (each) => each.connectionId,
      (each) => make("li", {}, make("button", { type: "button", onclick: () => this.#choose(hub.name, each.connectionId) })),
      (line, each) => fillConnection(line.firstChild, each),
    );
    const named = (values, name) => values.map((each) => `${each[name]} (${each.connections.toLocaleString()})`).join(", ");
    groups.textContent = hub.groupCount ? `Groups: ${named(hub.groups, "name")}` : "";
    users.textContent = hub.userCount ? `Users: ${named(hub.users, "userId")}` : "";
  }

  #choose(hub, id) {
    this.#chosen = { hub, id };
    this.form.querySelector("output").textContent = "";
    this.#showChosen();
    this.form.scrollIntoView({ block: "nearest" });
  }

  #showChosen() {
    for (const each of byId("hub-list").querySelectorAll("li")) {
      each.firstChild.setAttribute("aria-pressed", String(each.dataset.key === this.#chosen?.id));
    }
    this.form.hidden = this.#chosen === null;
    if (this.#chosen === null) return;
    const { hub, id } = this.#chosen;
    const connections = this.#state.hubs.find((each) => each.name === hub)?.connections ?? [];
    const found = connections.find((each) => each.connectionId === id);
    byId("chosen").textContent = id;
    const written = JSON.stringify(found ?? null);
    if (this.form.written === written) return;
    this.form.written = written;
    for (const name of ["drop", "close", "grant", "revoke", "message"]) this.form.elements[name].disabled = !found;
    byId("chosen-facts").replaceChildren(
      ...facts(
        found
          ? [
              ["User", found.userId ?? "anonymous"],
              ["Protocol", protocol(found.protocol)],
              ["Since", found.since === null ? "" : new Date(found.since * 1000).toLocaleTimeString()],
              ["State", found.isConnected ? "connected" : "lost, can be recovered"],
              ["Groups", found.groups.join(", ") || "none"],
              ["Roles", found.roles.join(", ") || "none"],
              ["Granted", found.allowed.join(", ")],
              ["Revoked", found.denied.join(", ")],
              ["Unread", waiting(found) || "nothing"],
            ]
          : [["State", "over"]],
      ),
    );
  }
}

const newHub = () =>
  make("article", {}, make("h2"), make("p", { className: "hint" }), make("ul"), make("p", { className: "names" }), make("p", { className: "names" }));

function waiting({ unreadBytes, unconfirmed }) {
  const parts = [];
  if (unreadBytes) parts.push(`${unreadBytes.toLocaleString()} bytes`);
  if (unconfirmed) parts.push(`${count(unconfirmed, "message")} not confirmed`);
  return parts.join(", ");
}

function fillConnection(line, each) {
  line.className = `connection${each.isConnected ? "" : " lost"}`;
  line.replaceChildren(
    make("strong", {}, each.userId ?? "anonymous"),
    make("code", { title: each.connectionId }, each.connectionId.slice(0, 8)),
    make("span", { className: "tag" }, protocol(each.protocol)),
    ...each.groups.slice(0, 4).map((group) => make("span", { className: "tag group" }, group)),
    ...(each.isConnected ? [] : [make("span", { className: "tag bad" }, "lost")]),
    ...(waiting(each) ? [make("span", { className: "tag bad" }, waiting(each))] : []),
  );
}
