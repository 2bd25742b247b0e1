// Cleaning up after a suite.

import { after } from "node:test";

/**
 * Returns what starts things for all tests of the surrounding suite: they end
 * after it, the last one first.
 */
export function suite() {
  const steps = [];
  after(async () => {
    for (const step of steps.reverse()) await step();
  });
  return { after: (step) => steps.push(step) };
}
