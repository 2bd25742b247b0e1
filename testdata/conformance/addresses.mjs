// Addresses in different words: what deviations have to know about them.

/** An address as a browser writes it, the one in its parameter callbackUrl too. */
export function browsersSpelling(address) {
  if (address === undefined || !URL.canParse(address, "http://relative.test")) return address;
  const text = address.replace(/([?&]callbackUrl=)([^&#]*)/, (_, name, inner) => name + respelled(inner));
  const { href } = new URL(text, "http://relative.test");
  // The slash that browsers put behind a host is a difference to everybody else.
  return /^https?:\/\/[^/?#]+([?#]|$)/i.test(address) ? href.replace(/^(https?:\/\/[^/]+)\//, "$1") : href;
}

/** An address that is encoded inside another one. */
function respelled(inner) {
  try {
    return encodeURIComponent(browsersSpelling(decodeURIComponent(inner)));
  } catch {
    return inner; // a broken escape
  }
}

export const sameAddress = (a, b) => a !== undefined && browsersSpelling(a) === browsersSpelling(b);

/** What NextAuth's default redirect callback makes of an address. */
export function resolved(address, { origin }) {
  if (address.startsWith("/")) return origin + address;
  return URL.canParse(address) && new URL(address).origin === origin ? address : origin;
}

/** Whether an address that NextAuth accepts could lead away from the site. */
export function leadsAstray(address, { origin }) {
  if (!/^https?:/.test(address)) return true;
  const rest = address.startsWith(origin) ? address.slice(origin.length) : "";
  return /^(\/|%2f)*[/\\]([/\\]|%2f|%5c)/i.test(rest) || new URL(address).username !== "";
}

/** Writes a percent sign that begins no escape as what it stands for. */
export const escaped = (address) => address.replace(/%(?![\da-f]{2})/gi, "%25");

/** Whether two authorization requests have the same parameters (RFC 6749, section 3.1: no order). */
export function sameParameters(a, b) {
  const [path, ...parameters] = parts(a);
  const [other, ...others] = parts(b);
  return (
    path === other &&
    parameters.includes("response_type=code") &&
    parameters.sort().join("&") === others.sort().join("&")
  );
}

const parts = (address) => (address ?? "").split(/[?&]/);

/** Whether an address of an own page differs in nothing but how its error is escaped. */
export function sameError(real, ours) {
  const [page, value] = (real ?? "").split(/(?<=[?&]error=)(.*)/s);
  return (
    value !== undefined && ours === page + encodeURIComponent(value).replace(/[!'()*]/g, (c) => c) && ours !== real
  );
}
