import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AnswerFiles,
  AnswerForgotten,
  decodeBlocks,
  decodeNote,
  encodeNote,
  MAX_ANSWERS,
  RequestLedger,
  type RequestNote,
} from '@alces/journal';
import { realDisk } from '@alces/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const note = (request: number, more: Partial<RequestNote> = {}): RequestNote => ({
  session: 1,
  slot: request,
  request,
  chunkId: 0,
  answer: Buffer.from(`answer ${request}`),
  ...more,
});

describe('the ledger', () => {
  let ledger: RequestLedger;
  beforeEach(() => {
    ledger = new RequestLedger();
  });

  test('knows the latest answer of each slot', () => {
    ledger.record(note(1, { slot: 7 }));
    ledger.record(note(5, { slot: 7 }));
    ledger.record(note(2));
    expect(ledger.find({ session: 1, slot: 7, request: 5 })?.answer.toString()).toBe('answer 5');
    expect(ledger.find({ session: 1, slot: 2, request: 2 })?.answer.toString()).toBe('answer 2');
    expect(ledger.size).toBe(2);
    expect(() => ledger.find({ session: 1, slot: 7, request: 1 })).toThrow(AnswerForgotten);
    ledger.record(note(3, { slot: 7 }));
    expect(ledger.find({ session: 1, slot: 7, request: 5 })?.request).toBe(5);
  });

  test('does not know what is new, whatever it knows of others', () => {
    ledger.record(note(9, { slot: 7 }));
    expect(ledger.find({ session: 1, slot: 8, request: 3 })).toBeUndefined();
    expect(ledger.find({ session: 2, slot: 7, request: 9 })).toBeUndefined();
  });

  test('has a bound; what it gave up it does not take for new', () => {
    for (let request = 1; request <= MAX_ANSWERS + 10; request++) ledger.record(note(request));
    expect(ledger.size).toBe(MAX_ANSWERS);
    expect(() => ledger.find({ session: 1, slot: 10, request: 10 })).toThrow(AnswerForgotten);
    expect(ledger.find({ session: 1, slot: 11, request: 11 })?.request).toBe(11);
    expect(ledger.find({ session: 1, slot: 10, request: MAX_ANSWERS + 11 })).toBeUndefined();
  });

  test('ends work on a chunk with its lock, and everything with its session', () => {
    const began = note(1, { chunkId: 50 });
    const key = { session: 1, slot: 1, request: 1 };
    const write = { op: 'WRITE', inode: 2, index: 0, opflag: 1, chtime: 0, chunkid: 50 } as const;
    for (const end of [
      { op: 'UNLOCK', chunkid: 50 } as const,
      { op: 'ROLLBACK', inode: 2, index: 0, prevchunkid: 0, chunkid: 50 } as const,
      write,
      { op: 'SESDEL', sessionid: 1 } as const,
    ]) {
      ledger.applied(write, began);
      expect(ledger.find(key)?.chunkId).toBe(50);
      ledger.applied({ op: 'UNLOCK', chunkid: 51 });
      expect(ledger.find(key)?.chunkId).toBe(50);
      ledger.applied(end);
      expect(ledger.find(key)).toBeUndefined();
    }
    expect(ledger.size).toBe(0);
  });

  test('gives and takes the same bytes, and goes on alike', () => {
    for (const request of [5, 3, 9, 2, 3]) ledger.record(note(request, { session: (request % 2) + 1 }));
    ledger.record(note(20, { chunkId: 77 }));
    const copy = new RequestLedger();
    copy.load(ledger.encode());
    expect(copy.encode().equals(ledger.encode())).toBe(true);
    for (const one of [ledger, copy]) {
      one.applied({ op: 'UNLOCK', chunkid: 77 });
      for (let request = 100; request < 100 + MAX_ANSWERS; request++) one.record(note(request));
    }
    expect(copy.encode().equals(ledger.encode())).toBe(true);
  });

  test('refuses bytes that are none, and is empty then', () => {
    ledger.record(note(1));
    const bytes = ledger.encode();
    for (let length = 1; length < bytes.length; length++) {
      expect(() => ledger.load(bytes.subarray(0, length))).toThrow(RangeError);
      expect(ledger.size).toBe(0);
    }
    expect(() => decodeNote(Buffer.alloc(27))).toThrow(RangeError);
    expect(decodeNote(encodeNote(note(3, { chunkId: 8 })))).toEqual(note(3, { chunkId: 8 }));
  });
});

describe('answer files', () => {
  let folder: string;
  const warnings: string[] = [];
  const report = { info: () => {}, warn: (line: string) => warnings.push(line), error: () => {} };
  const path = (number: number) => join(folder, `answers.${number}.mfs`);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alces-answers-'));
    warnings.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function open(nextVersion: number) {
    const ledger = new RequestLedger();
    return { ledger, files: await AnswerFiles.open({ disk: realDisk, folder, report }, nextVersion, ledger) };
  }
  const versioned = (request: number, version: number) => ({ version, note: encodeNote(note(request)) });

  test('keep what is written, but not what belongs to changes that were lost', async () => {
    const { files } = await open(1);
    await files.write([versioned(1, 10), versioned(2, 11)], false);
    await files.write([versioned(3, 12)], true);
    await files.close();
    const again = await open(12);
    expect(again.ledger.size).toBe(2);
    await again.files.write([versioned(4, 12)], false);
    await again.files.close();
    const third = await open(13);
    await third.files.close();
    expect([1, 2, 3, 4].filter((slot) => third.ledger.find({ session: 1, slot, request: slot }))).toEqual([1, 2, 4]);
    expect(warnings).toEqual([]);
  });

  test('end at the first damaged record', async () => {
    const { files } = await open(1);
    await files.write([versioned(1, 1), versioned(2, 2)], false);
    await files.close();
    appendFileSync(path(0), Buffer.from([0, 0, 0, 9, 1]));
    const torn = await open(100);
    await torn.files.close();
    expect(torn.ledger.size).toBe(2);
    const bytes = readFileSync(path(0));
    expect(decodeBlocks(bytes).notes).toHaveLength(2);
    bytes[30] ^= 1;
    writeFileSync(path(0), bytes);
    const damaged = await open(100);
    await damaged.files.close();
    expect(damaged.ledger.size).toBe(0);
  });

  test('are bounded', async () => {
    const { files } = await open(1);
    const big = { session: 1, chunkId: 0, answer: Buffer.alloc(60_000) };
    for (let request = 1; request <= 200; request++)
      await files.write([{ version: request, note: encodeNote({ ...big, slot: request, request }) }], false);
    await files.close();
    expect(readFileSync(path(0)).length + readFileSync(path(1)).length).toBeLessThan(9 << 20);
    const { ledger, files: again } = await open(1000);
    await again.close();
    expect(ledger.find({ session: 1, slot: 200, request: 200 })?.answer).toHaveLength(60_000);
  });

  test('that can not be written are tried again; each change of that is said once', async () => {
    const { files } = await open(1);
    rmSync(folder, { recursive: true });
    await files.write([versioned(1, 1)], false);
    await files.write([versioned(2, 2)], false);
    expect(warnings).toHaveLength(1);
    mkdirSync(folder);
    await files.write([versioned(3, 3)], false);
    await files.write([versioned(4, 4)], false);
    await files.close();
    expect(warnings).toHaveLength(2);
    const { ledger, files: again } = await open(10);
    await again.close();
    expect(ledger.size).toBe(2);
  });

  test('on a disk that is full for a while go on behind the last whole block', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder]);
    try {
      const { files } = await open(1);
      await files.write([versioned(1, 1)], false);
      const big = {
        version: 2,
        note: encodeNote({ session: 1, slot: 2, request: 2, chunkId: 0, answer: Buffer.alloc(90_000) }),
      };
      await files.write([big], false);
      expect(warnings).toHaveLength(1);
      await files.write([versioned(3, 3)], false);
      await files.close();
      const { ledger, files: again } = await open(10);
      await again.close();
      expect(ledger.size).toBe(2);
    } finally {
      execFileSync('umount', ['-l', folder]);
    }
  });
});
