// The suite of one dialect.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { hangUp } from "./client.mjs";
import { crossings } from "./crossings.mjs";
import { explain, unused } from "./deviations.mjs";
import { faults } from "./faults.mjs";
import { describe as described, grouped } from "./report.mjs";
import { runSequence } from "./runner.mjs";
import { topics } from "./sequences/index.mjs";
import { caught } from "./sharpness.mjs";
import { startWorld } from "./world.mjs";

/** Sequences at a time. The real server answers one request after the other. */
const concurrency = 3;

/** A kind of difference, by its first one. */
const summary = ([first, ...alike]) => described(first) + (alike.length ? `\n  and ${alike.length} alike` : "");

/** Fails with the differences that no deviation explains. */
function assertExplained(differences) {
  const groups = grouped(differences.filter((difference) => !explain(difference)));
  assert.ok(groups.length === 0, `\n${groups.map(summary).join("\n\n")}\n`);
}

/** Declares all tests of a dialect. */
export function conform(dialect) {
  const world = {};
  const steps = [];
  const here = ({ dialects }) => !dialects || dialects.includes(dialect);

  before(async () => Object.assign(world, await startWorld({ after: (step) => steps.push(step) }, dialect)), {
    timeout: 60_000,
  });
  after(async () => {
    hangUp();
    for (const step of steps.reverse()) await step();
  });

  for (const [topic, sequences] of Object.entries(topics)) {
    describe(`${dialect} ${topic}`, { concurrency }, () => {
      for (const sequence of sequences.filter(here)) {
        test(sequence.name, { timeout: 60_000 }, async () =>
          assertExplained((await runSequence(world, sequence)).differences),
        );
      }
    });
  }

  describe(`${dialect} across both servers`, () => {
    for (const { name, run } of crossings.filter(here)) test(name, { timeout: 30_000 }, () => run(world));
  });

  describe(`${dialect} faults are caught`, () => {
    for (const fault of faults.filter(here)) test(fault.name, { timeout: 60_000 }, () => caught(world, fault));
  });

  // After all others: they are what uses them.
  test(`${dialect} every deviation is needed`, () => {
    assert.deepEqual(
      unused(dialect).map(({ key, what }) => `${key}: ${what}`),
      [],
    );
  });
}
