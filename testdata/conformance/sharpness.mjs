// Shows that the comparison would notice: a proxy in front of caddyauth makes a
// mistake on purpose.

import assert from "node:assert/strict";
import { createServer, request as send } from "node:http";

import { explanation } from "./deviations.mjs";
import { describe } from "./report.mjs";
import { differences, drive } from "./runner.mjs";
import { topics } from "./sequences/index.mjs";
import { listen } from "./servers/listen.mjs";

const tour = topics.sites.find(({ name }) => name === "day at plain");

/** What tells two differences apart. */
const key = ({ step, facet, name, claim, form, ours }) => JSON.stringify([step, facet, name, claim, form, ours]);

/** What the tour is at the real server, once for each of them. */
const models = new WeakMap();

function model(world) {
  if (!models.has(world)) models.set(world, drive(world, tour, "real"));
  return models.get(world);
}

/** The differences of the tour that nothing explains, with a proxy that alters answers. */
async function tourThrough(world, alter) {
  const proxy = createServer((request, response) => forward(world.ours, request, response, alter));
  try {
    const ours = await drive({ ...world, ours: await listen(proxy) }, tour, "ours");
    return differences(world, tour, await model(world), ours).filter((difference) => !explanation(difference));
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

const baselines = new WeakMap();

/** Fails if the comparison does not complain about a fault, or not of its kind. */
export async function caught(world, { alter, facet }) {
  if (!baselines.has(world)) baselines.set(world, await tourThrough(world, () => {}));
  const known = new Set(baselines.get(world).map(key));
  const complaints = (await tourThrough(world, alter)).filter((difference) => !known.has(key(difference)));
  assert.ok(
    complaints.some((difference) => difference.facet === facet),
    `no difference in ${facet}, but:\n${complaints.map(describe).join("\n")}`,
  );
}
