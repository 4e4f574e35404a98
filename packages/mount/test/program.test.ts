import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, type Kind, program } from '../../../test/support/cluster.ts';
import type { CommandResult } from '../../../test/support/namespace.ts';
import { until } from '../../../test/support/until.ts';

const EXPORTS = [
  '10.90.0.1 / rw,alldirs,maproot=0:0,admin',
  '10.90.0.2 / ro,alldirs,maproot=1000:nogroup,mapall=daemon:daemon,ignoregid,dynamicip,umask=0027',
  '10.90.0.3 / rw,maproot=0,mingoal=2,maxgoal=5,mintrashtime=1h,maxtrashtime=2w3d,disable=chown:unlink',
  '10.90.0.4 / rw,password=secret',
  '10.90.0.5 / rw,mintrashtime=90s',
  '* . rw',
];

function mountedAt(point: string): string | undefined {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[1] === point);
}

describe('the mfsmount program', () => {
  let cluster: Cluster;
  let points = 0;

  beforeAll(async () => {
    cluster = await Cluster.start({ master: 'stock', chunkservers: ['stock'], exports: `${EXPORTS.join('\n')}\n` });
    for (const host of [2, 3, 4]) {
      execFileSync('ip', ['-n', cluster.namespace.name, 'addr', 'add', `10.90.0.${host}/32`, 'dev', 'lo']);
    }
  });
  afterAll(async () => {
    for (let index = 0; index < points; index++) {
      const point = join(cluster.folder, `point${index}`);
      if (mountedAt(point)) execFileSync('umount', ['-l', point]);
    }
    await cluster.destroy();
  });

  function newPoint(): string {
    const point = join(cluster.folder, `point${points++}`);
    mkdirSync(point);
    return point;
  }

  async function run(kind: Kind, args: string[], input?: string): Promise<CommandResult> {
    return cluster.namespace.run(program(kind, 'mfsmount'), args, { ...(input !== undefined && { input }) });
  }

  /** Mounts, hands the mount point and what was printed to `look`, and unmounts. */
  async function mounted<T>(
    kind: Kind,
    args: string[],
    look: (point: string, printed: string) => Promise<T> | T,
  ): Promise<T> {
    const point = newPoint();
    const { status, stderr } = await run(kind, [point, '-H', cluster.masterHost, ...args]);
    if (status !== 0) throw new Error(`${kind}: exit status ${status}: ${stderr}`);
    try {
      return await look(point, stderr);
    } finally {
      execFileSync('umount', ['-l', point]);
    }
  }

  it.each(['10.90.0.1', '10.90.0.2', '10.90.0.3', '10.90.0.5'])(
    'tells from %s what the master granted, in the words of the stock mount',
    async (address) => {
      const accepted = (_point: string, printed: string): string => printed.split('\n')[0];
      const ours = await mounted('alces', ['-B', address], accepted);
      expect(ours).toBe(await mounted('stock', ['-B', address], accepted));
      expect(ours).toMatch(/^mfsmaster accepted connection with parameters: /);
    },
  );

  it('gives the same parameters in .params', async () => {
    const params = (point: string): string[] =>
      readFileSync(join(point, '.params'), 'utf8')
        .split('\n')
        .filter((line) => !line.startsWith('kernel_') && !line.startsWith('compiled_with'));
    const options = ['-B', '10.90.0.3', '-o', 'mfsentrycacheto=2.5,mfsnoxattrs,mfscachemode=never,mfspreflabels=A;B'];
    expect(await mounted('alces', options, params)).toEqual(await mounted('stock', options, params));
  });

  it.each([
    { what: 'no mount point', args: [] },
    { what: 'a mount point that is missing', args: ['/no/such', '-H', '10.90.0.1'] },
    { what: 'a mount point that is a file', args: ['/etc/passwd', '-H', '10.90.0.1'] },
    { what: 'a mount point that is not empty', args: ['/etc', '-H', '10.90.0.1'] },
    { what: 'a master without a name', args: ['POINT', '-H', 'no.such.host.invalid'] },
    { what: 'a master that is not there', args: ['POINT', '-H', '10.90.0.1', '-P', '9999'] },
    { what: 'a folder that is missing', args: ['POINT', '-H', '10.90.0.1', '-S', 'nowhere'] },
    { what: 'an address that is not exported', args: ['POINT', '-H', '10.90.0.1', '-B', '10.90.0.11'] },
    { what: 'a password that is missing', args: ['POINT', '-H', '10.90.0.1', '-B', '10.90.0.4'] },
    { what: 'a wrong password', args: ['POINT', '-H', '10.90.0.1', '-B', '10.90.0.4', '-o', 'mfspassword=x'] },
    { what: 'a second mount point', args: ['POINT', 'more'] },
    { what: 'a bad cache mode', args: ['POINT', '-o', 'mfscachemode=x'] },
    { what: 'a bad number', args: ['POINT', '-o', 'mfsioretries=x'] },
  ])('refuses $what as the stock mount does', async ({ args }) => {
    const point = newPoint();
    const given = args.map((arg) => (arg === 'POINT' ? point : arg));
    const [ours, theirs] = [await run('alces', given), await run('stock', given)];
    expect(ours.status).toBe(1);
    const expected = theirs.stderr.replace('/usr/bin/mfsmount', 'mfsmount');
    expect({ status: ours.status, text: ours.stderr }).toEqual({ status: theirs.status, text: expected });
    expect(mountedAt(point)).toBeUndefined();
  });

  it('mounts with the password in every form', async () => {
    const file = join(cluster.folder, 'password');
    writeFileSync(file, 'secret\n');
    const hex = '5ebe2294ecd0e0f08eab7690d2a6ee69';
    for (const option of ['mfspassword=secret', `mfsmd5pass=${hex}`, `mfspassfile=${file}`]) {
      await mounted('alces', ['-B', '10.90.0.4', '-o', option], async (point) => {
        expect((await fs.stat(point)).ino).toBe(1);
        expect(await fs.readFile(join(point, '.params'), 'utf8')).not.toContain('secret\n');
      });
    }
    const point = newPoint();
    const asked = await run('alces', [point, '-H', cluster.masterHost, '-B', '10.90.0.4', '-p'], 'secret\n');
    expect(asked.status).toBe(0);
    expect(asked.stderr).toContain('MFS Password:');
    execFileSync('umount', [point]);
  });

  it('mounts sub-folders, read-only, and as mount helper', async () => {
    await mounted('alces', [], async (point) => {
      await fs.mkdir(join(point, 'sub', 'deeper'), { recursive: true });
      await fs.writeFile(join(point, 'sub', 'file'), 'in sub');
    });
    await mounted('alces', ['-S', '/sub', '-o', 'ro'], async (point) => {
      expect((await fs.readdir(point)).sort()).toEqual(['deeper', 'file']);
      expect((await fs.stat(join(point, 'deeper', '..'))).ino).toBe(1);
      await expect(fs.writeFile(join(point, 'x'), '')).rejects.toMatchObject({ code: 'EROFS' });
      expect(mountedAt(point)).toMatch(/^mfs\\04310\.90\.0\.1:9421 .* fuse\.mfs ro,/);
    });
    const point = newPoint();
    const { status } = await run('alces', [
      `${cluster.masterHost}:9421:sub`,
      point,
      '-o',
      'rw,noatime,_netdev,mfsioretries=5',
    ]);
    expect(status).toBe(0);
    expect(mountedAt(point)).toMatch(/^mfs\\04310\.90\.0\.1:9421\/sub .* fuse\.mfs rw,.*noatime/);
    execFileSync('umount', [point]);
  });

  it('reads options from a file', async () => {
    const point = newPoint();
    const file = join(cluster.folder, 'mount.cfg');
    writeFileSync(file, `# ours\nmfsmaster=${cluster.masterHost}\nmfssubfolder=/sub\n${point}\n`);
    expect((await run('alces', ['-c', file])).status).toBe(0);
    expect((await fs.readdir(point)).sort()).toEqual(['deeper', 'file']);
    execFileSync('umount', [point]);
    expect((await run('alces', [point, '-c', '/no/such.cfg'])).status).toBe(134);
  });

  it('prints help and version', async () => {
    const help = await run('alces', ['-h']);
    expect([help.status, help.stdout.startsWith('usage: mfsmount [HOST[:PORT]:[PATH]] [options] mountpoint')]).toEqual([
      1,
      true,
    ]);
    const version = await run('alces', ['-V']);
    expect([version.status, version.stderr.split('\n')[0]]).toEqual([
      0,
      'MFS version: 3.0.117-1 ; build: 1341 (Alces)',
    ]);
  });

  it('lets the terminal go once it is mounted', async () => {
    const point = newPoint();
    const command = `${program('alces', 'mfsmount')} ${point} -H ${cluster.masterHost} 2>&1 | cat`;
    const { stdout } = await cluster.namespace.run('sh', ['-c', command]);
    expect(stdout).toContain('mfsmaster accepted connection');
    expect(mountedAt(point)).toBeDefined();
    execFileSync('umount', [point]);
  });

  describe('the end', () => {
    async function pidOf(point: string): Promise<number> {
      const { stdout } = await cluster.namespace.run('mfscli', ['-H', cluster.masterHost, '-SMS', '-s', '|']);
      expect(stdout).toContain(point);
      const found = cluster.namespace.pids().find((pid) => {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(`mfsmount (mounted on: ${point}`);
      });
      if (found === undefined) throw new Error(`no process serves ${point}`);
      return found;
    }

    const gone = (pid: number): Promise<true> =>
      until('the process to end', 10_000, () => !cluster.namespace.pids().includes(pid) && (true as const));

    /** The master lists a closed session as inactive, with nothing left to wait for, until it is removed. */
    async function sessionClosed(point: string): Promise<boolean> {
      const { stdout } = await cluster.namespace.run('mfscli', ['-H', cluster.masterHost, '-SMS', '-s', '|']);
      const lines = stdout.split('\n').filter((line) => line.includes(`|${point}|`));
      return lines.every((line) => line.startsWith('inactive mounts') && line.endsWith('|0'));
    }

    async function mountOurs(): Promise<{ point: string; pid: number }> {
      const point = newPoint();
      expect((await run('alces', [point, '-H', cluster.masterHost])).status).toBe(0);
      return { point, pid: await pidOf(point) };
    }

    it('by umount closes the session', async () => {
      const { point, pid } = await mountOurs();
      await fs.writeFile(join(point, 'last'), 'written before the end');
      execFileSync('umount', [point]);
      await gone(pid);
      expect(await sessionClosed(point)).toBe(true);
    });

    it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
      'by %s unmounts, saves what was written, closes the session',
      async (signal) => {
        const { point, pid } = await mountOurs();
        const file = await fs.open(join(point, `written-${signal}`), 'w');
        await file.write('x'.repeat(3_000_000));
        process.kill(pid, signal);
        await gone(pid);
        expect(mountedAt(point)).toBeUndefined();
        expect(await sessionClosed(point)).toBe(true);
        await file.close().catch(() => {});
        await mounted('stock', [], async (other) => {
          expect((await fs.stat(join(other, `written-${signal}`))).size).toBe(3_000_000);
        });
      },
    );

    it('by umount -l waits for the last user', async () => {
      const { point, pid } = await mountOurs();
      const file = await fs.open(join(point, 'lazy'), 'w');
      execFileSync('umount', ['-l', point]);
      await file.writeFile('after the detach');
      expect(cluster.namespace.pids()).toContain(pid);
      await file.close();
      await gone(pid);
      await mounted('alces', [], async (other) => {
        expect(await fs.readFile(join(other, 'lazy'), 'utf8')).toBe('after the detach');
      });
    });

    it('by SIGKILL leaves a mount point that says so and can be mounted again', async () => {
      const { point, pid } = await mountOurs();
      process.kill(pid, 'SIGKILL');
      await gone(pid);
      await until('the mount point to be dead', 5000, async () => {
        const error = await fs.stat(point).catch((refusal: NodeJS.ErrnoException) => refusal);
        return error instanceof Error && error.code === 'ENOTCONN';
      });
      const again = await run('alces', [point, '-H', cluster.masterHost]);
      expect([again.status, again.stderr]).toEqual([1, (await run('stock', [point, '-H', cluster.masterHost])).stderr]);
      execFileSync('umount', [point]);
      expect((await run('alces', [point, '-H', cluster.masterHost])).status).toBe(0);
      execFileSync('umount', [point]);
    });
  });

  it('with mfsdelayedinit mounts without a master and works when it comes', async () => {
    await cluster.stopMaster();
    const point = newPoint();
    const { status } = await run('alces', [point, '-H', cluster.masterHost, '-o', 'mfsdelayedinit']);
    expect(status).toBe(0);
    await expect(fs.readdir(point)).rejects.toMatchObject({ code: 'EIO' });
    await cluster.startMaster();
    await until('the mount to work', 20_000, async () =>
      (await fs.readdir(point).catch((): string[] => [])).includes('sub'),
    );
    execFileSync('umount', [point]);
  });

  it('finishes a write that a restart of the master interrupts', async () => {
    // Another process has the file open: starting a program closes its copy of an open file, which waits for the data.
    const script =
      'import os,sys\nf=os.open(sys.argv[1],os.O_RDWR|os.O_CREAT)\nos.write(f,b"before")\nos.fsync(f)\n' +
      'print("ready",flush=True)\nsys.stdin.readline()\nos.pwrite(f,b" and after",6)\nprint("written",flush=True)\n' +
      'os.fsync(f)\nprint(os.pread(f,100,0).decode(),flush=True)\n';
    await mounted('alces', [], async (point) => {
      const writer = spawn('python3', ['-c', script, join(point, 'restart')], { stdio: ['pipe', 'pipe', 'inherit'] });
      let printed = '';
      writer.stdout.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
      });
      await until('the first write', 10_000, () => printed.includes('ready'));
      await cluster.stopMaster();
      writer.stdin.write('go\n');
      await until('the second write', 10_000, () => printed.includes('written'));
      await cluster.startMaster();
      await until('the end of the write', 40_000, () => printed.includes('before and after'));
    });
  });
});
