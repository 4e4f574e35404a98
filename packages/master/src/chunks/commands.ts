import {
  MATOCS_CREATE,
  MATOCS_DELETE,
  MATOCS_DUPLICATE,
  MATOCS_DUPTRUNC,
  MATOCS_REPLICATE,
  MATOCS_SET_VERSION,
  MATOCS_TRUNCATE,
} from '@alces/proto';
import type { ChunkServer } from './servers.ts';
import type { ChunkWorld } from './world.ts';

interface ChunkVersion {
  readonly chunkId: number;
  readonly version: number;
}

interface Replication {
  readonly source: ChunkServer;
  readonly destination: ChunkServer;
}

/** Commands to chunkservers (spec 30 §1.15, §1.16), and the account of those without an answer. */
export class Commands {
  private readonly world: ChunkWorld;
  private readonly replications = new Map<string, Replication>();

  constructor(world: ChunkWorld) {
    this.world = world;
  }

  create(server: ChunkServer, chunkId: number, version: number): void {
    this.world.counters.createsSent++;
    server.link.send(MATOCS_CREATE.encode({ chunkId, version }));
  }

  setVersion(server: ChunkServer, chunkId: number, newVersion: number, version: number): void {
    this.world.counters.changesSent++;
    server.link.send(MATOCS_SET_VERSION.encode({ chunkId, newVersion, version }));
  }

  truncate(server: ChunkServer, chunkId: number, length: number, newVersion: number, version: number): void {
    this.world.counters.changesSent++;
    server.link.send(MATOCS_TRUNCATE.encode({ chunkId, length, newVersion, version }));
  }

  duplicate(server: ChunkServer, to: ChunkVersion, from: ChunkVersion): void {
    this.world.counters.changesSent++;
    server.link.send(MATOCS_DUPLICATE.encode({ newChunkId: to.chunkId, newVersion: to.version, ...from }));
  }

  duplicateTruncate(server: ChunkServer, to: ChunkVersion, from: ChunkVersion, length: number): void {
    this.world.counters.changesSent++;
    server.link.send(MATOCS_DUPTRUNC.encode({ newChunkId: to.chunkId, newVersion: to.version, ...from, length }));
  }

  /** Version 0 deletes any version. */
  delete(server: ChunkServer, chunkId: number, version: number): void {
    this.world.counters.deletesSent++;
    server.deletes.add(chunkId);
    server.link.send(MATOCS_DELETE.encode({ chunkId, version }));
  }

  /** A delete was answered. */
  deleted(server: ChunkServer, chunkId: number): void {
    server.deletes.delete(chunkId);
  }

  /** Orders a copy from server to server; false: the same order is on its way already. */
  replicate(source: ChunkServer, destination: ChunkServer, chunkId: number, version: number): boolean {
    const order = orderKey(destination, chunkId, version);
    if (this.replications.has(order)) return false;
    this.replications.set(order, { source, destination });
    source.sending++;
    destination.receiving++;
    this.world.counters.replicationsSent++;
    destination.link.send(
      MATOCS_REPLICATE.encode({ layout: 'single', chunkId, version, ip: source.ip, port: source.port }),
    );
    return true;
  }

  /** A replication was answered. */
  replicated(destination: ChunkServer, chunkId: number, version: number): void {
    const order = orderKey(destination, chunkId, version);
    const replication = this.replications.get(order);
    if (replication === undefined) return;
    this.replications.delete(order);
    replication.source.sending--;
    destination.receiving--;
  }

  /** A server went away: its replications no longer count for the partners (spec 40 §2.4). */
  forget(server: ChunkServer): void {
    for (const [order, { source, destination }] of this.replications) {
      if (source !== server && destination !== server) continue;
      this.replications.delete(order);
      source.sending--;
      destination.receiving--;
    }
  }
}

function orderKey(destination: ChunkServer, chunkId: number, version: number): string {
  return `${destination.slot}:${chunkId}:${version}`;
}
