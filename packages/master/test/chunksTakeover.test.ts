import { setTimeout } from 'node:timers/promises';
import { connect } from '@alces/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { ChangingFiles } from './chunks-support/changingFiles.ts';
import { Pair } from './chunks-support/pair.ts';

const FAILOVERS = 30;

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
    await pair.failOver();
    expect(await client.readFile('/a')).toEqual(content);
    await client.writeFile('/b', content);
    expect(await client.readFile('/b')).toEqual(content);
    await until('registered with the old leader as follower', 5000, () => pair.nodes[0].standby.figures.servers === 2);
    await until('copies known', 5000, () => pair.nodes[0].standby.figures.copies === 4);
  });

  test('keep every write that was acknowledged, whenever the leader dies', { timeout: 60_000 }, async () => {
    await pair.start(2);
    await using client = await connect({ masters: pair.masters });
    const files = await ChangingFiles.make(client, 6);
    const load = files.change();
    for (let round = 0; round < FAILOVERS; round++) {
      await setTimeout(Math.random() * 40);
      await pair.failOver();
      await files.progress();
    }
    files.stop();
    await load;
    await files.check();
  });
});
