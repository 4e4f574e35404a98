import { expect, test } from 'vitest';
import { WireClient } from '../../packages/master/test/support/wireClient.ts';
import { MasterProgram } from './support/masterProgram.ts';
import { Worker } from './support/worker.ts';

const KILLS_PER_MASTER = 100;
const WORKERS = 5;
const LONGEST_LIFE_MS = 150;
async function connect(port: number) {
  const client = await WireClient.mount(port);
  const request = (frame: Buffer) => {
    client.sendRaw(frame);
    return client.frame();
  };
  return { request, end: () => client.end() };
}

const connectionEnded = (error: unknown) => {
  if (!(error instanceof Error && /connection closed/.test(error.message))) throw error;
};

test.concurrent.each([0, 1, 2])(
  'save mode %i: killed at random moments, nothing acknowledged is missing',
  async (saveMode) => {
    const master = await new MasterProgram().prepare(saveMode);
    const below = (limit: number) => Math.floor(Math.random() * limit);
    const workers = Array.from({ length: WORKERS }, (_, index) => new Worker(`worker${index}`, below));
    const kills = saveMode === 1 ? 20 : KILLS_PER_MASTER - 10;
    try {
      for (let round = 0; round < kills; round++) {
        if (round % 8 === 7) await master.startAndKill(100 + below(300));
        await master.start();
        const wires = await Promise.all(workers.map(() => connect(master.port)));
        await Promise.all(workers.map((worker, index) => worker.check(wires[index]!)));
        const ends = workers.map((worker, index) => worker.work(wires[index]!).catch(connectionEnded));
        await new Promise((resolve) => setTimeout(resolve, below(LONGEST_LIFE_MS)));
        if (round % 3 === 0) {
          // The kill finds an image, a new change log, or both half made.
          process.kill(master.pid, 'SIGUSR2');
          await new Promise((resolve) => setTimeout(resolve, below(12)));
        }
        await master.kill();
        for (const wire of wires) wire.end();
        await Promise.all(ends);
      }
      await master.start();
      const wire = await connect(master.port);
      for (const worker of workers) await worker.check(wire);
      wire.end();
      const acknowledged = workers.reduce((sum, worker) => sum + worker.acknowledged, 0);
      expect(acknowledged).toBeGreaterThan(10 * kills);
    } finally {
      master.destroy();
    }
  },
  400_000,
);
