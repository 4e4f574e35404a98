import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal } from '@alces/journal';
import { apply, imageBytes, type Operation, type State } from '@alces/metadata';
import { type Connection, type ConnectionHandlers, createLogger, type Listener, realEnvironment } from '@alces/runtime';
import { metaloggerFollower } from '../../../master/src/journaling.ts';
import { MetaloggerService } from '../../../master/src/metaloggers/service.ts';
import { OperationSource } from '../../../metadata/test/support/operations.ts';
import { Dice } from '../../../metadata/test/support/random.ts';
import { emptyState, isUnnatural, RANDOM_RUN_START } from '../../../metadata/test/support/run.ts';
import { Report } from './folder.ts';

const environment = realEnvironment();
/** A connection that writes in another way. */
export function withWrite(connection: Connection, write: (bytes: Buffer) => boolean): Connection {
  const { remoteAddress, remotePort, localAddress, localPort } = connection;
  return {
    remoteAddress,
    remotePort,
    localAddress,
    localPort,
    get queuedBytes() {
      return connection.queuedBytes;
    },
    write,
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    end: () => connection.end(),
    destroy: () => connection.destroy(),
  };
}

/** The metalogger side of our master with a real state, journal and files, under random operations. */
export class LiveMaster {
  readonly folder = mkdtempSync(join(tmpdir(), 'alces-live-'));
  readonly state: State = emptyState();
  /** Bytes that went out. */
  sentBytes = 0;
  /** Called for each connection; may wrap it. */
  wrap: (connection: Connection) => Connection = (connection) => connection;
  readonly #source: OperationSource;
  #grown = 0;
  #journal!: Journal;
  #service!: MetaloggerService;
  #listener!: Listener;

  constructor(seed: number) {
    this.#source = new OperationSource(this.state, new Dice(seed), RANDOM_RUN_START);
  }

  get port(): number {
    return this.#listener.port;
  }

  async start(): Promise<this> {
    this.save();
    await this.#serve();
    return this;
  }

  /** Another process on the same files. */
  async restart(): Promise<void> {
    await this.#end();
    await this.#serve();
  }

  async #serve(): Promise<void> {
    const { clock, disk } = environment;
    const { folder, state } = this;
    const report = new Report();
    this.#journal = await Journal.open({
      clock,
      disk,
      folder,
      nextVersion: state.metaversion,
      saveMode: 0,
      backLogs: 50,
      report,
    });
    this.#service = new MetaloggerService({
      clock,
      disk,
      log: createLogger({ name: 'test', target: { file: join(folder, 'log') } }),
      paths: {
        image: join(folder, 'metadata.mfs.back'),
        changelog0: join(folder, 'changelog.0.mfs'),
        changelog1: join(folder, 'changelog.1.mfs'),
      },
      nextVersion: state.metaversion,
      keepSeconds: () => 1800,
      configText: () => '',
      alces: { state, changelog: (number) => join(folder, `changelog.${number}.mfs`) },
    });
    this.#journal.follow(metaloggerFollower(this.#service));
    this.#listener = await environment.net.listen({ host: '127.0.0.1', port: 0 }, (connection) =>
      this.#accept(connection),
    );
  }

  #accept(connection: Connection): ConnectionHandlers {
    const counting = withWrite(connection, (bytes) => {
      this.sentBytes += bytes.length;
      return connection.write(bytes);
    });
    return this.#service.accept(this.wrap(counting));
  }

  /** The image as an hourly save leaves it. */
  save(): void {
    writeFileSync(join(this.folder, 'metadata.mfs.back'), imageBytes(this.state, { now: RANDOM_RUN_START }).image);
  }

  rotate(): Promise<void> {
    return this.#journal.rotate();
  }

  perform(operation: Operation): boolean {
    const version = this.state.metaversion;
    if (apply(this.state, this.#source.now, operation, 'live') !== 0) return false;
    this.#journal.append(version, { timestamp: this.#source.now, operation });
    return true;
  }

  /** Random operations, of which most succeed. */
  work(count: number): void {
    for (let i = 0; i < count; i++) {
      const operation = this.#source.next();
      if (!isUnnatural(this.state, operation)) this.perform(operation);
    }
  }

  /** Makes so many directories. */
  grow(count: number): void {
    const owner = { uid: 0, gid: 0, mode: 0o755, cumask: 0o22, rdev: 0 };
    for (let i = 0; i < count; i++) {
      const name = Buffer.from(`directory ${this.#grown++}`);
      this.perform({ op: 'CREATE', parent: 1, name, type: 2, inode: 0, ...owner });
    }
  }

  get last(): number {
    return this.state.metaversion - 1;
  }

  async #end(): Promise<void> {
    this.#service.stop();
    await this.#listener.close();
    await this.#journal.close();
  }

  async stop(): Promise<void> {
    await this.#end();
    rmSync(this.folder, { recursive: true });
  }
}
