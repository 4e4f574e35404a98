import { Status } from '@alces/proto';
import type { ClassInfo, CopyState as CopyKind, LabelFulfilment, LocateResult, ServerRow, SpaceInfo } from './api.ts';
import { CopyState, isLive } from './copies.ts';
import { Maintenance } from './database.ts';
import { matchedCount, matchLabels, satisfies, uniqueGroups } from './labels.ts';
import { Operation } from './marks.ts';
import type { OperationContext } from './operations.ts';
import { type ChunkServer, isUsable, Load, Removal } from './servers.ts';
import { acceptInterrupted } from './versions.ts';
import type { LabelExpression } from './views.ts';
import type { ChunkWorld } from './world.ts';

const maxLocations = 100;
const chunkBytes = 64 * 1024 * 1024;

/** Where a reader finds the chunk; looks at lock and operation first (spec 40 §5.2). */
export function locate(context: OperationContext, chunkId: number, clientAddress: number): LocateResult {
  const { world } = context;
  const slot = world.table.find(chunkId);
  if (slot === 0) return nowhere(Status.NOCHUNK, chunkId);
  if (world.isLocked(slot)) return nowhere(Status.LOCKED, chunkId);
  if (world.operation(slot) !== Operation.none) return nowhere(Status.CHUNKBUSY, chunkId);
  world.dropVanished(slot);
  acceptInterrupted(context, slot);
  return locations(context, chunkId, clientAddress);
}

/** Live copies, nearest to the client first, equally near ones in random order (spec 40 §6.1). */
export function locations(context: OperationContext, chunkId: number, clientAddress: number): LocateResult {
  const { world } = context;
  const slot = world.table.find(chunkId);
  if (slot === 0) return nowhere(Status.NOCHUNK, chunkId);
  const found: { server: ChunkServer; distance: number; draw: number }[] = [];
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server === undefined || !isLive(world.copies.state(copy))) continue;
    const distance = world.topology.distance(server.ip, clientAddress);
    found.push({ server, distance, draw: world.random.u32() });
    if (found.length === maxLocations) break;
  }
  if (found.length === 0 && context.allDataKnown()) return nowhere(Status.CHUNKLOST, chunkId);
  found.sort((a, b) => a.distance - b.distance || a.draw - b.draw);
  const servers = found.map(({ server: { ip, port, versionWord, labelMask } }) => {
    return { ip, port, version: versionWord, labelMask };
  });
  return { status: Status.OK, chunkId, version: world.table.version(slot), servers };
}

function nowhere(status: number, chunkId: number): LocateResult {
  return { status, chunkId, version: 0, servers: [] };
}

/** CHECK types of the copy states; a copy being deleted is not shown. */
const checkTypes: Readonly<Record<number, number>> = {
  [CopyState.ok]: 0,
  [CopyState.busy]: 0,
  [CopyState.okMarked]: 1,
  [CopyState.busyMarked]: 1,
  [CopyState.stale]: 2,
  [CopyState.staleMarked]: 3,
  [CopyState.bad]: 4,
};

/** All copies but those being deleted, newest record first, at most 100 (spec 40 §6.2). */
export function shownCopies(world: ChunkWorld, chunkId: number): CopyKind[] {
  const shown: CopyKind[] = [];
  const slot = world.table.find(chunkId);
  if (slot === 0) return shown;
  for (let copy = world.copies.first(slot); copy !== 0 && shown.length < maxLocations; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    const type = checkTypes[world.copies.state(copy)];
    if (server !== undefined && type !== undefined) shown.push({ ip: server.ip, port: server.port, type });
  }
  return shown;
}

/** Sums of space, and what is left for clients (spec 40 §7.5). */
export function spaceInfo(world: ChunkWorld): SpaceInfo {
  let totalBytes = 0;
  let usedBytes = 0;
  let mostUsed = 0;
  let biggest = 0;
  for (const server of world.servers.all()) {
    if (server.totalBytes === 0) continue;
    totalBytes += server.totalBytes;
    usedBytes += server.usedBytes;
    mostUsed = Math.max(mostUsed, server.usedBytes);
    biggest = Math.max(biggest, server.totalBytes);
  }
  const freeBytes = Math.max(0, totalBytes - usedBytes);
  const { unit, value } = world.settings.reserveSpace;
  const base = { bytes: 1, percent: totalBytes / 100, used: mostUsed, total: biggest }[unit];
  const availableBytes = Math.max(0, freeBytes - Math.round(value * base));
  return { totalBytes, usedBytes, freeBytes, availableBytes };
}

const overloadedGrace = 0xc0000000;
const rebalanceGrace = 0x80000000;

/** CSERV_LIST: all servers of the database, connected or not (spec 40 §13.5). */
export function serverRows(world: ChunkWorld): ServerRow[] {
  const connected = new Map(world.servers.all().map((server) => [`${server.ip}:${server.port}`, server]));
  return [...world.database.all()].map((entry) => {
    const { ip, port, csid } = entry;
    const grace = world.database.graceSeconds(entry, world.now(), world.settings);
    const maintenance = maintenanceFlags(entry.maintenance);
    const server = connected.get(`${ip}:${port}`);
    if (server === undefined) return { ...absent, flags: 1 + maintenance, ip, port, csid, graceTime: grace };
    return {
      flags: maintenance,
      version: server.versionWord,
      ip,
      port,
      csid,
      usedBytes: server.usedBytes,
      totalBytes: server.totalBytes,
      chunks: server.chunks,
      markedUsedBytes: server.markedUsedBytes,
      markedTotalBytes: server.markedTotalBytes,
      markedChunks: server.markedChunks,
      errors: server.errors,
      load: server.load,
      graceTime: graceTime(server, grace),
      labelMask: server.labelMask,
      removalStatus: removalStatus(server.removal),
    };
  });
}

const absent = {
  version: 0,
  usedBytes: 0,
  totalBytes: 0,
  chunks: 0,
  markedUsedBytes: 0,
  markedTotalBytes: 0,
  markedChunks: 0,
  errors: 0,
  load: 0,
  labelMask: 0,
  removalStatus: 0,
};

function maintenanceFlags(maintenance: number): number {
  if (maintenance === Maintenance.off) return 0;
  return maintenance === Maintenance.temporary ? 6 : 2;
}

function graceTime(server: ChunkServer, graceSeconds: number): number {
  if (server.loadState === Load.ok) return 0;
  if (server.loadState === Load.overloaded) return overloadedGrace;
  return server.loadState === Load.rebalance ? rebalanceGrace : graceSeconds;
}

function removalStatus(removal: number): number {
  if (removal === Removal.removable) return 2;
  return removal === Removal.inProgress || removal === Removal.wasInProgress ? 1 : 0;
}

/** Chunk part of SCLASS_INFO for one class (spec 40 §12.5). */
export function classInfo(world: ChunkWorld, classId: number): ClassInfo {
  const definition = world.metadata.classes.get(classId);
  const keep = definition?.keepLabels ?? [];
  const archive = definition?.archiveLabels ?? [];
  const kept = world.status.classStatus(classId, false, keep.length);
  const archived = world.status.classStatus(classId, true, archive.length);
  return {
    under: kept.under,
    archiveUnder: archived.under,
    exact: kept.exact,
    archiveExact: archived.exact,
    over: kept.over,
    archiveOver: archived.over,
    create: fulfilment(world, definition?.createLabels ?? []),
    keep: fulfilment(world, keep),
    archive: fulfilment(world, archive),
  };
}

function fulfilment(world: ChunkWorld, labels: readonly LabelExpression[]): LabelFulfilment {
  const usable = world.servers.all().filter(isUsable);
  const groupOf = uniqueGroups(world.settings, world.topology);
  const fits = (servers: readonly ChunkServer[]): boolean =>
    matchedCount(matchLabels(labels, servers, groupOf)) === labels.length;
  const servers = labels.map((label) => usable.filter((server) => satisfies(server.labelMask, label)).length);
  if (fits(usable.filter(isStandard))) return { fulfilled: 3, servers };
  if (fits(usable.filter((server) => server.loadState === Load.overloaded))) return { fulfilled: 2, servers };
  return { fulfilled: fits(usable) ? 1 : 0, servers };
}

/** Takes new chunks without hesitation. */
function isStandard(server: ChunkServer): boolean {
  if (server.inMaintenance || server.loadState === Load.overloaded || server.loadState === Load.graceful) return false;
  return server.totalBytes - server.usedBytes > chunkBytes * (1 + 10 * server.writing);
}
