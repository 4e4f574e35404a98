// Works on a mount until it is killed: load.ts FOLDER SEED. Errors are of no interest: the master comes and goes.
import {
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { SeededRandom } from '@alces/sim';

const [folder, seed] = process.argv.slice(2);
if (!folder || !seed) throw new Error('usage: FOLDER SEED');
const random = new SeededRandom(Number(seed));
const path = () => join(folder, `d${random.below(12)}`, `n${random.below(60)}`);
const operations: (() => void)[] = [
  () => mkdirSync(join(folder, `d${random.below(12)}`)),
  () => mkdirSync(path()),
  () => writeFileSync(path(), ''),
  () => writeFileSync(path(), ''),
  () => symlinkSync(`to/${random.below(1000)}`, path()),
  () => linkSync(path(), path()),
  () => renameSync(path(), path()),
  () => chmodSync(path(), random.below(0o1000)),
  () => truncateSync(path(), random.below(1 << 16)),
  () => utimesSync(path(), random.below(1e9), random.below(1e9)),
  () => rmSync(path(), { recursive: true }),
];

for (let count = 0; ; count++) {
  try {
    random.pick(operations)();
  } catch {
    // Names are taken, missing, or of another type.
  }
  if (count % 20 === 0) await wait(1);
}
