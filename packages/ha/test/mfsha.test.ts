import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepalivedConfig } from '../src/command/keepalivedConfig.ts';
import { notifiedState } from '../src/command/notifyState.ts';
import { restartHelpers } from '../src/command/restart.ts';
import { formatBytes, formatDuration, progressLine } from '../src/command/words.ts';
import type { ControlRequest, NodeReport } from '../src/control/types.ts';
import { fitness } from '../src/vip/fitness.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', '..', 'bin', 'mfsha');

const REPORT: NodeReport = {
  self: 'alpha',
  witness: false,
  role: 'Primary',
  data: 'UpToDate',
  joined: true,
  epoch: 7,
  promised: 7,
  leader: 'alpha',
  phase: 'leading',
  leaseValid: true,
  base: 0,
  version: 4711,
  stored: 4711,
  committed: 4711,
  leaderCommitted: 4711,
  retain: 4711,
  wanted: true,
  splitBrain: false,
  problem: '',
  peers: [
    {
      id: 'beta',
      witness: false,
      role: 'Secondary',
      connection: 'SyncSource',
      data: 'Outdated',
      version: 11,
      behind: 4700,
    },
    {
      id: 'watch',
      witness: true,
      role: 'Unknown',
      connection: 'WFConnection',
      data: 'DUnknown',
      version: 0,
      behind: 0,
    },
  ],
  history: [],
  stalledBy: undefined,
  daemon: 'mfsmetalogger',
  serving: true,
  maintenance: false,
  vip: { address: '10.0.0.100', held: true },
  clients: 3,
  startedAt: 0,
  protocol: 'C',
  quorum: 2,
};

describe('mfsha against a control socket', () => {
  let folder: string;
  let server: Server;
  let asked: ControlRequest[];
  let answer: (request: ControlRequest) => object | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'haf-mfsha-'));
    asked = [];
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => {
        const request: ControlRequest = JSON.parse(bytes.toString());
        asked.push(request);
        const reply = answer(request);
        if (reply !== undefined) socket.write(`${JSON.stringify(reply)}\n`);
      });
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  const mfsha = (...args: string[]) => run('-s', join(folder, 'socket'), ...args);

  function run(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
    return new Promise((resolve) => {
      const child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      let out = '';
      let err = '';
      child.stdout.on('data', (bytes: Buffer) => {
        out += bytes;
      });
      child.stderr.on('data', (bytes: Buffer) => {
        err += bytes;
      });
      child.on('close', (status) => resolve({ status, out, err }));
    });
  }

  it('shows the status in words and as it is', async () => {
    answer = () => ({ ok: true, node: { ...REPORT, sync: { bytes: 1 << 20, totalBytes: 4 << 20, elapsedMs: 1000 } } });
    const shown = await mfsha('status');
    expect(shown.status).toBe(0);
    for (const text of [
      'Primary',
      'epoch',
      '10.0.0.100, here',
      'SyncSource',
      'WFConnection',
      'witness',
      '25.0%',
      '0:00:03',
    ])
      expect(shown.out).toContain(text);
    expect(JSON.parse((await mfsha('status', '--json')).out)).toMatchObject({ role: 'Primary', version: 4711 });
  });

  it('shows how a node catches up, change by change, with the speed of the moment', async () => {
    let version = 10_000;
    answer = () => {
      const [beta, watch] = REPORT.peers;
      const node = { ...REPORT, peers: [{ ...beta, version, behind: 40_000 - version }, watch] };
      version += 10_000;
      return { ok: true, node };
    };
    const { out } = await mfsha('status');
    const line = out.trimEnd().split('\n').at(-1) ?? '';
    expect(line).toMatch(
      /^beta {2}\[=+>\.+\] sync'ed: 50\.0% \(change 20000 of 40000\) {2}speed: \d{4,5} changes\/s {2}finish: 0:00:0\d$/,
    );
    version = 39_500;
    expect((await mfsha('status')).out).not.toContain("sync'ed");
  });

  it('checks: silent and 0 when fit, a reason and 1 when not', async () => {
    answer = () => ({ ok: true, node: REPORT });
    expect(await mfsha('check')).toEqual({ status: 0, out: '', err: '' });
    answer = () => ({ ok: true, node: { ...REPORT, maintenance: true } });
    expect(await mfsha('check')).toEqual({ status: 1, out: 'unfit: maintenance is on\n', err: '' });
    answer = () => undefined;
    expect((await mfsha('check')).out).toBe('unfit: no answer within 1000 ms\n');
  });

  it('passes orders on, and says what the node refuses', async () => {
    answer = () => ({ ok: true, leader: 'beta' });
    expect((await mfsha('switch')).out).toBe('beta leads\n');
    await mfsha('switch', 'beta');
    await mfsha('promote', '--force', '--wait', '5');
    await mfsha('demote');
    await mfsha('maintenance', 'on');
    await mfsha('resolve', '--discard-my-data');
    await mfsha('notify', 'INSTANCE', 'mfs', 'MASTER', '220');
    await mfsha('notify', 'fault');
    expect(asked).toEqual([
      { command: 'switch' },
      { command: 'switch', to: 'beta' },
      { command: 'promote', force: true, waitMs: 5000 },
      { command: 'demote' },
      { command: 'maintenance', on: true },
      { command: 'resolve', discardMyData: true },
      { command: 'promote', force: false, waitMs: 30_000 },
      { command: 'demote' },
    ]);
    answer = () => ({ ok: false, error: 'the quorum did not promise' });
    expect(await mfsha('promote')).toEqual({ status: 1, out: '', err: 'mfsha: the quorum did not promise\n' });
  });

  it('shows what happened', async () => {
    answer = () => ({ ok: true, events: [{ timeMs: 0, epoch: 7, what: 'leads' }] });
    expect((await mfsha('history')).out).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.000 {2}epoch 7 {2}leads\n$/);
    expect(asked).toEqual([{ command: 'history', count: 50 }]);
  });

  it('tells mistakes on the command line from nodes that do not run', async () => {
    answer = () => ({ ok: true });
    const wrong = [
      [],
      ['what'],
      ['maintenance'],
      ['maintenance', 'maybe'],
      ['resolve'],
      ['notify', 'whom'],
      ['promote', '--wait', 'x'],
      ['demote', '--force'],
      ['status', '--multicast'],
      ['history', '-n', '0'],
      ['switch', 'beta', 'gamma'],
      ['status', '--what'],
    ];
    for (const args of wrong) expect((await mfsha(...args)).status, args.join(' ')).toBe(2);
    expect(asked).toEqual([]);
    expect((await mfsha('demote', '--force')).err).toBe(
      "mfsha: 'demote' takes no --force\n'mfsha -h' shows how it is used\n",
    );
    expect((await mfsha('-h')).status).toBe(0);
    // A file is not the command line.
    const absent = join(folder, 'absent.cfg');
    const { status, err } = await run('-c', absent, 'status');
    expect([status, err.startsWith(`mfsha: there is no ${absent}: `), err.includes('mfsha -h')]).toEqual([
      2,
      true,
      false,
    ]);
    expect((await mfsha('-s', join(folder, 'nobody'), 'demote')).status).toBe(3);
  }, 60_000);
});

describe('fitness', () => {
  it('orders nodes: who leads, who follows, who lags, who can not', () => {
    const follower = { ...REPORT, role: 'Secondary' as const, phase: 'following' as const, leader: 'beta' };
    const ordered = [
      fitness({ ...follower, phase: 'promising' as const }),
      fitness(follower),
      fitness({ ...follower, data: 'Outdated' }),
      fitness({ ...follower, data: 'Inconsistent' }),
    ];
    expect(ordered.map(({ fit }) => fit)).toEqual([true, true, true, false]);
    for (let index = 1; index < ordered.length; index++)
      expect(ordered[index].weight).toBeLessThan(ordered[index - 1].weight);
    for (const change of [{ witness: true }, { maintenance: true }, { stalledBy: 'no space' }])
      expect(fitness({ ...REPORT, ...change })).toMatchObject({ fit: false, weight: -254 });
    expect(fitness({ ...follower, splitBrain: true })).toMatchObject({ fit: false, weight: -254 });
    expect(fitness({ ...REPORT, splitBrain: true }).fit).toBe(true);
  });
});

describe('words', () => {
  it('are those of keepalived', () => {
    expect(notifiedState(['INSTANCE', 'mfs', 'MASTER', '220'])).toBe('MASTER');
    expect(notifiedState(['GROUP', 'g', 'FAULT'])).toBe('FAULT');
    expect(notifiedState(['INSTANCE', 'mfs', 'MASTER_RX_LOWER_PRI', '220'])).toBeUndefined();
    expect(notifiedState(['stop'])).toBe('STOP');
    expect(() => notifiedState(['master', 'now'])).toThrow('notify');
  });

  it('show amounts', () => {
    expect([0, 1023, 1536, 45 << 20].map(formatBytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '45.0 MiB']);
    expect(formatDuration(3_661_000)).toBe('1:01:01');
    expect(progressLine(0, 0, 0)).toContain('0.0%');
    expect(progressLine(10, 10, 5)).toContain('100.0%');
  });
});

describe('a helper daemon that must run', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'haf-helper-'));
    const helper = join(folder, 'helper');
    writeFileSync(
      helper,
      `#!/bin/sh\ncd ${folder}\n[ "$1" = test ] && { [ -e runs ]; exit; }\necho "$*" >> calls\n[ -e broken ] && { echo no luck; exit 1; }\n: > runs\n`,
    );
    chmodSync(helper, 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is started again, looked at now and then only, and missed when it does not start', async () => {
    const look = (nowMs: number) => restartHelpers(join(folder, 'helper'), join(folder, 'stamp'), nowMs);
    const helper = join(folder, 'helper');
    const start = 1_000_000_000_000;
    expect(await look(start)).toEqual([`${helper} did not run: started`]);
    rmSync(join(folder, 'runs'));
    expect(await look(start + 14_000)).toEqual([]);
    expect(await look(start + 15_000)).toEqual([`${helper} did not run: started`]);
    expect(await look(start + 30_000)).toEqual([]);
    rmSync(join(folder, 'runs'));
    writeFileSync(join(folder, 'broken'), '');
    expect(await look(start + 45_000)).toEqual([`${helper} does not run and can't be started: no luck`]);
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe('start\nstart\nstart\n');
  });
});

describe('keepalived-config', () => {
  const settings = {
    node: 'alpha',
    address: '10.0.0.1',
    peers: [{ id: 'beta', address: '10.0.0.2' }],
    place: 0,
    vip: { address: '10.0.0.100', prefix: 24 },
    interfaceName: 'eth0',
    multicast: false,
    advertMs: 100,
    virtualRouterId: 51,
    trackFile: '/var/lib/mfs/.mfsha.weight',
    fifo: '/var/lib/mfs/.mfsha.fifo',
    nodeUser: 'root',
    mfsha: '/usr/sbin/mfsha',
    user: 'root',
  };

  it('gives the first node of NODES the highest priority, and what VRRP needs', () => {
    const first = keepalivedConfig(settings);
    const second = keepalivedConfig({ ...settings, place: 1 });
    const priority = (text: string) => Number(/ priority (\d+)/.exec(text)?.[1]);
    expect(priority(first)).toBeGreaterThan(priority(second));
    for (const line of ['nopreempt', 'advert_int 0.1', 'vrrp_version 3', 'unicast_src_ip 10.0.0.1'])
      expect(first).toContain(`${line}\n`);
  });

  it('is what the installed keepalived takes, for two and three nodes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'haf-keepalived-'));
    const real = {
      ...settings,
      fifo: join(folder, 'fifo'),
      trackFile: join(folder, 'weight'),
      mfsha: PROGRAM,
    };
    const three = [...settings.peers, { id: 'gamma', address: '10.0.0.3' }];
    const mail = { to: 'root@localhost', from: 'keepalived@localhost', server: '127.0.0.1' };
    const check = (text: string) => {
      writeFileSync(join(folder, 'keepalived.conf'), text);
      const script = 'ip link add eth0 type veth peer name eth1 && ip link set eth0 up && exec keepalived -t -f "$0"';
      const args = ['-n', 'sh', '-c', script, join(folder, 'keepalived.conf')];
      const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
      return `${status} ${stdout}${stderr}`;
    };
    try {
      for (const peers of [settings.peers, three]) {
        for (const multicast of [false, true]) {
          for (const more of [{}, { advertMs: 10 }, { advertMs: 1000, password: 'a=1/b@c%' }, { mail }])
            expect(check(keepalivedConfig({ ...real, peers, multicast, ...more }))).toBe('0 ');
        }
      }
      expect(check(keepalivedConfig(real).replace('advert_int 0.1', 'advert_int soon'))).toMatch(/^5 /);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses what keepalived would round or cut', () => {
    expect(() => keepalivedConfig({ ...settings, password: 'secret' })).toThrow('--advert-ms 1000');
    expect(() => keepalivedConfig({ ...settings, advertMs: 1000, password: 'much too long' })).toThrow('1 to 8');
    expect(() => keepalivedConfig({ ...settings, advertMs: 1000, password: 'a#b' })).toThrow('letters, digits');
    expect(() => keepalivedConfig({ ...settings, virtualRouterId: 256 })).toThrow('router id');
    const mail = { to: 'root', from: 'a@b', server: '10.0.0.9\n}' };
    expect(() => keepalivedConfig({ ...settings, mail })).toThrow('not an address for mail');
  });
});
