import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inNetwork, parseVirtualAddress } from '../src/vip/address.ts';
import { arpSender, gratuitousArp, parseMac } from '../src/vip/arp.ts';
import { vrrpState } from '../src/vip/notifyFifo.ts';

describe('virtual addresses', () => {
  it('are read as the configuration writes them', () => {
    expect(parseVirtualAddress('10.0.0.100/24')).toEqual({ address: '10.0.0.100', prefix: 24 });
    expect(parseVirtualAddress('10.0.0.100')).toEqual({ address: '10.0.0.100', prefix: 32 });
    for (const bad of ['', '10.0.0', '10.0.0.1/33', '10.0.0.1/x', '10.0.0.1/24/2', '::1/64', '10.0.0.256'])
      expect(() => parseVirtualAddress(bad), bad).toThrow('not a virtual address');
  });

  it('belong to networks', () => {
    expect(inNetwork('10.0.0.100', '10.0.0.1', 24)).toBe(true);
    expect(inNetwork('10.0.1.100', '10.0.0.1', 24)).toBe(false);
    expect(inNetwork('192.168.0.1', '10.0.0.1', 0)).toBe(true);
    expect(inNetwork('200.0.0.1', '200.0.0.2', 31)).toBe(false);
  });
});

describe('gratuitous ARP', () => {
  const sender = { mac: parseMac('02:00:00:00:00:aa'), address: '10.0.0.100' };

  it('says who has the address, as RFC 5227 wants it', () => {
    for (const kind of ['request', 'reply'] as const) {
      const frame = gratuitousArp(sender, kind);
      expect(frame).toHaveLength(60);
      expect(frame.subarray(0, 6).equals(Buffer.alloc(6, 0xff))).toBe(true);
      expect(frame.readUInt16BE(20)).toBe(kind === 'request' ? 1 : 2);
      expect(frame.subarray(28, 32).equals(frame.subarray(38, 42))).toBe(true);
      expect(arpSender(frame)).toEqual(sender);
    }
  });

  it('ignores frames that are something else', () => {
    expect(arpSender(Buffer.alloc(41))).toBeUndefined();
    expect(arpSender(Buffer.alloc(60))).toBeUndefined();
  });
});

describe("lines of keepalived's FIFO", () => {
  it('carry the state of an instance', () => {
    expect(vrrpState('INSTANCE "mfs" MASTER 240', 'mfs')).toBe('MASTER');
    expect(vrrpState('INSTANCE "mfs" FAULT 0')).toBe('FAULT');
    expect(vrrpState('INSTANCE "other" MASTER 240', 'mfs')).toBeUndefined();
    expect(vrrpState('GROUP "mfs" MASTER 240', 'mfs')).toBeUndefined();
    expect(vrrpState('INSTANCE "mfs" MASTER_RX_LOWER_PRI 240', 'mfs')).toBeUndefined();
  });
});

describe('VIP on an interface', () => {
  const namespace = `haf-vip-${process.pid}`;
  const inside = (...command: string[]) =>
    execFileSync('nsenter', [`--net=/run/netns/${namespace}`, ...command], { encoding: 'utf8' });

  beforeAll(() => {
    execFileSync('ip', ['netns', 'add', namespace]);
    inside('ip', 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'two');
    inside('ip', 'link', 'set', 'one', 'up');
    inside('ip', 'link', 'set', 'two', 'up');
    inside('ip', 'address', 'add', '10.0.0.1/24', 'dev', 'one');
    inside('ip', 'address', 'add', '10.9.0.2/24', 'dev', 'two');
  });
  afterAll(() => {
    execFileSync('ip', ['netns', 'del', namespace]);
  });

  it('is taken, announced on the wire, put back when somebody removes it, and dropped', async () => {
    const program = join(import.meta.dirname, 'support', 'vipProgram.ts');
    const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, process.execPath, program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const seen: string[] = [];
    const line = (wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const check = () => {
          if (!seen.includes(wanted)) return;
          clearTimeout(deadline);
          child.stdout.off('data', check);
          resolve();
        };
        const deadline = setTimeout(() => reject(new Error(`no '${wanted}' in ${seen.join(' | ')}`)), 15_000);
        child.stdout.on('data', check);
        check();
      });
    child.stdout.on('data', (bytes: Buffer) => seen.push(...bytes.toString().split('\n').filter(Boolean)));
    try {
      await line('taken true');
      await line('heard 10.0.0.100');
      inside('ip', 'address', 'del', '10.0.0.100/24', 'dev', 'one');
      await line('back true');
      await line('rival');
      child.stdin.end();
      await line('dropped false');
      expect(inside('ip', 'address', 'show', 'dev', 'one')).not.toContain('10.0.0.100');
    } finally {
      child.kill('SIGKILL');
    }
  });
});
