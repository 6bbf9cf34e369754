// The emulator's JSON API, and the socket on which it tells what changes. The token is in the fragment of the URL.

const TOKEN = decodeURIComponent(location.hash.slice(1));
const RETRY = 1000;

/** Ask the API; what it refuses is an Error with its words. */
export async function ask(method, path, body) {
  const response = await fetch(`api/${path}`, {
    method,
    headers: { "X-Console-Token": TOKEN },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
  const value = isJson ? JSON.parse(text) : text;
  if (!response.ok) throw new Error(value.error ?? text);
  return value;
}

/** Make a REST call of the service's; what it refuses is an Error with its words. */
export async function call(method, target, content = {}) {
  const answer = await ask("POST", "rest", { method, target, ...content });
  if (answer.status >= 300) {
    let words = answer.text;
    try {
      words = JSON.parse(answer.text).message ?? words;
    } catch {
      // it is plain text
    }
    throw new Error(`${answer.status} ${words}`);
  }
  return answer;
}

/** The address of something in a hub. */
export const inHub = (hub, ...segments) => `/api/hubs/${[hub, ...segments].map(encodeURIComponent).join("/")}`;

/** Content of a message in the words of the API. */
export const content = (dataType, data) => (dataType === "binary" ? { base64: data.trim() } : { text: data });

/** Stay connected to what happens. */
export class Live {
  #socket = null;
  #filter = {};

  constructor({ onState, onRows, onStatus }) {
    Object.assign(this, { onState, onRows, onStatus });
    this.#connect();
  }

  /** Say which entries are to be shown. */
  choose(filter) {
    this.#filter = filter;
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ filter }));
  }

  #connect() {
    const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/console/api/live`);
    this.#socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify({ token: TOKEN }));
      this.choose(this.#filter);
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      this.onStatus("live");
      if (message.type === "state") this.onState(message.state);
      else this.onRows(message);
    };
    socket.onclose = ({ code }) => {
      const isRefused = code === 1008;
      this.onStatus(isRefused ? "refused" : "offline");
      if (!isRefused) setTimeout(() => this.#connect(), RETRY);
    };
  }
}
