// The time line: a list of which only the rows in sight are elements, its filter, and the entry that was chosen.

import { hex, pretty } from "./data.js";
import { button, byId, copy, facts, make, reconcile } from "./elements.js";
import { ask } from "./service.js";

const KINDS = { rest: "REST", in: "in", out: "out", webhook: "webhook", refusal: "refused", connection: "conn" };
const MAX_ROWS = 2000;
const MARGIN = 10;
const TYPING = 150;
const NARROW = matchMedia("(max-width: 700px)");

const clock = (seconds) => {
  const time = new Date(seconds * 1000);
  return `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
};

export class Timeline {
  #rows = [];
  #matching = 0;
  #chosen = null;
  #follows = true;
  #isDrawn = true;

  constructor({ onFilter, onConnection, empty }) {
    Object.assign(this, { onFilter, onConnection, empty });
    this.list = byId("list");
    this.box = byId("rows");
    this.filter = byId("filter");
    this.detail = byId("detail");
    this.#makeKinds();
    let typing;
    this.filter.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.onFilter(this.wanted), TYPING);
    });
    this.filter.addEventListener("reset", () => setTimeout(() => this.onFilter(this.wanted)));
    this.filter.addEventListener("submit", (event) => event.preventDefault());
    this.list.addEventListener("scroll", () => {
      this.#follows = this.list.scrollTop + this.list.clientHeight >= this.box.offsetHeight - this.#height;
      this.#draw();
    });
    this.list.addEventListener("keydown", (event) => this.#onKey(event));
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.#choose(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.#draw()).observe(this.list);
    NARROW.addEventListener("change", () => this.#draw());
  }

  get #height() {
    return NARROW.matches ? 48 : 28;
  }

  #makeKinds() {
    for (const [kind, name] of Object.entries(KINDS)) {
      const box = make("input", { type: "checkbox", name: "kinds", value: kind, defaultChecked: true });
      byId("kinds").append(make("label", { className: `kind ${kind}` }, box, name));
    }
  }

  /** Which entries are wanted, in the words of the API. */
  get wanted() {
    const form = new FormData(this.filter);
    const kinds = form.getAll("kinds");
    const all = kinds.length === 0 || kinds.length === Object.keys(KINDS).length;
    const texts = ["text", "hub", "user", "connection"].map((name) => [name, form.get(name).trim()]);
    return Object.fromEntries([...texts, ["kinds", all ? "" : kinds.join(",")]].filter(([, value]) => value));
  }

  /** Show the entries of one connection. */
  only(connectionId) {
    this.filter.reset();
    this.filter.elements.connection.value = connectionId;
    this.onFilter(this.wanted);
  }

  /** Take rows from the emulator. */
  take({ rows, isNew, matching }) {
    this.#rows = isNew ? rows : [...this.#rows, ...rows].slice(-MAX_ROWS);
    this.#matching = isNew ? matching : this.#matching + matching;
    if (this.#isDrawn) {
      this.#isDrawn = false;
      requestAnimationFrame(() => {
        this.#isDrawn = true;
        this.#show();
      });
    }
  }

  #show() {
    const isEmpty = this.#rows.length === 0;
    const isFiltered = Object.keys(this.wanted).length > 0;
    this.list.hidden = isEmpty;
    byId("empty").hidden = !isEmpty;
    if (isEmpty) byId("empty").replaceChildren(...this.empty(isFiltered));
    const cut = this.#matching > this.#rows.length ? `the latest ${this.#rows.length.toLocaleString()} of ` : "";
    const noun = this.#matching === 1 ? "entry" : "entries";
    byId("matching").textContent = isEmpty ? "" : `${cut}${this.#matching.toLocaleString()} ${noun}`;
    this.#draw();
    if (this.#follows) this.list.scrollTop = this.box.offsetHeight;
  }

  #draw() {
    const height = this.#height;
    this.box.style.height = `${this.#rows.length * height}px`;
    const first = Math.max(0, Math.floor(this.list.scrollTop / height) - MARGIN);
    const last = Math.min(this.#rows.length, Math.ceil((this.list.scrollTop + this.list.clientHeight) / height) + MARGIN);
    // A row that stays in sight stays the same element: a click on it is not lost while others come.
    const shown = this.#rows.slice(first, last).map((row, index) => ({ row, at: first + index, height }));
    reconcile(this.box, shown, ({ row }) => String(row.number), ({ row }) => makeRow(row), (element, { at }) => {
      element.dataset.at = at;
      element.style.transform = `translateY(${at * height}px)`;
      element.setAttribute("aria-posinset", String(at + 1));
    });
    for (const element of this.box.children) {
      element.setAttribute("aria-selected", String(element.dataset.key === String(this.#chosen)));
      element.setAttribute("aria-setsize", String(this.#rows.length));
    }
    const chosen = this.#rows.findIndex((row) => row.number === this.#chosen);
    const isInSight = chosen >= first && chosen < last;
    if (isInSight) this.list.setAttribute("aria-activedescendant", `row-${this.#chosen}`);
    else this.list.removeAttribute("aria-activedescendant");
  }

  #onKey(event) {
    const at = this.#rows.findIndex((row) => row.number === this.#chosen);
    const page = Math.floor(this.list.clientHeight / this.#height);
    const last = this.#rows.length - 1;
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? last : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") this.#close();
    if (event.key === "Enter" && at >= 0) this.detail.focus();
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#choose(Math.min(last, Math.max(0, to)));
  }

  #choose(at) {
    const row = this.#rows[at];
    this.#chosen = row.number;
    const top = at * this.#height;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    const bottom = top + this.#height - this.list.clientHeight;
    if (bottom > this.list.scrollTop) this.list.scrollTop = bottom;
    this.#draw();
    this.#open(row.number);
  }

  async #open(number) {
    try {
      const entry = await ask("GET", `timeline/${number}`);
      if (number === this.#chosen) this.#fill(entry);
    } catch (error) {
      this.detail.replaceChildren(make("p", {}, error.message));
    }
    this.detail.hidden = false;
  }

  #close() {
    this.#chosen = null;
    this.detail.hidden = true;
    this.#draw();
    this.list.focus();
  }

  #fill(entry) {
    const { fields = {} } = entry;
    const ids = entry.connections;
    const head = make("h2", {}, `${KINDS[entry.kind]} ${entry.number}`);
    const buttons = make("p", { className: "buttons" });
    if (entry.kind === "webhook") {
      buttons.append(button("Repeat this call", (event) => this.#repeat(entry.number, event.target), { className: "main" }));
    }
    if (ids.length === 1) buttons.append(button("Only this connection", () => this.onConnection(ids[0])));
    buttons.append(
      button("Copy JSON", (event) => copy(JSON.stringify(entry, null, 2), event.target)),
      button("Close", () => this.#close()),
    );
    this.detail.onkeydown = (event) => event.key === "Escape" && this.#close();
    this.detail.replaceChildren(
      make("div", { className: "detail-head" }, head, buttons),
      make("output"),
      make(
        "dl",
        {},
        ...facts([
          ["What", entry.title],
          ["Time", clock(entry.time)],
          ["Hub", entry.hub],
          ["Users", entry.users.join(", ")],
          [entry.connectionCount === 1 ? "Connection" : "Connections", shortList(ids, entry.connectionCount)],
          ["Frame", entry.frame],
          ["Ack id", fields.ackId === undefined ? "" : String(fields.ackId)],
          ["Sequence ids", shortList((entry.sequenceIds ?? []).map(String))],
          ...["method", "target", "contentType", "url", "event", "subprotocol", "reason", "why", "error"].map((name) => [
            capital(name),
            entry[name],
          ]),
          ["Status", entry.status === undefined ? "" : String(entry.status ?? "none")],
          ["Groups", (entry.groups ?? []).join(", ")],
          ["Roles", (entry.roles ?? []).join(", ")],
          ...Object.entries(fields)
            .filter(([name]) => name !== "ackId")
            .map(([name, value]) => [capital(name), typeof value === "object" ? JSON.stringify(value) : String(value)]),
        ]),
      ),
      ...headers("Headers", entry.headers),
      ...data("Data", entry.data),
      ...headers("Headers of the answer", entry.answerHeaders),
      ...data("Answer", entry.answer),
    );
  }

  async #repeat(number, pressed) {
    pressed.disabled = true;
    const output = this.detail.querySelector("output");
    try {
      const again = await ask("POST", `timeline/${number}/repeat`, {});
      output.textContent = `Repeated as entry ${again.number}: ${again.error ?? again.status}`;
    } catch (error) {
      output.textContent = error.message;
    }
    pressed.disabled = false;
  }
}

function makeRow(row) {
  const more = row.connectionCount > 1 ? ` +${(row.connectionCount - 1).toLocaleString()}` : "";
  const who = row.connectionCount ? (row.users[0] ?? row.connections[0].slice(0, 6)) + more : "";
  return make(
    "div",
    { id: `row-${row.number}`, role: "option", className: `row${row.failed ? " failed" : ""}` },
    make("time", {}, clock(row.time)),
    make("span", { className: `kind ${row.kind}` }, KINDS[row.kind]),
    make("span", { className: "hub" }, row.hub),
    make("span", { className: "who", title: row.connections.join(" ") }, who),
    make("span", { className: "title", title: row.title }, row.title),
  );
}

const capital = (name) => name[0].toUpperCase() + name.slice(1).replace(/[A-Z]/g, (each) => ` ${each.toLowerCase()}`);

function shortList(values, count = values.length) {
  const shown = values.slice(0, 20).join(", ");
  return count > 20 ? `${shown} and ${(count - 20).toLocaleString()} more` : shown;
}

function headers(title, pairs) {
  if (!pairs?.length) return [];
  const lines = pairs.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value)));
  return [make("details", {}, make("summary", {}, title), make("table", {}, ...lines))];
}

function data(title, content) {
  if (!content?.size) return [];
  const kind = content.dataType ? `${content.dataType}, ` : "";
  const text = content.text === undefined ? null : (pretty(content.text) ?? content.text);
  return [
    make("h3", {}, title, make("small", {}, ` ${kind}${content.size.toLocaleString()} bytes`)),
    text === null ? null : make("pre", { tabIndex: 0 }, text),
    make("details", { open: text === null }, make("summary", {}, "Hex"), make("pre", { tabIndex: 0 }, hex(content))),
  ].filter(Boolean);
}
