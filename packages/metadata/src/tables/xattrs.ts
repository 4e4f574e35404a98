import type { Arena } from '../store/arena.ts';
import { U8Column, U32Column } from '../store/columns.ts';
import type { NodeTable } from './nodes.ts';

/** Extended attributes: per node a list, newest first (spec 50, section 3.7). */
export class XattrTable {
  /** Next attribute of the same node, 0 = last. Free rows are chained through it too. */
  readonly next = new U32Column();
  /** Node row, 0 = row is free. */
  readonly node = new U32Column();
  private readonly nameLength = new U8Column();
  private readonly nameRef = new U32Column();
  private readonly valueLength = new U32Column();
  private readonly valueRef = new U32Column();
  private readonly arena: Arena;
  private readonly nodes: NodeTable;
  private freeRow = 0;
  private used = 1;
  private live = 0;

  constructor(arena: Arena, nodes: NodeTable) {
    this.arena = arena;
    this.nodes = nodes;
  }

  /** Number of attributes of all nodes. */
  get count(): number {
    return this.live;
  }

  /** First attribute of a node, 0 = none; continue with `next`. */
  first(node: number): number {
    return this.nodes.xattrs.get(node);
  }

  /** Name and value are views, valid until the next change. */
  name(row: number): Buffer {
    return this.arena.view(this.nameRef.get(row), this.nameLength.get(row));
  }

  value(row: number): Buffer {
    return this.arena.view(this.valueRef.get(row), this.valueLength.get(row));
  }

  /** Attribute of a node by name, 0 = none. */
  find(node: number, name: Uint8Array): number {
    let row = this.first(node);
    while (row !== 0 && !this.arena.equals(this.nameRef.get(row), this.nameLength.get(row), name)) {
      row = this.next.get(row);
    }
    return row;
  }

  /** Adds an attribute at the head of a node's list. */
  insertFirst(node: number, name: Uint8Array, value: Uint8Array): void {
    const row = this.make(node, name, value);
    this.next.set(row, this.nodes.xattrs.get(node));
    this.nodes.xattrs.set(node, row);
  }

  /** Adds an attribute at the end of a node's list (image loading). */
  insertLast(node: number, name: Uint8Array, value: Uint8Array): void {
    const row = this.make(node, name, value);
    this.next.set(row, 0);
    let at = this.nodes.xattrs.get(node);
    if (at === 0) {
      this.nodes.xattrs.set(node, row);
      return;
    }
    while (this.next.get(at) !== 0) {
      at = this.next.get(at);
    }
    this.next.set(at, row);
  }

  replaceValue(row: number, value: Uint8Array): void {
    this.arena.free(this.valueRef.get(row), this.valueLength.get(row));
    this.valueRef.set(row, this.arena.store(value));
    this.valueLength.set(row, value.length);
  }

  remove(row: number): void {
    const node = this.node.get(row);
    const following = this.next.get(row);
    let at = this.nodes.xattrs.get(node);
    if (at === row) {
      this.nodes.xattrs.set(node, following);
    } else {
      while (this.next.get(at) !== row) {
        at = this.next.get(at);
      }
      this.next.set(at, following);
    }
    this.release(row);
  }

  removeAll(node: number): void {
    let row = this.first(node);
    while (row !== 0) {
      const following = this.next.get(row);
      this.release(row);
      row = following;
    }
    this.nodes.xattrs.set(node, 0);
  }

  private make(node: number, name: Uint8Array, value: Uint8Array): number {
    let row = this.freeRow;
    if (row !== 0) {
      this.freeRow = this.next.get(row);
    } else {
      row = this.used++;
    }
    this.live++;
    this.node.set(row, node);
    this.nameLength.set(row, name.length);
    this.nameRef.set(row, this.arena.store(name));
    this.valueLength.set(row, value.length);
    this.valueRef.set(row, this.arena.store(value));
    return row;
  }

  private release(row: number): void {
    this.arena.free(this.nameRef.get(row), this.nameLength.get(row));
    this.arena.free(this.valueRef.get(row), this.valueLength.get(row));
    this.node.set(row, 0);
    this.next.set(row, this.freeRow);
    this.freeRow = row;
    this.live--;
  }
}
