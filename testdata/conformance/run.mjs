// Prints what one sequence does at both sides, and what was different:
//
//   CADDY_BIN=... node run.mjs <sequence> [v4|v5]
//
// or, of a topic or of all sequences, only the differences that nothing explains,
// those that are alike in one place:
//
//   CADDY_BIN=... node run.mjs <topic>|--all [v4|v5]

import { hangUp } from "./client.mjs";
import { explain } from "./deviations.mjs";
import { describe, grouped, transcribe } from "./report.mjs";
import { runSequence } from "./runner.mjs";
import { sequences, topics } from "./sequences/index.mjs";
import { startWorld } from "./world.mjs";

const [name, dialect = "v4"] = process.argv.slice(2);
const many = name === "--all" || Object.hasOwn(topics, name);
const chosen = sequences(dialect).filter(
  (sequence) => name === "--all" || topics[name]?.includes(sequence) || sequence.name === name,
);
if (chosen.length === 0) {
  console.error(`Usage: node run.mjs <sequence>|<topic>|--all [v4|v5]\n\nSequences of ${dialect}:`);
  for (const sequence of sequences(dialect)) console.error(`  ${sequence.name}`);
  process.exit(2);
}

const steps = [];
try {
  const world = await startWorld({ after: (step) => steps.push(step) }, dialect);
  const differences = [];
  let exchanges = 0;
  for (const sequence of chosen) {
    const result = await runSequence(world, sequence);
    exchanges += result.real.length;
    if (!many) print(result);
    differences.push(...result.differences.filter((difference) => !explain(difference)));
  }
  for (const group of grouped(differences)) console.log(`DIFFERENCE ${describe(group[0])}\n  times: ${group.length}\n`);
  console.log(`${chosen.length} sequences, ${exchanges} exchanges compared`);
} finally {
  hangUp();
  for (const step of steps.reverse()) await step();
}

function print({ real, ours, differences }) {
  for (let i = 0; i < Math.max(real.length, ours.length); i++) {
    console.log(`--- ${i + 1} real: ${real[i] ? transcribe(real[i]) : "(none)"}`);
    console.log(`--- ${i + 1} ours: ${ours[i] ? transcribe(ours[i]) : "(none)"}\n`);
  }
  for (const difference of differences) {
    const deviation = explain(difference);
    if (deviation) console.log(`deviation ${deviation.key}: ${describe(difference)}\n`);
  }
}
