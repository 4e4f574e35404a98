// The guardian of a node, a process of its own: guardianProcess.ts TRACK_FILE HANG_MS [VIP INTERFACE]
// Reads lines `WEIGHT` from the node on its standard input. Writes the newest weight into the file that keepalived tracks. When the
// node dies (end of input) or hangs (no line for HANG_MS) it writes that the node is unfit and takes the VIP, if any, off this host.
import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';

const UNFIT = '-254';
const [trackFile, hangText, vip, interfaceName] = process.argv.slice(2);
const hangMs = Number(hangText);

let written: string | undefined;

function write(weight: string): void {
  if (weight === written) return;
  written = weight;
  try {
    writeFileSync(trackFile, `${weight}\n`);
  } catch {
    // keepalived, as root, made the file when there was none; the folder is the node's.
    rmSync(trackFile, { force: true });
    writeFileSync(trackFile, `${weight}\n`);
  }
}

function removeVip(done: () => void): void {
  if (vip === undefined) return done();
  // That the address is not there is what is wanted.
  execFile('ip', ['address', 'del', vip, 'dev', interfaceName], () => done());
}

function unfit(done: () => void = () => {}): void {
  write(UNFIT);
  removeVip(done);
}

let heard = false;
const hang = setTimeout(() => {
  // After a pause of the whole machine the timer comes before the lines that wait: those count.
  heard = false;
  setImmediate(() => {
    if (!heard) unfit();
  });
}, hangMs);

let rest = '';
process.stdin.on('data', (bytes: Buffer) => {
  const lines = (rest + bytes.toString('latin1')).split('\n');
  rest = lines.pop() ?? '';
  const newest = lines.at(-1);
  if (newest === undefined) return;
  heard = true;
  hang.refresh();
  write(newest);
});

const end = () => unfit(() => process.exit(0));
process.stdin.on('close', end);
process.stdin.on('error', end);
// The node's own end is what ends this process; what is sent to the whole group must not end it first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
