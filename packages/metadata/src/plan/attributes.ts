import { AtimeMode, Disable, packVersion, SessionFlag, SetAttrMask, Status, SugidClearMode } from '@alces/proto';
import { aclModeOf } from '../apply/attributes.ts';
import { mayChange } from '../apply/recursive.ts';
import type { AccessOperation, AmtimeOperation, AttrOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { EATTR_IMMUTABLE, isFileType, TYPE_DIRECTORY } from '../tables/constants.ts';
import { ACCESS_WRITE } from '../tree/permissions.ts';
import { isDisabled, isPermitted, isReadOnly, type Planned, type RequestContext, resolve } from './context.ts';

const MODE_SETUID = 0o4000;
const MODE_SETGID = 0o2000;
const MODE_SUGID = MODE_SETUID | MODE_SETGID;
const SECONDS_PER_DAY = 86400;
/** Clients from here on know winattr. */
const WINATTR_VERSION = packVersion(3, 0, 93);

/** What SETATTR asks for (spec 10, section 3.5). */
export interface SetattrRequest {
  inode: number;
  opened: number;
  setmask: number;
  mode: number;
  attruid: number;
  attrgid: number;
  atime: number;
  mtime: number;
  winattr: number;
  sugidclearmode: number;
}

/** SETATTR (spec 10, section 3.5). */
export function planSetattr(state: State, context: RequestContext, request: SetattrRequest): Planned<AttrOperation> {
  const { setmask } = request;
  const chowns = (setmask & (SetAttrMask.UID | SetAttrMask.GID)) !== 0;
  if (
    (chowns && isDisabled(context, Disable.CHOWN)) ||
    (setmask & SetAttrMask.MODE && isDisabled(context, Disable.CHMOD))
  ) {
    return Status.EPERM;
  }
  if (setmask & SetAttrMask.WINATTR && context.clientVersion < WINATTR_VERSION) {
    return Status.EINVAL;
  }
  if (isReadOnly(context)) {
    return Status.EROFS;
  }
  const row = resolve(state, context, request.inode, request.opened !== 0);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (state.nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  const status = dropsOnlySugid(state, context, row, request) ? Status.OK : checkSetattr(state, context, row, request);
  return status === Status.OK ? attrOperation(state, context, row, request) : status;
}

/** Anybody may take the set-id bits off a file (the kernel does it when the file is written). */
function dropsOnlySugid(state: State, context: RequestContext, row: number, request: SetattrRequest): boolean {
  const mode = state.nodes.mode.get(row);
  return (
    context.uid !== 0 &&
    request.setmask === SetAttrMask.MODE &&
    (mode & MODE_SUGID) !== 0 &&
    (request.mode & 0o7777) === (mode & ~MODE_SUGID)
  );
}

function checkSetattr(state: State, context: RequestContext, row: number, request: SetattrRequest): number {
  const { setmask } = request;
  const { uid, gids, session } = context;
  if (uid === 0) {
    return Status.OK;
  }
  if (session.sesflags & SessionFlag.MAPALL && setmask & (SetAttrMask.UID | SetAttrMask.GID)) {
    return Status.EPERM;
  }
  if (!mayChange(state, row, uid)) {
    const { MODE, UID, GID, ATIME, MTIME, ATIME_NOW, MTIME_NOW } = SetAttrMask;
    if (setmask & (MODE | UID | GID | ATIME | MTIME)) {
      return Status.EPERM;
    }
    if (setmask & (ATIME_NOW | MTIME_NOW) && !isPermitted(state, context, row, ACCESS_WRITE)) {
      return Status.EACCES;
    }
  }
  if (setmask & SetAttrMask.UID && request.attruid !== uid) {
    return Status.EPERM;
  }
  const isForeignGroup = !context.ignoreGid && !gids.includes(request.attrgid);
  return setmask & SetAttrMask.GID && isForeignGroup ? Status.EPERM : Status.OK;
}

/** Mode bits that a change of owner takes away. */
function bitsClearedByChown(state: State, context: RequestContext, row: number, request: SetattrRequest): number {
  const { nodes } = state;
  const mode = nodes.mode.get(row);
  if ((mode & MODE_SUGID) === 0 || (request.setmask & (SetAttrMask.UID | SetAttrMask.GID)) === 0) {
    return 0;
  }
  const isDirectory = nodes.type.get(row) === TYPE_DIRECTORY;
  const groupChanges = (request.setmask & SetAttrMask.GID) !== 0 && request.attrgid !== nodes.gid.get(row);
  const asExt = mode & 0o010 ? MODE_SUGID : MODE_SETUID;
  switch (request.sugidclearmode) {
    case SugidClearMode.ALWAYS:
      return MODE_SUGID;
    case SugidClearMode.OSX:
      return context.uid !== 0 ? MODE_SUGID : 0;
    case SugidClearMode.BSD:
      return context.uid !== 0 && groupChanges ? MODE_SUGID : 0;
    case SugidClearMode.EXT:
      return isDirectory ? 0 : asExt;
    case SugidClearMode.XFS:
      return isDirectory ? (context.uid !== 0 ? MODE_SUGID : 0) : asExt;
    default:
      return 0;
  }
}

function attrOperation(state: State, context: RequestContext, row: number, request: SetattrRequest): AttrOperation {
  const { nodes } = state;
  const { setmask } = request;
  const chowns = (setmask & (SetAttrMask.UID | SetAttrMask.GID)) !== 0;
  const cleared = bitsClearedByChown(state, context, row, request);
  const gid = setmask & SetAttrMask.GID ? request.attrgid : nodes.gid.get(row);
  let mode = nodes.mode.get(row) & ~cleared;
  let aclmode = aclModeOf(state, row);
  if (setmask & SetAttrMask.MODE) {
    let wanted = request.mode & 0o7777;
    wanted |= chowns ? nodes.mode.get(row) & MODE_SUGID : 0;
    wanted &= ~cleared;
    if (context.uid !== 0 && !context.gids.includes(gid)) {
      wanted &= ~MODE_SETGID;
    }
    mode = aclmode === 0 ? wanted : (wanted & 0o7707) | (mode & 0o070);
    aclmode = aclmode === 0 ? 0 : (aclmode & ~0o777) | (wanted & 0o777);
  }
  return {
    op: 'ATTR',
    inode: nodes.inode.get(row),
    mode,
    uid: setmask & SetAttrMask.UID ? request.attruid : nodes.uid.get(row),
    gid,
    atime: chosenTime(
      setmask,
      SetAttrMask.ATIME_NOW,
      SetAttrMask.ATIME,
      context.now,
      request.atime,
      nodes.atime.get(row),
    ),
    mtime: chosenTime(
      setmask,
      SetAttrMask.MTIME_NOW,
      SetAttrMask.MTIME,
      context.now,
      request.mtime,
      nodes.mtime.get(row),
    ),
    winattr: setmask & SetAttrMask.WINATTR ? request.winattr : nodes.winattr.get(row),
    aclmode,
  };
}

function chosenTime(
  setmask: number,
  nowFlag: number,
  flag: number,
  now: number,
  requested: number,
  present: number,
): number {
  if (setmask & nowFlag) {
    return now;
  }
  return setmask & flag ? requested : present;
}

/** Whether an atime may move to `atime` under the relative modes (spec 10, section 2.11). */
function isRelativeUpdate(state: State, row: number, atime: number): boolean {
  const { nodes } = state;
  const present = nodes.atime.get(row);
  const ctime = nodes.ctime.get(row);
  const mtime = nodes.mtime.get(row);
  return (
    (present <= ctime && atime >= ctime) || (present <= mtime && atime >= mtime) || present + SECONDS_PER_DAY < atime
  );
}

/**
 * The entry for reading a node (READDIR, READLINK, READ_CHUNK of old clients), undefined if its atime is not to be touched
 * (spec 10, section 2.11).
 *
 * @param atimeMode `ATIME_MODE` of the configuration.
 */
export function planAccessTime(state: State, row: number, now: number, atimeMode: number): AccessOperation | undefined {
  const { nodes } = state;
  const filesOnly = atimeMode === AtimeMode.FILES_ONLY || atimeMode === AtimeMode.FILES_AND_RELATIVE_ONLY;
  if (atimeMode === AtimeMode.NEVER || nodes.atime.get(row) === now) {
    return undefined;
  }
  if (filesOnly && !isFileType(nodes.type.get(row))) {
    return undefined;
  }
  if (isRelative(atimeMode) && !isRelativeUpdate(state, row, now)) {
    return undefined;
  }
  return { op: 'ACCESS', inode: nodes.inode.get(row) };
}

function isRelative(atimeMode: number): boolean {
  return atimeMode === AtimeMode.RELATIVE_ONLY || atimeMode === AtimeMode.FILES_AND_RELATIVE_ONLY;
}

/** The entry for times reported by a client (spec 10, section 10.3), undefined if nothing changes. */
export function planAmtime(
  state: State,
  context: RequestContext,
  report: { inode: number; atime: number; mtime: number },
  atimeMode: number,
): AmtimeOperation | undefined {
  const { nodes } = state;
  const row = report.inode === 0 ? 0 : resolve(state, context, report.inode, true);
  if (row === 0) {
    return undefined;
  }
  const isNewer = report.atime > nodes.atime.get(row);
  const isAllowed = isRelative(atimeMode) ? isRelativeUpdate(state, row, report.atime) : atimeMode !== AtimeMode.NEVER;
  const changesAtime = report.atime !== 0 && isNewer && isAllowed;
  const changesMtime = report.mtime > nodes.mtime.get(row);
  if (!changesAtime && !changesMtime) {
    return undefined;
  }
  return {
    op: 'AMTIME',
    inode: nodes.inode.get(row),
    atime: changesAtime ? report.atime : nodes.atime.get(row),
    mtime: changesMtime ? report.mtime : nodes.mtime.get(row),
    ctime: changesMtime ? report.mtime : nodes.ctime.get(row),
  };
}
