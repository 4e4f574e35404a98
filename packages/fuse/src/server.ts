import { type Channel, type ChannelEnd, openChannel } from './channel.ts';
import { IN_HEADER_BYTES, Opcode, OUT_HEADER_BYTES, REQUEST_OVERHEAD_BYTES } from './constants.ts';
import { putOutHeader } from './encode.ts';
import { HANDLERS } from './handlers.ts';
import { DEFAULT_WISHES, INIT_OUT_BYTES, type InitWishes, negotiate } from './init.ts';
import { type ErrorReport, Loop } from './loop.ts';
import { createNotifier, type Notifier } from './notify.ts';
import type { Operations } from './operations.ts';
import { BlockPool } from './pool.ts';
import { Request } from './request.ts';
import type { Negotiated } from './types.ts';
import { allocateBlock, type Block, getU64 } from './words.ts';

const EPROTO = 71;
const EIO = 5;
const ENOSYS = 38;
const INIT_IN_MIN_BYTES = 16;
/** Idle read buffers kept: enough for a burst of large writes without holding on to much memory. */
const IDLE_BUFFERS = 8;

export interface ServeOptions {
  wishes?: Partial<InitWishes>;
  /** Forces the thread-pool channel. */
  threads?: boolean;
  report?: ErrorReport;
}

export interface FuseServer {
  readonly channelKind: 'stream' | 'threads';
  /** What INIT agreed on; rejects if the kernel is refused or the channel ends first. */
  readonly initialized: Promise<Negotiated>;
  /** Settles when the channel has ended, for whatever reason; never rejects. */
  readonly ended: Promise<ChannelEnd>;
  readonly notifier: Notifier;
  /** Requests that operations have not answered yet. */
  readonly pendingRequests: number;
  /** Closes the descriptor without unmounting. */
  close(): void;
}

function reportToStderr(message: string, error: unknown, request: Request | undefined): void {
  process.stderr.write(`fuse: ${message} (opcode ${request?.opcode ?? 'none'}): ${String(error)}\n`);
}

/** The loop of one mount: INIT first, then every request to its handler. */
class Server {
  readonly loop: Loop;
  readonly #channel: Channel;
  readonly #pool: BlockPool;
  readonly #wishes: InitWishes;
  readonly #report: ErrorReport;
  readonly initialized: Promise<Negotiated>;
  readonly ended: Promise<ChannelEnd>;
  #agree: (negotiated: Negotiated) => void = () => {};
  #refuse: (error: Error) => void = () => {};
  #isInitialized = false;

  constructor(fd: number, operations: Operations, options: ServeOptions) {
    this.#report = options.report ?? reportToStderr;
    this.#wishes = { ...DEFAULT_WISHES, ...options.wishes };
    this.#pool = new BlockPool(this.#wishes.maxWriteBytes + REQUEST_OVERHEAD_BYTES, IDLE_BUFFERS);
    this.loop = new Loop(operations, () => this.#channel, this.#report);
    this.initialized = new Promise((resolve, reject) => {
      this.#agree = resolve;
      this.#refuse = reject;
    });
    // Whoever serves may look at `ended` only.
    this.initialized.catch(() => {});
    let end: (end: ChannelEnd) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    const handlers = {
      request: (block: Block, lengthBytes: number) => this.#request(block, lengthBytes),
      ended: (how: ChannelEnd) => {
        this.#refuse(new Error(`the FUSE channel ended before it was initialized (${how.cause})`));
        this.loop.interruptAll();
        end(how);
      },
    };
    this.#channel = openChannel(fd, this.#pool, handlers, { threads: options.threads ?? false });
  }

  get channel(): Channel {
    return this.#channel;
  }

  readonly #release = (block: Block): void => this.#pool.give(block);

  #request(block: Block, lengthBytes: number): boolean {
    const { words } = block;
    if (lengthBytes < IN_HEADER_BYTES || words[0] !== lengthBytes) {
      this.#report(`a request of ${lengthBytes} bytes that says it has ${words[0]}`, undefined, undefined);
      this.#channel.close();
      return false;
    }
    const request = new Request(words[1], getU64(words, 2), getU64(words, 4), words[6], words[7], words[8]);
    if (request.opcode === Opcode.INIT) {
      this.#init(request, block, lengthBytes);
      return false;
    }
    if (!this.#isInitialized) {
      this.loop.error(request, EIO);
      return false;
    }
    return this.#dispatch(request, block, lengthBytes);
  }

  #dispatch(request: Request, block: Block, lengthBytes: number): boolean {
    const handler = HANDLERS[request.opcode];
    if (!handler) {
      this.loop.error(request, ENOSYS);
      return false;
    }
    if (lengthBytes < IN_HEADER_BYTES + handler.bodyBytes) {
      this.loop.failed(request, new Error(`a request of only ${lengthBytes} bytes`));
      return false;
    }
    try {
      return handler.handle(this.loop, request, block, lengthBytes, this.#release);
    } catch (error) {
      this.loop.failed(request, error);
      return false;
    }
  }

  #init(request: Request, block: Block, lengthBytes: number): void {
    const reply = allocateBlock(OUT_HEADER_BYTES + INIT_OUT_BYTES);
    const tooShort = lengthBytes < IN_HEADER_BYTES + INIT_IN_MIN_BYTES;
    const outcome = tooShort
      ? ({ kind: 'refused', reason: 'INIT is too short' } as const)
      : negotiate(block.words, reply.words, OUT_HEADER_BYTES / 4, this.#wishes);
    if (outcome.kind === 'refused') {
      this.loop.error(request, EPROTO);
      this.#refuse(new Error(outcome.reason));
      this.#channel.close();
      return;
    }
    putOutHeader(reply.words, OUT_HEADER_BYTES + INIT_OUT_BYTES, 0, request.unique);
    const errno = this.#channel.reply(reply.bytes, OUT_HEADER_BYTES + INIT_OUT_BYTES);
    if (errno !== 0) this.#report(`the kernel refused the INIT reply (errno ${errno})`, undefined, request);
    else if (outcome.kind === 'agreed') {
      this.#isInitialized = true;
      this.#agree(outcome.negotiated);
    }
  }
}

/** Serves the FUSE descriptor `fd` (from now on the server's) with `operations`. */
export function serve(fd: number, operations: Operations, options: ServeOptions = {}): FuseServer {
  const server = new Server(fd, operations, options);
  return {
    channelKind: server.channel.kind,
    initialized: server.initialized,
    ended: server.ended,
    notifier: createNotifier(server.channel),
    get pendingRequests() {
      return server.loop.pendingRequests;
    },
    close: () => server.channel.close(),
  };
}
