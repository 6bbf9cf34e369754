// Bytes as people read them: JSON with indents (numbers as they were written), and hex.

const TOKEN = /"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s"{}[\],:]+/g;
const MAX_HEX = 4096;
const WIDTH = 16;

/** Text with the indents of JSON; null if it is none. */
export function pretty(text) {
  try {
    const value = JSON.parse(text);
    if (value === null || typeof value !== "object") return null;
  } catch {
    return null;
  }
  let depth = 0;
  let out = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  const tokens = text.match(TOKEN);
  tokens.forEach((token, at) => {
    const isClosing = token === "}" || token === "]";
    const isOpening = token === "{" || token === "[";
    if (isClosing) {
      depth -= 1;
      out += tokens[at - 1] === "{" || tokens[at - 1] === "[" ? token : line() + token;
    } else if (isOpening) {
      depth += 1;
      out += token;
      if (tokens[at + 1] !== "}" && tokens[at + 1] !== "]") out += line();
    } else if (token === ",") out += token + line();
    else out += token === ":" ? ": " : token;
  });
  return out;
}

export function bytes(data) {
  if (data.base64 === undefined) return new TextEncoder().encode(data.text ?? "");
  return Uint8Array.from(atob(data.base64), (each) => each.charCodeAt(0));
}

/** Lines of hex, with the letters beside. */
export function hex(data) {
  const all = bytes(data);
  const lines = [];
  for (let at = 0; at < Math.min(all.length, MAX_HEX); at += WIDTH) {
    const part = [...all.slice(at, at + WIDTH)];
    const digits = part.map((each) => each.toString(16).padStart(2, "0")).join(" ");
    const letters = part.map((each) => (each > 31 && each < 127 ? String.fromCharCode(each) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${digits.padEnd(WIDTH * 3)} ${letters}`);
  }
  if (all.length > MAX_HEX) lines.push(`... ${all.length.toLocaleString()} bytes in all`);
  return lines.join("\n");
}
