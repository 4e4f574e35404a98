import { encodeFrame, MATOAN_DOWNLOAD_DATA } from '@alces/proto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeMaster } from './support/fakeMaster.ts';
import { TestMetalogger } from './support/folder.ts';
import { Story } from './support/story.ts';

const DATA = 63;
const CHANGES = 51;
/** A piece is asked for so often at most. */
const ATTEMPTS = 6;

let master: FakeMaster;
let metalogger: TestMetalogger;
let story: Story;

function go(count: number): void {
  for (const { version, text } of story.go(count)) {
    master.changelogs = [
      Buffer.concat([master.changelogs[0], story.changelog(version, version)]),
      master.changelogs[1],
    ];
    master.push(version, text);
  }
}

beforeEach(async () => {
  story = new Story(77n);
  story.go(50);
  master = await new FakeMaster().start();
  master.image = story.image();
  master.changelogs = [Buffer.alloc(0), story.changelog(1)];
  metalogger = new TestMetalogger(() => master.port);
});

afterEach(async () => {
  await metalogger.destroy();
  await master.stop();
});

/** The metalogger closes the connection, makes another one, and has lost nothing. */
async function expectRecovery(attack: () => void, complaint: string): Promise<void> {
  await metalogger.start();
  await metalogger.reached(story.last);
  go(3);
  await metalogger.reached(story.last);
  attack();
  await metalogger.said(complaint);
  await metalogger.until('a new registration', () => master.asked.registered.length === 2);
  go(3);
  await metalogger.reached(story.last);
  expect(metalogger.read('changelog_ml.0.mfs')).toBe(story.changelog(story.last - 5).toString('latin1'));
  expect(metalogger.exists('ml_discarded.1')).toBe(false);
}

/** The payload of a pushed change. */
function change(version: number, text: string, end = '\0'): Buffer {
  const payload = Buffer.alloc(9);
  payload[0] = 0xff;
  payload.writeBigUInt64BE(BigInt(version), 1);
  return encodeFrame(CHANGES, payload, Buffer.from(text + end, 'latin1'));
}

describe('a master that sends what the protocol does not allow', () => {
  test('a frame that is too long', () => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(CHANGES, 0);
    header.writeUInt32BE(1_500_001, 4);
    return expectRecovery(() => master.send(header), 'more than the limit');
  });

  test('an unknown message', () =>
    expectRecovery(() => master.send(encodeFrame(99, Buffer.alloc(3))), 'unknown message'));

  test('a message of an Alces master that has not made itself known', () =>
    expectRecovery(() => master.send(encodeFrame(0x414d_0007, Buffer.alloc(3))), 'MATOAN_ALCES_DIGEST'));

  test('a change without an end', () =>
    expectRecovery(() => master.send(change(story.last + 1, '1795211300|ACCESS(1)', '')), 'MATOAN_METACHANGES_LOG'));

  test('a change with another mark', () =>
    expectRecovery(() => master.send(encodeFrame(CHANGES, Buffer.from([0xaa, 0, 0]))), 'MATOAN_METACHANGES_LOG'));

  test('an empty message', () => expectRecovery(() => master.send(encodeFrame(CHANGES)), 'MATOAN_METACHANGES_LOG'));

  test('a change that would be two lines', () =>
    expectRecovery(
      () => master.send(change(story.last + 1, '1795211300|ACCESS(1)\n99: 1795211300|ACCESS(1)')),
      'is not a line of a change log',
    ));

  test('a change that is too long', () =>
    expectRecovery(
      () => master.send(change(story.last + 1, `1795211300|ACCESS(${'1'.repeat(200_000)})`)),
      'is not a line of a change log',
    ));

  test('a change with a number beyond all numbers', () => {
    const frame = change(1, 'x');
    frame.fill(0xff, 9, 17);
    return expectRecovery(() => master.send(frame), 'MATOAN_METACHANGES_LOG');
  });

  test('data that nobody asked for', () =>
    expectRecovery(
      () => master.send(MATOAN_DOWNLOAD_DATA.encode({ offset: 0, crc: 0, data: Buffer.from('x') })),
      'unknown message',
    ));

  test('half a frame, and then the end of the connection', () =>
    expectRecovery(() => {
      master.send(change(story.last + 1, '1795211300|ACCESS(1)').subarray(0, 20));
      setTimeout(() => master.disconnect(), 20);
    }, 'connection was closed by Master'));

  test('a gap in the changes', async () => {
    await expectRecovery(() => master.send(change(story.last + 5, '1795211300|ACCESS(1)')), 'some changes lost');
  });
});

describe('downloads', () => {
  test('a damaged piece is asked for again', async () => {
    let damaged = 0;
    master.spoil = ({ offset, crc, data }) => {
      if (data.length < 100 || damaged === 3) return undefined;
      damaged++;
      return MATOAN_DOWNLOAD_DATA.encode({ offset, crc: (crc ^ 1) >>> 0, data });
    };
    await metalogger.start();
    await metalogger.reached(story.last);
    const size = master.image!.length;
    expect(master.asked.requests.filter(({ file, length }) => file === 1 && length === size)).toHaveLength(4);
  });

  test('a piece that is always damaged ends the attempt, not the connection', async () => {
    let broken = true;
    master.spoil = ({ offset, crc, data }) =>
      broken && data.length > 100 ? MATOAN_DOWNLOAD_DATA.encode({ offset, crc: (crc ^ 1) >>> 0, data }) : undefined;
    await metalogger.start();
    await metalogger.said('metafile data crc error');
    const { length: size } = master.image!;
    expect(master.asked.requests.filter(({ length }) => length === size)).toHaveLength(ATTEMPTS);
    go(2);
    broken = false;
    await metalogger.reached(story.last);
    expect(master.asked.registered).toHaveLength(1);
  });

  test('a large image comes in pieces of a million bytes', async () => {
    story.go(25_000);
    master.image = story.image();
    master.changelogs = [Buffer.alloc(0), Buffer.alloc(0)];
    await metalogger.start();
    await metalogger.reached(story.last);
    const pieces = master.asked.requests.filter(({ file, length }) => file === 1 && length > 24);
    expect(pieces.map(({ offset }) => offset)).toEqual(pieces.map((_, index) => index * 1_000_000));
    expect(pieces.slice(0, -1).every(({ length }) => length === 1_000_000)).toBe(true);
    expect(pieces.length).toBeGreaterThan(1);
  });

  /** The answer is refused, the connection closed; then the master is good and everything is fetched. */
  async function expectRefusal(spoil: FakeMaster['spoil'], complaint: string): Promise<void> {
    master.spoil = spoil;
    await metalogger.start();
    await metalogger.said(complaint);
    master.spoil = () => undefined;
    await metalogger.reached(story.last);
  }

  test('a piece of another place', () =>
    expectRefusal(
      ({ offset, crc, data }) => MATOAN_DOWNLOAD_DATA.encode({ offset: offset + 1, crc, data }),
      'asked for',
    ));

  test('a piece of another length', () =>
    expectRefusal(
      ({ offset, crc, data }) => MATOAN_DOWNLOAD_DATA.encode({ offset, crc, data: Buffer.concat([data, data]) }),
      'asked for',
    ));

  test('a piece with a wrong length field', () =>
    expectRefusal(({ data }) => {
      const payload = Buffer.alloc(16);
      payload.writeUInt32BE(data.length + 1, 8);
      return encodeFrame(DATA, payload, data);
    }, 'MATOAN_DOWNLOAD_DATA'));

  test('an image that is none is not accepted', async () => {
    const good = master.image!;
    master.image = Buffer.concat([good.subarray(0, -5), Buffer.from('wrong')]);
    await metalogger.start();
    await metalogger.said("the master's image is damaged (wrong ending)");
    expect(metalogger.list()).not.toContain('metadata_ml.mfs.back');
    master.image = good;
    await metalogger.reached(story.last);
  });

  test('an image that looks good and is not does not replace one that is', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    const before = metalogger.read('metadata_ml.mfs.back');
    master.disconnect();
    story.go(20);
    const good = story.image();
    master.image = Buffer.from(good);
    master.image.fill(0xee, 2400, 2800);
    master.changelogs = [story.changelog(story.last), Buffer.alloc(0)];
    await metalogger.said("the master's image can't be loaded");
    expect(metalogger.read('metadata_ml.mfs.back')).toBe(before);
    master.image = good;
    await metalogger.reached(story.last);
    expect(metalogger.read('ml_discarded.1/metadata_ml.mfs.back')).toBe(before);
  });

  test('an image that looks good and is not gives no state; lines are collected, and the next image helps', async () => {
    const good = master.image!;
    const bad = Buffer.from(good);
    bad.fill(0xee, 2400, 2800);
    master.image = bad;
    await metalogger.start();
    await metalogger.said('no state can be made');
    expect(metalogger.running.status.shadow).toBe('none');
    go(4);
    await metalogger.until('changes', () => metalogger.running.status.lastVersion === story.last);
    await metalogger.stop();
    master.image = story.image();
    master.changelogs = [Buffer.alloc(0), Buffer.alloc(0)];
    await metalogger.start();
    await metalogger.reached(story.last);
    go(1);
    await metalogger.reached(story.last);
  });
});
