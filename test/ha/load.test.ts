import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.ts';
import { until } from '../support/until.ts';
import { expectedModel, findings, pauseMs, readLog } from './support/verify.ts';
import { Load, type Worker } from './support/workers.ts';

const THINK_MS = 3;

describe('the load and its verifier', () => {
  let cluster: Cluster;
  let load: Load;
  let workers: Worker[];

  beforeAll(async () => {
    cluster = await Cluster.start({ master: 'alces', chunkservers: ['alces', 'alces'] });
    load = new Load(join(cluster.folder, 'load'));
    const ours = await cluster.mount('alces');
    const stock = await cluster.mount('stock');
    workers = [load.start(ours, 'alces', THINK_MS), load.start(stock, 'stock', THINK_MS)];
  });
  afterAll(async () => {
    load?.kill();
    await cluster?.destroy();
  });

  const answered = (worker: Worker) => readLog(worker.log).filter(({ ended }) => ended !== undefined).length;

  it('find nothing wrong when an orderly master is restarted under it', async () => {
    await until('some work', 20_000, () => workers.every((worker) => answered(worker) > 300));
    const stoppedMs = Date.now();
    await cluster.stopMaster();
    await cluster.startMaster();
    const before = workers.map(answered);
    await until('work behind the restart', 60_000, () =>
      workers.every((worker, index) => answered(worker) > before[index] + 200),
    );
    expect(await load.stop(), load.complaints).toEqual([0, 0]);
    const fresh = await cluster.mount('alces');
    for (const { folder, log } of workers) {
      expect(findings(join(fresh, folder.split('/').at(-1) ?? ''), log)).toEqual([]);
      expect(pauseMs(readLog(log), stoppedMs, 30_000)).toBeGreaterThan(0);
    }
  }, 120_000);

  it('notice what is lost, what is too much, and what is damaged', () => {
    const { folder, log } = workers[0];
    const files = [...expectedModel(readLog(log)).things].filter(
      ([, thing]) => thing.kind === 'file' && thing.links === 1 && thing.records.length > 0,
    );
    const [[lost], [damaged], [longer]] = files;
    rmSync(join(folder, lost));
    const content = readFileSync(join(folder, damaged));
    content[content.length - 1] ^= 1;
    writeFileSync(join(folder, damaged), content);
    appendFileSync(join(folder, longer), 'x');
    writeFileSync(join(folder, 'extra'), '');
    const found = findings(folder, log).join('\n');
    expect(found).toContain(`${lost} (file) is lost`);
    expect(found).toMatch(new RegExp(`^${damaged}: record`, 'm'));
    expect(found).toMatch(new RegExp(`^${longer}: \\d+ bytes instead`, 'm'));
    expect(found).toContain('extra is there and should not be');
    expect(found.split('\n')).toHaveLength(4);
  });
});
