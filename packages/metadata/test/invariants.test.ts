import { expect, test } from 'vitest';
import {
  apply,
  continueAccounting,
  differingTables,
  imageBytes,
  loadImageFrom,
  parseChangelogLine,
  stateDigest,
} from '../src/index.ts';
import { findFaults } from './support/invariants.ts';
import { replayLog } from './support/replay.ts';
import { emptyState, RANDOM_RUN_START, randomRun } from './support/run.ts';

const CHECK_EVERY = 400;

test.each([11, 12, 13, 14, 15, 16])('tables, links and sums stay right during random operations (%i)', (seed) => {
  let operations = 0;
  const { state } = randomRun(seed, 3000, (running) => {
    operations++;
    if (operations % CHECK_EVERY === 0) {
      expect(findFaults(running)).toEqual([]);
    }
  });
  while (state.accounting.active) {
    continueAccounting(state, 10);
  }
  expect(findFaults(state)).toEqual([]);
  expect(operations).toBeGreaterThan(1500);
});

test.each([21, 22, 23])('a saved and loaded image is the same state, with the same sums (%i)', (seed) => {
  const { state } = randomRun(seed, 3000);
  const loaded = loadImageFrom(imageBytes(state, { now: 1 }).image, { now: 1 }).state;
  expect(differingTables(stateDigest(state, 1), stateDigest(loaded, 1))).toEqual([]);
  expect(findFaults(loaded)).toEqual([]);
});

test.each([31, 32, 33])('replay of the log gives the state that the live operations made (%i)', (seed) => {
  const { state, log } = randomRun(seed, 3000);
  for (const mode of ['strict', 'replay'] as const) {
    const replayed = emptyState();
    replayLog(replayed, log, mode);
    expect(differingTables(stateDigest(state, 1), stateDigest(replayed, 1))).toEqual([]);
    expect(findFaults(replayed)).toEqual([]);
  }
});

test('replay of a log on an image made in between gives the same state', () => {
  const { state, log } = randomRun(41, 3000, undefined, ['SETFILECHUNK']);
  const half = emptyState();
  const text = log.toString('latin1').split('\n');
  replayLog(half, Buffer.from(`${text.slice(0, text.length / 2).join('\n')}\n`, 'latin1'), 'replay');
  const image = imageBytes(half, { now: RANDOM_RUN_START }).image;
  const rest = loadImageFrom(image, { now: RANDOM_RUN_START }).state;
  // Trailing zeros of chunk lists are not in the image, which only SETFILECHUNK and, tolerated, SNAPSHOT can notice.
  replayLog(rest, log, 'replay');
  expect(differingTables(stateDigest(state, 1), stateDigest(rest, 1))).toEqual([]);
});

test('an operation that is refused changes nothing', () => {
  const { state, failures } = randomRun(51, 1500);
  let before = stateDigest(state, 1);
  let refused = 0;
  for (const { operation } of failures) {
    const version = state.metaversion;
    if (apply(state, 1_999_999_999, { ...operation }, 'live') === 0) {
      before = stateDigest(state, 1); // it is possible meanwhile
      continue;
    }
    refused++;
    expect(state.metaversion).toBe(version);
    expect(differingTables(before, stateDigest(state, 1))).toEqual([]);
  }
  expect(refused).toBeGreaterThan(100);
});

test('apply in replay mode finds wrong results and changes nothing', () => {
  const state = emptyState();
  const line = (text: string) => parseChangelogLine(Buffer.from(`1: ${RANDOM_RUN_START}|${text}`)).operation;
  expect(apply(state, RANDOM_RUN_START, line('CREATE(1,f,1,420,0,0,0,0):7'), 'replay')).toBe(32);
  expect(state.nodes.count).toBe(1);
  expect(apply(state, RANDOM_RUN_START, line('CREATE(1,f,1,420,0,0,0,0):2'), 'replay')).toBe(0);
  expect(apply(state, RANDOM_RUN_START, line('WRITE(2,0,1,0):9'), 'replay')).toBe(32);
  expect(apply(state, RANDOM_RUN_START, line('EMPTYTRASH(5000):1,0,2'), 'replay')).toBe(32);
  expect(state.chunks.count).toBe(0);
  expect(state.metaversion).toBe(2);
});
