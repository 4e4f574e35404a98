import { discardedFiles, type Protocol, type Rules, readDiscarded } from '@alces/replication';
import { Checker } from './checker.ts';
import { SimClient } from './client.ts';
import { Cluster, type Layout, type Member } from './cluster.ts';
import { Faults } from './faults.ts';
import type { Operation } from './model.ts';

export interface ScenarioOptions {
  seed: number;
  /** How long faults happen, in seconds of virtual time. */
  seconds: number;
  layout?: Layout;
  protocol?: Protocol;
  rules?: Rules;
}

export interface ScenarioResult {
  seed: number;
  layout: Layout;
  protocol: Protocol;
  violations: string[];
  /** What happened, line by line. */
  log: string[];
  changes: number;
  reads: number;
  epochs: number;
  splitBrains: number;
}

const LAYOUTS: readonly Layout[] = ['three', 'witness', 'pair'];
const CLIENTS = 3;
const SETTLE_MS = 30_000;

/** The layout of a seed when none is asked for. */
export function layoutOf(seed: number): Layout {
  return LAYOUTS[seed % LAYOUTS.length];
}

/** One run: a cluster with clients under faults, then peace, then the comparison of what clients saw with what is there. */
export async function runScenario(options: ScenarioOptions): Promise<ScenarioResult> {
  const layout = options.layout ?? layoutOf(options.seed);
  // With protocol B an acknowledged change is only in memory, so power must not fail.
  const protocol = options.protocol ?? (options.seed % 5 === 4 ? 'B' : 'C');
  const rules = options.rules === undefined ? {} : { rules: options.rules };
  const cluster = new Cluster(
    options.seed,
    { layout, protocol, detector: layout !== 'pair' && options.seed % 4 === 1, ...rules },
    (sim) => new Checker(() => sim.nowMs, layout === 'pair'),
  );
  const { sim, checker } = cluster;
  const clients = Array.from({ length: CLIENTS }, (_, index) => {
    const host = sim.addHost(`c${index + 1}`, `10.0.1.${index + 1}`);
    const servers = cluster.full.map((member) => member.host.address);
    return new SimClient(host, index + 1, servers, checker, sim.random.fork());
  });
  const faults = new Faults(
    cluster,
    { power: protocol === 'C', disks: layout !== 'pair' && options.seed % 2 === 0, everyMs: 150 },
    sim.random.fork(),
  );
  try {
    cluster.start();
    await sim.run(20);
    cluster.full[0].node?.promote();
    for (const client of clients) client.start();
    await sim.run(400);
    faults.start();
    await sim.run(options.seconds * 1000);
    faults.stop();
    await settle(cluster, clients);
    await (layout === 'pair' ? checkPair(cluster) : checkAgreement(cluster));
  } catch (error) {
    checker.violation(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const completed = checker.records.filter((record) => record.completedMs !== undefined);
  return {
    seed: options.seed,
    layout,
    protocol,
    violations: checker.violations,
    log: checker.log,
    changes: completed.filter(({ kind }) => kind === 'change').length,
    reads: completed.filter(({ kind }) => kind === 'read').length,
    epochs: checker.epochs,
    splitBrains: checker.log.filter((line) => line.includes('SPLIT BRAIN')).length,
  };
}

const inStep = (cluster: Cluster) => {
  const [leader, more] = cluster.leaders;
  if (leader === undefined || more !== undefined) return false;
  const last = leader.node?.lastVersion;
  return cluster.members.every(
    ({ node, application }) =>
      node !== undefined &&
      node.lastVersion === last &&
      node.committedVersion === last &&
      (application?.appliedVersion ?? last) === last,
  );
};

/** Lets the cluster heal: one node leads, every client gets its answer, all nodes have everything. */
async function settle(cluster: Cluster, clients: readonly SimClient[]): Promise<void> {
  const { sim } = cluster;
  await sim.run(2000);
  // A node with an empty disk can't get from a witness what it lacks.
  const sound = cluster.full.filter(({ node }) => node?.status().joined);
  const chosen = sim.random.pick(sound.length > 0 ? sound : cluster.full);
  if (cluster.options.layout === 'pair') await resolveSplitBrain(cluster, chosen);
  await sim.runUntil('a leader', SETTLE_MS, () => {
    if (cluster.leaders.length === 0 && sim.nowMs % 500 < 1) chosen.node?.promote();
    return cluster.leaders.length === 1;
  });
  for (const client of clients) client.stop();
  await sim.runUntil('answers to all clients', SETTLE_MS, () => clients.every((client) => client.isIdle));
  await sim.runUntil('all nodes in step', SETTLE_MS, () => inStep(cluster));
  // What was set aside last may be on its way to the disk.
  await sim.run(500);
}

/** What an operator does when two nodes stand alone: the changes of one are set aside. */
async function resolveSplitBrain(cluster: Cluster, loser: Member): Promise<void> {
  const apart = () => cluster.members.some((member) => member.node?.status().splitBrain);
  if (!apart()) return;
  cluster.checker.note(`-- the changes of ${loser.name} are discarded`);
  loser.node?.discardMyData();
  await cluster.sim.runUntil('the end of the split brain', SETTLE_MS, () => !apart());
}

async function checkAgreement(cluster: Cluster): Promise<void> {
  const { checker, full } = cluster;
  const hashes = new Set(full.map((member) => member.application?.model.hash));
  if (hashes.size !== 1) checker.violation('the nodes have different states in the end');
  checker.checkHistory(full[0].application?.model.history ?? []);
}

/** In a pair an acknowledged change is in the state that was kept, or in a file of what was set aside; none is in the state twice. */
async function checkPair(cluster: Cluster): Promise<void> {
  const { checker, full } = cluster;
  const [model] = full.map((member) => member.application?.model);
  const hashes = new Set(full.map((member) => member.application?.model.hash));
  if (hashes.size !== 1) checker.violation('the nodes have different states in the end');
  const kept = [...(model?.lists.values() ?? [])].flat();
  const present = new Set(kept);
  if (present.size !== kept.length) checker.violation('a change happened twice');
  const aside = await discardedOperations(cluster);
  const wasSplit = checker.log.some((line) => /split brain/i.test(line));
  for (const record of checker.records) {
    if (record.kind !== 'change' || record.completedMs === undefined || present.has(record.id)) continue;
    if (!aside.has(record.id)) checker.violation(`${record.id} was acknowledged and is neither there nor set aside`);
    else if (!wasSplit) checker.violation(`${record.id} was acknowledged and set aside, and nobody said why`);
  }
}

async function discardedOperations(cluster: Cluster): Promise<Set<string>> {
  const found = new Set<string>();
  let reading = cluster.members.length;
  for (const { host, folder } of cluster.members) {
    const { disk } = host.environment();
    const read = async () => {
      for (const file of await discardedFiles(disk, folder)) {
        for (const entry of await readDiscarded(disk, file))
          found.add((JSON.parse(entry.data.toString()) as Operation).id);
      }
      reading--;
    };
    read().catch((error: Error) => cluster.checker.violation(error.message));
  }
  await cluster.sim.runUntil('the discarded files', SETTLE_MS, () => reading === 0);
  return found;
}
