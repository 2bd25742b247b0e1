// Differences and transcripts for people to read.

const shown = (value) => (value === undefined ? "(none)" : typeof value === "string" ? value : JSON.stringify(value));

/** The request of a step, in one line. */
export function requestLine({ method, path, body, headers, cookie }) {
  const parts = [method, path, body && `with ${body}`];
  for (const [name, value] of Object.entries(headers)) parts.push(`${name}: ${value}`);
  if (cookie !== undefined) parts.push(`Cookie: ${cookie}`);
  return parts.filter(Boolean).join("  ");
}

/** A difference as a few lines. */
export function describe(d) {
  const what = [d.facet, d.name, d.claim, d.form !== undefined && `form ${d.form}`].filter(Boolean).join(" ");
  const request = d.request ? `\n  ${requestLine(d.request)}` : "";
  return `${d.dialect} ${d.sequence}, step ${d.step + 1}: ${what}${request}\n  real: ${shown(d.real)}\n  ours: ${shown(d.ours)}`;
}

/** A normalized exchange as lines. */
export function transcribe({ request, letters, status, location, contentType, cache, cookies, body }) {
  if (letters) return [requestLine(request), ...letters.map((letter) => `    ${shown(letter)}`)].join("\n");
  const lines = [requestLine(request), `    ${status}${location === undefined ? "" : ` -> ${location}`}`];
  if (contentType) lines.push(`    Content-Type: ${contentType}`);
  for (const [name, value] of Object.entries(cache)) if (value) lines.push(`    ${name}: ${value}`);
  for (const { name, value, attributes, claims } of cookies) {
    lines.push(`    Set-Cookie: ${name}=${value}; ${attributes}${claims ? `\n      ${shown(claims)}` : ""}`);
  }
  lines.push(
    `    ${body.kind === "page" ? JSON.stringify(body.page, null, 1).replaceAll("\n", "\n    ") : body.text || "(no body)"}`,
  );
  return lines.join("\n");
}

/** Puts differences together that are alike but for the request. */
export function grouped(differences) {
  const groups = new Map();
  for (const d of differences) {
    const key = JSON.stringify([d.facet, d.name, d.claim, d.real, d.ours]);
    groups.set(key, [...(groups.get(key) ?? []), d]);
  }
  return [...groups.values()];
}
