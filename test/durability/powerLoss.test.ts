import { type RunningMaster, startMaster } from '@alces/master';
import { CLTOMA_FUSE_REGISTER, type Frame, FrameReader, VERSION } from '@alces/proto';
import { createLogger, type Environment, parseConfig } from '@alces/runtime';
import { type Host, type SeededRandom, Simulation } from '@alces/sim';
import { expect, test } from 'vitest';
import { type Wire, Worker } from './support/worker.ts';

const SEEDS = 30;
const LOSSES_PER_SEED = 10;
const WORKERS = 5;
const FOLDER = '/data';
const MASTER_ADDRESS = '10.0.0.1';
const CLIENT_PORT = 9421;
const LONGEST_LIFE_MS = 400;
const CONFIG = `CHANGELOG_SAVE_MODE=2\nEXPORTS_FILENAME=${FOLDER}/mfsexports.cfg\nTOPOLOGY_FILENAME=${FOLDER}/mfstopology.cfg\n`;
const log = createLogger({ name: 'simulated', target: { file: '/dev/null' } });

class ConnectionEnded extends Error {}

/** A registered client on a simulated host. */
class SimWire implements Wire {
  readonly #reader = new FrameReader(1 << 20);
  #send: (bytes: Buffer) => void = () => {};
  #waiting: { resolve(frame: Frame): void; reject(error: Error): void } | undefined;
  #ended = false;

  static async register({ net }: Environment): Promise<SimWire> {
    const wire = new SimWire();
    const target = { host: MASTER_ADDRESS, port: CLIENT_PORT, timeoutMs: 2000 };
    const connection = await net.connect(target, () => ({
      data: (bytes) => wire.#data(bytes),
      close: () => wire.end(),
    }));
    wire.#send = (bytes) => void connection.write(bytes);
    const info = { version: VERSION, info: Buffer.from('/mnt\0'), path: Buffer.from('/\0') };
    await wire.request(CLTOMA_FUSE_REGISTER.encode({ layout: 'newSession', ...info }));
    return wire;
  }

  request(frame: Buffer): Promise<Frame> {
    if (this.#ended) return Promise.reject(new ConnectionEnded());
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#send(frame);
    });
  }

  /** The master is gone and nobody says so: its machine lost power. */
  end(): void {
    this.#ended = true;
    this.#waiting?.reject(new ConnectionEnded());
  }

  #data(bytes: Buffer): void {
    this.#reader.push(bytes);
    for (const frame of this.#reader) {
      const isNotification = frame.type === 0 || frame.type === 702 || frame.type === 703 || frame.type === 706;
      if (!isNotification) this.#waiting?.resolve(frame);
    }
  }
}

/** A machine with a master, in strict save mode, that loses power again and again, and one with clients. */
class World {
  readonly sim: Simulation;
  readonly random: SeededRandom;
  readonly workers: Worker[];
  readonly #machine: Host;
  readonly #clients: Host;
  #master: RunningMaster | undefined;
  wires: SimWire[] = [];

  constructor(seed: number) {
    this.sim = new Simulation(seed);
    this.#machine = this.sim.addHost('master', MASTER_ADDRESS);
    this.#clients = this.sim.addHost('clients', '10.0.0.2');
    this.random = this.sim.random.fork();
    this.workers = Array.from({ length: WORKERS }, (_, i) => new Worker(`w${i}`, (limit) => this.random.below(limit)));
  }

  /** Lets virtual time pass until a promise settles. */
  async wait<T>(what: string, promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    await this.sim.runUntil(what, 120_000, () => settled);
    return promise;
  }

  async prepare(): Promise<void> {
    const { disk } = this.#machine.environment();
    const files = { 'mfsexports.cfg': '* / rw,maproot=0:0\n', 'mfstopology.cfg': '', 'metadata.mfs': 'MFSM NEW' };
    for (const [name, text] of Object.entries(files))
      await this.wait(name, disk.replaceFile(`${FOLDER}/${name}`, Buffer.from(text)));
  }

  async start(): Promise<void> {
    const environment = this.#machine.environment();
    const config = parseConfig(CONFIG, `${FOLDER}/mfsmaster.cfg`);
    this.#master = await this.wait('the start', startMaster({ environment, folder: FOLDER, config, log }));
    const client = this.#clients.environment();
    this.wires = await this.wait('clients', Promise.all(this.workers.map(() => SimWire.register(client))));
  }

  /** Begins to store an image; the power may fail in the middle. */
  save(): void {
    this.#master?.saveImage().catch(() => undefined);
  }

  losePower(): void {
    this.#machine.crash('power');
    for (const wire of this.wires) wire.end();
    this.#machine.restart();
  }
}

const lifeOver = (error: unknown) => {
  if (!(error instanceof ConnectionEnded)) throw error;
};

async function live(world: World): Promise<void> {
  const { workers, wires, random, sim } = world;
  await world.wait('the checks', Promise.all(workers.map((worker, index) => worker.check(wires[index]!))));
  const ends = workers.map((worker, index) => worker.work(wires[index]!).catch(lifeOver));
  await sim.run(random.between(0, LONGEST_LIFE_MS));
  if (random.below(3) === 0) {
    world.save();
    await sim.run(random.between(0, 30));
  }
  world.losePower();
  await world.wait('the end of the clients', Promise.all(ends));
}

test(`${SEEDS * LOSSES_PER_SEED} losses of power in strict save mode: nothing acknowledged is missing`, async () => {
  let acknowledged = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new World(seed);
    try {
      await world.prepare();
      for (let loss = 0; loss < LOSSES_PER_SEED; loss++) {
        await world.start();
        await live(world);
      }
      await world.start();
      const checks = world.workers.map((worker, index) => worker.check(world.wires[index]!));
      await world.wait('the last check', Promise.all(checks));
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    }
    acknowledged += world.workers.reduce((sum, worker) => sum + worker.acknowledged, 0);
  }
  expect(acknowledged).toBeGreaterThan(50 * SEEDS * LOSSES_PER_SEED);
}, 300_000);
