// Shows that the comparison would notice: a proxy in front of caddyauth makes a
// mistake on purpose.

import assert from "node:assert/strict";
import { createServer, request as send } from "node:http";

import { explanation } from "./deviations.mjs";
import { describe } from "./report.mjs";
import { differences, drive } from "./runner.mjs";
import { topics } from "./sequences/index.mjs";
import { listen } from "./servers/listen.mjs";

const tours = {
  day: topics.sites.find(({ name }) => name === "day at plain"),
  row: topics["sessions in a store"].find(({ name }) => name === "rows: a session at rows"),
};

/** What tells two differences apart. */
const key = ({ step, facet, name, claim, form, ours }) => JSON.stringify([step, facet, name, claim, form, ours]);

/** What a function makes of a tour, once for each world. */
function once(make) {
  const made = new WeakMap();
  return (world, tour) => {
    if (!made.has(world)) made.set(world, new Map());
    const tours = made.get(world);
    if (!tours.has(tour)) tours.set(tour, make(world, tour));
    return tours.get(tour);
  };
}

const model = once((world, tour) => drive(world, tour, "real"));
const baseline = once((world, tour) => tourThrough(world, tour, () => {}));

/** The differences of a tour that nothing explains, with a proxy that alters answers. */
async function tourThrough(world, tour, alter) {
  const proxy = createServer((request, response) => forward(world.ours, request, response, alter));
  try {
    const ours = await drive({ ...world, ours: await listen(proxy) }, tour, "ours");
    return differences(world, tour, await model(world, tour), ours).filter((difference) => !explanation(difference));
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
}

/** Passes a request on, as it came, and the answer back, altered. */
function forward(origin, request, response, alter) {
  const { hostname, port } = new URL(origin);
  const { method, url: path, rawHeaders: headers } = request;
  const onward = send({ hostname, port, method, path, headers, setHost: false, agent: false }, async (answer) => {
    const pieces = [];
    for await (const piece of answer) pieces.push(piece);
    const altered = {
      request,
      status: answer.statusCode,
      headers: pairs(answer.rawHeaders),
      body: Buffer.concat(pieces).toString(),
    };
    await alter(altered);
    const lines = altered.headers.filter(([name]) => !/^(content-length|transfer-encoding|connection)$/i.test(name));
    response.writeHead(altered.status, lines.flat()).end(altered.body);
  });
  onward.once("error", (error) => response.destroy(error));
  request.pipe(onward);
}

function pairs(lines) {
  return Array.from({ length: lines.length / 2 }, (_, i) => [lines[2 * i], lines[2 * i + 1]]);
}

/** Fails if the comparison does not complain about a fault, or not of its kind. */
export async function caught(world, { alter, facet, tour = "day" }) {
  const known = new Set((await baseline(world, tours[tour])).map(key));
  const complaints = (await tourThrough(world, tours[tour], alter)).filter((difference) => !known.has(key(difference)));
  assert.ok(
    complaints.some((difference) => difference.facet === facet),
    `no difference in ${facet}, but:\n${complaints.map(describe).join("\n")}`,
  );
}
