// Cleaning up after a suite.

import { after } from "node:test";

/**
 * Returns what starts things for all tests of the surrounding suite: they end
 * after it, the last one first.
 */
export function suite() {
  const steps = [];
  after(async () => {
    const errors = [];
    for (const step of steps.reverse()) {
      try {
        await step();
      } catch (error) {
        errors.push(error); // the others must end all the same
      }
    }
    if (errors.length) throw new AggregateError(errors);
  });
  return { after: (step) => steps.push(step) };
}
