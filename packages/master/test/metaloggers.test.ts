import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ANTOAN_GET_VERSION,
  ANTOAN_VERSION,
  ANTOMA_DOWNLOAD_END,
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  ANTOMA_REGISTER,
  crc32,
  DownloadFile,
  MATOAN_DOWNLOAD_DATA,
  MATOAN_DOWNLOAD_INFO,
  MATOAN_METACHANGES_LOG,
  VERSION,
} from '@alces/proto';
import { createLogger, type Listener, realEnvironment } from '@alces/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RecentChanges, type StreamPosition } from '../src/metaloggers/recentChanges.ts';
import { MetaloggerService } from '../src/metaloggers/service.ts';
import { WireClient } from './support/wireClient.ts';

const text = (version: number) => Buffer.from(`1795210808|UNLOCK(${version})`);

describe('recent changes', () => {
  /** Everything from a position on, as versions and marks. */
  function read({ block, offset }: StreamPosition): (number | 'rotate')[] {
    const seen: (number | 'rotate')[] = [];
    for (let at: typeof block | undefined = block, from = offset; at; at = at.next, from = 0) {
      let rest = at.bytes.subarray(from, at.lengthBytes);
      while (rest.length > 0) {
        const length = rest.readUInt32BE(4);
        const change = MATOAN_METACHANGES_LOG.decode(rest.subarray(8, 8 + length));
        seen.push(change.layout === 'change' ? change.metaVersion : 'rotate');
        rest = rest.subarray(8 + length);
      }
    }
    return seen;
  }

  test('positions in the stream, across blocks and rotations', () => {
    const changes = new RecentChanges(100, 1000);
    for (let version = 100; version < 15100; version++) {
      changes.add(version, text(version), 1000, 1800);
      if (version === 101) changes.markRotation();
    }
    expect(read(changes.positionOf(100)!).slice(0, 4)).toEqual([100, 101, 'rotate', 102]);
    expect(read(changes.positionOf(102)!)[0]).toBe(102);
    expect(read(changes.positionOf(9000)!)).toEqual(Array.from({ length: 6100 }, (_, i) => 9000 + i));
    expect(read(changes.positionOf(15100)!)).toEqual([]);
    expect(changes.positionOf(15101)).toBeUndefined();
    expect(changes.positionOf(99)).toBeUndefined();
    expect(() => changes.add(15101, text(1), 1000, 1800)).toThrow('follows');
  });

  test('old blocks go when their time is over, except for those who keep up', () => {
    const changes = new RecentChanges(1, 0);
    const start = changes.end();
    for (let version = 1; version <= 20000; version++) changes.add(version, text(version), version, 6000);
    expect(changes.positionOf(1)).toBeUndefined();
    expect(changes.keeps(start.block)).toBe(false);
    expect(changes.keeps(changes.end().block)).toBe(true);
    expect(read(changes.positionOf(15000)!).length).toBe(5001);
  });

  test('nothing is offered when nothing shall be kept', () => {
    const changes = new RecentChanges(1, 0);
    for (let version = 1; version <= 10; version++) changes.add(version, text(version), 0, 0);
    expect(changes.positionOf(10)).toBeUndefined();
    expect(changes.positionOf(11)).toBeDefined();
  });
});

describe('metalogger service', () => {
  const environment = realEnvironment();
  let folder: string;
  let service: MetaloggerService;
  let listener: Listener;
  let client: WireClient;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'alces-ml-'));
    service = new MetaloggerService({
      clock: environment.clock,
      disk: environment.disk,
      log: createLogger({ name: 'test', target: { file: join(folder, 'log') } }),
      paths: {
        image: join(folder, 'metadata.mfs.back'),
        changelog0: join(folder, 'changelog.0.mfs'),
        changelog1: join(folder, 'changelog.1.mfs'),
      },
      nextVersion: 10,
      keepSeconds: () => 1800,
      configText: () => '',
    });
    listener = await environment.net.listen({ host: '127.0.0.1', port: 0 }, (connection) => service.accept(connection));
    client = await WireClient.connect(listener.port);
  });
  afterEach(async () => {
    client.end();
    service.stop();
    await listener.close();
    rmSync(folder, { recursive: true });
  });

  const change = () => client.receive(MATOAN_METACHANGES_LOG);
  const registered = () => client.request(ANTOAN_GET_VERSION, { msgid: 1 }, ANTOAN_VERSION);

  test('pushes changes and rotations in order, from now on or from a version on', async () => {
    service.add(10, text(10));
    service.add(11, text(11));
    client.send(ANTOMA_REGISTER, { layout: 'fromVersion', version: VERSION, timeout: 10, metaVersion: 11 });
    expect(await change()).toMatchObject({ layout: 'change', metaVersion: 11, text: text(11) });
    await registered();
    expect(service.list()).toEqual([{ version: VERSION, ip: 0x7f000001 }]);
    service.add(12, text(12));
    service.markRotation();
    service.add(13, text(13));
    service.flush();
    expect(await change()).toMatchObject({ metaVersion: 12 });
    expect(await change()).toEqual({ layout: 'rotate' });
    expect(await change()).toMatchObject({ metaVersion: 13 });
  });

  test('what is not there any more is not sent', async () => {
    service.add(10, text(10));
    client.send(ANTOMA_REGISTER, { layout: 'fromVersion', version: VERSION, timeout: 10, metaVersion: 5 });
    await registered();
    service.add(11, text(11));
    service.flush();
    expect(await change()).toMatchObject({ metaVersion: 11 });
  });

  test('hands out the image and the changelogs as they were at the start of the download', async () => {
    writeFileSync(join(folder, 'metadata.mfs.back'), 'MFSM NEW');
    writeFileSync(join(folder, 'changelog.0.mfs'), '1: a\n');
    const start = (file: number) => client.request(ANTOMA_DOWNLOAD_START, { file }, MATOAN_DOWNLOAD_INFO);
    const read = (offset: number, length: number) =>
      client.request(ANTOMA_DOWNLOAD_REQUEST, { offset, length }, MATOAN_DOWNLOAD_DATA);
    expect(await start(DownloadFile.METADATA)).toEqual({ layout: 'size', size: 8 });
    rmSync(join(folder, 'changelog.0.mfs'));
    expect(await read(5, 3)).toEqual({ offset: 5, crc: crc32(Buffer.from('NEW')), data: Buffer.from('NEW') });
    client.send(ANTOMA_DOWNLOAD_END, {});
    expect(await start(DownloadFile.CHANGELOG_0)).toEqual({ layout: 'size', size: 5 });
    expect((await read(0, 5)).data.toString()).toBe('1: a\n');
    expect(await start(DownloadFile.CHANGELOG_1)).toEqual({ layout: 'size', size: 0 });
    rmSync(join(folder, 'metadata.mfs.back'));
    expect(await start(DownloadFile.METADATA)).toEqual({ layout: 'failed', status: 255 });
    expect(await start(DownloadFile.SESSIONS)).toEqual({ layout: 'failed', status: 255 });
  });

  test.each([
    ['an unknown message', () => Buffer.from('000003e700000000', 'hex')],
    ['a message that is too long', () => Buffer.from('0000003cffffffff', 'hex')],
    ['a registration of a wrong length', () => Buffer.from('000000320000000101', 'hex')],
    ['a registration form of other editions', () => Buffer.from('000000320000000703000300ea000a', 'hex')],
    ['an unknown file', () => ANTOMA_DOWNLOAD_START.encode({ file: 3 })],
    ['a read without an open file', () => ANTOMA_DOWNLOAD_REQUEST.encode({ offset: 0, length: 1 })],
    [
      'a second registration',
      () => {
        const register = ANTOMA_REGISTER.encode({ layout: 'fromNow', version: VERSION, timeout: 10 });
        return Buffer.concat([register, register]);
      },
    ],
  ])('closes the connection at %s', async (_what, bytes) => {
    client.sendRaw(bytes());
    expect(await client.closed()).toEqual([]);
  });

  test('closes the connection at a read beyond the end of the file', async () => {
    writeFileSync(join(folder, 'metadata.mfs.back'), 'MFSM NEW');
    await client.request(ANTOMA_DOWNLOAD_START, { file: DownloadFile.METADATA }, MATOAN_DOWNLOAD_INFO);
    client.send(ANTOMA_DOWNLOAD_REQUEST, { offset: 4, length: 5 });
    expect(await client.closed()).toEqual([]);
  });
});
