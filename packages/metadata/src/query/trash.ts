import { type Attr, DetachedType, Status } from '@alces/proto';
import type { Planned, RequestContext } from '../plan/context.ts';
import type { State } from '../state.ts';
import { isDetachedType, SUSTAINED_BUCKETS, TRASH_BUCKETS, TYPE_SUSTAINED, TYPE_TRASH } from '../tables/constants.ts';
import { attributesOf } from './attributes.ts';

const SLASH = 0x2f;
const BAR = 0x7c;
const MAX_SHOWN_BYTES = 240;
const KEPT_BYTES = 235;

/** Name of a detached file in a listing: slashes as bars, long paths cut at the front (spec 10, section 9.2). */
function shownName(path: Buffer): Buffer {
  const name =
    path.length > MAX_SHOWN_BYTES
      ? Buffer.concat([Buffer.from('(...)'), path.subarray(path.length - KEPT_BYTES)])
      : Buffer.from(path);
  for (let at = name.indexOf(SLASH); at >= 0; at = name.indexOf(SLASH, at + 1)) {
    name[at] = BAR;
  }
  return name;
}

/** An entry of a list of detached files. */
export interface DetachedEntry {
  name: Buffer;
  inode: number;
}

function listBucket(state: State, firstEdge: number, entries: DetachedEntry[]): void {
  const { nodes, edges } = state;
  for (let edge = firstEdge; edge !== 0; edge = edges.nextSibling.get(edge)) {
    entries.push({ name: shownName(edges.name(edge)), inode: nodes.inode.get(edges.child.get(edge)) });
  }
}

/** GETTRASH: the trash files of a bucket, or of all if it is too high. EPERM outside a meta session (spec 10, section 9.2). */
export function listTrash(state: State, context: RequestContext, bucket: number): Planned<DetachedEntry[]> {
  if (context.session.rootinode !== 0) {
    return Status.EPERM;
  }
  const entries: DetachedEntry[] = [];
  const all = bucket >= TRASH_BUCKETS;
  for (let b = all ? 0 : bucket; b <= (all ? TRASH_BUCKETS - 1 : bucket); b++) {
    listBucket(state, state.edges.firstTrash(b), entries);
  }
  return entries;
}

/** GETSUSTAINED (spec 10, section 9.2). */
export function listSustained(state: State, context: RequestContext): Planned<DetachedEntry[]> {
  if (context.session.rootinode !== 0) {
    return Status.EPERM;
  }
  const entries: DetachedEntry[] = [];
  for (let bucket = 0; bucket < SUSTAINED_BUCKETS; bucket++) {
    listBucket(state, state.edges.firstSustained(bucket), entries);
  }
  return entries;
}

/** GETDETACHEDATTR: as the owner sees the file (spec 10, section 9.3). */
export function detachedAttributes(
  state: State,
  context: RequestContext,
  request: { inode: number; type?: number | undefined },
): Planned<Attr> {
  if (context.session.rootinode !== 0) {
    return Status.EPERM;
  }
  const kind = request.type ?? DetachedType.UNKNOWN;
  if (kind > DetachedType.SUSTAINED) {
    return Status.EINVAL;
  }
  const row = state.nodes.find(request.inode);
  const type = row === 0 ? 0 : state.nodes.type.get(row);
  const isWrongKind =
    (kind === DetachedType.TRASH && type !== TYPE_TRASH) ||
    (kind === DetachedType.SUSTAINED && type !== TYPE_SUSTAINED);
  if (!isDetachedType(type) || isWrongKind) {
    return Status.ENOENT;
  }
  const uid = state.nodes.uid.get(row);
  const gid = state.nodes.gid.get(row);
  return attributesOf(state, row, { uid, gids: [gid], originalUid: uid, originalGid: gid, mapAll: false });
}

/** GETTRASHPATH: a view, valid until the next change (spec 10, section 9.3). */
export function trashPath(state: State, context: RequestContext, inode: number): Planned<Buffer> {
  if (context.session.rootinode !== 0) {
    return Status.EPERM;
  }
  const row = state.nodes.find(inode);
  if (row === 0 || state.nodes.type.get(row) !== TYPE_TRASH) {
    return Status.ENOENT;
  }
  return state.edges.name(state.nodes.firstEdge.get(row));
}
