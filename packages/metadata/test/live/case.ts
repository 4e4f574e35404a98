import { ROOT_INODE, type State, TYPE_DIRECTORY } from '../../src/index.ts';
import type { Dice } from '../support/random.ts';
import type { Mirror } from './mirror.ts';

/** One request: the frame for the real master and what this package makes of it. */
export interface Case {
  frame: Buffer;
  /** The answer frame; undefined for a request without answer. */
  run(mirror: Mirror): Buffer | undefined;
  /** The real master would crash, or does something else on purpose: leave it out. */
  isDangerous?(mirror: Mirror): boolean;
  /** Reduces an answer payload to what can be compared. */
  normalize?(payload: Buffer): Buffer;
}

/** An answer `msgid:u32 status:u8`; the type is not compared. */
export function answerStatus(msgid: number, status: number): Buffer {
  const frame = Buffer.alloc(13);
  frame.writeUInt32BE(5, 4);
  frame.writeUInt32BE(msgid, 8);
  frame[12] = status;
  return frame;
}

const NAMES = ['a', 'b', 'c', 'd e', 'f,g', '%', 'ä', 'long'.repeat(60), '.h', '...', 'i', 'j', 'k', 'l', 'm'].map(
  (name) => Buffer.from(name),
);

/** Random arguments of requests, mostly ones that exist. */
export class CaseMaker {
  readonly dice: Dice;
  private readonly state: State;
  private readonly sessionRoot: () => number;
  /** What the last WRITE_CHUNK locked. */
  written = { inode: 0, chunkId: 0 };

  constructor(state: State, dice: Dice, sessionRoot: () => number) {
    this.state = state;
    this.dice = dice;
    this.sessionRoot = sessionRoot;
  }

  now(): number {
    return Math.floor(Date.now() / 1000);
  }

  /** Inode of a random node of a type (any type if it is 0). */
  inodeOfType(type: number): number {
    const { nodes } = this.state;
    for (let i = 0; i < 80; i++) {
      const row = 1 + this.dice.below(nodes.rowLimit - 1);
      const found = nodes.type.get(row);
      if (found !== 0 && (type === 0 || found === type)) {
        return this.asSent(nodes.inode.get(row));
      }
    }
    return ROOT_INODE;
  }

  private asSent(inode: number): number {
    return inode === this.sessionRoot() && this.dice.chance(0.9) ? ROOT_INODE : inode;
  }

  inode(): number {
    return this.dice.chance(0.02) ? this.dice.below(400) : this.inodeOfType(this.dice.pick([0, 0, 0, 1, 2]));
  }

  file(): number {
    return this.dice.chance(0.9) ? this.inodeOfType(this.dice.pick([1, 1, 1, 8, 9])) : this.inode();
  }

  directory(): number {
    return this.dice.chance(0.95) ? this.inodeOfType(TYPE_DIRECTORY) : this.inode();
  }

  name(): Buffer {
    return this.dice.chance(0.01) ? Buffer.from(this.dice.pick(['', '.', '..', 'a/b', 'x\0'])) : this.dice.pick(NAMES);
  }

  existingEntry(): { parent: number; name: Buffer } {
    const { nodes, edges } = this.state;
    for (let i = 0; i < 100; i++) {
      const edge = 1 + this.dice.below(edges.rowLimit);
      if (edges.child.get(edge) !== 0 && edges.parent.get(edge) !== 0) {
        return {
          parent: this.asSent(nodes.inode.get(edges.parent.get(edge))),
          name: Buffer.from(edges.name(edge)),
        };
      }
    }
    return { parent: ROOT_INODE, name: this.name() };
  }

  className(): Buffer {
    return Buffer.from(this.dice.pick(['x', 'y', 'z,1', '1', '2', '9', 'nix', '']));
  }

  uid(): number {
    return this.dice.pick([0, 0, 0, 0, 0, 1000, 1000, 1001, 1002]);
  }

  caller(): { uid: number; gids: number[] } {
    return { uid: this.uid(), gids: this.dice.pick([[0], [1000], [1000, 5], [1001, 1000, 7], [1002]]) };
  }

  mode(): number {
    return this.dice.pick([0o777, 0o777, 0o755, 0o770, 0o644, 0o2775, 0o4755, 0o1777, 0o600, 0o6777, 0, 0o070]);
  }

  /** Whether a rename would put a directory into itself, which kills the real master. */
  movesIntoItself(state: State, request: { srcParent: number; srcName: Buffer; dstParent: number }): boolean {
    const { nodes, edges } = state;
    const real = (inode: number): number => nodes.find(inode === ROOT_INODE ? this.sessionRoot() : inode);
    const edge = edges.find(real(request.srcParent), request.srcName);
    return edge !== 0 && edges.child.get(edge) === real(request.dstParent);
  }
}
