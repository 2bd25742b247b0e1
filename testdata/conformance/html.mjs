// What counts of a page: not its looks, but the forms that scripts drive, the
// links, and the names that style sheets use.

const tag =
  /<!--[\s\S]*?-->|<(\/?)([a-zA-Z][\w-]*)((?:\s+[^\s=>/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+))?)*)\s*\/?>/g;
const attribute = /([^\s=>/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/g;
const entities = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Decodes the character references of a text. */
function decoded(text) {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name) return entities[name] ?? whole;
    return String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16));
  });
}

function attributes(text) {
  const found = {};
  for (const [, name, ...values] of text.matchAll(attribute)) {
    found[name.toLowerCase()] = decoded(values.find((value) => value !== undefined) ?? "");
  }
  return found;
}

/** The tags of a page, each with the text up to the next one. */
function* tags(html) {
  // What a style or a script contains is no markup (HTML standard, 13.2.5.2).
  const text = html.replace(/(<(style|script)\b[^>]*>)[\s\S]*?(<\/\2>)/gi, "$1$3");
  const all = [...text.matchAll(tag)].filter(([, , name]) => name);
  for (const [i, found] of all.entries()) {
    const end = i + 1 < all.length ? all[i + 1].index : text.length;
    yield {
      close: found[1] === "/",
      name: found[2].toLowerCase(),
      attributes: attributes(found[3]),
      text: decoded(text.slice(found.index + found[0].length, end)),
    };
  }
}

/** Collects the model of a page, tag by tag. */
class Model {
  title = "";
  bodyClass = "";
  forms = [];
  links = [];
  names = new Set();
  #within = new Set();
  #form;

  constructor(address) {
    this.resolve = (reference) => new URL(reference, address).href;
  }

  take({ close, name, attributes, text }) {
    if (close) this.#within.delete(name);
    else this.#open(name, attributes);
    if (this.#within.has("title")) this.title += text;
    if (this.#within.has("button") && this.#form) this.#form.button += text;
    if (close && name === "form") this.#form = undefined;
  }

  #open(name, attributes) {
    if (["title", "button", "body"].includes(name)) this.#within.add(name);
    if (name === "body") this.bodyClass = attributes.class ?? "";
    else if (this.#within.has("body")) this.#name(attributes);
    if (name === "a") this.links.push({ class: attributes.class ?? "", href: this.resolve(attributes.href ?? "") });
    if (name === "form") this.#begin(attributes);
    if (["input", "select", "textarea"].includes(name) && attributes.name) {
      this.#form?.fields.push({
        name: attributes.name,
        type: attributes.type ?? "text",
        value: attributes.value ?? "",
      });
    }
  }

  #begin({ action = "", method = "get" }) {
    this.#form = { action: this.resolve(action), method: method.toUpperCase(), fields: [], button: "" };
    this.forms.push(this.#form);
  }

  /** What style sheets and scripts find an element by. */
  #name(attributes) {
    for (const name of (attributes.class ?? "").split(/\s+/).filter(Boolean)) this.names.add(`.${name}`);
    if (attributes.id) this.names.add(`#${attributes.id}`);
  }
}

const squeezed = (text) => text.replace(/\s+/g, " ").trim();

/** Reads a page that was found at an address. */
export function readPage(html, address) {
  const model = new Model(address);
  for (const found of tags(html)) model.take(found);
  return {
    title: squeezed(model.title),
    bodyClass: model.bodyClass,
    forms: model.forms.map((form) => ({ ...form, button: squeezed(form.button) })),
    links: model.links,
    names: [...model.names].sort(),
  };
}
