import type { State } from '../state.ts';
import { ACL_ENTRY_BYTES } from '../tables/acls.ts';
import { ACL_ACCESS, EATTR_NOOWNER } from '../tables/constants.ts';

export const ACCESS_READ = 4;
export const ACCESS_WRITE = 2;
export const ACCESS_EXECUTE = 1;

/** Access byte of a permission triple: bit k tells whether mask k (of R=4, W=2, X=1) is granted. */
const BYTE_OF_TRIPLE = [0x01, 0x03, 0x05, 0x0f, 0x11, 0x33, 0x55, 0xff] as const;
const ALL = 0xff;

/** Who asks, as far as permissions go. */
export interface Credentials {
  uid: number;
  gids: readonly number[];
  /** Session flag IGNOREGID. */
  ignoreGid: boolean;
}

/**
 * What a caller may do with a node, as an access byte (spec 10, section 2.6): bit k is set if the combination k of R=4, W=2, X=1
 * is granted.
 */
export function accessByte(state: State, row: number, who: Credentials): number {
  const { nodes } = state;
  if (who.uid === 0) {
    return ALL;
  }
  if (state.acls.find(row, ACL_ACCESS) !== 0) {
    return accessByAcl(state, row, who);
  }
  const mode = nodes.mode.get(row);
  if (who.uid === nodes.uid.get(row) || nodes.eattr.get(row) & EATTR_NOOWNER) {
    return BYTE_OF_TRIPLE[(mode >> 6) & 7];
  }
  if (who.ignoreGid) {
    return BYTE_OF_TRIPLE[((mode >> 3) | mode) & 7];
  }
  return BYTE_OF_TRIPLE[(who.gids.includes(nodes.gid.get(row)) ? mode >> 3 : mode) & 7];
}

/** Whether a caller has all of `wanted` (a combination of ACCESS_*) on a node. */
export function mayAccess(state: State, row: number, who: Credentials, wanted: number): boolean {
  return (accessByte(state, row, who) & (1 << (wanted & 7))) !== 0;
}

/** Evaluation of an access ACL (spec 10, section 7.3). */
function accessByAcl(state: State, row: number, who: Credentials): number {
  const { nodes, acls } = state;
  const acl = acls.find(row, ACL_ACCESS);
  if (who.uid === nodes.uid.get(row)) {
    return BYTE_OF_TRIPLE[acls.user.get(acl) & 7];
  }
  const mask = acls.mask.get(acl);
  const entries = acls.entries(acl);
  const usersEnd = acls.nusers.get(acl) * ACL_ENTRY_BYTES;
  for (let at = 0; at < usersEnd; at += ACL_ENTRY_BYTES) {
    if (entries.readUInt32BE(at) === who.uid) {
      return BYTE_OF_TRIPLE[entries.readUInt16BE(at + 4) & mask & 7];
    }
  }
  let granted = who.gids.includes(nodes.gid.get(row)) ? BYTE_OF_TRIPLE[acls.group.get(acl) & mask & 7] : 0;
  for (let at = usersEnd; at < entries.length; at += ACL_ENTRY_BYTES) {
    if (who.gids.includes(entries.readUInt32BE(at))) {
      granted |= BYTE_OF_TRIPLE[entries.readUInt16BE(at + 4) & mask & 7];
    }
  }
  return granted === 0 ? BYTE_OF_TRIPLE[acls.other.get(acl) & 7] : granted;
}
