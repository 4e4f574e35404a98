import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type ApplyMode, loadImageFrom } from '../src/index.ts';
import { differences, dumpState, replayLog } from './support/replay.ts';

const FIXTURES = new URL('../../../test/fixtures/moosefs-3.0.117/', import.meta.url);
const START = 1795211195;
/** What a replay shows differently without being wrong (spec 51, section 5): sessions, and numbers in comments. */
const IGNORED = /^#|^SESSION\|/;

function fixture(name: string): Buffer {
  return readFileSync(new URL(name, FIXTURES));
}

test.each<[string, Buffer, ApplyMode]>([
  ['image-1', Buffer.from('MFSM NEW'), 'strict'],
  ['image-1', Buffer.from('MFSM NEW'), 'replay'],
  ['image-2', fixture('image-1/metadata.mfs'), 'strict'],
  ['image-2', fixture('image-1/metadata.mfs'), 'replay'],
])('the change log of %s leads to its image', (name, image, mode) => {
  const { state } = loadImageFrom(image, { now: START });
  replayLog(state, fixture(`${name}/changelog.0.mfs`), mode);
  const expected = fixture(`${name}/mfsmetadump.txt`).toString('latin1').trimEnd().split('\n');
  expect(differences(dumpState(state, START + 100_000), expected, IGNORED)).toEqual([]);
  expect(expected).toContain(`# version: ${state.metaversion} ; fileid: 0x${state.metaid.toString(16).toUpperCase()}`);
});
