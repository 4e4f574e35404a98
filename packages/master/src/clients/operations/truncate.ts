import { finishTruncate, planTruncate, type RequestContext, type TruncatePlan } from '@alces/metadata';
import {
  CLTOMA_FUSE_TRUNCATE,
  type FieldsOf,
  MATOCL_FUSE_TRUNCATE,
  MAX_SAFE_FILE_SIZE,
  Status,
  TruncateFlag,
} from '@alces/proto';
import { Operation } from '../../statistics.ts';
import { atLeast, type Client } from '../client.ts';
import type { DispatchTable } from '../dispatch.ts';
import { chunkHasChanged, lengthHasChanged } from '../notify.ts';
import type { NumberedRequest } from '../numbered.ts';
import type { ChunkWork, PendingChunkWork } from '../pendingChunkWork.ts';
import { MOUNTS_AND_TOOLS, nodeAttributes, type Requests, shownBytes } from '../requests.ts';
import type { ParkedOn } from './chunkRequests.ts';

type TruncateRequest = FieldsOf<typeof CLTOMA_FUSE_TRUNCATE>;
type Cut = Extract<TruncatePlan, { kind: 'chunk' }>;

/** TRUNCATE in all its forms (spec 10 §3.6, spec 20 §3.4). */
export class TruncateRequests {
  readonly #requests: Requests;
  readonly #pending: PendingChunkWork;

  constructor(requests: Requests, pending: PendingChunkWork) {
    this.#requests = requests;
    this.#pending = pending;
  }

  register(table: DispatchTable): void {
    table.on(CLTOMA_FUSE_TRUNCATE, MOUNTS_AND_TOOLS, (client, request) => {
      const numbered = client.executing;
      if (numbered) numbered.recordsItself = true;
      const parked = this.run(client, request, numbered);
      if (!parked) return;
      this.#requests.core.chunks.park(parked.chunkId, parked.status, {
        owner: client,
        run: () => this.run(client, request, numbered)?.status ?? Status.OK,
        expire: (status) => this.#refuse(client, request, status),
      });
    });
  }

  /** Answers, starts work on chunkservers, or returns what the request has to wait for. */
  run(client: Client, request: TruncateRequest, numbered: NumberedRequest | undefined): ParkedOn | undefined {
    const { core } = this.#requests;
    const context = this.#requests.context(client, request.uid, request.gids);
    const plan = planTruncate(core.state, context, request, (inode) => core.reservations.of(inode));
    if (typeof plan === 'number') this.#refuse(client, request, plan);
    else if ((plan.kind === 'reserve' ? plan.reservedLength : request.length) > MAX_SAFE_FILE_SIZE)
      this.#refuse(client, request, Status.INDEXTOOBIG);
    else if (plan.kind === 'reserve') this.#reserve(client, context, request, plan, numbered);
    else if (plan.kind === 'length') this.#setLength(client, context, request, plan.inode, numbered);
    else return this.#cut(client, context, request, plan, numbered);
    return undefined;
  }

  #refuse(client: Client, { msgid }: TruncateRequest, status: number): void {
    this.#requests.count(this.#requests.context(client, 0, [0]), Operation.setattr, status);
    client.sendStatus(MATOCL_FUSE_TRUNCATE.number, msgid, status);
  }

  #reserve(
    client: Client,
    context: RequestContext,
    request: TruncateRequest,
    plan: Extract<TruncatePlan, { kind: 'reserve' }>,
    numbered: NumberedRequest | undefined,
  ): void {
    const { core } = this.#requests;
    const { nodes } = core.state;
    const length = nodes.length.get(nodes.find(plan.inode));
    const reservation = { inode: plan.inode, end: plan.reservedLength, length };
    core.reservations.reserve(reservation);
    this.#answer(client, context, request, plan.inode, plan.base);
    if (core.sharesJournal) {
      core.commit({ op: 'IDLE' }, context.now);
      this.#requests.numbered.reserved(client, numbered, reservation);
    } else if (numbered) this.#requests.numbered.answeredInMemory(client, numbered);
    lengthHasChanged(core, plan.inode, shownBytes(plan.reservedLength), client);
  }

  #setLength(
    client: Client,
    context: RequestContext,
    request: TruncateRequest,
    inode: number,
    numbered: NumberedRequest | undefined,
  ): void {
    this.#changeLength(client, context, request, inode, numbered);
    lengthHasChanged(this.#requests.core, inode, request.length, client);
  }

  /** Sets the length and answers. */
  #changeLength(
    client: Client,
    context: RequestContext,
    request: TruncateRequest,
    inode: number,
    numbered: NumberedRequest | undefined,
  ): void {
    const { state } = this.#requests.core;
    const before = state.metaversion;
    const previous = this.#applyLength(context.now, request, inode);
    const { metaversion } = state;
    this.#answer(client, context, request, inode, previous);
    if (numbered && metaversion > before) this.#requests.numbered.answered(client, numbered, metaversion - 1);
  }

  /** Sets the length; answers the one before. */
  #applyLength(now: number, request: TruncateRequest, inode: number): number {
    const { core } = this.#requests;
    const { nodes } = core.state;
    const previous = nodes.length.get(nodes.find(inode));
    const operation = finishTruncate(core.state, inode, request);
    if (operation) {
      this.#requests.numbered.reservationIsVoid(inode, now);
      core.commit(operation, now);
    }
    core.reservations.drop(inode);
    return previous;
  }

  #cut(
    client: Client,
    context: RequestContext,
    request: TruncateRequest,
    plan: Cut,
    numbered: NumberedRequest | undefined,
  ): ParkedOn | undefined {
    const { core } = this.#requests;
    const { inode, index } = plan;
    const work = { client, inode, index, previousChunkId: plan.chunkId, chunkId: 0 };
    const started = core.chunks.startTruncate({
      chunkId: plan.chunkId,
      chunkLengthBytes: plan.chunkLength,
      commit: (chunkId) => {
        core.commit({ op: 'TRUNC', inode, index, chunkid: chunkId }, context.now);
        work.chunkId = chunkId;
        if (numbered) this.#requests.numbered.began(numbered, work);
      },
      done: (status) => {
        this.#pending.remove(work);
        this.#finishCut(request, work, status, numbered);
      },
    });
    if (started.kind === 'wait') return { chunkId: plan.chunkId, status: started.status };
    if (started.kind === 'refused') this.#refuse(client, request, started.status);
    else if (started.kind === 'pending') this.#pending.add(work);
    else this.#finishCut(request, work, Status.OK, numbered);
    return undefined;
  }

  /** The chunkservers have cut the chunk, or not. */
  #finishCut(request: TruncateRequest, work: ChunkWork, status: number, numbered: NumberedRequest | undefined): void {
    const { core } = this.#requests;
    const { client, inode, index, chunkId } = work;
    // Those who wait for the chunk go on now and still see the old length (spec 20 §3.4.2).
    if (status === Status.OK) core.chunks.unlock(chunkId);
    else core.chunks.rollBack(inode, index, work.previousChunkId, chunkId);
    if (status !== Status.OK || core.state.nodes.find(inode) === 0) {
      this.#refuse(client, request, status || Status.ENOENT);
      return;
    }
    const context = this.#requests.context(client, request.uid, request.gids);
    this.#changeLength(client, context, request, inode, numbered);
    const chunk = core.state.chunks.find(chunkId);
    const version = chunk === 0 ? 0 : core.state.chunks.version.get(chunk);
    chunkHasChanged(core, { inode, index, chunkId, version, length: request.length, truncateFlag: 1 }, client);
  }

  #answer(client: Client, context: RequestContext, request: TruncateRequest, inode: number, previous: number): void {
    const { core } = this.#requests;
    const { msgid } = request;
    if ((request.flags & TruncateFlag.UPDATE) === 0) core.dataCache.modify(inode, client.session!.id);
    this.#requests.count(context, Operation.setattr, Status.OK);
    const attr = nodeAttributes(core.state, context, core.state.nodes.find(inode));
    client.send(MATOCL_FUSE_TRUNCATE, { layout: layoutFor(client), msgid, prevLength: shownBytes(previous), attr });
  }
}

function layoutFor({ version }: Client): 'data' | 'noLength' | 'noLength35' {
  if (atLeast(version, 113)) return 'data';
  return atLeast(version, 93) ? 'noLength' : 'noLength35';
}
