import { planReadChunk, planWriteChunk, planWriteEnd, type RequestContext } from '@alces/metadata';
import {
  CHUNK_SIZE,
  ChunkOpFlag,
  CLTOMA_FUSE_READ_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  type FieldsOf,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
  MAX_SAFE_FILE_SIZE,
  Status,
} from '@alces/proto';
import type { LocateResult } from '../../chunks/api.ts';
import { Operation } from '../../statistics.ts';
import { atLeast, type Client } from '../client.ts';
import type { DispatchTable } from '../dispatch.ts';
import { chunkHasChanged, lengthHasChanged } from '../notify.ts';
import type { NumberedRequest } from '../numbered.ts';
import type { ChunkWork, PendingChunkWork } from '../pendingChunkWork.ts';
import { MOUNTS, MOUNTS_AND_TOOLS, type Requests, shownBytes } from '../requests.ts';

type ReadRequest = FieldsOf<typeof CLTOMA_FUSE_READ_CHUNK>;
type WriteRequest = FieldsOf<typeof CLTOMA_FUSE_WRITE_CHUNK>;
type LocationAnswer = typeof MATOCL_FUSE_READ_CHUNK;

/** Chunks behind this one would make the file longer than its length can be told (decision 0071). */
const LAST_CHUNK_INDEX = MAX_SAFE_FILE_SIZE / CHUNK_SIZE - 1;

/** READ_CHUNK, WRITE_CHUNK and WRITE_CHUNK_END (spec 20 §3.1-3.3). */
export class ChunkRequests {
  readonly #requests: Requests;
  readonly #pending: PendingChunkWork;

  constructor(requests: Requests, pending: PendingChunkWork) {
    this.#requests = requests;
    this.#pending = pending;
  }

  register(table: DispatchTable): void {
    table.on(CLTOMA_FUSE_READ_CHUNK, MOUNTS_AND_TOOLS, (client, request) => {
      const parked = this.read(client, request);
      if (parked !== undefined)
        this.#park(client, request.msgid, MATOCL_FUSE_READ_CHUNK, parked, () => this.read(client, request));
    });
    table.on(CLTOMA_FUSE_WRITE_CHUNK, MOUNTS, (client, request) => {
      const numbered = client.executing;
      if (numbered) numbered.recordsItself = true;
      const parked = this.write(client, request, numbered);
      if (parked !== undefined)
        this.#park(client, request.msgid, MATOCL_FUSE_WRITE_CHUNK, parked, () => this.write(client, request, numbered));
    });
    table.on(CLTOMA_FUSE_WRITE_CHUNK_END, MOUNTS, (client, request) => this.writeEnd(client, request));
  }

  /** Answers, or returns what the request has to wait for. */
  read(client: Client, request: ReadRequest): ParkedOn | undefined {
    const { core } = this.#requests;
    const context = this.#requests.context(client, 0, [0]);
    const target = planReadChunk(core.state, context, request);
    if (typeof target === 'number') {
      client.sendStatus(MATOCL_FUSE_READ_CHUNK.number, request.msgid, target);
      return undefined;
    }
    const found = target.chunkId === 0 ? HOLE : core.chunks.locate(target.chunkId, client.ip);
    if (found.status === Status.LOCKED || found.status === Status.CHUNKBUSY)
      return { chunkId: target.chunkId, status: found.status };
    if (found.status !== Status.OK) {
      client.sendStatus(MATOCL_FUSE_READ_CHUNK.number, request.msgid, found.status);
      return undefined;
    }
    core.dataCache.access(target.inode, client.session!.id);
    this.#requests.count(context, Operation.read, Status.OK);
    this.#sendLocations(client, MATOCL_FUSE_READ_CHUNK, request.msgid, target.lengthBytes, found);
    return undefined;
  }

  /** Grants the write, refuses it, starts work on chunkservers, or returns what the request has to wait for. */
  write(client: Client, request: WriteRequest, numbered: NumberedRequest | undefined): ParkedOn | undefined {
    const { core } = this.#requests;
    const { msgid, inode, index } = request;
    const flags = request.flags ?? ChunkOpFlag.CANMODTIME;
    const context = this.#requests.context(client, 0, [0]);
    const mayHaveSpace = core.chunks.space().availableBytes > 0 || core.chunks.serversMayReturn();
    const hasSpace = mayHaveSpace || (flags & ChunkOpFlag.CANUSERESERVESPACE) !== 0;
    const target = planWriteChunk(core.state, context, request, hasSpace);
    if (typeof target === 'number') {
      client.sendStatus(MATOCL_FUSE_WRITE_CHUNK.number, msgid, target);
      return undefined;
    }
    if (index > LAST_CHUNK_INDEX) {
      client.sendStatus(MATOCL_FUSE_WRITE_CHUNK.number, msgid, Status.INDEXTOOBIG);
      return undefined;
    }
    const chtime = modifiesTimes(client, flags) ? 1 : 0;
    const work: ChunkWork = { client, inode, index, previousChunkId: target.chunkId, chunkId: 0 };
    const started = core.chunks.startWrite({
      chunkId: target.chunkId,
      storageClass: core.state.nodes.sclass.get(target.row),
      clientAddress: client.ip,
      continueOperation: (flags & ChunkOpFlag.CONTINUEOP) !== 0,
      commit: (opflag, chunkId) => {
        core.commit({ op: 'WRITE', inode, index, opflag, chtime, chunkid: chunkId }, context.now);
        work.chunkId = chunkId;
        if (numbered) this.#requests.numbered.began(numbered, work);
        else this.#requests.numbered.beganUnnumbered(client, work);
      },
      done: (status) => {
        this.#pending.remove(work);
        this.#finishWrite(context, work, msgid, status, lengthThen);
      },
    });
    const lengthThen = core.state.nodes.length.get(target.row);
    if (started.kind === 'wait') {
      const isFree = numbered === undefined && this.#requests.numbered.freesOwnLock(client, target.chunkId);
      return isFree ? this.write(client, request, numbered) : { chunkId: target.chunkId, status: started.status };
    }
    if (started.kind === 'refused') client.sendStatus(MATOCL_FUSE_WRITE_CHUNK.number, msgid, started.status);
    else if (started.kind === 'pending') this.#pending.add(work);
    else this.#grantUnchanged(context, work, msgid, lengthThen);
    return undefined;
  }

  /** The chunk could be given out as it was: no chunkserver had to do anything. */
  #grantUnchanged(context: RequestContext, work: ChunkWork, msgid: number, lengthBytes: number): void {
    const { core } = this.#requests;
    const found = core.chunks.locations(work.chunkId, work.client.ip);
    if (found.status === Status.OK) {
      this.#grant(context, work, msgid, lengthBytes, found);
      return;
    }
    core.chunks.unlock(work.chunkId);
    work.client.sendStatus(MATOCL_FUSE_WRITE_CHUNK.number, msgid, found.status);
  }

  /** The chunkservers have done, or not done, what a write needs (spec 20 §3.2.4, §3.2.5). */
  #finishWrite(context: RequestContext, work: ChunkWork, msgid: number, status: number, lengthBytes: number): void {
    const { core } = this.#requests;
    const found = status === Status.OK ? core.chunks.locations(work.chunkId, work.client.ip) : undefined;
    if (found?.status === Status.OK) {
      this.#grant(context, work, msgid, lengthBytes, found);
      return;
    }
    core.chunks.rollBack(work.inode, work.index, work.previousChunkId, work.chunkId);
    work.client.sendStatus(MATOCL_FUSE_WRITE_CHUNK.number, msgid, found?.status ?? status);
  }

  #grant(context: RequestContext, work: ChunkWork, msgid: number, lengthBytes: number, found: LocateResult): void {
    const { core } = this.#requests;
    const { client, inode, index } = work;
    core.dataCache.modify(inode, client.session!.id);
    this.#requests.count(context, Operation.write, Status.OK);
    this.#sendLocations(client, MATOCL_FUSE_WRITE_CHUNK, msgid, lengthBytes, found);
    const { chunkId, version } = found;
    chunkHasChanged(core, { inode, index, chunkId, version, length: shownBytes(lengthBytes), truncateFlag: 0 }, client);
  }

  writeEnd(client: Client, request: FieldsOf<typeof CLTOMA_FUSE_WRITE_CHUNK_END>): void {
    const { core } = this.#requests;
    const { state } = core;
    const { msgid, chunkId, inode, index, length } = request;
    const context = this.#requests.context(client, 0, [0]);
    const chtime = modifiesTimes(client, request.flags ?? ChunkOpFlag.CANMODTIME) ? 1 : 0;
    const { status, operations } =
      length > MAX_SAFE_FILE_SIZE
        ? { status: Status.INDEXTOOBIG, operations: [] }
        : planWriteEnd(state, context, request, chtime);
    let grew = false;
    for (const operation of operations) {
      if (operation.op === 'UNLOCK') continue;
      core.commit(operation, context.now);
      core.reservations.reached(inode, operation.length);
      grew = true;
    }
    const unlocks = operations.some(({ op }) => op === 'UNLOCK');
    // Those who wait for the chunk are answered now, before the one who frees it (spec 20 §2.3).
    if (unlocks) core.chunks.unlock(chunkId, () => this.#recordEnd(client, status));
    core.dataCache.modify(inode, client.session!.id);
    client.sendStatus(MATOCL_FUSE_WRITE_CHUNK_END.number, msgid, status);
    if (index !== undefined) {
      const row = state.chunks.find(chunkId);
      const version = row === 0 ? 0 : state.chunks.version.get(row);
      chunkHasChanged(core, { inode, index, chunkId, version, length, truncateFlag: 0 }, client);
    } else if (grew) {
      lengthHasChanged(core, inode, length, client);
    }
  }

  /** The end of a write is done as soon as the chunk is unlocked, before others get it. */
  #recordEnd({ executing }: Client, status: number): void {
    if (!executing) return;
    executing.recordsItself = true;
    const version = this.#requests.core.state.metaversion - 1;
    this.#requests.numbered.answeredStatus(executing, version, MATOCL_FUSE_WRITE_CHUNK_END.number, status);
  }

  #park(client: Client, msgid: number, answer: LocationAnswer, first: ParkedOn, run: () => ParkedOn | undefined): void {
    const { core } = this.#requests;
    core.chunks.park(first.chunkId, first.status, {
      owner: client,
      run: () => run()?.status ?? Status.OK,
      expire: (status) => client.sendStatus(answer.number, msgid, status),
    });
  }

  #sendLocations(
    client: Client,
    answer: LocationAnswer,
    msgid: number,
    lengthBytes: number,
    found: LocateResult,
  ): void {
    const { chunkId, version } = found;
    const servers = found.servers.map((server) => ({
      ip: server.ip,
      port: server.port,
      csVersion: server.version,
      labelMask: server.labelMask,
    }));
    client.send(answer, {
      layout: locationLayout(client),
      msgid,
      length: shownBytes(lengthBytes),
      chunkId,
      version,
      servers,
    });
  }
}

/** A chunk that a request has to wait for, and why: LOCKED or CHUNKBUSY. */
export interface ParkedOn {
  readonly chunkId: number;
  readonly status: number;
}

const HOLE: LocateResult = { status: Status.OK, chunkId: 0, version: 0, servers: [] };

function locationLayout(client: Client): 'data' | 'data1' {
  return atLeast(client.version, 10) ? 'data' : 'data1';
}

/** Clients before 3.0.74 do not report file times themselves. */
function modifiesTimes(client: Client, flags: number): boolean {
  return !atLeast(client.version, 74) && (flags & ChunkOpFlag.CANMODTIME) !== 0;
}
