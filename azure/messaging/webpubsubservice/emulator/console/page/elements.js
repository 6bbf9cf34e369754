// Elements from values. Whatever comes from outside becomes text, never markup.

export const byId = (id) => document.getElementById(id);

/** Make an element: properties by their DOM names, attributes that have a dash by theirs; children are nodes or text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const button = (text, onclick, properties = {}) =>
  make("button", { type: "button", textContent: text, onclick, ...properties });

/** A list of terms and what they are; what is empty is left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return shown.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

/** Bring the children of an element in line with values that have a key: nodes that stay keep focus and selection. */
export function reconcile(parent, values, key, create, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  values.forEach((value, at) => {
    const name = key(value);
    let child = known.get(name);
    if (child === undefined) {
      child = create(value);
      child.dataset.key = name;
    }
    known.delete(name);
    const written = JSON.stringify(value);
    if (child.written !== written) {
      child.written = written;
      update(child, value);
    }
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
  for (const child of known.values()) child.remove();
}

/** Say how something went, below its form. */
export function say(form, text, failed = false) {
  const output = form.querySelector("output");
  output.textContent = text;
  output.classList.toggle("failed", failed);
}

/** Let a form do something when it is submitted, and say how it went. */
export function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await tell(form, () => act(Object.fromEntries(new FormData(form))));
  });
}

/** Do something and say how it went. */
export async function tell(form, act) {
  try {
    say(form, (await act()) ?? "");
  } catch (error) {
    say(form, error.message, true);
  }
}

/** Show only the fields that are for the chosen option. */
export function showFieldsFor(form, select) {
  const show = () => {
    for (const label of form.querySelectorAll("[data-for]")) {
      label.hidden = !label.dataset.for.split(" ").includes(select.value);
    }
  };
  select.addEventListener("change", show);
  show();
}

export async function copy(text, pressed) {
  const before = pressed.textContent;
  try {
    await navigator.clipboard.writeText(text);
    pressed.textContent = "Copied";
  } catch {
    // Browsers let pages copy at localhost and over https only, and when the page has the focus.
    pressed.textContent = "The browser does not let it";
  }
  setTimeout(() => (pressed.textContent = before), 1200);
}

export const list = (text) => text.split(",").map((each) => each.trim()).filter(Boolean);
