import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { distribution } from './support/distribution.ts';
import { FAULTS, type Fault, followsAgain, nextLeader, repair, strike } from './support/faults.ts';
import { Site, type SiteNode } from './support/site.ts';
import { findings, newestAnswered, pauseMs, readLog } from './support/verify.ts';
import { Load } from './support/workers.ts';

/** Each fault twice; `ALCES_FAILOVERS=50 npx vitest run test/ha/failover.test.ts` for a long run. */
const ROUNDS = Number(process.env.ALCES_FAILOVERS ?? 12);
const THINK_MS = 4;
const WINDOW_MS = 20_000;

interface Round {
  fault: Fault;
  struckMs: number;
  /** When the next one began. */
  endedMs: number;
}

describe('failover with keepalived, three nodes, our mount and the stock one under load', () => {
  let site: Site;
  let load: Load;
  const rounds: Round[] = [];

  beforeAll(async () => {
    site = await Site.start({
      nodes: ['alpha', 'beta', 'gamma'],
      chunkservers: ['alces', 'alces', 'alces'],
      keepalived: true,
    });
    load = new Load(join(site.folder, 'load'));
    const ours = await site.mount('alces');
    const stock = await site.mount('stock');
    load.start(ours, 'alces', THINK_MS);
    load.start(ours, 'alces', THINK_MS);
    load.start(stock, 'stock', THINK_MS);
  });
  afterAll(async () => {
    load?.kill();
    await site?.destroy();
  });

  /**
   * Waits until every worker on our mount was answered something that it asked for after `sinceMs`. The stock mount may have to wait for the
   * lock of a chunk to expire when the answer that granted it was lost: two minutes, as with a stock master that is restarted.
   */
  const workGoesOn = (sinceMs: number) =>
    until('every worker to go on', 60_000, () =>
      load.workers.every(({ log, kind }) => kind === 'stock' || (newestAnswered(log) ?? 0) > sinceMs),
    );

  /** As long as `run` takes, the node must not serve in an epoch up to `epoch`. */
  async function neverServesAgain<T>(node: SiteNode, epoch: number, run: () => Promise<T>): Promise<T> {
    let over = false;
    const watch = (async () => {
      while (!over) {
        const status = await node.status();
        if (status?.serving) expect(status.epoch, `${node.name} serves in its old epoch`).toBeGreaterThan(epoch);
      }
    })();
    try {
      return await run();
    } finally {
      over = true;
      await watch;
    }
  }

  async function failover(fault: Fault): Promise<void> {
    await site.keepalivedReady();
    const leader = await site.leader();
    const epoch = (await leader.status())?.epoch ?? 0;
    const struckMs = performance.timeOrigin + performance.now();
    const round: Round = { fault, struckMs, endedMs: Number.POSITIVE_INFINITY };
    rounds.push(round);
    await strike(fault, leader);
    await nextLeader(site, leader);
    await workGoesOn(performance.timeOrigin + performance.now());
    await neverServesAgain(leader, epoch, async () => {
      await repair(fault, leader);
      await followsAgain(leader);
    });
    round.endedMs = performance.timeOrigin + performance.now();
  }

  it(`${ROUNDS} times`, async () => {
    await workGoesOn(performance.timeOrigin + performance.now());
    for (let round = 0; round < ROUNDS; round++) {
      const fault = FAULTS[round % FAULTS.length];
      try {
        await failover(fault);
      } catch (error) {
        const last = load.workers.map(({ log, kind }) => `${kind}: ${JSON.stringify(readLog(log).at(-1))}`).join('\n');
        throw new Error(
          `round ${round} (${fault}): ${error instanceof Error ? error.message : error}\n${last}\n${site.logs()}`,
        );
      }
    }
  }, 900_000);

  it('lost nothing, did nothing twice, damaged nothing', async () => {
    const statuses = await load.stop();
    const fresh = await site.mount('alces');
    for (const [index, { folder, log, kind }] of load.workers.entries()) {
      expect(findings(join(fresh, folder.split('/').at(-1) ?? ''), log), `worker ${index} (${kind})`).toEqual([]);
      if (kind === 'alces') expect(readLog(log).flatMap(({ errors }) => errors)).toEqual([]);
    }
    expect(statuses, load.complaints).toEqual(load.workers.map(() => 0));
  }, 240_000);

  it('every epoch had one leader, and all nodes have the same history', async () => {
    const histories = await Promise.all(site.nodes.map(async (node) => (await node.status())?.history ?? []));
    const newest = histories.map((history) => history.at(-1));
    expect(newest).toEqual(newest.map(() => newest[0]));
    const epochs = new Map<number, string>();
    for (const { epoch, id } of histories.flat()) {
      expect(epochs.get(epoch) ?? id).toBe(id);
      epochs.set(epoch, id);
    }
  });

  it('shows how long clients waited', () => {
    const operations = load.workers.map(({ log, kind }) => ({ kind, log: readLog(log) }));
    const pauses = (kind: string, fault?: Fault) =>
      rounds
        .filter((round) => fault === undefined || round.fault === fault)
        .map(({ struckMs, endedMs }) => {
          const windowMs = Math.min(WINDOW_MS, endedMs - struckMs);
          const held = operations.filter((worker) => worker.kind === kind);
          return Math.max(...held.map((worker) => pauseMs(worker.log, struckMs, windowMs)));
        });
    for (const kind of ['alces', 'stock'] as const) {
      console.log(`pause at the ${kind} mount, ms: ${distribution(pauses(kind))}`);
      for (const fault of FAULTS) console.log(`  ${fault.padEnd(12)} ${distribution(pauses(kind, fault))}`);
    }
    expect(operations.every(({ log }) => log.length > 0)).toBe(true);
  });
});
