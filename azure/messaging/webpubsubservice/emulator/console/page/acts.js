// What one does to the emulator: send, raise events, inject faults, advance the clock, reset, take the record away.

import { byId, copy, list, make, onSubmit, reconcile, showFieldsFor } from "./elements.js";
import { ask, call, content, inHub } from "./service.js";

const TYPES = { json: "application/json", text: "text/plain", binary: "application/octet-stream" };

export function startActs(wanted) {
  startSend();
  startEvents();
  startFaults();
  startTakeAway(wanted);
}

/** Begin a message to one connection. */
export function sendTo(hub, connectionId) {
  const { elements } = byId("send-form");
  elements.hub.value = hub;
  elements.to.value = "connections";
  elements.name.value = connectionId;
  elements.to.dispatchEvent(new Event("change"));
  elements.data.focus();
}

function startSend() {
  const form = byId("send-form");
  showFieldsFor(form, form.elements.to);
  onSubmit(form, async ({ hub, to, name, dataType, data, filter, excluded, ttl }) => {
    const query = new URLSearchParams(list(excluded).map((each) => ["excluded", each]));
    if (filter) query.set("filter", filter);
    if (ttl) query.set("messageTtlSeconds", ttl);
    const place = to === "all" ? inHub(hub) : inHub(hub, to, name);
    const answer = await call("POST", `${place}/:send?${query}`, { contentType: TYPES[dataType], ...content(dataType, data) });
    return `Sent: ${answer.status}`;
  });
}

function startEvents() {
  const form = byId("event-form");
  showFieldsFor(form, form.elements.kind);
  onSubmit(form, async ({ data, ...order }) => {
    const made = order.kind === "user" ? content(order.dataType, data) : {};
    const call = await ask("POST", "events", { ...order, ...made });
    const answer = call.answer?.text ? `: ${call.answer.text}` : "";
    return `Entry ${call.number}: ${call.error ?? call.status}${answer}`;
  });
}

function startFaults() {
  const form = byId("fault-form");
  showFieldsFor(form, form.elements.fault);
  onSubmit(form, async (fields) => {
    await ask("POST", "faults", readFault(form, fields));
    return "Injected.";
  });
  const advance = byId("clock-form");
  onSubmit(advance, async ({ seconds }) => {
    await ask("POST", "clock", { seconds: Number(seconds) });
  });
  onSubmit(byId("reset-form"), async () => {
    await ask("POST", "reset", {});
    return "As it was when it started.";
  });
}

/** The fields that are shown and filled in, in the words of the API. */
function readFault(form, { fault, ...fields }) {
  const isSocket = fault === "cut" || fault === "stopReading";
  const order = { kind: isSocket ? "socket" : "rest" };
  for (const [name, value] of Object.entries(fields)) {
    const input = form.elements[name];
    if (value === "" || input.closest("label").hidden) continue;
    order[name] = input.type === "number" ? Number(value) : value;
  }
  if (fault === "cut") order.drop = true;
  else if (fault !== "status" && fault !== "delay") order[fault] = true;
  return order;
}

/** Show what is armed, who handles events, and how far the clock is ahead. */
export function showState({ faults, eventHandlers, clockAhead }) {
  const line = () => make("li");
  reconcile(byId("armed"), faults, (each) => each.fault, line, (item, { fault, left }) => {
    const said = fault.replace(/\w+=(None|False)(, )?/g, "").replace(/, (times=\d+)?\)$/, ")");
    item.textContent = `${said} ${left} to come`;
  });
  const handlers = eventHandlers.length ? eventHandlers : [null];
  reconcile(byId("handlers"), handlers, (each) => (each ? `${each.hub} ${each.place}` : "none"), line, (item, each) => {
    item.textContent = each
      ? `${each.hub}: ${each.place} takes ${[...each.systemEvents, ...each.groupEvents, each.userEvents && `user events ${each.userEvents}`].filter(Boolean).join(", ")}`
      : "There is none: start the emulator with --event-handler HUB=URL.";
  });
  byId("clock").textContent = clockAhead
    ? `${clockAhead.toLocaleString()} seconds ahead of the machine's`
    : "As the machine's. Tokens, messages and recovery windows follow it.";
}

function startTakeAway(wanted) {
  const dialog = byId("taken");
  const [title, shown] = dialog.children;
  let file = "";
  const open = async (path, words, name) => {
    const taken = await ask("GET", `${path}?${new URLSearchParams(wanted())}`);
    file = name;
    title.textContent = words;
    shown.textContent = typeof taken === "string" ? taken : JSON.stringify(taken, null, 2);
    dialog.showModal();
  };
  byId("take-json").onclick = () => open("record", "The entries that are shown, as JSON", "recording.json");
  byId("take-pytest").onclick = () => open("snippet", "The entries that are shown, as a test", "test_recording.py");
  for (const pressed of dialog.querySelectorAll("button")) {
    pressed.onclick = () => {
      if (pressed.name === "copy") copy(shown.textContent, pressed);
      else if (pressed.name === "save") save(file, shown.textContent);
      else dialog.close();
    };
  }
}

function save(name, text) {
  const href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  make("a", { href, download: name }).click();
  URL.revokeObjectURL(href);
}
