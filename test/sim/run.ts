/**
 * Simulates the replicated journal: `node test/sim/run.ts [--seed N] [--runs R] [--seconds S] [--layout three|witness|pair]
 * [--protocol A|B|C] [--log]`. Without a seed, R runs of consecutive seeds; with one, that run, replayed exactly.
 */
import { parseArgs } from 'node:util';
import type { Protocol } from '@alces/replication';
import type { Layout } from './cluster.ts';
import { runScenario, type ScenarioOptions, type ScenarioResult } from './scenario.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    first: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '5' },
    layout: { type: 'string' },
    protocol: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
});

function optionsOf(seed: number): ScenarioOptions {
  const options: ScenarioOptions = { seed, seconds: Number(values.seconds) };
  if (values.layout !== undefined) options.layout = values.layout as Layout;
  if (values.protocol !== undefined) options.protocol = values.protocol as Protocol;
  return options;
}

function replayLine({ seed, layout, protocol }: ScenarioResult): string {
  return `npm run sim -- --seed ${seed} --seconds ${values.seconds} --layout ${layout} --protocol ${protocol} --log`;
}

const first = Number(values.seed ?? values.first);
const runs = values.seed === undefined ? Number(values.runs) : 1;
const totals = { changes: 0, reads: 0, epochs: 0, splitBrains: 0, failed: 0 };
const startedMs = performance.now();
for (let seed = first; seed < first + runs; seed++) {
  const result = await runScenario(optionsOf(seed));
  totals.changes += result.changes;
  totals.reads += result.reads;
  totals.epochs += result.epochs;
  totals.splitBrains += result.splitBrains;
  if (values.log) console.log(result.log.join('\n'));
  if (result.violations.length === 0) continue;
  totals.failed++;
  console.log(`seed ${seed} (${result.layout}, protocol ${result.protocol}):`);
  for (const violation of result.violations.slice(0, 5)) console.log(`  ${violation}`);
  console.log(`  replay: ${replayLine(result)}`);
}
const seconds = (performance.now() - startedMs) / 1000;
console.log(
  `${runs} runs in ${seconds.toFixed(1)} s: ${totals.changes} changes and ${totals.reads} reads acknowledged, ${totals.epochs} epochs, ` +
    `${totals.splitBrains} split brains reported, ${totals.failed} runs with violations`,
);
process.exitCode = totals.failed === 0 ? 0 : 1;
