/** QUOT, XATR and PACL sections out of the tables (spec 50 §3.6-3.8). */
import type { State } from '../../state.ts';
import { ACL_ACCESS, ACL_DEFAULT } from '../../tables/constants.ts';
import type { Quota } from '../../tables/quotas.ts';
import type { ImageOutput, ImageWriter } from './output.ts';

const QUOTA_BYTES = 70;
const XATTR_HEAD_BYTES = 9;
const ACL_HEAD_BYTES = 17;
const ACL_ENTRY_BYTES = 6;
/** Named entries of an ACL are checksummed in blocks of this many. */
const ACL_BLOCK = 100;
/** Rows that are looked at in one go. */
const ROWS_PER_TURN = 32768;

function putQuota(out: ImageOutput, inode: number, quota: Quota): void {
  const start = out.length;
  out.u32(inode);
  out.u32(quota.graceperiod);
  out.u8(quota.exceeded);
  out.u8(quota.flags);
  out.u32(quota.stimestamp);
  out.u32(quota.sinodes);
  out.u32(quota.hinodes);
  out.big(quota.slength);
  out.big(quota.hlength);
  out.big(quota.ssize);
  out.big(quota.hsize);
  out.big(quota.srealsize);
  out.big(quota.hrealsize);
  out.checksum(start);
}

export function* writeQuotas(out: ImageOutput, state: State): ImageWriter {
  yield* out.reserve(4);
  const start = out.length;
  out.u32(state.quotas.size);
  out.checksum(start);
  for (const [inode, quota] of state.quotas) {
    yield* out.reserve(QUOTA_BYTES);
    putQuota(out, inode, quota);
  }
}

export function* writeXattrs(out: ImageOutput, state: State): ImageWriter {
  const { nodes, xattrs } = state;
  const end = xattrs.count === 0 ? 0 : nodes.rowLimit;
  for (let node = 1; node < end; node++) {
    if (node % ROWS_PER_TURN === 0) yield* out.pause();
    if (nodes.type.get(node) === 0) continue;
    for (let row = xattrs.first(node); row !== 0; row = xattrs.next.get(row)) {
      const name = xattrs.name(row);
      const value = xattrs.value(row);
      yield* out.reserve(XATTR_HEAD_BYTES);
      const start = out.length;
      out.u32(nodes.inode.get(node));
      out.u8(name.length);
      out.u32(value.length);
      out.checksum(start);
      yield* out.record(name);
      yield* out.record(value);
    }
  }
  yield* out.terminator(XATTR_HEAD_BYTES);
}

function* writeAcl(out: ImageOutput, state: State, inode: number, type: number, row: number): ImageWriter {
  const { acls } = state;
  yield* out.reserve(ACL_HEAD_BYTES);
  const start = out.length;
  out.u32(inode);
  out.u8(type);
  out.u16(acls.user.get(row));
  out.u16(acls.group.get(row));
  out.u16(acls.other.get(row));
  out.u16(acls.mask.get(row));
  out.u16(acls.nusers.get(row));
  out.u16(acls.ngroups.get(row));
  out.checksum(start);
  const entries = acls.entries(row);
  for (const [from, to] of aclBlocks(acls.nusers.get(row), acls.ngroups.get(row))) {
    yield* out.record(entries.subarray(from * ACL_ENTRY_BYTES, to * ACL_ENTRY_BYTES));
  }
}

/** Ranges of entries that are checksummed together. */
function* aclBlocks(users: number, groups: number): Generator<[number, number]> {
  const count = users + groups;
  for (let from = 0; from < count; from += ACL_BLOCK) yield [from, Math.min(from + ACL_BLOCK, count)];
}

export function* writeAcls(out: ImageOutput, state: State): ImageWriter {
  const { nodes } = state;
  const end = state.acls.count === 0 ? 0 : nodes.rowLimit;
  for (let node = 1; node < end; node++) {
    if (node % ROWS_PER_TURN === 0) yield* out.pause();
    const access = nodes.accessAcl.get(node);
    const inherited = nodes.defaultAcl.get(node);
    if (access !== 0) yield* writeAcl(out, state, nodes.inode.get(node), ACL_ACCESS, access);
    if (inherited !== 0) yield* writeAcl(out, state, nodes.inode.get(node), ACL_DEFAULT, inherited);
  }
  yield* out.terminator(ACL_HEAD_BYTES);
}
