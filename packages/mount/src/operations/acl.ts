import type { Acl, AclEntry } from '@alces/client';

/** A Linux ACL value (version 2): `tag:16 perm:16 id:32` each, little-endian (spec 10 §7.5). */
const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const NO_ID = 0xffff_ffff;
/** "No such entry" in a triple or the mask on the wire. */
export const ABSENT = 0xffff;

const Tag = { USER_OBJ: 0x01, USER: 0x02, GROUP_OBJ: 0x04, GROUP: 0x08, MASK: 0x10, OTHER: 0x20 } as const;

/** Takes all ACL entries away. */
export const NO_ACL: Acl = {
  user: ABSENT,
  group: ABSENT,
  other: ABSENT,
  mask: ABSENT,
  namedUsers: [],
  namedGroups: [],
};

/** The xattr value of an ACL. An absent mask is left out, which the stock mount does not, to the dismay of `cp -a`. */
export function encodeAcl({ user, group, other, mask, namedUsers, namedGroups }: Acl): Buffer {
  const entries: [number, number, number][] = [[Tag.USER_OBJ, user, NO_ID]];
  for (const { id, perm } of namedUsers) entries.push([Tag.USER, perm, id]);
  entries.push([Tag.GROUP_OBJ, group, NO_ID]);
  for (const { id, perm } of namedGroups) entries.push([Tag.GROUP, perm, id]);
  if (mask !== ABSENT) entries.push([Tag.MASK, mask, NO_ID]);
  entries.push([Tag.OTHER, other, NO_ID]);
  const value = Buffer.alloc(HEADER_BYTES + entries.length * ENTRY_BYTES);
  value.writeUInt32LE(VERSION, 0);
  entries.forEach(([tag, perm, id], index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    value.writeUInt16LE(tag, at);
    value.writeUInt16LE(perm, at + 2);
    value.writeUInt32LE(id, at + 4);
  });
  return value;
}

interface Draft {
  user: number;
  group: number;
  other: number;
  mask: number;
  namedUsers: AclEntry[];
  namedGroups: AclEntry[];
}

const UNNAMED: readonly [tag: number, field: 'user' | 'group' | 'mask' | 'other'][] = [
  [Tag.USER_OBJ, 'user'],
  [Tag.GROUP_OBJ, 'group'],
  [Tag.MASK, 'mask'],
  [Tag.OTHER, 'other'],
];

/** The ACL of an xattr value; undefined: malformed (EINVAL). */
export function decodeAcl(value: Buffer): Acl | undefined {
  if (value.length < HEADER_BYTES || (value.length - HEADER_BYTES) % ENTRY_BYTES !== 0) return undefined;
  if (value.readUInt32LE(0) !== VERSION) return undefined;
  const acl: Draft = { ...NO_ACL, namedUsers: [], namedGroups: [] };
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    if (!addEntry(acl, value.readUInt16LE(at), value.readUInt16LE(at + 2), value.readUInt32LE(at + 4)))
      return undefined;
  }
  const named = acl.namedUsers.length + acl.namedGroups.length;
  return named > 0 && acl.mask === ABSENT ? undefined : acl;
}

function addEntry(acl: Draft, tag: number, perm: number, id: number): boolean {
  if (tag === Tag.USER) acl.namedUsers.push({ id, perm });
  else if (tag === Tag.GROUP) acl.namedGroups.push({ id, perm });
  else {
    const field = UNNAMED.find(([known]) => known === tag)?.[1];
    if (field === undefined || acl[field] !== ABSENT) return false;
    acl[field] = perm;
  }
  return true;
}
