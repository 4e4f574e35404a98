import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { connect } from '@alces/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enterNamespace } from '../../../packages/client/test/support/enterNamespace.ts';
import { Cluster } from '../../../test/support/cluster.ts';
import { ChangingFiles } from './chunks-support/changingFiles.ts';

const KILLS = Number(process.env.ALCES_KILLS ?? 8);
const minute = 60_000;

const HEADER_BYTES = 8192;

/** Data of the chunks on a disk by chunk and version. */
function chunksOn(disk: string): Map<string, Buffer> {
  const names = readdirSync(disk, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.mfs'));
  return new Map(names.map((name) => [basename(name), readFileSync(join(disk, name)).subarray(HEADER_BYTES)]));
}

/** Two copies of one version never differ; where one is shorter the rest is zeros. */
function compareCopies(one: string, other: string): void {
  const others = chunksOn(other);
  let compared = 0;
  for (const [name, data] of chunksOn(one)) {
    const copy = others.get(name);
    if (!copy) continue;
    compared++;
    const whole = Buffer.alloc(Math.max(data.length, copy.length));
    data.copy(whole);
    const wholeCopy = Buffer.alloc(whole.length);
    copy.copy(wholeCopy);
    expect(whole.equals(wholeCopy), `copies of ${name} are equal`).toBe(true);
  }
  expect(compared).toBeGreaterThan(0);
}

describe('a master that is killed while chunkservers, ours and stock ones, change chunks', {
  timeout: 10 * minute,
}, () => {
  let cluster: Cluster;
  let leaveNamespace: () => void;

  beforeAll(async () => {
    cluster = await Cluster.start({ master: 'alces', chunkservers: ['alces', 'stock'] });
    leaveNamespace = enterNamespace(cluster.namespace.name);
  }, minute);

  afterAll(async () => {
    leaveNamespace?.();
    await cluster?.destroy();
  });

  test('has every write that was acknowledged when it is back', async () => {
    await using client = await connect({ masters: [`${cluster.masterHost}:9421`] });
    const files = await ChangingFiles.make(client, 4);
    const load = files.change();
    for (let round = 0; round < KILLS; round++) {
      // A master that has just begun raises the version of each chunk at its first write: now, and a moment later.
      await setTimeout(Math.random() * 60);
      await cluster.killMaster();
      await cluster.startMaster('-a');
      await files.progress();
    }
    files.stop();
    await load;
    await files.check();
    compareCopies(cluster.chunkData(0), cluster.chunkData(1));
  });
});
