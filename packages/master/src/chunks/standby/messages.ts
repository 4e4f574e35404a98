import {
  ANTOAN_NOP,
  CSTOMA_ALCES_STANDBY,
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_CURRENT_LOAD,
  CSTOMA_ERROR_OCCURRED,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_SPACE,
  MATOCS_MASTER_ACK,
  VERSION,
} from '@alces/proto';
import type { Clock, Random } from '@alces/runtime';
import { BadMessage, type Link } from '../link.ts';
import { type ListMessage, readId, workOffList } from '../lists.ts';
import { acknowledgePart, authorize, type Begin, isChunkListPart, serverAddress } from '../registration.ts';
import { Load } from '../servers.ts';
import type { ChunkSettings } from '../settings.ts';
import { type StandbyServer, standbyServer } from './server.ts';

/** What a chunkserver says to a node that follows: the messages of a registration, taken note of and nothing more. */

export type StandbySettings = Pick<ChunkSettings, 'authCode' | 'remap' | 'timeoutSeconds'>;

export interface StandbyContext {
  readonly clock: Clock;
  readonly random: Random;
  settings(): StandbySettings;
  /** The id of this file system; 0: not known yet. */
  metaId(): bigint;
  /** The next chunk id, as far as this node has followed. */
  nextChunkId(): number;
  /** There is room for so many more chunks, of all servers together. */
  room(): number;
}

/** The stand of the protocol between chunkservers and standbys. */
const PROTOCOL = 1;
/** A reported id further ahead than this is nonsense. */
const MAX_ID_AHEAD = 1_000_000_000;
const MAX_DAMAGED = 1_000_000;
const MIN_TIMEOUT_SECONDS = 10;

interface Report {
  readonly context: StandbyContext;
  readonly server: StandbyServer;
}

const copies = (headerBytes: number): ListMessage<Report> => ({
  headerBytes,
  entryBytes: 12,
  begin: () => {},
  entry({ context, server }, payload, offset) {
    const chunkId = readId(payload, offset);
    if (chunkId === 0 || chunkId > context.nextChunkId() + MAX_ID_AHEAD) return;
    if (context.room() <= 0) throw new BadMessage('more chunks than this node takes note of');
    server.locations.set(chunkId, payload.readUInt32BE(offset + 8));
  },
});

const registerPart = copies(1);
const found = copies(0);

const damaged: ListMessage<Report> = {
  headerBytes: 0,
  entryBytes: 8,
  begin: () => {},
  entry({ server }, payload, offset) {
    const chunkId = readId(payload, offset);
    if (chunkId !== 0 && server.damaged.size < MAX_DAMAGED) server.damaged.add(chunkId);
  },
};

const lost: ListMessage<Report> = {
  headerBytes: 0,
  entryBytes: 8,
  begin: () => {},
  entry({ server }, payload, offset) {
    const chunkId = readId(payload, offset);
    server.locations.delete(chunkId);
    server.damaged.delete(chunkId);
  },
};

/** Works off a message; false: time was up before its end. Throws BadMessage and DecodeError. */
export function standbyMessage(
  context: StandbyContext,
  link: Link,
  type: number,
  payload: Buffer,
  deadlineMs: number,
): boolean {
  if (type === ANTOAN_NOP.number) return true;
  if (type === CSTOMA_ALCES_STANDBY.number) {
    const { protocol } = CSTOMA_ALCES_STANDBY.decode(payload);
    if (protocol !== PROTOCOL) throw new BadMessage(`protocol ${protocol} is not known here`);
    link.isAlces = true;
    return true;
  }
  if (!link.isAlces) throw new BadMessage('only Alces chunkservers register with a node that follows');
  const server = link.standby;
  if (type === CSTOMA_REGISTER.number && !isChunkListPart(payload)) {
    register(context, link, payload);
    return true;
  }
  if (server === undefined) throw new BadMessage(`message ${type} before the registration`);
  return report(context, link, server, type, payload, deadlineMs);
}

function report(
  context: StandbyContext,
  link: Link,
  server: StandbyServer,
  type: number,
  payload: Buffer,
  deadlineMs: number,
): boolean {
  const timeIsUp = () => context.clock.monotonicMs() >= deadlineMs;
  switch (type) {
    case CSTOMA_REGISTER.number:
      if (server.completeAtMs !== undefined) throw new BadMessage('chunk list of a registered chunkserver');
      if (!workOffList(registerPart, { context, server }, link, payload, timeIsUp)) return false;
      acknowledgePart(link, payload);
      return true;
    case CSTOMA_CHUNK_NEW.number:
      return workOffList(found, { context, server }, link, payload, timeIsUp);
    case CSTOMA_CHUNK_LOST.number:
      return workOffList(lost, { context, server }, link, payload, timeIsUp);
    case CSTOMA_CHUNK_DAMAGED.number:
      return workOffList(damaged, { context, server }, link, payload, timeIsUp);
    default:
      describe(server, type, payload);
      return true;
  }
}

/** What a server says about itself. */
function describe(server: StandbyServer, type: number, payload: Buffer): void {
  switch (type) {
    case CSTOMA_SPACE.number:
      server.space = { ...server.space, ...CSTOMA_SPACE.decode(payload) };
      return;
    case CSTOMA_LABELS.number:
      server.labelMask = CSTOMA_LABELS.decode(payload).labelMask;
      return;
    case CSTOMA_CURRENT_LOAD.number: {
      const { load, status } = CSTOMA_CURRENT_LOAD.decode(payload);
      server.load = load;
      if (status !== undefined) server.loadState = status <= Load.rebalance ? status : Load.unknown;
      return;
    }
    case CSTOMA_ERROR_OCCURRED.number:
      server.errors++;
      return;
    default:
      throw new BadMessage(`message ${type} has no place on a connection to a node that follows`);
  }
}

function register(context: StandbyContext, link: Link, payload: Buffer): void {
  const message = CSTOMA_REGISTER.decode(payload);
  switch (message.layout) {
    case 'begin':
    case 'beginAuth':
      begin(context, link, message);
      return;
    case 'end':
      if (link.standby === undefined) throw new BadMessage('end of a registration that has not begun');
      link.standby.completeAtMs ??= context.clock.monotonicMs();
      return;
    case 'disconnect':
      link.close();
      return;
    default:
      throw new BadMessage('a registration that no Alces chunkserver makes');
  }
}

function begin(context: StandbyContext, link: Link, message: Begin): void {
  if (link.standby !== undefined) throw new BadMessage('second registration on one connection');
  const { authCode, remap, timeoutSeconds } = context.settings();
  if (!authorize({ authCode, random: context.random }, link, message)) return;
  const seconds = message.timeout === 0 ? timeoutSeconds : message.timeout;
  if (seconds < MIN_TIMEOUT_SECONDS) throw new BadMessage(`time-out of ${seconds} s is too short`);
  const server = standbyServer(serverAddress(link, message.ip, remap), message);
  const { usedSpace, totalSpace, chunks, tdUsedSpace, tdTotalSpace, tdChunks } = message;
  server.space = { usedSpace, totalSpace, chunks, tdUsedSpace, tdTotalSpace, tdChunks };
  link.standby = server;
  link.timeoutMs = seconds * 1000;
  const fields = { version: VERSION, timeout: seconds, csid: message.csid, metaId: context.metaId() };
  link.send(MATOCS_MASTER_ACK.encode({ layout: 'accepted', ...fields }));
}
