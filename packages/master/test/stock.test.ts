import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster } from '../../../test/support/cluster.ts';
import { until } from '../../../test/support/until.ts';

const SHELL_TIMEOUT_MS = 120_000;

/** The lines of a dump that say what a file system is: in any order, without counters that no changelog line changes. */
function contentOf(image: string): string[] {
  const dump = execFileSync('mfsmetadump', [image], { encoding: 'latin1', maxBuffer: 1 << 28 });
  return dump
    .split('\n')
    .filter((line) => line !== '' && !/^# (-|section header)/.test(line))
    .map((line) => line.replace(/\|c:\[[0-9,]*\]\|l:\[[0-9,]*\]/, '').replace(/\|d: *\d+\|i:/, '|i:'))
    .sort();
}

/** Our master with stock chunkservers, a stock mount and the stock tools. */
describe('stock programs with our master', () => {
  let cluster: Cluster;
  let mnt: string;

  beforeAll(async () => {
    cluster = await Cluster.start({ master: 'alces', chunkservers: ['stock', 'stock', 'stock'] });
    mnt = await cluster.mount('stock');
  });
  afterAll(() => cluster.destroy());

  /** Runs shell commands in the mount; a failing command fails the test. */
  const shell = async (script: string): Promise<string> => {
    const options = { cwd: mnt, timeoutMs: SHELL_TIMEOUT_MS };
    const result = await cluster.namespace.run('bash', ['-euc', script], options);
    if (result.status !== 0) throw new Error(`${script}\n${result.stdout}${result.stderr}`);
    return result.stdout.trimEnd();
  };
  const lines = async (script: string) => (await shell(script)).split('\n');

  test('files: data, attributes, links, special files', async () => {
    expect(await shell('mkdir -p dir/sub; echo hello moose > dir/small.txt; cat dir/small.txt')).toBe('hello moose');
    await shell(`
      dd if=/dev/urandom of=../two.cmp bs=1k count=200 status=none; cp ../two.cmp dir/two.bin
      dd if=/dev/urandom of=../patch bs=1k count=10 status=none
      for f in dir/two.bin ../two.cmp; do dd if=../patch of=$f bs=1k seek=50 conv=notrunc status=none; truncate -s 90000 $f; done
      cmp dir/two.bin ../two.cmp
      truncate -s 100M dir/sparse.bin; echo tail >> dir/sparse.bin
      ln -s small.txt dir/link; ln dir/small.txt dir/sub/hard; mkfifo dir/fifo; mknod dir/chr c 1 3; mknod dir/blk b 8 1
      chmod 640 dir/small.txt; chown 1001:1002 dir/small.txt; touch -d '2020-01-02 UTC' dir/small.txt; mv dir/sub/hard dir/sub/renamed`);
    expect(await shell('tail -c 5 dir/sparse.bin; stat -c %s dir/sparse.bin')).toBe('tail\n104857605');
    expect(await shell('stat -c "%a %u %g %h %Y %F" dir/small.txt')).toBe('640 1001 1002 2 1577923200 regular file');
    expect(await shell('readlink dir/link; stat -c "%t %T %F" dir/chr dir/blk')).toBe(
      'small.txt\n1 3 character special file\n8 1 block special file',
    );
    expect(await shell('ls -A dir')).toBe('blk\nchr\nfifo\nlink\nsmall.txt\nsparse.bin\nsub\ntwo.bin');
  });

  test('extended attributes and ACLs', async () => {
    expect(
      await shell('setfattr -n user.color -v brown dir/small.txt; getfattr --only-values -n user.color dir/small.txt'),
    ).toBe('brown');
    expect(await shell('setfattr -x user.color dir/small.txt; getfattr -d dir/small.txt')).toBe('');
    await shell(
      'setfacl -m u:1002:rwx,g:1003:r dir/small.txt; setfacl -d -m u:1002:rwx dir/sub; touch dir/sub/inherits',
    );
    expect(await shell('getfacl -cn dir/sub/inherits 2>/dev/null | grep -v effective')).toContain('user::rw-');
    expect(await shell('getfacl -cn dir/small.txt')).toBe(
      'user::rw-\nuser:1002:rwx\ngroup::r--\ngroup:1003:r--\nmask::rwx\nother::---',
    );
  });

  test('an unprivileged user is kept out', async () => {
    await shell('mkdir private; chmod 700 private; echo x > private/f; echo x > readable; chmod 644 readable');
    const as = (command: string) =>
      shell(`setpriv --reuid 4321 --regid 4321 --clear-groups bash -c '${command}' 2>&1 || true`);
    expect(await as('cat private/f')).toContain('Permission denied');
    expect(await as('echo y >> readable')).toContain('Permission denied');
    expect(await as('cat readable')).toBe('x');
    expect(await as('touch new')).toBe('');
    expect(await shell('stat -c %u new')).toBe('4321');
  });

  test('locks', async () => {
    const answer = await shell(`python3 - <<'P'
import fcntl, os
f = open('dir/two.bin', 'r+b'); g = open('dir/two.bin', 'r+b')
fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
try: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB); print('flock granted twice')
except BlockingIOError: print('flock refused')
fcntl.flock(f, fcntl.LOCK_UN)
fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
if os.fork() == 0:
    h = open('dir/two.bin', 'r+b')
    try: fcntl.lockf(h, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0); print('posix granted twice', flush=True)
    except BlockingIOError: print('posix refused', flush=True)
    os._exit(0)
os.wait()
P`);
    expect(answer).toBe('flock refused\nposix refused');
  });

  test('goals, trash time, extra attributes, storage classes, quotas', async () => {
    expect(await shell('mfssetgoal 3 dir/two.bin; mfsgetgoal dir/two.bin')).toBe(
      'dir/two.bin: goal: 3\ndir/two.bin: 3',
    );
    expect(await shell('mfssettrashtime 3600 dir/small.txt')).toBe('dir/small.txt: 3600');
    expect(await shell('mfsseteattr -f noattrcache dir/small.txt >/dev/null; mfsgeteattr dir/small.txt')).toBe(
      'dir/small.txt: noattrcache',
    );
    expect(await shell('mfsscadmin create -m d -K A,B -C A -A B -d 30 hot; mfssetsclass hot dir/small.txt')).toContain(
      'ok',
    );
    expect(await shell('mfsscadmin modify -d 60 hot >/dev/null; mfsscadmin list -l | tail -1')).toBe(
      'hot : 1->2->1 ; admin_only: NO ; mode: STD ; create_labels: [A] ; keep_labels: [A] , [B] ; arch_labels: [B] ; arch_delay: 60d',
    );
    expect(await shell('mfsscadmin delete hot || true')).toContain('Class in use');
    expect(await shell('mfssetquota -I 1000 -S 1G dir >/dev/null; mfsgetquota dir')).toMatch(
      /inodes +\| +10 +\| +- +\| +1000 \|/,
    );
    expect(await shell('mfssetgoal -r 2 dir | head -2')).toContain('goal changed: ');
  });

  test('a full quota refuses', async () => {
    await shell('mkdir small; mfssetquota -I 2 small > /dev/null; touch small/a small/b');
    expect(await shell('touch small/c 2>&1 || true')).toContain('Disk quota exceeded');
    await shell('mfsdelquota -I small > /dev/null; touch small/c');
  });

  test('snapshots, appended chunks, information about files', async () => {
    await shell('mfsmakesnapshot dir snap; echo more >> snap/small.txt');
    expect(await shell('cat snap/small.txt dir/small.txt')).toBe('hello moose\nmore\nhello moose');
    await shell('mfsappendchunks app dir/two.bin dir/small.txt');
    expect(await shell('tail -c 12 app; cmp -n 90000 app dir/two.bin')).toBe('hello moose');
    expect(await lines('mfsdirinfo dir | tr -s " "')).toContain(' directories: 2');
    expect(await shell('mfscheckfile dir/two.bin')).toMatch(/chunks with \d cop/);
    expect((await lines('mfsfilepaths dir/small.txt')).slice(1).sort()).toEqual(['dir/small.txt', 'dir/sub/renamed']);
    expect(await shell('mfsfilerepair dir/two.bin')).toContain('chunks not changed:          1');
    expect(await shell('mfsrmsnapshot snap 2>&1 || true')).toContain('Operation not permitted');
    await shell('mfsmakesnapshot dir/two.bin untouched; mfsrmsnapshot untouched; ! ls untouched 2> /dev/null');
  });

  test('a file deleted while open stays readable; trash can be undeleted through the meta mount', async () => {
    expect(
      await shell(
        `echo gone > gone.txt; exec 5< gone.txt; mfssettrashtime 0 gone.txt >/dev/null; rm gone.txt; cat <&5; ls gone.txt 2>&1 || true`,
      ),
    ).toContain('gone\n');
    await shell('echo back > undelete.me; rm undelete.me');
    const meta = await cluster.mount('stock', '-m');
    const entry = await until('the file to show in the trash', 10_000, async () => {
      const found = await cluster.namespace.must(
        'bash',
        '-c',
        `ls -d ${meta}/trash/*/*undelete.me* 2>/dev/null || true`,
      );
      return found.trim() || undefined;
    });
    expect(readFileSync(entry, 'utf8')).toBe('undelete.me\n');
    renameSync(entry, join(meta, 'trash/undel/x'));
    expect(await shell('cat undelete.me')).toBe('back');
    cluster.unmount(meta);
  });

  test('two mounts see what the other does', async () => {
    const other = await cluster.mount('stock');
    await shell('echo one > shared; echo two >> shared');
    expect(readFileSync(join(other, 'shared'), 'utf8')).toBe('one\ntwo\n');
    writeFileSync(join(other, 'shared'), 'three\n');
    await until('the other side to show', 10_000, async () => (await shell('cat shared')) === 'three');
    cluster.unmount(other);
  });

  test('every section of mfscli', async () => {
    const sections = [
      'SIM',
      'SIN',
      'SIG',
      'SMU',
      'SIC',
      'SIL',
      'SCS',
      'SMB',
      'SHD',
      'SEX',
      'SMS',
      'SMO',
      'SRS',
      'SSC',
      'SQU',
      'SMC',
      'SOF',
      'SAL',
    ];
    for (const section of sections) {
      const { stdout, stderr, status } = await cluster.namespace.run('mfscli', [
        '-H',
        cluster.masterHost,
        `-${section}`,
      ]);
      expect([section, status, /Traceback|malformed|BUSY/.test(stdout + stderr)]).toEqual([section, 0, false]);
    }
    expect(await cluster.mfscli('-SIN')).toContain('master info:|master version|3.0.117');
    expect(await cluster.mfscli('-SMS')).toContain('active mounts, parameters:');
    expect(await cluster.mfscli('-SCS')).toMatch(/chunk servers:\|10\.90\.0\.11\|9422/);
  });

  test('a stock metalogger gets the image and every change', async () => {
    const folder = join(cluster.folder, 'metalogger');
    mkdirSync(folder);
    const config = join(folder, 'mfsmetalogger.cfg');
    writeFileSync(
      config,
      `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDATA_PATH = ${folder}\nMASTER_HOST = ${cluster.masterHost}\nBIND_HOST = 10.90.0.5\n`,
    );
    await cluster.namespace.must('mfsmetalogger', '-c', config, 'start');
    await until('the download', 20_000, () => readdirSync(folder).includes('changelog_ml_back.1.mfs'));
    expect(await cluster.mfscli('-SMB')).toContain('10.90.0.5');
    await shell('for i in $(seq 100); do mkdir ml$i; done');
    const last = readFileSync(join(cluster.masterData, 'changelog.0.mfs'), 'latin1').trim().split('\n').at(-1)!;
    const received = () => readFileSync(join(folder, 'changelog_ml.0.mfs'), 'latin1');
    await until('the last change to arrive', 10_000, () => received().includes(last));
    const master = readFileSync(join(cluster.masterData, 'changelog.0.mfs'), 'latin1');
    expect(master).toContain(received().trim());
    await cluster.namespace.must('mfsmetalogger', '-c', config, 'stop');
  });

  test('kill -9 and restart keep every acknowledged operation, and the mount goes on', async () => {
    await shell('mkdir crash; for i in $(seq 200); do mkdir crash/d$i; done; echo data > crash/file; sync crash/file');
    await cluster.killMaster();
    await cluster.startMaster();
    expect(await shell('ls crash | wc -l; cat crash/file')).toBe('201\ndata');
    await shell('rmdir crash/d*; rm -r crash');
    await cluster.chunkserversConnected(3);
  });

  test('reload: changed exports reach the mount', async () => {
    cluster.writeExports('* / ro,alldirs,admin,maproot=0:0\n* . rw\n');
    expect((await cluster.master('reload')).status).toBe(0);
    await until('the mount to be read-only', 20_000, async () =>
      (await shell('touch readonly 2>&1 || true')).includes('Read-only file system'),
    );
    cluster.writeExports('* / rw,alldirs,admin,maproot=0:0\n* . rw\n');
    await cluster.master('reload');
    await until('the mount to be writable', 20_000, async () => (await shell('touch writable 2>&1 || true')) === '');
  });

  test('a stock master replays our changelog to the state that we stored, and goes on with it', async () => {
    await shell('for i in $(seq 20); do echo $i > last$i; done; rm last1; mv last2 last3; sync .');
    await cluster.stopMaster();
    const data = cluster.masterData;
    const stored = contentOf(join(data, 'metadata.mfs'));
    const replayed = join(cluster.folder, 'replayed');
    mkdirSync(replayed);
    for (const name of readdirSync(data).filter((file) => /^changelog\.\d+\.mfs$/.test(file)))
      writeFileSync(join(replayed, name), readFileSync(join(data, name)));
    writeFileSync(join(replayed, 'metadata.mfs.back'), 'MFSM NEW');
    const config = join(replayed, 'mfsmaster.cfg');
    const common = `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDATA_PATH = ${replayed}\n`;
    writeFileSync(config, `${common}EXPORTS_FILENAME = ${data}/mfsexports.cfg\n`);
    const restored = await cluster.namespace.run('/usr/sbin/mfsmaster', ['-c', config, '-a', 'restore']);
    expect([restored.status, restored.stderr]).toEqual([0, expect.stringContaining('metadata have been cleaned')]);
    expect(contentOf(join(replayed, 'metadata.mfs'))).toEqual(stored);
    rmSync(replayed, { recursive: true });

    cluster.switchMaster('stock');
    await cluster.startMaster();
    expect(await shell('cat last3; ls last1 2>&1 || true')).toContain('2\n');
    await shell('echo by stock > bystock');
    await cluster.chunkserversConnected(3);
    await cluster.stopMaster();
    cluster.switchMaster('alces');
    await cluster.startMaster();
    expect(await shell('cat bystock last3 dir/small.txt')).toBe('by stock\n2\nhello moose');
  });
});
