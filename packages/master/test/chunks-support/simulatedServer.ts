import {
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_CREATE,
  CSTOMA_CURRENT_LOAD,
  CSTOMA_DELETE,
  CSTOMA_DUPLICATE,
  CSTOMA_DUPTRUNC,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_REPLICATE,
  CSTOMA_SET_VERSION,
  CSTOMA_SPACE,
  CSTOMA_TRUNCATE,
  encodeFrame,
  FrameReader,
  MATOCS_CREATE,
  MATOCS_DELETE,
  MATOCS_DUPLICATE,
  MATOCS_DUPTRUNC,
  MATOCS_MASTER_ACK,
  MATOCS_REPLICATE,
  MATOCS_SET_VERSION,
  MATOCS_TRUNCATE,
  Status,
  VERSION,
} from '@alces/proto';
import type { Clock, Connection } from '@alces/runtime';
import type { SeededRandom } from './simulatedClock.ts';
import type { SimulatedNet } from './simulatedNet.ts';

/** A copy on a disk. `content` stands for the data: the number of the write that made it. */
export interface DiskCopy {
  version: number;
  content: number;
  marked: boolean;
}

const chunkFileBytes = 64 * 1024 * 1024;

export interface ServerOptions {
  readonly name: string;
  readonly labelMask?: number;
  readonly totalBytes?: number;
  /** Longest time that an operation takes. */
  readonly maxDelayMs?: number;
  /** Registers part of the list per packet. */
  readonly listPart?: number;
}

/** A chunkserver as the master sees it: keeps copies, answers commands after a while, keeps them when it is disconnected. */
export class SimulatedServer {
  readonly options: ServerOptions;
  readonly ip: number;
  readonly port = 9422;
  readonly disk = new Map<number, DiskCopy>();
  /** Forced statuses of the next operations, by message name; taken from the front. */
  readonly refusals: number[] = [];
  /** Commands as they came: name and chunk. */
  readonly commands: { readonly name: string; readonly chunkId: number; readonly version: number }[] = [];
  csid = 0;
  labelMask: number;
  loadState = 1;
  totalBytes: number;
  /** Bytes of other things on the disk. */
  ballastBytes = 0;
  private readonly clock: Clock;
  private readonly random: SeededRandom;
  private readonly net: SimulatedNet;
  private readonly servers: () => readonly SimulatedServer[];
  private connection: Connection | undefined;
  /** Connects again by itself when the connection is lost or refused. */
  private wanted = false;
  private readonly reader = { current: new FrameReader(10_000) };
  private listed: [number, DiskCopy][] = [];
  private registered = false;

  constructor(
    options: ServerOptions,
    ip: number,
    clock: Clock,
    random: SeededRandom,
    net: SimulatedNet,
    servers: () => readonly SimulatedServer[],
  ) {
    this.options = options;
    this.ip = ip;
    this.clock = clock;
    this.random = random;
    this.net = net;
    this.servers = servers;
    this.labelMask = options.labelMask ?? 0;
    this.totalBytes = options.totalBytes ?? 2 ** 40;
    clock.interval(1000, () => this.report());
  }

  get isConnected(): boolean {
    return this.connection !== undefined;
  }

  get isRegistered(): boolean {
    return this.registered;
  }

  get usedBytes(): number {
    return this.ballastBytes + this.disk.size * chunkFileBytes;
  }

  connect(): void {
    this.wanted = true;
    if (this.connection !== undefined) return;
    this.reader.current = new FrameReader(10_000);
    this.registered = false;
    const connection = this.net.dial(`10.0.1.${this.ip & 255}`, {
      data: (bytes) => {
        if (this.connection === connection) this.received(bytes);
      },
      close: () => {
        if (this.connection !== connection) return;
        this.connection = undefined;
        this.registered = false;
      },
    });
    this.connection = connection;
    this.send(
      CSTOMA_REGISTER.encode({
        layout: 'begin',
        version: VERSION,
        ip: this.ip,
        port: this.port,
        timeout: 0,
        csid: this.csid,
        ...this.space(),
      }),
    );
  }

  disconnect(): void {
    this.wanted = false;
    this.connection?.destroy();
    this.connection = undefined;
    this.registered = false;
  }

  /** Announces the stop first. */
  stop(): void {
    this.wanted = false;
    this.send(CSTOMA_REGISTER.encode({ layout: 'disconnect' }));
    this.registered = false;
  }

  lose(chunkId: number): void {
    this.disk.delete(chunkId);
    if (this.registered) this.send(CSTOMA_CHUNK_LOST.encode({ chunkIds: [chunkId] }));
  }

  damage(chunkId: number): void {
    if (this.registered) this.send(CSTOMA_CHUNK_DAMAGED.encode({ chunkIds: [chunkId] }));
  }

  /** The folder of this chunk is marked for removal, or no longer. */
  mark(chunkId: number, marked: boolean): void {
    const copy = this.disk.get(chunkId)!;
    copy.marked = marked;
    const version = (copy.version | (marked ? 0x80000000 : 0)) >>> 0;
    this.send(CSTOMA_CHUNK_NEW.encode({ chunks: [{ chunkId, version }] }));
  }

  sendRaw(frame: Buffer): void {
    this.send(frame);
  }

  private space() {
    const chunks = this.disk.size;
    const usedSpace = Math.min(this.usedBytes, this.totalBytes);
    return { usedSpace, totalSpace: this.totalBytes, chunks, tdUsedSpace: 0, tdTotalSpace: 0, tdChunks: 0 };
  }

  private report(): void {
    if (this.wanted) this.connect();
    if (!this.registered) {
      if (this.connection !== undefined) this.send(encodeFrame(0));
      return;
    }
    this.send(CSTOMA_SPACE.encode(this.space()));
    this.send(CSTOMA_CURRENT_LOAD.encode({ load: 0, status: this.loadState }));
  }

  private send(frame: Buffer): void {
    this.connection?.write(frame);
  }

  private received(bytes: Buffer): void {
    this.reader.current.push(bytes);
    for (const { type, payload } of this.reader.current) {
      if (type === MATOCS_MASTER_ACK.number) this.acknowledged(payload);
      else if (type !== 0) this.perform(type, payload);
    }
  }

  private acknowledged(payload: Buffer): void {
    const ack = MATOCS_MASTER_ACK.decode(payload);
    if (ack.layout === 'accepted') {
      this.csid = ack.csid;
      this.listed = [...this.disk];
      this.send(CSTOMA_LABELS.encode({ labelMask: this.labelMask }));
    }
    const part = this.listed.splice(0, this.options.listPart ?? 10);
    if (part.length === 0) {
      this.send(CSTOMA_REGISTER.encode({ layout: 'end' }));
      this.registered = true;
      return;
    }
    const chunks = part.map(([chunkId, copy]) => {
      return { chunkId, version: (copy.version | (copy.marked ? 0x80000000 : 0)) >>> 0 };
    });
    this.send(CSTOMA_REGISTER.encode({ layout: 'chunks', chunks }));
  }

  // --- operations --------------------------------------------------------------------------------------------------

  private perform(type: number, payload: Buffer): void {
    const { connection } = this;
    const answer = this.operation(type, payload);
    this.clock.timeout(this.random.below(this.options.maxDelayMs ?? 5), () => {
      const frame = answer();
      if (this.connection === connection) this.send(frame);
    });
  }

  /** What to do when the time comes; returns the answer. */
  private operation(type: number, payload: Buffer): () => Buffer {
    switch (type) {
      case MATOCS_CREATE.number: {
        const { chunkId, version } = MATOCS_CREATE.decode(payload);
        this.note('create', chunkId, version);
        return () => CSTOMA_CREATE.encode({ chunkId, status: this.refusal() ?? this.create(chunkId, version) });
      }
      case MATOCS_DELETE.number: {
        const { chunkId, version } = MATOCS_DELETE.decode(payload);
        this.note('delete', chunkId, version);
        return () => CSTOMA_DELETE.encode({ chunkId, status: this.refusal() ?? this.remove(chunkId, version) });
      }
      case MATOCS_SET_VERSION.number: {
        const { chunkId, newVersion, version } = MATOCS_SET_VERSION.decode(payload);
        this.note('set version', chunkId, newVersion);
        return () =>
          CSTOMA_SET_VERSION.encode({
            chunkId,
            status: this.refusal() ?? this.setVersion(chunkId, newVersion, version),
          });
      }
      case MATOCS_TRUNCATE.number: {
        const { chunkId, newVersion, version } = MATOCS_TRUNCATE.decode(payload);
        this.note('truncate', chunkId, newVersion);
        return () =>
          CSTOMA_TRUNCATE.encode({ chunkId, status: this.refusal() ?? this.setVersion(chunkId, newVersion, version) });
      }
      case MATOCS_DUPLICATE.number: {
        const fields = MATOCS_DUPLICATE.decode(payload);
        this.note('duplicate', fields.newChunkId, fields.newVersion);
        return () =>
          CSTOMA_DUPLICATE.encode({ chunkId: fields.newChunkId, status: this.refusal() ?? this.duplicate(fields) });
      }
      case MATOCS_DUPTRUNC.number: {
        const fields = MATOCS_DUPTRUNC.decode(payload);
        this.note('duplicate and truncate', fields.newChunkId, fields.newVersion);
        return () =>
          CSTOMA_DUPTRUNC.encode({ chunkId: fields.newChunkId, status: this.refusal() ?? this.duplicate(fields) });
      }
      case MATOCS_REPLICATE.number: {
        const fields = MATOCS_REPLICATE.decode(payload);
        if (fields.layout !== 'single') throw new Error('the master sent a replication from several sources');
        const { chunkId, version, ip } = fields;
        this.note('replicate', chunkId, version);
        const source = this.servers().find((server) => server.ip === ip);
        const found = source?.disk.get(chunkId);
        const content = found?.version === version ? found.content : undefined;
        return () => {
          const status = this.refusal() ?? this.take(chunkId, version, content);
          return CSTOMA_REPLICATE.encode({ chunkId, version, status });
        };
      }
      default:
        throw new Error(`the master sent message ${type}`);
    }
  }

  private note(name: string, chunkId: number, version: number): void {
    this.commands.push({ name, chunkId, version });
  }

  private refusal(): number | undefined {
    return this.refusals.shift();
  }

  private create(chunkId: number, version: number): number {
    if (this.disk.has(chunkId)) return Status.CHUNKEXIST;
    this.disk.set(chunkId, { version, content: 0, marked: false });
    return Status.OK;
  }

  private remove(chunkId: number, version: number): number {
    const copy = this.disk.get(chunkId);
    if (copy === undefined) return Status.NOCHUNK;
    if (version !== 0 && copy.version !== version) return Status.WRONGVERSION;
    this.disk.delete(chunkId);
    return Status.OK;
  }

  private setVersion(chunkId: number, newVersion: number, version: number): number {
    const copy = this.disk.get(chunkId);
    if (copy === undefined) return Status.NOCHUNK;
    if (version !== 0 && copy.version !== version) return Status.WRONGVERSION;
    copy.version = newVersion;
    return Status.OK;
  }

  private duplicate(fields: { newChunkId: number; newVersion: number; chunkId: number; version: number }): number {
    const copy = this.disk.get(fields.chunkId);
    if (copy === undefined) return Status.NOCHUNK;
    if (copy.version !== fields.version) return Status.WRONGVERSION;
    if (this.disk.has(fields.newChunkId)) return Status.CHUNKEXIST;
    this.disk.set(fields.newChunkId, { version: fields.newVersion, content: copy.content, marked: false });
    return Status.OK;
  }

  private take(chunkId: number, version: number, content: number | undefined): number {
    if (this.disk.has(chunkId)) return Status.CHUNKEXIST;
    if (content === undefined) return Status.WRONGVERSION;
    this.disk.set(chunkId, { version, content, marked: false });
    return Status.OK;
  }
}
