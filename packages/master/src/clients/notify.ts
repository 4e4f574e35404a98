import {
  MATOCL_FUSE_CHUNK_HAS_CHANGED,
  MATOCL_FUSE_FLENG_HAS_CHANGED,
  MATOCL_FUSE_INVALIDATE_CHUNK_CACHE,
} from '@alces/proto';
import type { Core } from '../core.ts';
import { atLeast, type Client, ClientKind } from './client.ts';

/** A chunk of a file that was changed, as other mounts are told. */
export interface ChangedChunk {
  readonly inode: number;
  readonly index: number;
  readonly chunkId: number;
  readonly version: number;
  /** Length of the file in bytes. */
  readonly length: number;
  /** 1: the file was cut or extended here, 0: data was written. */
  readonly truncateFlag: 0 | 1;
}

/** Mount connections whose session has the file open, except the one that caused the change (spec 00 §6.7). */
function* others(core: Core, inode: number, cause: Client | undefined): Generator<Client> {
  for (const id of core.state.openFiles.sessionsOf(inode)) {
    const session = core.sessions.find(id);
    if (!session) continue;
    for (const client of session.connections)
      if (client !== cause && client.kind === ClientKind.mount && atLeast(client.version, 74)) yield client;
  }
}

/** Tells the other mounts that a chunk has a new version or new data (702). */
export function chunkHasChanged(core: Core, change: ChangedChunk, cause: Client): void {
  let frame: Buffer | undefined;
  for (const client of others(core, change.inode, cause)) {
    frame ??= MATOCL_FUSE_CHUNK_HAS_CHANGED.encode(change);
    client.sendFrame(frame);
  }
}

/** Tells mounts that a file has another length (703): all but `cause`, or all when there is none. */
export function lengthHasChanged(core: Core, inode: number, length: number, cause: Client | undefined): void {
  let frame: Buffer | undefined;
  for (const client of others(core, inode, cause)) {
    frame ??= MATOCL_FUSE_FLENG_HAS_CHANGED.encode({ inode, length });
    client.sendFrame(frame);
  }
}

const FIRST_OF_4 = 0x00040000;
const FIRST_OF_4_3 = 0x00040300;

/** Makes all mounts forget where chunks are (706). */
export function chunkLocationsChanged(clients: Iterable<Client>): void {
  const frame = MATOCL_FUSE_INVALIDATE_CHUNK_CACHE.encode({});
  for (const client of clients) {
    const { version, kind } = client;
    const understands = (atLeast(version, 100) && version < FIRST_OF_4) || version >= FIRST_OF_4_3;
    if (kind === ClientKind.mount && understands) client.sendFrame(frame);
  }
}
