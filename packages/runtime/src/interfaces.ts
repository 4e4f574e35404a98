/** Stops a timer or an interval; safe to call more than once. */
export type Cancel = () => void;

/** Time. `wallMs` can jump (an operator sets the clock); `monotonicMs` never goes back. */
export interface Clock {
  wallMs(): number;
  monotonicMs(): number;
  /** Unix time in whole seconds, as MooseFS stores it. */
  unixSeconds(): number;
  timeout(delayMs: number, run: () => void): Cancel;
  interval(periodMs: number, run: () => void): Cancel;
}

/** Randomness; the simulated one is seeded. */
export interface Random {
  u32(): number;
  /** An integer in [0, limit). */
  below(limit: number): number;
  bytes(count: number): Buffer;
}

export interface ConnectionHandlers {
  /** Bytes that arrived. The buffer belongs to the receiver from now on. */
  data(bytes: Buffer): void;
  /** The send queue went from above the high-water mark to empty. */
  drain?(): void;
  /** Called exactly once, after which no handler is called again. `error` is absent on an orderly end. */
  close(error?: Error): void;
}

/** An established TCP connection (TCP_NODELAY set). Writes of one event-loop turn are sent together. */
export interface Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Bytes accepted by `write` and not yet handed to the kernel. */
  readonly queuedBytes: number;
  /** Queues bytes; the caller must not change them afterwards. False: more than the high-water mark is queued, wait for `drain`. */
  write(bytes: Buffer): boolean;
  /** Stop and restart delivery of `data` (back-pressure towards the peer). */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once; queued bytes are lost. */
  destroy(): void;
}

export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

export interface ListenOptions {
  /** `*` or an IPv4 address or a name. */
  host: string;
  port: number;
}

export interface ConnectOptions {
  host: string;
  port: number;
  timeoutMs: number;
  /** Local IPv4 address to bind to (`BIND_HOST`); absent or `*`: the kernel chooses. */
  bindHost?: string;
}

/** The network. Handlers are attached in the same turn in which the connection appears. */
export interface Net {
  listen(options: ListenOptions, accept: (connection: Connection) => ConnectionHandlers): Promise<Listener>;
  connect(options: ConnectOptions, attach: (connection: Connection) => ConnectionHandlers): Promise<Connection>;
}

/** An open file. Positions are explicit; nothing here has a cursor. */
export interface DiskFile {
  read(position: number, length: number): Promise<Buffer>;
  write(position: number, data: readonly Buffer[]): Promise<void>;
  /** fdatasync: when this resolves, what was written before survives power loss. */
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** A folder of files, for journals, images and small state. Paths are absolute. */
export interface Disk {
  open(path: string, mode: 'read' | 'append' | 'create' | 'readwrite'): Promise<DiskFile>;
  readFile(path: string): Promise<Buffer>;
  /** Writes to a temporary name, syncs, renames over `path` and syncs the folder. */
  replaceFile(path: string, data: Buffer): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** fsync of a folder: when this resolves, files created, renamed and removed in it before survive power loss as such. */
  syncFolder(folder: string): Promise<void>;
  remove(path: string): Promise<void>;
  list(folder: string): Promise<string[]>;
  makeFolder(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Free bytes for unprivileged users on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
}

/** Everything a daemon core may ask of the outside world. */
export interface Environment {
  clock: Clock;
  random: Random;
  net: Net;
  disk: Disk;
}
