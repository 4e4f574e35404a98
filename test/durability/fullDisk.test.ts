import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLTOMA_FUSE_MKDIR, MATOCL_FUSE_MKDIR, Status } from '@alces/proto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WireClient } from '../../packages/master/test/support/wireClient.ts';
import { until } from '../support/until.ts';
import { MasterProgram } from './support/masterProgram.ts';

let folder: string;
let master: MasterProgram;
let client: WireClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'alces-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', folder]);
  master = await new MasterProgram(folder).prepare(2);
  await master.start();
  client = await WireClient.mount(master.port);
});
afterEach(() => {
  client.end();
  execFileSync(
    join(import.meta.dirname, '..', '..', 'bin', 'mfsmaster'),
    ['-c', join(folder, 'mfsmaster.cfg'), 'kill'],
    {
      stdio: 'ignore',
    },
  );
  execFileSync('umount', ['-l', folder]);
  rmSync(folder, { recursive: true });
  // The emergency place, as nothing else on this machine makes one while this runs.
  rmSync(EMERGENCY, { force: true });
});

/** The home of the user who runs the test comes first among the places. */
const EMERGENCY = join(process.env.HOME ?? '/root', 'metadata.mfs.emergency');

const STORED = /metadata \(version \d+\) stored to an emergency place only: .*metadata\.mfs\.emergency/;

const mkdir = (name: string) =>
  client.request(
    CLTOMA_FUSE_MKDIR,
    { msgid: 1, parent: 1, name: Buffer.from(name), mode: 0o755, umask: 0, copysgid: 0, uid: 0, gids: [0] },
    MATOCL_FUSE_MKDIR,
  );

/** Something that changes nothing: the signal before it has been worked off. */
const mkdirRefused = async () => expect(await mkdir('a')).toMatchObject({ layout: 'status', status: Status.EEXIST });

function fill(leftBytes = 0): void {
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(join(folder, 'fill'), Buffer.alloc(bavail * bsize - leftBytes));
}

test('a save on a full disk goes to an emergency place, and the master lives', async () => {
  expect(await mkdir('a')).toMatchObject({ layout: 'data' });
  fill();
  // The log is on the full disk, too.
  for (let round = 0; round < 200; round++) {
    process.kill(master.pid, 'SIGUSR1');
    await mkdirRefused();
  }
  const { status, said } = await master.act('save');
  expect(said).toMatch(STORED);
  expect(status).toBe(1);
  rmSync(join(folder, 'fill'));
  expect(await mkdir('b')).toMatchObject({ layout: 'data' });
  await master.act('info');
  await until(
    'the log to go on',
    10_000,
    () => master.log().trimEnd().endsWith('}') && master.log().includes('.emergency'),
  );
});

test('so does one while changes wait for the disk, and these are acknowledged when there is space again', async () => {
  fill();
  let answered = 0;
  // Until the last page of the change log is full.
  const answers = (async () => {
    for (let number = 0; number < 400; number++) {
      expect(await mkdir(`a${number}`)).toMatchObject({ layout: 'data' });
      answered++;
    }
  })();
  await until('the journal to be stalled', 20_000, () =>
    master.log().includes('no change is acknowledged until this is over'),
  );
  const before = answered;
  const { status, said } = await master.act('save');
  expect(said).toMatch(STORED);
  expect(status).toBe(1);
  expect(answered).toBe(before);
  rmSync(join(folder, 'fill'));
  await answers;
  expect(master.log()).toContain('changes are acknowledged again');
}, 60_000);

test('a stop stores the metadata although there is no room for the charts', async () => {
  expect(await mkdir('a')).toMatchObject({ layout: 'data' });
  fill(64 * 1024);
  const { status, said } = await master.act('stop');
  expect(said).not.toContain('emergency');
  expect(status).toBe(0);
  expect(master.log()).toContain("can't save statistics: ENOSPC");
  expect(existsSync(join(folder, 'metadata.mfs'))).toBe(true);
  rmSync(join(folder, 'fill'));
  await master.start();
  client = await WireClient.mount(master.port);
  await mkdirRefused();
});
