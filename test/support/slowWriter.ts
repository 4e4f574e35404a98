// Writes numbered lines to an open file, one every few milliseconds with an fsync now and then: slowWriter.ts FILE LINES.
// Ends with status 0 only if no call failed.
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const [file, lines] = process.argv.slice(2);
if (!file || !lines) throw new Error('usage: FILE LINES');
const fd = openSync(file, 'w');
process.stdout.write('open\n');
for (let index = 0; index < Number(lines); index++) {
  writeSync(fd, `line ${index}\n`);
  if (index % 10 === 0) fsyncSync(fd);
  await wait(5);
}
closeSync(fd);
