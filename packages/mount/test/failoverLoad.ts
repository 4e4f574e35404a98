/**
 * A load on a mounted folder, as a program of its own: a process that holds open files of a mount can't start programs while the mount
 * waits for its master (each new program's copies of the descriptors are flushed), and the test has to start masters.
 *
 * `node failoverLoad.ts FOLDER`: a JSON line with the numbers of turns after each turn; ends after a line on its input, with a line that
 * tells what must be in the folder.
 */
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';

export interface Progress {
  naming: number;
  writing: number;
  closing: number;
}

export interface Outcome {
  /** Bytes and SHA-256 of the file `written`. */
  bytes: number;
  digest: string;
}

const folder = process.argv[2]!;
const progress: Progress = { naming: 0, writing: 0, closing: 0 };
let stopping = false;

async function load(kind: keyof Progress, step: (turn: number) => Promise<void>): Promise<void> {
  for (let turn = 0; !stopping; turn++) {
    await step(turn);
    progress[kind]++;
    process.stdout.write(`${JSON.stringify(progress)}\n`);
  }
}

/** Makes, renames and removes names; any of it done twice fails. */
async function changeNames(turn: number): Promise<void> {
  const path = join(folder, 'names', `n${turn}`);
  await fs.mkdir(path);
  await fs.rename(path, `${path}-renamed`);
  await (await fs.open(`${path}-file`, 'wx')).close();
  await fs.unlink(`${path}-file`);
  if (turn % 3 === 0) await fs.rmdir(`${path}-renamed`);
}

async function writeSmallFile(turn: number): Promise<void> {
  const content = `content of ${turn}`;
  const file = await fs.open(join(folder, 'closed', `c${turn}`), 'wx');
  await file.write(content);
  await file.truncate(content.length - 1);
  await file.close();
}

async function run(): Promise<void> {
  await fs.mkdir(join(folder, 'names'));
  await fs.mkdir(join(folder, 'closed'));
  const file = await fs.open(join(folder, 'written'), 'wx');
  const digest = createHash('sha256');
  let bytes = 0;
  await Promise.all([
    load('naming', changeNames),
    load('closing', writeSmallFile),
    load('writing', async () => {
      const data = randomBytes(1 + (randomBytes(3).readUIntBE(0, 3) % 200_000));
      await file.write(data);
      await file.datasync();
      digest.update(data);
      bytes += data.length;
    }),
  ]);
  await file.close();
  const outcome: Outcome = { bytes, digest: digest.digest('hex') };
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
}

process.stdin.once('data', () => {
  stopping = true;
});
await run();
