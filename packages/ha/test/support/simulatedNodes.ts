import { connectMaster, type MasterSession, ops } from '@alces/client';
import { differingTables, stateDigest } from '@alces/metadata';
import { type Logger, parseConfig } from '@alces/runtime';
import { type Host, Simulation } from '@alces/sim';
import { HaNode, haConfig } from '../../src/index.ts';

const FOLDER = '/var/lib/mfs';
const NODES = ['alpha', 'beta', 'gamma'];
const CALLER = { uid: 0, gids: [0] };

/** A machine of the simulation with its node. */
export interface SimulatedNode {
  readonly host: Host;
  node: HaNode | undefined;
}

/** Three whole nodes (journal, shadow, master) and clients in simulated time, from a seed. */
export class SimulatedNodes {
  readonly sim: Simulation;
  readonly members: SimulatedNode[];
  /** What the nodes said, newest last. */
  readonly said: string[] = [];
  readonly failures: unknown[] = [];

  readonly #more: string;

  /** `more`: lines for each mfsha.cfg. */
  constructor(seed: number, more = '') {
    this.#more = more;
    this.sim = new Simulation(seed);
    this.members = NODES.map((name, index) => ({
      host: this.sim.addHost(name, `10.0.0.${index + 1}`),
      node: undefined,
    }));
  }

  /** Files of the operator. */
  async prepare(): Promise<void> {
    for (const { host } of this.members) {
      const { disk } = host.environment();
      const written = disk.replaceFile('/etc/mfs/mfsexports.cfg', Buffer.from('* / rw,alldirs,admin,maproot=0:0\n'));
      const empty = disk.replaceFile(`${FOLDER}/metadata.mfs`, Buffer.from('MFSM NEW'));
      await this.wait(Promise.all([written, empty]));
    }
  }

  start(member: SimulatedNode): void {
    const environment = member.host.environment();
    const { name } = member.host;
    const say = (text: unknown) => this.said.push(`${this.sim.nowMs.toFixed(1)} ${name}: ${String(text)}`);
    const log = { debug() {}, info: say, warn: say, error: say } as unknown as Logger;
    const config = haConfig(
      parseConfig(
        `NODES = ${NODES.map((node, index) => `${node}=10.0.0.${index + 1}`).join(', ')}\nNODE = ${name}\nDATA_PATH = ${FOLDER}\n${this.#more}`,
        '/etc/mfs/mfsha.cfg',
      ),
    );
    const master = parseConfig(
      `DATA_PATH = ${FOLDER}\nEXPORTS_FILENAME = /etc/mfs/mfsexports.cfg\nTOPOLOGY_FILENAME = /etc/mfs/mfstopology.cfg\n`,
      '/etc/mfs/mfsmaster.cfg',
    );
    const failed = (error: unknown) => this.failures.push(error);
    HaNode.start({
      environment,
      config,
      secret: Buffer.from('a secret of the simulation'),
      daemon: 'mfsmetalogger',
      log,
      masterConfig: () => master,
      restore: false,
      fail: failed,
      endOfTurn: (run) => environment.clock.timeout(0, run),
    }).then((node) => {
      member.node = node;
    }, failed);
  }

  /** Cuts a machine off from others, or connects it again. */
  cut(member: SimulatedNode, others: readonly { host: Host }[], isCut: boolean): void {
    const { network } = this.sim;
    for (const { host } of others) {
      if (isCut) network.cut(member.host, host);
      else network.heal(member.host, host);
      if (isCut) network.cut(host, member.host);
      else network.heal(host, member.host);
    }
  }

  /** The machine loses its power, and is on again somewhat later. */
  crash(member: SimulatedNode, offMs: number): void {
    member.host.crash('power');
    member.node = undefined;
    this.sim.scheduler.after(offMs, () => {
      member.host.restart();
      this.start(member);
    });
  }

  /** Lets time pass until a promise is settled. */
  async wait<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    await this.sim.runUntil('a promise', limitMs, () => settled);
    return promise;
  }

  until(what: string, probe: () => boolean): Promise<void> {
    return this.sim.runUntil(what, 60_000, probe);
  }

  /** The nodes are up and know each other's state: each has everything that is committed. */
  async inStep(): Promise<void> {
    await this.until('all in step', () => {
      const reports = this.members.map(({ node }) => node?.report());
      const most = Math.max(...reports.map((report) => report?.version ?? 0));
      const isJournal = reports.every((report) => report?.data === 'UpToDate' && report.committed === most);
      // A node that has to go back to an image is behind its journal for a while.
      return isJournal && this.members.every(({ node }) => node?.state?.version === most);
    });
  }

  /** Tables in which the nodes' states differ. */
  differences(): string[] {
    const [first, ...others] = this.members.map(({ node }) => {
      if (node?.state === undefined) throw new Error('a node without state');
      return stateDigest(node.state.state, 1);
    });
    return others.flatMap((other) => differingTables(first, other));
  }

  /** A client on a machine of its own. */
  client(host = this.sim.addHost('client', '10.0.0.9')): Promise<MasterSession> {
    const masters = this.members.map((_, index) => `10.0.0.${index + 1}`);
    return this.clientOf(masters, host);
  }

  clientOf(masters: readonly string[], host: Host): Promise<MasterSession> {
    return this.wait(connectMaster({ masters, info: '[simulated]' }, host.environment()));
  }
}

/** Makes folders one after the other until told to stop; answers the names of those that were acknowledged. */
export function keepMaking(
  session: MasterSession,
  prefix = 'folder',
): { readonly made: string[]; stop(): void; ended: Promise<void> } {
  const made: string[] = [];
  let stopped = false;
  const ended = (async () => {
    while (!stopped) {
      const name = `${prefix}${made.length}`;
      await ops.mkdir(session, 1, Buffer.from(name), { mode: 0o755, umask: 0, copySgid: false }, CALLER);
      made.push(name);
    }
  })();
  return {
    made,
    ended,
    stop: () => {
      stopped = true;
    },
  };
}

export async function namesIn(session: MasterSession): Promise<string[]> {
  const names = (await ops.readdir(session, 1, CALLER)).map((entry) => entry.name.toString());
  return names.filter((name) => name.startsWith('folder'));
}
