import type { Arena } from '../store/arena.ts';
import { U16Column, U32Column } from '../store/columns.ts';
import { ACL_ABSENT, ACL_DEFAULT } from './constants.ts';
import type { NodeTable } from './nodes.ts';

/** Bytes of a named entry: id:u32, perm:u16, big-endian. */
export const ACL_ENTRY_BYTES = 6;

/** The fields of an ACL (spec 50, section 3.8). */
export interface Acl {
  user: number;
  group: number;
  other: number;
  /** 0xFFFF = no mask. */
  mask: number;
  nusers: number;
  ngroups: number;
  /** (nusers + ngroups) named entries, users first. */
  entries: Buffer;
}

/** Access and default ACLs. A node refers to its rows in `accessAcl` and `defaultAcl`. */
export class AclTable {
  readonly user = new U16Column();
  readonly group = new U16Column();
  readonly other = new U16Column();
  readonly mask = new U16Column();
  readonly nusers = new U16Column();
  readonly ngroups = new U16Column();
  /** Free rows are chained through it. */
  private readonly entriesRef = new U32Column();
  private readonly arena: Arena;
  private readonly nodes: NodeTable;
  private freeRow = 0;
  private used = 1;
  private live = 0;

  constructor(arena: Arena, nodes: NodeTable) {
    this.arena = arena;
    this.nodes = nodes;
  }

  get count(): number {
    return this.live;
  }

  /** Row of a node's ACL of type ACL_ACCESS or ACL_DEFAULT, 0 = none. */
  find(node: number, type: number): number {
    return (type === ACL_DEFAULT ? this.nodes.defaultAcl : this.nodes.accessAcl).get(node);
  }

  /** Named entries: (nusers + ngroups) x (id:u32, perm:u16) big-endian; a view, valid until the next change. */
  entries(row: number): Buffer {
    return this.arena.view(this.entriesRef.get(row), this.entryBytes(row));
  }

  /** All fields of an ACL, copied. */
  read(row: number): Acl {
    return {
      user: this.user.get(row),
      group: this.group.get(row),
      other: this.other.get(row),
      mask: this.mask.get(row),
      nusers: this.nusers.get(row),
      ngroups: this.ngroups.get(row),
      entries: Buffer.from(this.entries(row)),
    };
  }

  /** Sets or replaces the ACL of a node. */
  set(node: number, type: number, acl: Acl): void {
    this.remove(node, type);
    let row = this.freeRow;
    if (row !== 0) {
      this.freeRow = this.entriesRef.get(row);
    } else {
      row = this.used++;
    }
    this.live++;
    this.user.set(row, acl.user);
    this.group.set(row, acl.group);
    this.other.set(row, acl.other);
    this.mask.set(row, acl.mask);
    this.nusers.set(row, acl.nusers);
    this.ngroups.set(row, acl.ngroups);
    this.entriesRef.set(row, this.arena.store(acl.entries));
    (type === ACL_DEFAULT ? this.nodes.defaultAcl : this.nodes.accessAcl).set(node, row);
  }

  /** Removes the ACL of a node if there is one. */
  remove(node: number, type: number): void {
    const row = this.find(node, type);
    if (row === 0) {
      return;
    }
    this.arena.free(this.entriesRef.get(row), this.entryBytes(row));
    this.entriesRef.set(row, this.freeRow);
    this.freeRow = row;
    this.live--;
    (type === ACL_DEFAULT ? this.nodes.defaultAcl : this.nodes.accessAcl).set(node, 0);
  }

  private entryBytes(row: number): number {
    return (this.nusers.get(row) + this.ngroups.get(row)) * ACL_ENTRY_BYTES;
  }
}

/** Whether an ACL says no more than mode bits do: no named entries, no mask (spec 10, section 7.2). */
export function isMinimalAcl(acl: Omit<Acl, 'entries'>): boolean {
  return (
    acl.nusers === 0 &&
    acl.ngroups === 0 &&
    acl.user <= 7 &&
    acl.group <= 7 &&
    acl.other <= 7 &&
    acl.mask === ACL_ABSENT
  );
}
