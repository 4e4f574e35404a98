import { connect } from '@alces/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { Pair } from './chunks-support/pair.ts';

let pair: Pair;

beforeEach(() => {
  pair = new Pair();
});

afterEach(() => pair.destroy());

describe('chunkservers registered with a node that follows', () => {
  test('are its own when it leads: what they have is known at once', async () => {
    await pair.start(2);
    await using client = await connect({ masters: pair.masters });
    const content = Buffer.alloc(300_000, 'kept');
    await client.writeFile('/a', content);
    const before = pair.nodes[1].standby.figures;
    expect(before).toMatchObject({ servers: 2, copies: 2 });
    const startedMs = performance.now();
    await pair.failOver();
    const ledMs = performance.now();
    expect(await client.readFile('/a')).toEqual(content);
    const readMs = performance.now();
    await client.writeFile('/b', content);
    console.log(`lead ${ledMs - startedMs} ms, read ${readMs - ledMs} ms, write ${performance.now() - readMs} ms`);
    expect(await client.readFile('/b')).toEqual(content);
    await until('registered with the old leader as follower', 5000, () => pair.nodes[0].standby.figures.servers === 2);
    await until('copies known', 5000, () => pair.nodes[0].standby.figures.copies === 4);
  });
});
