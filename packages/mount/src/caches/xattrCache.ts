import type { Request } from '@alces/fuse';
import type { Clock } from '@alces/runtime';
import { ExpiringMap } from './expiringMap.ts';

const INODE_LIMIT = 65_536;
const NAMES_PER_INODE = 256;

/** A value, or the errno that asking for it gave. */
export type XattrAnswer = Buffer | number;

/** Extended attributes by inode, user and name (`mfsxattrcacheto`; spec 10 §12.5). */
export class XattrCache {
  readonly #clock: Clock;
  readonly #lifeMs: number;
  readonly #inodes: ExpiringMap<number, ExpiringMap<string, XattrAnswer>>;

  constructor(clock: Clock, lifeSeconds: number) {
    this.#clock = clock;
    this.#lifeMs = lifeSeconds * 1000;
    // An inode's map outlives its youngest entry, which checks itself.
    this.#inodes = new ExpiringMap(clock, 2 * this.#lifeMs, INODE_LIMIT);
  }

  get({ node, uid, gid }: Request, name: string): XattrAnswer | undefined {
    return this.#inodes.get(node)?.get(`${uid}/${gid}/${name}`);
  }

  put(request: Pick<Request, 'uid' | 'gid'>, inode: number, name: string, answer: XattrAnswer): void {
    if (this.#lifeMs <= 0) return;
    let names = this.#inodes.get(inode);
    if (names === undefined) names = new ExpiringMap(this.#clock, this.#lifeMs, NAMES_PER_INODE);
    this.#inodes.set(inode, names);
    names.set(`${request.uid}/${request.gid}/${name}`, answer);
  }

  /** Something about the inode's attributes changed, for all users. */
  drop(inode: number): void {
    this.#inodes.delete(inode);
  }
}
