// Drives one sequence at both sides and compares what came of it.

import { Browser } from "./browser.mjs";
import { compare } from "./compare.mjs";
import { Normalizer } from "./normalize.mjs";
import { secret, sites } from "./sites.mjs";

/** Drives one side, "real" or "ours". An error is a result: the sequence stops there. */
export async function drive(world, sequence, side) {
  const browser = new Browser(world, side, sites[sequence.site]);
  let error;
  try {
    await sequence.run(browser);
  } catch (thrown) {
    error = thrown;
  }
  const { dialect, site, names } = browser;
  const normalizer = new Normalizer({ dialect, site, names, secret });
  const steps = [];
  for (const exchange of browser.transcript) steps.push(await normalizer.exchange(exchange));
  return { steps, error };
}

/**
 * Returns the differences of what two sides did. What goes wrong at the real
 * server is a mistake of the suite's, and thrown; elsewhere it is a difference.
 */
export function differences(world, sequence, real, ours) {
  if (real.error) throw new Error(`${sequence.name} at the real server: ${real.error.message}`, { cause: real.error });
  if (real.steps.length === 0) throw new Error(`${sequence.name} does nothing`);
  const about = { dialect: world.dialect, sequence: sequence.name, site: sites[sequence.site] };
  const found = compare(real.steps, ours.steps, about);
  if (ours.error) found.push({ ...about, step: ours.steps.length, facet: "stopped", real: "", ours: ours.error.stack });
  return found;
}

/** Drives both sides at once and compares them. */
export async function runSequence(world, sequence) {
  const [real, ours] = await Promise.all([drive(world, sequence, "real"), drive(world, sequence, "ours")]);
  return { real: real.steps, ours: ours.steps, differences: differences(world, sequence, real, ours) };
}
