import { connect, type Socket } from 'node:net';
import {
  CSTOMA_CREATE,
  CSTOMA_DELETE,
  CSTOMA_DUPLICATE,
  CSTOMA_DUPTRUNC,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_REPLICATE,
  CSTOMA_SET_VERSION,
  CSTOMA_SPACE,
  CSTOMA_TRUNCATE,
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

interface FakeOptions {
  readonly port: number;
  /** Address under which it is known to clients. */
  readonly ip: number;
  readonly labelMask?: number;
  /** Answers of commands are held back until `release`. */
  readonly holds?: boolean;
}

const SPACE = {
  usedSpace: 1 << 30,
  totalSpace: 100 * 2 ** 30,
  chunks: 0,
  tdUsedSpace: 0,
  tdTotalSpace: 0,
  tdChunks: 0,
};

const NOP = Buffer.alloc(8);

/** A chunkserver without disks on a real connection: it says yes to every command. */
export class FakeChunkserver {
  readonly socket: Socket;
  readonly #reader = new FrameReader(10_000);
  readonly #options: FakeOptions;
  readonly registered: Promise<void>;
  #registered: () => void = () => {};
  #held: (() => void)[] = [];
  /** Status of the next commands. */
  status: number = Status.OK;
  holds: boolean;

  constructor(options: FakeOptions) {
    this.#options = options;
    this.holds = options.holds ?? false;
    this.registered = new Promise((resolve) => {
      this.#registered = resolve;
    });
    this.socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true }, () => {
      const identity = { version: VERSION, ip: options.ip, port: 9422, timeout: 0, csid: 0 };
      this.socket.write(CSTOMA_REGISTER.encode({ layout: 'begin', ...identity, ...SPACE }));
    });
    this.socket.on('data', (bytes: Buffer) => {
      this.#reader.push(bytes);
      for (const { type, payload } of this.#reader) this.#received(type, payload);
    });
    this.socket.on('error', () => {});
    const alive = setInterval(() => this.socket.write(NOP), 1000);
    this.socket.on('close', () => clearInterval(alive));
  }

  /** Answers what was held back. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const answer of held) answer();
  }

  get heldCommands(): number {
    return this.#held.length;
  }

  end(): void {
    this.socket.destroy();
  }

  #received(type: number, payload: Buffer): void {
    if (type === MATOCS_MASTER_ACK.number) return this.#acknowledged(payload);
    const answer = this.#answer(type, payload);
    if (!answer) return;
    if (this.holds) this.#held.push(() => this.socket.write(answer()));
    else this.socket.write(answer());
  }

  #acknowledged(payload: Buffer): void {
    if (MATOCS_MASTER_ACK.decode(payload).layout !== 'accepted') return;
    this.socket.write(CSTOMA_LABELS.encode({ labelMask: this.#options.labelMask ?? 0 }));
    this.socket.write(CSTOMA_REGISTER.encode({ layout: 'end' }));
    this.socket.write(CSTOMA_SPACE.encode(SPACE));
    this.#registered();
  }

  #answer(type: number, payload: Buffer): (() => Buffer) | undefined {
    const status = () => this.status;
    switch (type) {
      case MATOCS_CREATE.number: {
        const { chunkId } = MATOCS_CREATE.decode(payload);
        return () => CSTOMA_CREATE.encode({ chunkId, status: status() });
      }
      case MATOCS_DELETE.number: {
        const { chunkId } = MATOCS_DELETE.decode(payload);
        return () => CSTOMA_DELETE.encode({ chunkId, status: status() });
      }
      case MATOCS_SET_VERSION.number: {
        const { chunkId } = MATOCS_SET_VERSION.decode(payload);
        return () => CSTOMA_SET_VERSION.encode({ chunkId, status: status() });
      }
      case MATOCS_TRUNCATE.number: {
        const { chunkId } = MATOCS_TRUNCATE.decode(payload);
        return () => CSTOMA_TRUNCATE.encode({ chunkId, status: status() });
      }
      case MATOCS_DUPLICATE.number: {
        const { newChunkId: chunkId } = MATOCS_DUPLICATE.decode(payload);
        return () => CSTOMA_DUPLICATE.encode({ chunkId, status: status() });
      }
      case MATOCS_DUPTRUNC.number: {
        const { newChunkId: chunkId } = MATOCS_DUPTRUNC.decode(payload);
        return () => CSTOMA_DUPTRUNC.encode({ chunkId, status: status() });
      }
      case MATOCS_REPLICATE.number: {
        const { chunkId, version } = MATOCS_REPLICATE.decode(payload);
        return () => CSTOMA_REPLICATE.encode({ chunkId, version, status: status() });
      }
      default:
        return undefined;
    }
  }
}
