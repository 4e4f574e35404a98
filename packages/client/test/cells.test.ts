import { BLOCK_SIZE, CHUNK_SIZE } from '@alces/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Budget } from '../src/data/budget.ts';
import { type Cell, CellQueue } from '../src/data/cells.ts';

function contentOf(cell: Cell): Buffer {
  return Buffer.concat([...cell.content]);
}

describe('CellQueue', () => {
  it('joins what touches in one block and starts a new cell after a gap', () => {
    const queue = new CellQueue();
    queue.add(10, Buffer.from('aaaa'));
    queue.add(14, Buffer.from('bb'));
    queue.add(8, Buffer.from('cc'));
    queue.add(12, Buffer.from('DD'));
    queue.add(100, Buffer.from('x'));
    expect(queue.unsentCount).toBe(2);
    const cell = queue.markSent(1);
    expect([cell.start, cell.end, contentOf(cell).toString()]).toEqual([8, 16, 'ccaaDDbb']);
  });

  it('never changes a sent cell', () => {
    const queue = new CellQueue();
    queue.add(0, Buffer.from('old'));
    const sent = queue.markSent(7);
    queue.add(0, Buffer.from('new'));
    expect(contentOf(sent).toString()).toBe('old');
    expect(contentOf(queue.markSent(8)).toString()).toBe('new');
    expect(queue.acknowledge(9)).toBeUndefined();
    expect(queue.acknowledge(7)).toBe(sent);
    expect(queue.acknowledge(7)).toBeUndefined();
  });

  it('offers a partial cell only when asked to, or when another one follows', () => {
    const queue = new CellQueue();
    queue.add(0, Buffer.alloc(10));
    expect(queue.peek(false)).toBeUndefined();
    expect(queue.peek(true)?.length).toBe(10);
    queue.add(BLOCK_SIZE, Buffer.alloc(BLOCK_SIZE));
    expect(queue.peek(false)?.length).toBe(10);
    queue.markSent(1);
    expect(queue.peek(false)?.isFull).toBe(true);
  });

  it('sends again in the same order what was not acknowledged', () => {
    const queue = new CellQueue();
    for (let block = 0; block < 4; block++) queue.add(block * BLOCK_SIZE, Buffer.from([block]));
    queue.markSent(1);
    queue.markSent(2);
    queue.markSent(3);
    queue.acknowledge(2);
    queue.takeBack();
    expect(queue.sentCount).toBe(0);
    expect([queue.markSent(1), queue.markSent(2), queue.markSent(3)].map(({ block }) => block)).toEqual([0, 2, 3]);
  });

  it('gives back what it was charged for', () => {
    const queue = new CellQueue();
    queue.add(0, Buffer.alloc(100));
    queue.add(50, Buffer.alloc(100));
    queue.add(BLOCK_SIZE, Buffer.alloc(7));
    queue.markSent(1);
    expect(queue.clear()).toBe(207);
    expect(queue.isEmpty).toBe(true);
  });

  it('leaves the bytes of the last write, whatever the order of writes, sends and failures', () => {
    const blocks = 3;
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ at: fc.nat(blocks * BLOCK_SIZE - 1), length: fc.integer({ min: 1, max: 90_000 }) }),
      },
      { weight: 3, arbitrary: fc.constantFrom('send' as const, 'acknowledge' as const) },
      { weight: 1, arbitrary: fc.constant('fail' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const expected = Buffer.alloc(blocks * BLOCK_SIZE);
        const server = Buffer.alloc(blocks * BLOCK_SIZE);
        const queue = new CellQueue();
        const sent: { id: number; cell: Cell }[] = [];
        let id = 0;
        let fill = 0;
        const send = (): void => {
          if (queue.peek(true) === undefined) return;
          const cell = queue.markSent(++id);
          sent.push({ id, cell });
          contentOf(cell).copy(server, cell.block * BLOCK_SIZE + cell.start);
        };
        for (const current of steps) {
          if (current === 'send') send();
          else if (current === 'acknowledge') {
            const first = sent.shift();
            if (first) queue.acknowledge(first.id);
          } else if (current === 'fail') {
            queue.takeBack();
            sent.length = 0;
          } else {
            const end = Math.min(current.at + current.length, expected.length);
            fill = (fill % 255) + 1;
            expected.fill(fill, current.at, end);
            for (let at = current.at; at < end; ) {
              const stop = Math.min(end, (Math.floor(at / BLOCK_SIZE) + 1) * BLOCK_SIZE);
              queue.add(at, Buffer.alloc(stop - at, fill));
              at = stop;
            }
          }
        }
        while (queue.unsentCount > 0) send();
        expect(server.equals(expected)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('knows where dirty bytes may be', () => {
    const queue = new CellQueue();
    expect(queue.overlaps(0, CHUNK_SIZE)).toBe(false);
    queue.add(1000, Buffer.alloc(10));
    expect([
      queue.overlaps(0, 1000),
      queue.overlaps(0, 1001),
      queue.overlaps(1009, 2000),
      queue.overlaps(1010, 2000),
    ]).toEqual([false, true, true, false]);
  });
});

describe('Budget', () => {
  it('serves waiters in their order', async () => {
    const budget = new Budget(10);
    expect(budget.take(6)).toBeUndefined();
    const order: string[] = [];
    const big = budget.take(8)!.then(() => order.push('big'));
    const small = budget.take(1)!.then(() => order.push('small'));
    expect(budget.waiting).toBe(2);
    budget.give(6);
    await Promise.all([big, small]);
    expect(order).toEqual(['big', 'small']);
    expect(budget.used).toBe(9);
  });

  it('lets something bigger than itself pass alone', async () => {
    const budget = new Budget(10);
    expect(budget.take(1)).toBeUndefined();
    const huge = budget.take(100)!;
    budget.give(1);
    await huge;
    expect(budget.used).toBe(100);
    expect(() => budget.give(101)).toThrow('more than it gave');
  });
});
