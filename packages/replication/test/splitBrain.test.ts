import { describe, expect, it } from 'vitest';
import { DEFAULT_POLICIES, type SplitBrainPolicies } from '../src/config.ts';
import { judge, type Side } from '../src/core/splitBrain.ts';
import type { EpochRecord } from '../src/history.ts';

const TOGETHER: EpochRecord = {
  epoch: 1,
  first: 1,
  leader: 'alpha',
  id: 'common',
  members: ['alpha', 'beta'],
  startedMs: 1000,
};
const COMMON_LAST = 10;

/** A node that went on alone behind change 10, at some time, and made so many changes. */
function alone(id: string, startedMs: number, changes: number, primary: boolean): Side {
  const first = COMMON_LAST + 1;
  const own: EpochRecord = { epoch: 2, first, leader: id, id: `of ${id}`, members: [id], startedMs };
  const last = COMMON_LAST + changes;
  return {
    id,
    primary,
    discard: false,
    log: { history: [TOGETHER, own], base: 0, last, commit: last, joined: true },
  };
}

/** Whose changes are set aside; both nodes must come to the same verdict. */
function victim(a: Side, b: Side, policies: Partial<SplitBrainPolicies>): string | undefined {
  const all = { ...DEFAULT_POLICIES, ...policies };
  const verdict = judge(a, b, all);
  expect(judge(b, a, all)).toEqual(verdict);
  if (!verdict.splitBrain) throw new Error('no split brain was seen');
  return verdict.victim;
}

describe('a split brain', () => {
  it('is one only if both went on alone', () => {
    const still: Side = {
      ...alone('beta', 0, 0, false),
      log: { history: [TOGETHER], base: 0, last: COMMON_LAST, commit: COMMON_LAST, joined: true },
    };
    expect(judge(alone('alpha', 2000, 5, true), still, DEFAULT_POLICIES)).toEqual({ splitBrain: false });
  });

  it('is ended by who says that its changes may go, unless both do', () => {
    const alpha = alone('alpha', 2000, 5, true);
    const beta = alone('beta', 3000, 1, true);
    expect(victim(alpha, { ...beta, discard: true }, {})).toBe('beta');
    expect(victim({ ...alpha, discard: true }, beta, {})).toBe('alpha');
    expect(victim({ ...alpha, discard: true }, { ...beta, discard: true }, {})).toBeUndefined();
  });
});

describe('after-sb-0pri: neither leads', () => {
  const between = (older: number, younger: number, after0: SplitBrainPolicies['after0']) =>
    victim(alone('alpha', 2000, older, false), alone('beta', 3000, younger, false), { after0 });

  it.each([
    ['disconnect', undefined],
    ['discard-younger-primary', 'beta'],
    ['discard-older-primary', 'alpha'],
    ['discard-least-changes', 'alpha'],
    ['discard-zero-changes', undefined],
    ['discard-node-alpha', 'alpha'],
    ['discard-node-beta', 'beta'],
  ] as const)('%s', (after0, expected) => {
    expect(between(1, 2, after0)).toBe(expected);
  });

  it('discard-zero-changes, where one has none', () => {
    expect(between(0, 3, 'discard-zero-changes')).toBe('alpha');
    expect(between(3, 0, 'discard-zero-changes')).toBe('beta');
    expect(between(3, 0, DEFAULT_POLICIES.after0)).toBe('beta');
  });
});

describe('after-sb-1pri: alpha leads', () => {
  const between = (policies: Partial<SplitBrainPolicies>) =>
    victim(alone('alpha', 2000, 1, true), alone('beta', 3000, 2, false), policies);

  it.each([
    ['disconnect', 'discard-node-beta', undefined],
    ['consensus', 'discard-node-beta', 'beta'],
    ['consensus', 'discard-node-alpha', undefined],
    ['discard-secondary', 'disconnect', 'beta'],
    ['violently-as0p', 'discard-least-changes', 'alpha'],
    ['call-pri-lost-after-sb', 'discard-node-alpha', 'alpha'],
  ] as const)('%s with %s', (after1, after0, expected) => {
    expect(between({ after0, after1 })).toBe(expected);
  });
});

describe('after-sb-2pri: both lead', () => {
  const between = (policies: Partial<SplitBrainPolicies>) =>
    victim(alone('alpha', 2000, 1, true), alone('beta', 3000, 2, true), policies);

  it.each([
    ['disconnect', 'discard-node-beta', undefined],
    ['violently-as0p', 'discard-younger-primary', 'beta'],
    ['call-pri-lost-after-sb', 'discard-least-changes', 'alpha'],
  ] as const)('%s with %s', (after2, after0, expected) => {
    expect(between({ after0, after2 })).toBe(expected);
  });

  it('by default nobody loses anything without being asked', () => {
    expect(between({})).toBeUndefined();
  });
});
