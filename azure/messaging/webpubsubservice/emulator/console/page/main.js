// The page: what belongs together is made in the other modules, and joined here.

import { sendTo, showState, startActs } from "./acts.js";
import { startClients } from "./clients.js";
import { button, byId, copy, make } from "./elements.js";
import { Hubs, count } from "./live.js";
import { Live } from "./service.js";
import { Timeline } from "./timeline.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
const WIDE = matchMedia("(min-width: 1100px)");
const WORDS = { live: "live", offline: "the emulator does not answer", refused: "not let in" };
let connectionString = "";

function open(tab) {
  for (const each of tabs) {
    const isOpen = each === tab;
    each.setAttribute("aria-selected", String(isOpen));
    each.tabIndex = isOpen ? 0 : -1;
    byId(each.getAttribute("aria-controls")).classList.toggle("open", isOpen);
  }
}

for (const tab of tabs) {
  tab.onclick = () => open(tab);
  tab.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const shown = tabs.filter((each) => each.offsetParent !== null);
    const next = shown[(shown.indexOf(tab) + step + shown.length) % shown.length];
    open(next);
    next.focus();
  };
}

// On a wide screen the time line is always there, beside what one does.
const settle = () => open(byId(WIDE.matches ? "tab-live" : "tab-timeline"));
WIDE.addEventListener("change", settle);
settle();

function code(text) {
  return make(
    "div",
    { className: "code" },
    make("pre", { tabIndex: 0 }, text),
    button("Copy", (event) => copy(text, event.target)),
  );
}

const first = () => [
  make("h2", {}, "Nothing has happened yet"),
  make("p", {}, "Connect a client and send it a message; what happens is here at once."),
  make("p", { className: "buttons" }, button("Connect a test client", () => open(byId("tab-clients")), { className: "main" })),
  make("h3", {}, "The connection string"),
  code(connectionString),
  make("h3", {}, "From Python"),
  code(
    [
      "from azure.messaging.webpubsubservice import WebPubSubServiceClient",
      "",
      `service = WebPubSubServiceClient.from_connection_string("${connectionString}", hub="chat")`,
      'print(service.get_client_access_token()["url"])  # for any WebSocket client',
      'service.send_to_all({"hello": "world"})',
    ].join("\n"),
  ),
  make("h3", {}, "From a terminal"),
  code("webpubsub subscribe chat"),
  code("webpubsub publish chat hello"),
];

const timeline = new Timeline({
  onFilter: (filter) => live.choose(filter),
  onConnection: (id) => timeline.only(id),
  empty: (isFiltered) =>
    isFiltered
      ? [
          make("h2", {}, "No entry fits the filter"),
          make("p", { className: "buttons" }, button("Clear the filter", () => byId("filter").reset())),
        ]
      : first(),
});

const hubs = new Hubs({
  onShow: (id) => {
    timeline.only(id);
    if (!WIDE.matches) open(byId("tab-timeline"));
  },
  onSend: (hub, id) => {
    open(byId("tab-send"));
    sendTo(hub, id);
  },
  empty: () => [
    make("h2", {}, "Nobody is connected"),
    make("p", {}, "A hub is here as long as somebody is in it."),
    make("p", { className: "buttons" }, button("Connect a test client", () => open(byId("tab-clients")), { className: "main" })),
  ],
});

const live = new Live({
  onRows: (message) => timeline.take(message),
  onState: (state) => {
    connectionString = state.connectionString;
    const sum = (name) => state.hubs.reduce((before, hub) => before + hub[name], 0);
    byId("counts").textContent = [
      state.endpoint,
      count(state.hubs.length, "hub"),
      count(sum("connectionCount"), "connection"),
      count(sum("userCount"), "user"),
    ].join(" · ");
    hubs.show(state);
    showState(state);
  },
  onStatus: (status) => {
    byId("live").textContent = WORDS[status];
    byId("live").className = status;
    byId("notice").hidden = status !== "refused";
    byId("notice").textContent =
      "This page needs the token of this run: open the URL that the emulator printed when it started.";
  },
});

byId("copy-connection-string").onclick = (event) => copy(connectionString, event.target);
startActs(() => timeline.wanted);
startClients();
