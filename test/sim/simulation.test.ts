import { type Rules, strictRules } from '@alces/replication';
import { expect, test } from 'vitest';
import type { Layout } from './cluster.ts';
import { runScenario, type ScenarioOptions } from './scenario.ts';

const SECONDS = 4;
const FIRST = 10_001;
const RUNS = 300;

const replay = (seed: number) => `npm run sim -- --seed ${seed} --seconds ${SECONDS} --log`;

test(`${RUNS} runs of the journal under crashes, partitions, pauses, lost writes and clock jumps`, {
  timeout: 300_000,
}, async () => {
  let changes = 0;
  let epochs = 0;
  for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
    const result = await runScenario({ seed, seconds: SECONDS });
    expect(result.violations, replay(seed)).toEqual([]);
    changes += result.changes;
    epochs += result.epochs;
  }
  // A simulation in which nothing happens proves nothing.
  expect(changes).toBeGreaterThan(100 * RUNS);
  expect(epochs).toBeGreaterThan(RUNS);
});

/** Runs that found a mistake once. */
test.each<[number, Layout]>([
  [1109, 'pair'],
  [2438, 'three'],
  [2580, 'three'],
  [4152, 'three'],
  [10_222, 'witness'],
  [51_908, 'pair'],
])('seed %i of the layout %s', async (seed, layout) => {
  const { violations } = await runScenario({ seed, seconds: SECONDS, layout });
  expect(violations, `${replay(seed)} --layout ${layout}`).toEqual([]);
});

test('a seed gives the same run each time', async () => {
  const options: ScenarioOptions = { seed: FIRST, seconds: SECONDS };
  const [once, again] = [await runScenario(options), await runScenario(options)];
  expect(again.log).toEqual(once.log);
  expect(again.changes).toBe(once.changes);
});

/** Decisions made wrong on purpose: whoever breaks one of them in the code must hear of it from this simulation. */
const MISTAKES: readonly [string, Partial<Rules>][] = [
  ['frames of an old epoch are obeyed', { isStale: () => false }],
  ['changes count as committed before the quorum has them', { committed: (versions) => Math.max(...versions) }],
  ['a tail that was never committed is not removed', { kept: (_common, last) => last }],
];
const MOST_RUNS = 500;

test.each(MISTAKES)('found within 500 runs: %s', { timeout: 300_000 }, async (_name, mistake) => {
  const rules = { ...strictRules, ...mistake };
  for (let seed = 1; seed <= MOST_RUNS; seed++) {
    const { violations } = await runScenario({ seed, seconds: SECONDS, rules });
    if (violations.length > 0) return;
  }
  expect.unreachable(`${MOST_RUNS} runs did not find it`);
});
