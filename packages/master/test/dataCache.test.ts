import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataCacheTable } from '../src/clients/dataCache.ts';

/** The table as a list, newest first. */
class Model {
  pairs: { inode: number; session: number; good: boolean }[] = [];
  readonly capacity: number;
  constructor(capacity: number) {
    this.capacity = capacity;
  }
  take(inode: number, session: number) {
    const found = this.pairs.find((pair) => pair.inode === inode && pair.session === session);
    if (found) this.pairs = [found, ...this.pairs.filter((pair) => pair !== found)];
    return found;
  }
  open(inode: number, session: number) {
    const found = this.take(inode, session);
    if (!found) this.pairs = [{ inode, session, good: false }, ...this.pairs].slice(0, this.capacity);
    return found?.good ?? false;
  }
  access(inode: number, session: number) {
    const found = this.take(inode, session);
    if (found) found.good = true;
  }
  modify(inode: number, session: number) {
    this.pairs = this.pairs.filter((pair) => pair.inode !== inode || pair.session === session);
    this.access(inode, session);
  }
  remove(inode: number) {
    this.pairs = this.pairs.filter((pair) => pair.inode !== inode);
  }
}

describe('data cache table', () => {
  test('behaves as a bounded list of pairs', () => {
    const step = fc.record({
      call: fc.constantFrom('open', 'access', 'modify', 'remove'),
      inode: fc.integer({ min: 1, max: 6 }),
      session: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new DataCacheTable(8);
        const model = new Model(8);
        for (const { call, inode, session } of steps) {
          if (call === 'open') expect(table.open(inode, session)).toBe(model.open(inode, session));
          else if (call === 'access') {
            table.access(inode, session);
            model.access(inode, session);
          } else if (call === 'modify') {
            table.modify(inode, session);
            model.modify(inode, session);
          } else {
            table.remove(inode);
            model.remove(inode);
          }
        }
      }),
    );
  });
});
