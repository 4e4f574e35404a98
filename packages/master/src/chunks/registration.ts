import { createHash, timingSafeEqual } from 'node:crypto';
import { CSTOMA_REGISTER, type FieldsOf, MATOCS_MASTER_ACK, packVersion, VERSION } from '@alces/proto';
import type { Random } from '@alces/runtime';
import { formatAddress } from '../exports/network.ts';
import type { ChunkMaster } from './chunkMaster.ts';
import { BadMessage, type Link } from './link.ts';
import { type ChunkSettings, remapped } from './settings.ts';
import type { ServerEntry } from './views.ts';

type Register = FieldsOf<typeof CSTOMA_REGISTER>;
export type Begin = Extract<Register, { layout: 'begin' | 'beginAuth' }>;
type Begin50 = Extract<Register, { layout: 'begin50' }>;

const minTimeoutSeconds = 10;
const knowsMetaId = packVersion(2, 0, 33);
export const noSpace = { usedSpace: 0, totalSpace: 0, chunks: 0, tdUsedSpace: 0, tdTotalSpace: 0, tdChunks: 0 };

/** First byte of the parts of a chunk list. */
const listStages: readonly number[] = [61, 51];

/** Is this a part of the chunk list? Those are worked off in slices, straight from the payload. */
export function isChunkListPart(payload: Buffer): boolean {
  return listStages.includes(payload[0]) && (payload.length - 1) % 12 === 0;
}

/** The next part may be sent; generation 5 does not wait for it. */
export function acknowledgePart(link: Link, payload: Buffer): void {
  if (payload[0] === 61) link.send(MATOCS_MASTER_ACK.encode({ layout: 'next' }));
}

/** CSTOMA_REGISTER except for the parts of the chunk list (spec 30 §1.5 - §1.12). */
export function register(master: ChunkMaster, link: Link, payload: Buffer): void {
  const message = CSTOMA_REGISTER.decode(payload);
  if (message.layout === 'disconnect') {
    announceStop(master, link);
    return;
  }
  if (link.server?.registered) throw new BadMessage('register packet from a registered chunkserver');
  switch (message.layout) {
    case 'begin':
    case 'beginAuth':
      begin(master, link, message);
      return;
    case 'begin50':
      begin50(master, link, message);
      return;
    case 'end':
    case 'end50':
      end(master, link, message);
      return;
    default:
      throw new BadMessage('chunk list in the wrong place');
  }
}

function begin(master: ChunkMaster, link: Link, message: Begin): void {
  if (!authorize({ authCode: master.settings.authCode, random: master.world.random }, link, message)) return;
  const { timeoutSeconds: fallback } = master.settings;
  const timeoutSeconds = message.timeout === 0 ? fallback : message.timeout;
  if (timeoutSeconds < minTimeoutSeconds) throw new BadMessage(`time-out of ${timeoutSeconds} s is too short`);
  const { ip, port, csid } = accept(master, link, message, message, message.csid, true);
  link.timeoutMs = timeoutSeconds * 1000;
  const fields = { version: VERSION, timeout: timeoutSeconds, csid };
  const ack =
    message.version >= knowsMetaId
      ? MATOCS_MASTER_ACK.encode({ layout: 'accepted', ...fields, metaId: master.world.host.metaId() })
      : MATOCS_MASTER_ACK.encode({ layout: 'accepted9', ...fields });
  answer(master, link, ack, ip, port);
}

/** Accepts the server; at once, unless it may still be busy with commands of its last connection. */
function answer(master: ChunkMaster, link: Link, ack: Buffer, ip: number, port: number): void {
  const waitMs = master.unanswered.takeWaitMs({ ip, port });
  if (waitMs === 0) link.send(ack);
  else link.sendLater(ack, master.world.clock, waitMs);
}

function begin50(master: ChunkMaster, link: Link, message: Begin50): void {
  if (master.settings.authCode !== undefined) throw new BadMessage('authorization needed');
  if (message.timeout < minTimeoutSeconds) throw new BadMessage(`time-out of ${message.timeout} s is too short`);
  const { ip, port } = accept(master, link, message, noSpace, 0, false);
  link.timeoutMs = message.timeout * 1000;
  answer(master, link, MATOCS_MASTER_ACK.encode({ layout: 'accepted5', version: VERSION }), ip, port);
}

/** True when the server may go on; else a challenge was sent (spec 30 §1.7). */
export function authorize(
  secrets: { readonly authCode: string | undefined; readonly random: Random },
  link: Link,
  message: Begin,
): boolean {
  const { authCode } = secrets;
  if (authCode === undefined) {
    if (message.layout === 'beginAuth') throw new BadMessage('authorization that nobody asked for');
    return true;
  }
  if (message.layout === 'begin') {
    link.challenge = secrets.random.bytes(32);
    link.send(MATOCS_MASTER_ACK.encode({ layout: 'challenge', challenge: link.challenge }));
    return false;
  }
  const { challenge } = link;
  link.challenge = undefined;
  if (challenge === undefined || !timingSafeEqual(authDigest(challenge, authCode), message.digest)) {
    throw new BadMessage('wrong authorization');
  }
  return true;
}

function authDigest(challenge: Buffer, authCode: string): Buffer {
  const hash = createHash('md5').update(challenge.subarray(0, 16));
  return hash.update(Buffer.from(authCode, 'latin1')).update(challenge.subarray(16)).digest();
}

const isLoopback = (ip: number) => ip >>> 24 === 127;

/** The address by which everybody knows the server: as it says or as it is seen, after REMAP. */
export function serverAddress(link: Link, announced: number, remap: ChunkSettings['remap']): number {
  const ip = remapped(announced === 0 ? link.peerAddress : announced, remap);
  // Who comes over loopback and says so is part of a cluster on one machine; from elsewhere such an address is of no use to anybody.
  if (isLoopback(ip) && !isLoopback(link.peerAddress))
    throw new BadMessage('localhost cannot be used for chunkservers');
  return ip;
}

/** Finds or makes the server's entry in the database, and takes the server in. */
function accept(
  master: ChunkMaster,
  link: Link,
  who: Begin | Begin50,
  space: typeof noSpace,
  csid: number,
  wantsId: boolean,
): ServerEntry {
  if (link.server !== undefined) throw new BadMessage('second registration on one connection');
  const ip = serverAddress(link, who.ip, master.settings.remap);
  const { database } = master.world;
  const entry = database.connect(ip, who.port, csid, wantsId);
  if (entry === undefined)
    throw new BadMessage(`${formatAddress(ip)}:${who.port} is connected already, or there are too many chunkservers`);
  link.server = master.addServer({
    link,
    ip,
    port: who.port,
    versionWord: who.version,
    usedBytes: space.usedSpace,
    totalBytes: space.totalSpace,
    chunks: space.chunks,
    markedUsedBytes: space.tdUsedSpace,
    markedTotalBytes: space.tdTotalSpace,
    markedChunks: space.tdChunks,
  });
  if (link.server === undefined) {
    database.disconnect({ ip, port: who.port }, master.world.now());
    throw new BadMessage('too many chunkservers');
  }
  master.log.info(`chunkserver register begin - ip: ${formatAddress(ip)}, port: ${who.port}, id: ${entry.csid}`);
  return entry;
}

function end(master: ChunkMaster, link: Link, message: Extract<Register, { layout: 'end' | 'end50' }>): void {
  const { server } = link;
  if (server === undefined) throw new BadMessage('end of a registration that has not begun');
  if (message.layout === 'end50') {
    server.usedBytes = message.usedSpace;
    server.totalBytes = message.totalSpace;
    server.chunks = message.chunks;
    server.markedUsedBytes = message.tdUsedSpace;
    server.markedTotalBytes = message.tdTotalSpace;
    server.markedChunks = message.tdChunks;
  }
  master.serverRegistered(server);
  master.log.info(`chunkserver register end - ip: ${formatAddress(server.ip)}, port: ${server.port}`);
}

/** The chunkserver is being stopped: it is in temporary maintenance until it is back (spec 30 §1.12). */
function announceStop(master: ChunkMaster, link: Link): void {
  const { world } = master;
  if (link.server !== undefined) {
    world.database.startTemporaryMaintenance(link.server, world.now(), world.settings);
  }
  link.close();
}
