import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, realClock } from '@alces/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type FitnessFacts, type HostSide, hostFiles, openHostSide } from '../src/vip/index.ts';

const LIMIT_MS = 10_000;

/** keepalived may move the VIP before it hears whose it is to be. */
describe('the VIP comes to a node that follows', () => {
  let folder: string;
  let side: HostSide;
  let orders: string[];
  let facts: FitnessFacts;
  let aheadMs: number;

  const clock: Clock = {
    wallMs: () => realClock.wallMs(),
    monotonicMs: () => realClock.monotonicMs() + aheadMs,
    unixSeconds: () => realClock.unixSeconds(),
    timeout: (delayMs, run) => realClock.timeout(delayMs, run),
    interval: (periodMs, run) => realClock.interval(periodMs, run),
  };
  const says = (state: string) => writeFileSync(hostFiles(folder).fifo, `INSTANCE "mfs" ${state} 220\n`);
  const weighs = (weight: string, limitMs = LIMIT_MS) =>
    until(`the weight ${weight}`, limitMs, () => {
      try {
        return readFileSync(hostFiles(folder).weight, 'utf8').trim() === weight;
      } catch {
        return false;
      }
    });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'haf-handover-'));
    orders = [];
    aheadMs = 0;
    facts = {
      self: 'gamma',
      witness: false,
      role: 'Secondary',
      data: 'UpToDate',
      splitBrain: false,
      stalledBy: undefined,
      leader: 'alpha',
      phase: 'following',
      problem: '',
      maintenance: false,
    };
    side = await openHostSide({
      dataPath: folder,
      detector: 'external',
      hangMs: 400,
      vip: undefined,
      vipInterface: undefined,
      manageVip: false,
      clock,
      facts: () => facts,
      promote() {
        orders.push('promote');
        facts = { ...facts, phase: 'opening' };
      },
      demote: () => orders.push('demote'),
      report: () => {},
    });
    await weighs('0');
  });
  afterEach(async () => {
    await side.close();
    rmSync(folder, { recursive: true });
  });

  it('right behind a planned switch to another one: it makes room, and does not take the lead', async () => {
    facts = { ...facts, leader: 'beta' };
    says('MASTER');
    await weighs('-254');
    says('FAULT');
    await until('the word of keepalived', LIMIT_MS, () => orders.length > 0);
    expect(orders).toEqual(['demote']);
    await weighs('0');
  });

  it('and stays although it made room: then it is wanted here', async () => {
    facts = { ...facts, leader: 'beta' };
    says('MASTER');
    await weighs('-254');
    expect(orders).toEqual([]);
    await until('the lead to be taken', LIMIT_MS, () => orders.length > 0);
    expect(orders).toEqual(['promote']);
    // Not only when the time for making room is over, which is three seconds.
    await weighs('30', 2000);
  });

  it('while another one has been leading for some time: keepalived knows why', async () => {
    aheadMs = 1000;
    says('MASTER');
    await until('the lead to be taken', LIMIT_MS, () => orders.length > 0);
    expect(orders).toEqual(['promote']);
  });
});
