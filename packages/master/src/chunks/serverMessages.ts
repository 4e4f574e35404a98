import {
  ALCES_MSGID,
  ALCES_VERSION_STRING,
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_CONFIG_VALUE,
  ANTOAN_GET_CONFIG,
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  ANTOAN_VERSION,
  CSTOAN_CHUNK_CHECKSUM,
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_CREATE,
  CSTOMA_CURRENT_LOAD,
  CSTOMA_DELETE,
  CSTOMA_DUPLICATE,
  CSTOMA_DUPTRUNC,
  CSTOMA_ERROR_OCCURRED,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_REPLICATE,
  CSTOMA_SET_VERSION,
  CSTOMA_SPACE,
  CSTOMA_TRUNCATE,
  MATOCS_ALCES_NODES,
  type Message,
  Status,
  VERSION,
  VERSION_STRING,
} from '@alces/proto';
import type { ChunkMaster } from './chunkMaster.ts';
import { BadMessage, type Link } from './link.ts';
import { type ListMessage, readId } from './lists.ts';
import { deleteStatus, operationStatus, replicationStatus } from './operations.ts';
import { register } from './registration.ts';
import { reportCopy, reportDamage, reportLoss } from './reports.ts';
import { type ChunkServer, Load } from './servers.ts';

const maxConfigValueBytes = 255;

type Handler = (master: ChunkMaster, link: Link, payload: Buffer) => void;
type ServerHandler<Fields> = (master: ChunkMaster, server: ChunkServer, fields: Fields) => void;

/** Messages that are accepted on any connection, registered or not. */
const openHandlers = new Map<number, Handler>([
  [ANTOAN_NOP.number, () => {}],
  [CSTOMA_REGISTER.number, register],
  [ANTOAN_GET_VERSION.number, tellVersion],
  [ANTOAN_GET_CONFIG.number, tellConfig],
]);

/** Messages of a server whose BEGIN was accepted. */
const serverHandlers = new Map<number, Handler>([
  [ANTOAN_UNKNOWN_COMMAND.number, () => {}],
  [ANTOAN_BAD_COMMAND_SIZE.number, () => {}],
  [CSTOAN_CHUNK_CHECKSUM.number, () => {}],
  forServer(CSTOMA_SPACE, (_master, server, fields) => {
    server.usedBytes = fields.usedSpace;
    server.totalBytes = fields.totalSpace;
    server.chunks = fields.chunks;
    server.markedUsedBytes = fields.tdUsedSpace;
    server.markedTotalBytes = fields.tdTotalSpace;
    server.markedChunks = fields.tdChunks;
  }),
  forServer(CSTOMA_CURRENT_LOAD, (master, server, { load, status }) => {
    server.load = load;
    master.world.database.reportLoad(server, load, master.world.now(), master.settings);
    if (status !== undefined) server.loadState = status <= Load.rebalance ? status : Load.unknown;
  }),
  forServer(CSTOMA_LABELS, (_master, server, { labelMask }) => {
    server.labelMask = labelMask;
  }),
  forServer(CSTOMA_ERROR_OCCURRED, (_master, server) => {
    server.errors++;
  }),
  forServer(CSTOMA_CREATE, (master, server, { chunkId, status }) => {
    count(master, status === Status.OK, 'createsOk', 'createsFailed');
    operationStatus(master, server, chunkId, status);
  }),
  ...[CSTOMA_SET_VERSION, CSTOMA_DUPLICATE, CSTOMA_TRUNCATE, CSTOMA_DUPTRUNC].map((message) =>
    forServer(message, (master, server, { chunkId, status }) => {
      count(master, status === Status.OK, 'changesOk', 'changesFailed');
      operationStatus(master, server, chunkId, status);
    }),
  ),
  forServer(CSTOMA_DELETE, (master, server, { chunkId, status }) => {
    count(master, status === Status.OK || status === Status.NOCHUNK, 'deletesOk', 'deletesFailed');
    master.commands.deleted(server, chunkId);
    deleteStatus(master, server, chunkId, status);
  }),
  forServer(CSTOMA_REPLICATE, (master, server, { chunkId, version, status }) => {
    count(master, status === Status.OK, 'replicationsOk', 'replicationsFailed');
    master.commands.replicated(server, chunkId, version);
    replicationStatus(master, server, chunkId, version, status);
  }),
]);

function forServer<Fields>(message: Message<Fields>, handle: ServerHandler<Fields>): [number, Handler] {
  return [message.number, (master, link, payload) => handle(master, link.server!, message.decode(payload))];
}

type Counter = keyof ChunkMaster['world']['counters'];

function count(master: ChunkMaster, good: boolean, ok: Counter, failed: Counter): void {
  master.world.counters[good ? ok : failed]++;
}

/** Works off a message that is not a list of chunks. */
export function handleMessage(master: ChunkMaster, link: Link, type: number, payload: Buffer): void {
  const handler = openHandlers.get(type) ?? (link.server === undefined ? undefined : serverHandlers.get(type));
  if (handler === undefined) throw new BadMessage(`message ${type} is unknown or not allowed here`);
  handler(master, link, payload);
}

function tellVersion(master: ChunkMaster, link: Link, payload: Buffer): void {
  const { msgid } = ANTOAN_GET_VERSION.decode(payload);
  const isAlces = msgid === ALCES_MSGID;
  const fields = { version: VERSION, text: Buffer.from(isAlces ? ALCES_VERSION_STRING : VERSION_STRING) };
  link.send(
    msgid === undefined
      ? ANTOAN_VERSION.encode({ layout: 'plain', ...fields })
      : ANTOAN_VERSION.encode({ layout: 'msgid', msgid, ...fields }),
  );
  if (!isAlces) return;
  link.isAlces = true;
  tellNodes(master, link);
}

/** Tells an Alces chunkserver where the nodes that follow are. */
export function tellNodes(master: ChunkMaster, link: Link): void {
  const { epoch, pingMs, followers } = master.cluster;
  if (epoch > 0) link.pingMs = pingMs;
  const nodes = followers.map(({ host, port }) => ({ host: Buffer.from(host), port }));
  link.send(MATOCS_ALCES_NODES.encode({ epoch, pingMs, nodes }));
}

function tellConfig(master: ChunkMaster, link: Link, payload: Buffer): void {
  const { msgid, option } = ANTOAN_GET_CONFIG.decode(payload);
  const value = Buffer.from(master.world.host.configText(option.toString('latin1')), 'latin1');
  link.send(ANTOAN_CONFIG_VALUE.encode({ msgid, value: value.subarray(0, maxConfigValueBytes) }));
}

/** Whose list it is, and what it is for. */
export interface ServerLists {
  readonly master: ChunkMaster;
  readonly server: ChunkServer;
}

function copiesList(headerBytes: number): ListMessage<ServerLists> {
  return {
    headerBytes,
    entryBytes: 12,
    begin: ({ master }) => master.copiesWereFound(),
    entry({ master, server }, payload, offset) {
      const chunkId = readId(payload, offset);
      master.settle(chunkId);
      reportCopy(master, server, chunkId, payload.readUInt32BE(offset + 8));
    },
  };
}

function idList(report: (master: ChunkMaster, server: ChunkServer, chunkId: number) => void): ListMessage<ServerLists> {
  return {
    headerBytes: 0,
    entryBytes: 8,
    begin: () => {},
    entry({ master, server }, payload, offset) {
      const chunkId = readId(payload, offset);
      master.settle(chunkId);
      report(master, server, chunkId);
    },
  };
}

/** Parts of the chunk list while registering. */
export const registerList: ListMessage<ServerLists> = copiesList(1);

/** Other messages that are lists, by number. */
export const listMessages: ReadonlyMap<number, ListMessage<ServerLists>> = new Map([
  [CSTOMA_CHUNK_NEW.number, copiesList(0)],
  [CSTOMA_CHUNK_DAMAGED.number, idList(reportDamage)],
  [CSTOMA_CHUNK_LOST.number, idList(reportLoss)],
]);
