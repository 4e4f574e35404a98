import { execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { CLTOMA_FUSE_REGISTER, REGISTER_BLOB, RegisterCode } from '@alces/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type Mounts, startMounts } from './mounts.ts';

const NAMES = ['.masterinfo', '.stats', '.oplog', '.ophistory', '.mooseart', '.random', '.params'];

describe('special files', () => {
  let mounts: Mounts;

  beforeAll(async () => {
    mounts = await startMounts();
    await fs.mkdir(join(mounts.ours, 'folder'));
  });
  afterAll(() => mounts.cluster.destroy());

  it('have the attributes of the stock ones and are not listed', async () => {
    for (const name of NAMES) {
      const [ours, theirs] = await Promise.all([mounts.ours, mounts.stock].map((mount) => fs.stat(join(mount, name))));
      const facts = ({ ino, mode, nlink, uid, gid, size, mtimeMs }: typeof ours) => [
        ino,
        mode,
        nlink,
        uid,
        gid,
        size,
        mtimeMs,
      ];
      expect(facts(ours), name).toEqual(facts(theirs));
    }
    expect(await fs.readdir(mounts.ours)).toEqual(['folder']);
    expect((await fs.stat(join(mounts.ours, 'folder', '.masterinfo'))).ino).toBe(0x7fffffff);
    await expect(fs.stat(join(mounts.ours, 'folder', '.stats'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('refuse what the stock ones refuse', async () => {
    const script = NAMES.flatMap((name) => [
      `true > ${name}`,
      `rm -f ${name}`,
      `mkdir ${name}`,
      `mv ${name} other`,
      `mv folder ${name}`,
      `ln ${name} other`,
      `chmod 777 ${name}`,
      `setfattr -n user.x -v 1 ${name}`,
      `flock -n ${name} true`,
      `setpriv --reuid=65534 --regid=65534 --clear-groups cat ${name} | head -c 1 | wc -c`,
      `test -w ${name}; echo $?`,
    ])
      .map((command) => `{ ${command}; } 2>&1; echo "rc $?"`)
      .join('\n');
    const out = (mount: string): string[] =>
      execFileSync('sh', ['-c', `cd ${mount}\n${script}`], { encoding: 'utf8' }).split('\n');
    expect(out(mounts.ours)).toEqual(out(mounts.stock));
  });

  it('.stats counts under the stock names and is reset by a write', async () => {
    const names = async (mount: string): Promise<string[]> =>
      (await fs.readFile(join(mount, '.stats'), 'utf8')).split('\n').map((line) => line.split(':')[0]);
    expect(await names(mounts.ours)).toEqual(await names(mounts.stock));
    const value = async (name: string): Promise<number> => {
      const text = await fs.readFile(join(mounts.ours, '.stats'), 'utf8');
      return Number(new RegExp(`^${name.replaceAll('.', '\\.')}: (\\d+)$`, 'm').exec(text)?.[1]);
    };
    const before = await value('fuse_ops.mkdir');
    await fs.mkdir(join(mounts.ours, 'counted'));
    expect(await value('fuse_ops.mkdir')).toBe(before + 1);
    expect(await value('master.packets_sent')).toBeGreaterThan(0);
    expect(await value('master.bytes_received')).toBeGreaterThan(0);
    await fs.writeFile(join(mounts.ours, '.stats'), 'x');
    await until('the reset', 5000, async () => (await value('fuse_ops.mkdir')) === 0);
  });

  it('.oplog shows operations as they happen, .ophistory also those before', async () => {
    await fs.writeFile(join(mounts.ours, 'past'), 'x');
    const readers = ['.oplog', '.ophistory'].map((name) => {
      const child = spawn('cat', [join(mounts.ours, name)], { stdio: ['ignore', 'pipe', 'inherit'] });
      const reader = { child, text: '' };
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        reader.text += text;
      });
      return reader;
    });
    const [live, history] = readers;
    await until('both to be open', 5000, () => readers.every(({ text }) => text !== ''));
    await fs.mkdir(join(mounts.ours, 'now'));
    const line = /^\d\d\.\d\d \d\d:\d\d:\d\d\.\d{6}: uid:0 gid:0 pid:\d+ cmd:mkdir \(1,now,drwx/m;
    await until('the line', 5000, () => line.test(live.text) && line.test(history.text));
    expect(live.text).not.toContain('(1,past');
    expect(history.text).toContain('cmd:create (1,past,O_WRONLY|O_CREAT|O_TRUNC,-rw-rw-rw-:0100666): OK (0.0,');
    await until('an idle second', 5000, () => /^#$/m.test(live.text));
    const ends = readers.map(
      ({ child }) => new Promise((resolve) => child.on('exit', (_code, signal) => resolve(signal))),
    );
    for (const { child } of readers) child.kill('SIGTERM');
    expect(await Promise.all(ends)).toEqual(['SIGTERM', 'SIGTERM']);
  });

  it('.random gives bytes without end', () => {
    const out = execFileSync('sh', ['-c', `head -c 300000 ${mounts.ours}/.random | sort -u | wc -c`], {
      encoding: 'utf8',
    });
    expect(Number(out)).toBeGreaterThan(200_000);
  });
});

describe("the tools' proxy", () => {
  let mounts: Mounts;

  beforeAll(async () => {
    mounts = await startMounts({ ours: ['-o', 'mfsnegentrycacheto=3600'] });
    await fs.mkdir(join(mounts.ours, 'd', 'e'), { recursive: true });
    await fs.writeFile(join(mounts.ours, 'd', 'f'), 'x'.repeat(100_000));
  });
  afterAll(() => mounts.cluster.destroy());

  const tool = async (command: string, ...args: string[]) => {
    const { status, stdout, stderr } = await mounts.cluster.namespace.run(command, args);
    return { status, output: stdout + stderr };
  };

  it.each([
    ['mfsgetgoal', '-r', 'd'],
    ['mfsgetsclass', 'd/f'],
    ['mfsgettrashtime', '-r', 'd'],
    ['mfsgeteattr', '-r', 'd'],
    ['mfscheckfile', 'd/f'],
    ['mfsfileinfo', 'd/f'],
    ['mfsdirinfo', 'd'],
    ['mfsfilepaths', 'd/f'],
    ['mfsgetquota', 'd'],
    ['mfsgetgoal', 'missing'],
  ])('%s works through ours as through the stock mount: %s %s', async (command, ...args) => {
    const through = async (mount: string) => {
      const result = await tool(command, ...args.map((arg) => (arg.startsWith('-') ? arg : join(mount, arg))));
      return { status: result.status, output: result.output.replaceAll(mount, 'MOUNT') };
    };
    expect(await through(mounts.ours)).toEqual(await through(mounts.stock));
  });

  it('changes arrive', async () => {
    const path = join(mounts.ours, 'd', 'f');
    expect((await tool('mfssetgoal', '1', path)).status).toBe(0);
    expect((await tool('mfsgetgoal', join(mounts.stock, 'd', 'f'))).output).toContain(': 1');
    expect((await tool('mfssettrashtime', '7200', path)).status).toBe(0);
    expect((await tool('mfsgettrashtime', path)).output).toContain(': 7200');
    expect((await tool('mfssetquota', '-i', '100', join(mounts.ours, 'd'))).status).toBe(0);
    expect((await tool('mfsscadmin', mounts.ours, 'create', '-K', '2A', 'twoA')).output).toContain('ok');
  });

  it('a snapshot is seen although the name was remembered as missing', async () => {
    const copy = join(mounts.ours, 'copy');
    await expect(fs.stat(copy)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fs.stat(copy)).rejects.toMatchObject({ code: 'ENOENT' });
    expect((await tool('mfsmakesnapshot', join(mounts.ours, 'd'), copy)).status).toBe(0);
    expect((await fs.readFile(join(copy, 'f'))).length).toBe(100_000);
  });

  it('takes only registered tools and bounded requests', async () => {
    const info = await fs.readFile(join(mounts.ours, '.masterinfo'));
    const port = info.readUInt16BE(4);
    const blob = Buffer.concat([REGISTER_BLOB, Buffer.from([RegisterCode.TOOLS]), Buffer.alloc(8)]);
    const frame = (type: number, payload: Buffer): Buffer => {
      const header = Buffer.alloc(8);
      header.writeUInt32BE(type, 0);
      header.writeUInt32BE(payload.length, 4);
      return Buffer.concat([header, payload]);
    };
    const register = CLTOMA_FUSE_REGISTER.number;
    expect(await talk(port, frame(register, blob))).toBe('000001910000000100');
    expect(await talk(port, frame(register, blob.subarray(1)))).toBe('closed');
    expect(await talk(port, frame(register, Buffer.concat([blob, blob])))).toBe('closed');
    expect(await talk(port, frame(402, Buffer.alloc(3)))).toBe('closed');
    expect(await talk(port, frame(402, Buffer.alloc(50_001)))).toBe('closed');
    expect(await talk(port, frame(402, Buffer.from('11223344', 'hex')))).toMatch(/^000001930000003011223344/);
  });

  /** Sends bytes from inside the namespace; the first answer in hex, or `closed`. */
  async function talk(port: number, bytes: Buffer): Promise<string> {
    const script =
      'import socket,sys\ns=socket.create_connection(("127.0.0.1",int(sys.argv[1])))\ns.settimeout(10)\n' +
      'd=b""\ntry:\n s.sendall(bytes.fromhex(sys.argv[2]))\n d=s.recv(65536)\nexcept OSError: pass\nprint(d.hex() or "closed")';
    const out = await mounts.cluster.namespace.run('python3', ['-', String(port), bytes.toString('hex')], {
      input: script,
    });
    return out.stdout.trim();
  }

  it('listens only where it says', async () => {
    const info = await fs.readFile(join(mounts.ours, '.masterinfo'));
    const ip = [...info.subarray(0, 4)].join('.');
    expect(ip).toBe('127.0.0.1');
    const outside = createConnection({ host: ip, port: info.readUInt16BE(4) });
    const failed = await new Promise((resolve) => {
      outside.on('error', () => resolve(true));
      outside.on('connect', () => resolve(false));
    });
    outside.destroy();
    expect(failed).toBe(true);
  });
});
