import {
  type NodeConfig,
  type Protocol,
  ReplicationNode,
  type Rules,
  replicationConfig,
  SegmentLog,
  type Timings,
} from '@alces/replication';
import type { Clock, Connection, Environment } from '@alces/runtime';
import { type Host, Simulation } from '@alces/sim';
import { type ClientAnswer, type ClientRequest, SimApplication } from './application.ts';
import type { Checker } from './checker.ts';
import { CLIENT_PORT } from './client.ts';

export const JOURNAL_PORT = 9425;
const FOLDER = '/var/lib/mfs';

/** Which nodes there are. */
export type Layout = 'three' | 'witness' | 'pair';

export interface ClusterOptions {
  layout: Layout;
  protocol: Protocol;
  /** Replaced in tests of the test. */
  rules?: Rules;
  timings?: Partial<Timings>;
  /** Use the built-in failure detector. */
  detector: boolean;
}

/** A clock that runs a little too fast or too slow. */
function driftingClock(clock: Clock, rate: number): Clock {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs() * rate,
    unixSeconds: () => clock.unixSeconds(),
    timeout: (delayMs, run) => clock.timeout(delayMs / rate, run),
    interval: (periodMs, run) => clock.interval(periodMs / rate, run),
  };
}

/** One machine with its journal node and its program. */
export class Member {
  readonly host: Host;
  readonly witness: boolean;
  readonly #cluster: Cluster;
  readonly #rate: number;
  node: ReplicationNode | undefined;
  application: SimApplication | undefined;

  constructor(cluster: Cluster, host: Host, witness: boolean, rate: number) {
    this.#cluster = cluster;
    this.host = host;
    this.witness = witness;
    this.#rate = rate;
  }

  get name(): string {
    return this.host.name;
  }

  get folder(): string {
    return FOLDER;
  }

  /** Starts the program, on a machine that is up. */
  start(): void {
    const plain = this.host.environment();
    const environment = { ...plain, clock: driftingClock(plain.clock, this.#rate) };
    this.#start(environment).catch((error: Error) => this.#cluster.checker.violation(`${this.name}: ${error.stack}`));
  }

  async #start(environment: Environment): Promise<void> {
    const { options, config, checker } = this.#cluster;
    const retains = options.layout === 'pair' || this.#cluster.retains;
    const application = this.witness
      ? undefined
      : new SimApplication(this.name, environment.disk, FOLDER, checker, retains);
    await application?.load();
    const node = await ReplicationNode.start({
      environment,
      config: { ...config, self: this.name },
      cluster: 'simulated',
      secret: Buffer.from('a secret of the simulation'),
      folder: FOLDER,
      entries: new SegmentLog({ disk: environment.disk, folder: FOLDER, segmentBytes: 4096 }),
      application,
      ...(options.rules === undefined ? {} : { rules: options.rules }),
      ...(options.detector && !this.witness
        ? { detector: { timeoutMs: 800, rank: this.#cluster.members.indexOf(this) } }
        : {}),
      report: (level, text) => checker.note(`${this.name} [${level}] ${text}`),
      fatal: (error) => checker.violation(`${this.name}: ${error instanceof Error ? error.stack : error}`),
      endOfTurn: (run) => environment.clock.timeout(0, run),
    });
    this.node = node;
    this.application = application;
    if (application === undefined) return;
    application.node = node;
    await this.#listen(environment, application);
  }

  async #listen(environment: Environment, application: SimApplication): Promise<void> {
    const clients = new Set<Connection>();
    application.onDrop(() => {
      for (const client of clients) client.destroy();
    });
    await environment.net.listen({ host: '*', port: CLIENT_PORT }, (connection) => {
      let received = '';
      clients.add(connection);
      const answer = (message: ClientAnswer) => connection.write(Buffer.from(`${JSON.stringify(message)}\n`));
      return {
        data: (bytes) => {
          received += bytes.toString();
          for (let end = received.indexOf('\n'); end >= 0; end = received.indexOf('\n')) {
            const request = JSON.parse(received.slice(0, end)) as ClientRequest;
            received = received.slice(end + 1);
            application.serve(request, answer);
          }
        },
        close: () => clients.delete(connection),
      };
    });
  }

  crash(kind: 'kill' | 'power'): void {
    this.host.crash(kind);
    this.node = undefined;
    this.application = undefined;
  }

  restart(): void {
    if (this.host.up) return;
    this.host.restart();
    this.start();
  }
}

/** A simulated journal of two or three nodes. */
export class Cluster {
  readonly sim: Simulation;
  readonly options: ClusterOptions;
  readonly checker: Checker;
  readonly members: Member[] = [];
  readonly config: ReturnType<typeof replicationConfig>;
  /** Nodes keep what others may need, or not: then images are needed more often. */
  readonly retains: boolean;

  constructor(seed: number, options: ClusterOptions, makeChecker: (sim: Simulation) => Checker) {
    this.sim = new Simulation(seed);
    this.options = options;
    this.checker = makeChecker(this.sim);
    this.retains = this.sim.random.chance(0.5);
    const names = options.layout === 'pair' ? ['n1', 'n2'] : ['n1', 'n2', 'n3'];
    const isWitness = (index: number) => options.layout === 'witness' && index === 2;
    const nodes: NodeConfig[] = names.map((id, index) => ({
      id,
      host: `10.0.0.${index + 1}`,
      port: JOURNAL_PORT,
      witness: isWitness(index),
    }));
    this.config = replicationConfig({
      self: 'n1',
      nodes,
      quorum: options.layout === 'pair' ? 1 : 2,
      protocol: options.protocol,
      ...(options.timings === undefined ? {} : { timings: options.timings }),
      memoryBytes: 4096,
      windowBytes: 4096,
      batchBytes: 1024,
    });
    for (const [index, { id, host }] of nodes.entries()) {
      const rate = this.sim.random.between(0.97, 1.03);
      this.members.push(new Member(this, this.sim.addHost(id, host), isWitness(index), rate));
    }
  }

  get full(): Member[] {
    return this.members.filter((member) => !member.witness);
  }

  get leaders(): Member[] {
    return this.full.filter((member) => member.application?.leading === true);
  }

  start(): void {
    for (const member of this.members) member.start();
  }
}
