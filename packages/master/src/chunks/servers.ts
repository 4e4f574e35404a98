/** Load state of a chunkserver (spec 40 §13.7). */
export const Load = { unknown: 0, ok: 1, overloaded: 2, rebalance: 3, graceful: 4 } as const;

/** Progress of emptying disks marked for removal (spec 40 §13.6). */
export const Removal = {
  unknown: 0,
  unknownOnePass: 1,
  inProgress: 2,
  wasInProgress: 3,
  removable: 4,
} as const;

/** How the server's commands leave: a whole frame; may be delayed until the journal is safe. */
export interface ServerLink {
  send(frame: Buffer): void;
  /** Ends the connection; the link then reports the disconnection as usual. */
  close(): void;
}

/** A connected chunkserver. Lives from its accepted BEGIN to its disconnection. */
export interface ChunkServer {
  /** Index in the copy records; not the csid. */
  readonly slot: number;
  readonly link: ServerLink;
  readonly ip: number;
  readonly port: number;
  readonly versionWord: number;
  /** END seen. */
  registered: boolean;
  labelMask: number;
  usedBytes: number;
  totalBytes: number;
  chunks: number;
  markedUsedBytes: number;
  markedTotalBytes: number;
  markedChunks: number;
  errors: number;
  load: number;
  loadState: number;
  inMaintenance: boolean;
  removal: number;
  /** Replications in which it is the source, and the destination. */
  sending: number;
  receiving: number;
  /** Chunks being written that have a live copy here. */
  writing: number;
  /** Chunks whose delete commands were not answered yet. */
  readonly deletes: Set<number>;
  /**
   * Chunks whose delete commands were not answered when the server went away the last time. It may still report them and
   * delete them afterwards, so such a copy must never be the reason to delete another one.
   */
  readonly doubtful: Set<number>;
  /** Weighted round robin (spec 40 §7.2). */
  age: number;
  credit: number;
  fresh: boolean;
}

/** Connected and with sensible space figures. */
export function isUsable(server: ChunkServer): boolean {
  return server.totalBytes > 0 && server.usedBytes <= server.totalBytes;
}

export function usage(server: ChunkServer): number {
  return server.totalBytes > 0 ? server.usedBytes / server.totalBytes : 1;
}

/** More than 1 % free. */
export function hasSpace(server: ChunkServer): boolean {
  return server.totalBytes > 0 && server.totalBytes - server.usedBytes > server.totalBytes / 100;
}

export const maxServers = 10000;

/** What is known of a server when its BEGIN is accepted. */
export type NewServer = Pick<
  ChunkServer,
  | 'link'
  | 'ip'
  | 'port'
  | 'versionWord'
  | 'usedBytes'
  | 'totalBytes'
  | 'chunks'
  | 'markedUsedBytes'
  | 'markedTotalBytes'
  | 'markedChunks'
  | 'inMaintenance'
  | 'doubtful'
>;

/**
 * The connected chunkservers by slot. The slot of a server that went away is not given out again before every copy
 * record that names it is gone.
 */
export class ServerSet {
  private readonly slots: (ChunkServer | undefined)[] = [];
  private readonly free: number[] = [];
  private connected: ChunkServer[] = [];

  /** Undefined: as many servers as possible are connected. */
  add(server: NewServer): ChunkServer | undefined {
    const slot = this.free.pop() ?? this.slots.length;
    if (slot >= 65536 || this.connected.length >= maxServers) return undefined;
    const added: ChunkServer = {
      ...server,
      slot,
      registered: false,
      labelMask: 0,
      errors: 0,
      load: 0,
      loadState: Load.unknown,
      removal: Removal.unknown,
      sending: 0,
      receiving: 0,
      writing: 0,
      deletes: new Set(),
      age: 0,
      credit: 0,
      fresh: true,
    };
    this.slots[slot] = added;
    this.connected = [...this.connected, added];
    return added;
  }

  /** The server in a slot; undefined: it has gone, and its copies with it. */
  get(slot: number): ChunkServer | undefined {
    return this.slots[slot];
  }

  /** The slot stays taken until `release`. */
  remove(server: ChunkServer): void {
    this.slots[server.slot] = undefined;
    this.connected = this.connected.filter((other) => other !== server);
  }

  /** No copy record names the slot any more. */
  release(slot: number): void {
    this.free.push(slot);
  }

  /** Connected servers in order of their connection. */
  all(): readonly ChunkServer[] {
    return this.connected;
  }

  usable(): ChunkServer[] {
    return this.connected.filter(isUsable);
  }

  /** Servers between BEGIN and END. */
  registering(): boolean {
    return this.connected.some((server) => !server.registered);
  }
}
