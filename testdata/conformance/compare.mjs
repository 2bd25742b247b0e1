// Finds the differences between two normalized transcripts. A difference is
// about one facet of one exchange, so that a deviation can name exactly that.

/** Compares two values and adds a difference if they are not the same. */
class Comparison {
  differences = [];

  constructor(about) {
    this.about = about;
  }

  equal(facet, real, ours, detail) {
    if (JSON.stringify(real) === JSON.stringify(ours)) return;
    this.differences.push({ ...this.about, facet, ...detail, real, ours });
  }
}

/** Compares what both sides answered to one request. */
function compareExchange(real, ours, about) {
  const c = new Comparison({ ...about, request: real.request, exchange: { real, ours } });
  if (real.letters || ours.letters) {
    c.equal("letters", real.letters, ours.letters);
    return c.differences;
  }
  c.equal("status", real.status, ours.status);
  compareLocation(c, real.location, ours.location);
  c.equal("content-type", real.contentType, ours.contentType);
  for (const name of Object.keys(real.cache)) c.equal("cache", real.cache[name], ours.cache[name], { name });
  compareCookies(c, real.cookies, ours.cookies);
  compareBodies(c, real.body, ours.body);
  return c.differences;
}

/** The parameters of an address in an order that does not depend on its own. */
function sorted(address) {
  if (!address || !URL.canParse(address)) return address;
  const url = new URL(address);
  url.searchParams.sort();
  return url.href;
}

function compareLocation(c, real, ours) {
  const parsed = [sorted(real), sorted(ours)];
  if (parsed[0] !== parsed[1]) c.equal("location", real, ours);
  else c.equal("location-raw", real, ours);
}

function compareCookies(c, real, ours) {
  const names = (list) => list.map(({ name }) => name);
  const shared = (list, others) => names(list).filter((name) => names(others).includes(name));
  for (const cookie of real) {
    const other = ours.find(({ name }) => name === cookie.name);
    if (other) compareCookie(c, cookie, other);
    else c.equal("cookie-missing", cookie, undefined, { name: cookie.name });
  }
  for (const cookie of ours) {
    if (!names(real).includes(cookie.name)) c.equal("cookie-extra", undefined, cookie, { name: cookie.name });
  }
  c.equal("cookie-order", shared(real, ours), shared(ours, real));
}

function compareCookie(c, real, ours) {
  const { name } = real;
  c.equal("cookie-value", real.value, ours.value, { name });
  c.equal("cookie-attributes", real.attributes, ours.attributes, { name });
  c.equal("cookie-header", real.header, ours.header, { name });
  if (typeof real.claims !== "object" || typeof ours.claims !== "object") {
    return c.equal("cookie-claims", real.claims, ours.claims, { name });
  }
  for (const claim of new Set([...Object.keys(real.claims), ...Object.keys(ours.claims)])) {
    c.equal("cookie-claim", real.claims[claim], ours.claims[claim], { name, claim });
  }
}

function compareBodies(c, real, ours) {
  if (real.kind === "page" && ours.kind === "page") return comparePages(c, real.page, ours.page);
  c.equal("body", real.kind === "page" ? "<page>" : real.text, ours.kind === "page" ? "<page>" : ours.text);
}

function comparePages(c, real, ours) {
  for (const facet of ["title", "bodyClass", "links"]) c.equal(`page-${facet}`, real[facet], ours[facet]);
  c.equal("page-form-count", real.forms.length, ours.forms.length);
  for (const [i, form] of real.forms.entries()) {
    for (const part of ["action", "method", "fields", "button"]) {
      c.equal(`form-${part}`, form[part], ours.forms[i]?.[part], { form: i });
    }
  }
  const missing = real.names.filter((name) => !ours.names.includes(name));
  c.equal("page-names", missing, []);
}

/** Compares two normalized transcripts. */
export function compare(real, ours, about) {
  const differences = [];
  for (let step = 0; step < Math.min(real.length, ours.length); step++) {
    differences.push(...compareExchange(real[step], ours[step], { ...about, step }));
  }
  if (real.length !== ours.length) {
    differences.push({
      ...about,
      step: Math.min(real.length, ours.length),
      facet: "steps",
      real: real.length,
      ours: ours.length,
    });
  }
  return differences;
}
