/** What tools ask for: goals, trash times, extra attributes, quotas, snapshots, repair (spec 10 §5, §11). */
import {
  ArchiveCommand,
  CLTOMA_FUSE_APPEND_SLICE,
  CLTOMA_FUSE_ARCHCTL,
  CLTOMA_FUSE_CHECK,
  CLTOMA_FUSE_GETDIRSTATS,
  CLTOMA_FUSE_GETEATTR,
  CLTOMA_FUSE_GETSCLASS,
  CLTOMA_FUSE_GETTRASHTIME,
  CLTOMA_FUSE_PARENTS,
  CLTOMA_FUSE_PATHS,
  CLTOMA_FUSE_QUOTACONTROL,
  CLTOMA_FUSE_REPAIR,
  CLTOMA_FUSE_SETEATTR,
  CLTOMA_FUSE_SETSCLASS,
  CLTOMA_FUSE_SETTRASHTIME,
  CLTOMA_FUSE_SNAPSHOT,
  type FieldsOf,
  MATOCL_FUSE_APPEND_SLICE,
  MATOCL_FUSE_ARCHCTL,
  MATOCL_FUSE_CHECK,
  MATOCL_FUSE_GETDIRSTATS,
  MATOCL_FUSE_GETEATTR,
  MATOCL_FUSE_GETSCLASS,
  MATOCL_FUSE_GETTRASHTIME,
  MATOCL_FUSE_PARENTS,
  MATOCL_FUSE_PATHS,
  MATOCL_FUSE_QUOTACONTROL,
  MATOCL_FUSE_REPAIR,
  MATOCL_FUSE_SETEATTR,
  MATOCL_FUSE_SETSCLASS,
  MATOCL_FUSE_SETTRASHTIME,
  MATOCL_FUSE_SNAPSHOT,
  SnapshotMode,
} from '@alces/proto';
import type { MasterLink } from '../contracts.ts';
import type { Caller, ChangeCounts } from '../types.ts';

/** Nodes counted by some property of theirs. */
export interface CountedBy<T> {
  readonly files: readonly T[];
  readonly dirs: readonly T[];
}

function counts({ changed, notChanged, notPermitted }: ChangeCounts): ChangeCounts {
  return { changed, notChanged, notPermitted };
}

/** Trash times in seconds; `gmode`: `GetMode`. */
export async function getTrashTime(
  link: MasterLink,
  inode: number,
  gmode: number,
): Promise<CountedBy<{ seconds: number; count: number }>> {
  const { files, dirs } = await link.request(CLTOMA_FUSE_GETTRASHTIME, MATOCL_FUSE_GETTRASHTIME, { inode, gmode });
  return { files, dirs };
}

/** `smode`: `SetMode` bits. The master stores whole hours, rounded up. */
export async function setTrashTime(
  link: MasterLink,
  inode: number,
  seconds: number,
  smode: number,
  uid: number,
): Promise<ChangeCounts> {
  const fields = { inode, uid, seconds, smode };
  return counts(await link.request(CLTOMA_FUSE_SETTRASHTIME, MATOCL_FUSE_SETTRASHTIME, fields));
}

export interface ClassCount {
  /** Name of the storage class; goals 1 to 9 are the classes named so. */
  readonly name: string;
  readonly count: number;
}

type WireClassCount = Extract<FieldsOf<typeof MATOCL_FUSE_GETSCLASS>, { layout: 'data' }>['files'][number];

function classCount({ goal, name, count }: WireClassCount): ClassCount {
  return { name: name === undefined ? String(goal) : name.toString(), count };
}

/** Storage classes (goals) of a node or a tree; `gmode`: `GetMode`. */
export async function getStorageClass(link: MasterLink, inode: number, gmode: number): Promise<CountedBy<ClassCount>> {
  const { files, dirs } = await link.request(CLTOMA_FUSE_GETSCLASS, MATOCL_FUSE_GETSCLASS, { inode, gmode });
  return { files: files.map(classCount), dirs: dirs.map(classCount) };
}

/** Sets the storage class; the names `1` to `9` are plain goals. `smode`: `SetMode` bits other than EXCHANGE. */
export async function setStorageClass(
  link: MasterLink,
  inode: number,
  name: string,
  smode: number,
  uid: number,
): Promise<ChangeCounts> {
  const common = { inode, uid, smode };
  const fields = /^[1-9]$/.test(name)
    ? { layout: 'goal' as const, ...common, goal: Number(name) }
    : { layout: 'class' as const, ...common, newName: Buffer.from(name) };
  return counts(await link.request(CLTOMA_FUSE_SETSCLASS, MATOCL_FUSE_SETSCLASS, fields));
}

/** Changes `oldName` to `newName` wherever it is set. `smode`: EXCHANGE, perhaps with RECURSIVE. */
export async function exchangeStorageClass(
  link: MasterLink,
  inode: number,
  oldName: string,
  newName: string,
  smode: number,
  uid: number,
): Promise<ChangeCounts> {
  const names = { oldName: Buffer.from(oldName), newName: Buffer.from(newName) };
  const fields = { layout: 'class' as const, inode, uid, smode, ...names };
  return counts(await link.request(CLTOMA_FUSE_SETSCLASS, MATOCL_FUSE_SETSCLASS, fields));
}

/** Extra attributes (`Eattr` bits). */
export async function getEattr(
  link: MasterLink,
  inode: number,
  gmode: number,
): Promise<CountedBy<{ eattr: number; count: number }>> {
  const { files, dirs } = await link.request(CLTOMA_FUSE_GETEATTR, MATOCL_FUSE_GETEATTR, { inode, gmode });
  return { files, dirs };
}

export async function setEattr(
  link: MasterLink,
  inode: number,
  eattr: number,
  smode: number,
  uid: number,
): Promise<ChangeCounts> {
  const fields = { inode, uid, eattr, smode };
  return counts(await link.request(CLTOMA_FUSE_SETEATTR, MATOCL_FUSE_SETEATTR, fields));
}

/** Appends chunks [from, to) of `source`. `flags`: `AppendSliceFlag`. */
export async function appendSlice(
  link: MasterLink,
  inode: number,
  source: number,
  slice: { readonly from: number; readonly to: number; readonly flags: number },
  { uid, gids }: Caller,
): Promise<void> {
  const fields = { ...slice, dst: inode, src: source, uid, gids: gids as number[] };
  await link.request(CLTOMA_FUSE_APPEND_SLICE, MATOCL_FUSE_APPEND_SLICE, fields);
}

/** Makes a snapshot of `source` as `name` in `parent`. `mode`: `SnapshotMode` bits. */
export async function snapshot(
  link: MasterLink,
  source: number,
  parent: number,
  name: Buffer,
  { mode, umask }: { readonly mode: number; readonly umask: number },
  { uid, gids }: Caller,
): Promise<void> {
  const fields = { src: source, dstParent: parent, dstName: name, uid, gids: gids as number[], smode: mode, umask };
  await link.request(CLTOMA_FUSE_SNAPSHOT, MATOCL_FUSE_SNAPSHOT, fields);
}

/** Removes a snapshot. `mode`: FORCE_REMOVAL or 0. */
export function removeSnapshot(
  link: MasterLink,
  parent: number,
  name: Buffer,
  mode: number,
  caller: Caller,
): Promise<void> {
  return snapshot(link, 0, parent, name, { mode: mode | SnapshotMode.DELETE, umask: 0 }, caller);
}

/** `counters[n]`: chunks with n valid copies, [10]: ten or more, [11]: empty slots. */
export async function check(link: MasterLink, inode: number): Promise<readonly number[]> {
  return (await link.request(CLTOMA_FUSE_CHECK, MATOCL_FUSE_CHECK, { inode }, 'counters')).counters;
}

export interface ChunkCopies {
  /** 0: an empty slot. */
  readonly chunkId: number;
  readonly version: number;
  /** `type`: `CopyType`. */
  readonly copies: readonly { readonly ip: number; readonly port: number; readonly type: number }[];
}

/** Copies of the chunk at `index`. */
export async function checkChunk(link: MasterLink, inode: number, index: number): Promise<ChunkCopies> {
  const answer = await link.request(CLTOMA_FUSE_CHECK, MATOCL_FUSE_CHECK, { inode, index }, 'copies');
  return { chunkId: answer.chunkId, version: answer.version, copies: answer.copies };
}

/** Takes the best version there is of chunks without valid copies, or empties their slots. Numbers of chunks. */
export async function repair(
  link: MasterLink,
  inode: number,
  { uid, gids }: Caller,
): Promise<{ notChanged: number; erased: number; repaired: number }> {
  const fields = { inode, uid, gids: gids as number[] };
  const { notChanged, erased, repaired } = await link.request(CLTOMA_FUSE_REPAIR, MATOCL_FUSE_REPAIR, fields);
  return { notChanged, erased, repaired };
}

/** Archive state of the chunks and files of a tree. */
export async function getArchiveState(link: MasterLink, inode: number) {
  const fields = { inode, cmd: ArchiveCommand.GET };
  const answer = await link.request(CLTOMA_FUSE_ARCHCTL, MATOCL_FUSE_ARCHCTL, fields, 'state');
  const { archChunks, notArchChunks, archInodes, partInodes, notArchInodes } = answer;
  return { archChunks, notArchChunks, archInodes, partInodes, notArchInodes };
}

/** Sets or clears the archive flag of the chunks of a tree. */
export async function setArchived(link: MasterLink, inode: number, archived: boolean, uid: number) {
  const fields = { inode, cmd: archived ? ArchiveCommand.SET : ArchiveCommand.CLEAR, uid };
  const answer = await link.request(CLTOMA_FUSE_ARCHCTL, MATOCL_FUSE_ARCHCTL, fields, 'changes');
  const { changedChunks, notChangedChunks, notPermitted } = answer;
  return { changedChunks, notChangedChunks, notPermitted };
}

export type QuotaChange = Omit<
  Extract<FieldsOf<typeof CLTOMA_FUSE_QUOTACONTROL>, { layout: 'set' }>,
  'layout' | 'msgid'
>;
export type Quota = Omit<Extract<FieldsOf<typeof MATOCL_FUSE_QUOTACONTROL>, { layout: 'data' }>, 'layout' | 'msgid'>;

/** Limits and usage of a directory after removing the limits of `remove` (`QuotaFlag` bits; 0: none). */
export async function getQuota(link: MasterLink, inode: number, remove = 0): Promise<Quota> {
  const fields = { layout: 'remove' as const, inode, qflags: remove };
  const answer = await link.request(CLTOMA_FUSE_QUOTACONTROL, MATOCL_FUSE_QUOTACONTROL, fields);
  return quotaOf(answer);
}

/** Sets the limits named in `qflags`. */
export async function setQuota(link: MasterLink, change: QuotaChange): Promise<Quota> {
  const fields = { layout: 'set' as const, ...change };
  const answer = await link.request(CLTOMA_FUSE_QUOTACONTROL, MATOCL_FUSE_QUOTACONTROL, fields);
  return quotaOf(answer);
}

function quotaOf({ layout, msgid, ...quota }: Quota & { layout: string; msgid: number }): Quota {
  return quota;
}

export interface DirectoryStatistics {
  readonly inodes: number;
  readonly dirs: number;
  readonly files: number;
  readonly chunks: number;
  readonly length: number;
  readonly size: number;
  readonly realsize: number;
}

/** Sums over a subtree (spec 10 §2.12). */
export async function directoryStatistics(link: MasterLink, inode: number): Promise<DirectoryStatistics> {
  const answer = await link.request(CLTOMA_FUSE_GETDIRSTATS, MATOCL_FUSE_GETDIRSTATS, { inode });
  const { inodes, dirs, files, chunks, length, size, realsize } = answer;
  return { inodes, dirs, files, chunks, length, size, realsize };
}

/** One inode per link. Never ask for a file in the trash: a stock master dies of it (spec 10 §11.11). */
export async function parents(link: MasterLink, inode: number): Promise<readonly number[]> {
  return (await link.request(CLTOMA_FUSE_PARENTS, MATOCL_FUSE_PARENTS, { inode })).parents;
}

/** One path per link, relative to the session's root. */
export async function paths(link: MasterLink, inode: number): Promise<readonly Buffer[]> {
  return (await link.request(CLTOMA_FUSE_PATHS, MATOCL_FUSE_PATHS, { inode })).paths;
}
