import {
  type CountedValues,
  countArchived,
  countClasses,
  countEattrs,
  countTrashtimes,
  isDisabled,
  planArchctl,
  planSeteattr,
  planSetsclass,
  planSettrashtime,
  type RequestContext,
  type SetsclassOperation,
  type State,
} from '@alces/metadata';
import {
  ArchiveCommand,
  CLTOMA_FUSE_ARCHCTL,
  CLTOMA_FUSE_GETEATTR,
  CLTOMA_FUSE_GETSCLASS,
  CLTOMA_FUSE_GETTRASHTIME,
  CLTOMA_FUSE_SETEATTR,
  CLTOMA_FUSE_SETSCLASS,
  CLTOMA_FUSE_SETTRASHTIME,
  Disable,
  type FieldsOf,
  MATOCL_FUSE_ARCHCTL,
  MATOCL_FUSE_GETEATTR,
  MATOCL_FUSE_GETSCLASS,
  MATOCL_FUSE_GETTRASHTIME,
  MATOCL_FUSE_SETEATTR,
  MATOCL_FUSE_SETSCLASS,
  MATOCL_FUSE_SETTRASHTIME,
  MAX_GOAL,
  SetMode,
  Status,
} from '@alces/proto';
import { atLeast, type Client } from '../client.ts';
import { type DispatchTable, ProtocolViolation } from '../dispatch.ts';
import { MOUNTS_AND_TOOLS, type Requests } from '../requests.ts';

type SetsclassRequest = FieldsOf<typeof CLTOMA_FUSE_SETSCLASS>;

const NAMED_CLASS = 0xff;
/** What the stock master logs as source class of a change that is no exchange. */
const NO_SOURCE = 1;
/** What fits in the one-byte counts of GETSCLASS and GETEATTR. */
const LISTED_VALUES = 255;

interface Counters {
  readonly changed: number;
  readonly unchanged: number;
  readonly denied: number;
}

const shownCounters = ({ changed, unchanged, denied }: Counters) => ({
  changed,
  notChanged: unchanged,
  notPermitted: denied,
});

/** Registers the requests that read and change goals, trash times, extra attributes and archive flags (spec 10 §11.2-11.6). */
export function addSetterRequests(table: DispatchTable, requests: Requests): void {
  addTrashTime(table, requests);
  addStorageClass(table, requests);
  addExtraAttributes(table, requests);
  addArchiveFlag(table, requests);
}

function addTrashTime(table: DispatchTable, requests: Requests): void {
  const { state } = requests.core;
  const entries = (counts: CountedValues) => counts.map(([seconds, count]) => ({ seconds, count }));

  table.on(CLTOMA_FUSE_GETTRASHTIME, MOUNTS_AND_TOOLS, (client, request) => {
    const { msgid } = request;
    const counts = countTrashtimes(state, requests.context(client, 0, [0]), request);
    if (typeof counts === 'number') return client.sendStatus(MATOCL_FUSE_GETTRASHTIME.number, msgid, counts);
    const { files, directories } = counts;
    client.send(MATOCL_FUSE_GETTRASHTIME, { layout: 'data', msgid, files: entries(files), dirs: entries(directories) });
  });

  table.on(CLTOMA_FUSE_SETTRASHTIME, MOUNTS_AND_TOOLS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, request.uid, [0]);
    const plan = planSettrashtime(state, context, request);
    const status = requests.perform(context, plan);
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_SETTRASHTIME.number, msgid, status);
    client.send(MATOCL_FUSE_SETTRASHTIME, { layout: 'data', msgid, ...shownCounters(plan) });
  });
}

function addStorageClass(table: DispatchTable, requests: Requests): void {
  const { state } = requests.core;

  table.on(CLTOMA_FUSE_GETSCLASS, MOUNTS_AND_TOOLS, (client, request) => {
    const { msgid } = request;
    const counts = countClasses(state, requests.context(client, 0, [0]), request);
    if (typeof counts === 'number') return client.sendStatus(MATOCL_FUSE_GETSCLASS.number, msgid, counts);
    const files = classEntries(state, client, counts.files);
    const dirs = classEntries(state, client, counts.directories);
    client.send(MATOCL_FUSE_GETSCLASS, { layout: 'data', msgid, files, dirs });
  });

  table.on(CLTOMA_FUSE_SETSCLASS, MOUNTS_AND_TOOLS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, request.uid, [0]);
    const result = setStorageClass(requests, context, request);
    if (typeof result === 'number') client.sendStatus(MATOCL_FUSE_SETSCLASS.number, msgid, result);
    else client.send(MATOCL_FUSE_SETSCLASS, { layout: 'data', msgid, ...shownCounters(result) });
  });
}

/** The classes of nodes as an answer tells them: goals by number, others by name, which old clients do not know. */
function classEntries(state: State, client: Client, counts: CountedValues) {
  return counts
    .filter(([id]) => id <= MAX_GOAL || atLeast(client.version, 75))
    .slice(0, LISTED_VALUES)
    .map(([id, count]) => {
      if (id <= MAX_GOAL) return { goal: id, count };
      return { goal: NAMED_CLASS, name: state.storageClasses.get(id)?.name ?? Buffer.from(String(id)), count };
    });
}

/** Ids of the classes a request names; undefined when there is no such class. */
function classesOf(state: State, request: SetsclassRequest): { srcClass: number; dstClass: number } | undefined {
  if (request.layout === 'goal') {
    const { goal } = request;
    return goal >= 1 && goal <= MAX_GOAL ? { srcClass: goal, dstClass: goal } : undefined;
  }
  const dstClass = state.storageClasses.find(request.newName);
  const exchanges = (request.smode & SetMode.TYPE_MASK) === SetMode.EXCHANGE;
  const srcClass = exchanges ? state.storageClasses.find(request.oldName ?? Buffer.alloc(0)) : NO_SOURCE;
  return srcClass === 0 || dstClass === 0 ? undefined : { srcClass, dstClass };
}

function setStorageClass(requests: Requests, context: RequestContext, request: SetsclassRequest): number | Counters {
  const { state } = requests.core;
  const classes = classesOf(state, request);
  if (!classes) return isDisabled(context, Disable.SETSCLASS) ? Status.EPERM : Status.EINVAL;
  const plan = planSetsclass(state, context, { inode: request.inode, smode: request.smode, ...classes });
  if (typeof plan === 'number') return plan;
  for (const operation of plan.operations) requests.perform<SetsclassOperation>(context, operation);
  return plan.counters ?? plan.operations[0]!;
}

function addExtraAttributes(table: DispatchTable, requests: Requests): void {
  const { state } = requests.core;
  const entries = (counts: CountedValues) => counts.slice(0, LISTED_VALUES).map(([eattr, count]) => ({ eattr, count }));

  table.on(CLTOMA_FUSE_GETEATTR, MOUNTS_AND_TOOLS, (client, request) => {
    const { msgid } = request;
    const counts = countEattrs(state, requests.context(client, 0, [0]), request, knownBits(client));
    if (typeof counts === 'number') return client.sendStatus(MATOCL_FUSE_GETEATTR.number, msgid, counts);
    const { files, directories } = counts;
    client.send(MATOCL_FUSE_GETEATTR, { layout: 'data', msgid, files: entries(files), dirs: entries(directories) });
  });

  table.on(CLTOMA_FUSE_SETEATTR, MOUNTS_AND_TOOLS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, request.uid, [0]);
    const plan = planSeteattr(state, context, request);
    const status = requests.perform(context, plan);
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_SETEATTR.number, msgid, status);
    client.send(MATOCL_FUSE_SETEATTR, { layout: 'data', msgid, ...shownCounters(plan) });
  });
}

/** Extra attributes that the client has heard of. */
function knownBits(client: Client): number {
  if (atLeast(client.version, 113)) return 0xff;
  return atLeast(client.version, 30) ? 0x1f : 0x0f;
}

function addArchiveFlag(table: DispatchTable, requests: Requests): void {
  const { state } = requests.core;
  table.on(CLTOMA_FUSE_ARCHCTL, MOUNTS_AND_TOOLS, (client, { msgid, inode, cmd, uid }) => {
    const answer = MATOCL_FUSE_ARCHCTL;
    if ((cmd === ArchiveCommand.GET) !== (uid === undefined))
      throw new ProtocolViolation(`CLTOMA_FUSE_ARCHCTL: wrong size for command ${cmd}`);
    if (uid === undefined) {
      const counts = countArchived(state, requests.context(client, 0, [0]), inode);
      if (typeof counts === 'number') return client.sendStatus(answer.number, msgid, counts);
      return client.send(answer, {
        layout: 'state',
        msgid,
        archChunks: counts.archivedChunks,
        notArchChunks: counts.otherChunks,
        archInodes: counts.archivedFiles,
        partInodes: counts.partlyFiles,
        notArchInodes: counts.otherFiles,
      });
    }
    const context = requests.context(client, uid, [0]);
    const plan = planArchctl(state, context, { inode, cmd });
    const status = requests.perform(context, plan);
    if (typeof plan === 'number') return client.sendStatus(answer.number, msgid, status);
    client.send(answer, {
      layout: 'changes',
      msgid,
      changedChunks: plan.changed,
      notChangedChunks: plan.unchanged,
      notPermitted: plan.denied,
    });
  });
}
