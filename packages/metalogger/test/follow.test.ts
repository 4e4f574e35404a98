import { imageBytes } from '@alces/metadata';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dumpLines } from '../../metadata/test/support/replay.ts';
import { FakeMaster } from './support/fakeMaster.ts';
import { TestMetalogger } from './support/folder.ts';
import { Story } from './support/story.ts';

const METAID = 0x6b00_c5d7_2dbe_0919n;

let master: FakeMaster;
let metalogger: TestMetalogger;
let story: Story;

/** The master as it is after an hourly save: the image, and lines since in file 0, lines before in file 1. */
function save(): void {
  master.changelogs = [Buffer.alloc(0), story.changelog(1)];
  master.image = story.image();
}

/** Changes that the master makes: in its file, and pushed. */
function go(count: number, pushed = true): void {
  for (const { version, text } of story.go(count)) {
    master.changelogs = [
      Buffer.concat([master.changelogs[0], story.changelog(version, version)]),
      master.changelogs[1],
    ];
    if (pushed) master.push(version, text);
  }
}

const HEADER_BYTES = 24;

/** Pieces of the image that were asked for, looks at its header apart. */
function imagePieces(): number {
  return master.asked.requests.filter(({ file, length }) => file === 1 && length > HEADER_BYTES).length;
}

/** The dump of the shadow, and that of the master. */
function expectEqualStates(): void {
  const dump = (state: Story['state']) => dumpLines(imageBytes(state, { now: 0 }).image);
  expect(dump(metalogger.running.shadow!.state)).toEqual(dump(story.state));
}

beforeEach(async () => {
  story = new Story(METAID);
  story.go(20);
  master = await new FakeMaster().start();
  save();
  metalogger = new TestMetalogger(() => master.port);
});

afterEach(async () => {
  await metalogger.destroy();
  await master.stop();
});

describe('a metalogger', () => {
  test('fetches image and change logs, follows, and is equal to its master', async () => {
    go(3, false);
    await metalogger.start();
    await metalogger.reached(story.last);
    expect(master.asked.registered).toEqual([expect.objectContaining({ layout: 'fromNow', timeout: 10 })]);
    expect(master.asked.started).toEqual([1, 11, 12]);
    go(10);
    await metalogger.reached(story.last);
    expectEqualStates();
    expect(metalogger.read('changelog_ml.0.mfs')).toBe(story.changelog(story.last - 9).toString('latin1'));
    expect(metalogger.read('changelog_ml_back.0.mfs')).toBe(
      story.changelog(story.last - 12, story.last - 10).toString('latin1'),
    );
    expect(metalogger.exists('metadata_ml.mfs.back')).toBe(true);
    expect(metalogger.report.errors).toEqual([]);
  });

  test('rotates when the master does, and keeps as many files as it is told', async () => {
    await metalogger.start('BACK_LOGS=5\n');
    await metalogger.reached(story.last);
    for (let round = 0; round < 8; round++) {
      go(2);
      master.rotate();
    }
    go(1);
    await metalogger.reached(story.last);
    const { last } = story;
    const files = () => metalogger.list().filter((name) => /^changelog_ml\.\d+\.mfs$/.test(name));
    await metalogger.until('the last rotation', () => files().length === 6 && metalogger.exists('changelog_ml.0.mfs'));
    expect(metalogger.read('changelog_ml.0.mfs')).toBe(story.changelog(last).toString('latin1'));
    expect(metalogger.read('changelog_ml.5.mfs')).toBe(story.changelog(last - 10, last - 9).toString('latin1'));
  });

  test('writes an image when it stops, and goes on without a download when it starts again', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    go(5);
    await metalogger.reached(story.last);
    await metalogger.stop();
    master.asked.requests = [];
    go(4, false);
    master.recent = story.lines.slice(-4);
    await metalogger.start();
    await metalogger.reached(story.last);
    expect(master.asked.registered.at(-1)).toMatchObject({ layout: 'fromVersion', metaVersion: story.last - 3 });
    expect(imagePieces()).toBe(0);
    go(1);
    await metalogger.reached(story.last);
    expectEqualStates();
  });

  test('goes on from the files after it was killed', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    go(5);
    master.rotate();
    go(5);
    await metalogger.reached(story.last);
    await metalogger.kill();
    metalogger.write('changelog_ml.0.mfs', `${metalogger.read('changelog_ml.0.mfs')}99: 17952`);
    await metalogger.start();
    go(1);
    await metalogger.reached(story.last);
    expect(imagePieces()).toBe(1);
    expect(metalogger.read('changelog_ml.0.mfs')).toBe(story.changelog(story.last - 5).toString('latin1'));
    expectEqualStates();
  });

  test('finds the one of several masters that serves, also when another one does', async () => {
    await metalogger.start('MASTER_HOST = 127.0.0.3, 127.0.0.1, 127.0.0.2\n');
    await metalogger.reached(story.last);
    await master.stop();
    master.disconnect();
    go(3, false);
    master.recent = story.lines.slice(-3);
    await metalogger.said('127.0.0.3: connect ECONNREFUSED');
    await master.start('127.0.0.2');
    await metalogger.reached(story.last);
    expect(master.asked.registered.at(-1)).toMatchObject({ layout: 'fromVersion', metaVersion: story.last - 2 });
    go(1);
    await metalogger.reached(story.last);
    expectEqualStates();
  });

  test('finds what it missed in the change logs of a master that has forgotten it', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    go(1);
    await metalogger.reached(story.last);
    master.disconnect();
    go(3, false);
    master.changelogs = [Buffer.alloc(0), master.changelogs[0]];
    go(2, false);
    await metalogger.said('5 missed changes');
    go(1);
    await metalogger.reached(story.last);
    expect(metalogger.read('changelog_ml.0.mfs')).toBe(story.changelog(story.last - 6).toString('latin1'));
    expectEqualStates();
    expect(metalogger.exists('ml_discarded.1')).toBe(false);
  });

  test('downloads everything when changes are gone for good, and keeps the old files aside', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    go(2);
    await metalogger.reached(story.last);
    const before = metalogger.read('changelog_ml.0.mfs');
    master.disconnect();
    go(50, false);
    save();
    master.changelogs = [Buffer.alloc(0), Buffer.alloc(0)];
    go(1, false);
    await metalogger.said('changes are missing');
    await metalogger.reached(story.last);
    go(2);
    await metalogger.reached(story.last);
    expectEqualStates();
    expect(metalogger.read('ml_discarded.1/changelog_ml.0.mfs')).toBe(before);
    expect(metalogger.list().filter((name) => name.startsWith('metadata'))).toEqual(['metadata_ml.mfs.back']);
  });

  test('knows a master that has another history, and takes over that one', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    go(5);
    await metalogger.reached(story.last);
    master.disconnect();
    const received = story.last;
    story = new Story(METAID, 'other');
    story.go(18);
    save();
    // As many changes as were received, and one more: the numbers fit.
    go(received - story.last, false);
    await metalogger.said('is another one on the master');
    await metalogger.reached(story.last);
    go(1);
    await metalogger.reached(story.last);
    expectEqualStates();
    expect(metalogger.read('ml_discarded.1/changelog_ml.0.mfs')).toContain('a-');
  });

  test('takes over the history of a master that has gone back', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    go(5);
    await metalogger.reached(story.last);
    story = new Story(METAID, 'back');
    story.go(3);
    save();
    go(1);
    await metalogger.said('it has gone back');
    await metalogger.reached(story.last);
    expectEqualStates();
  });

  test('recognises another file system at the next download', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    await metalogger.stop();
    story = new Story(METAID + 1n, 'foreign');
    story.go(100);
    save();
    await metalogger.start();
    await metalogger.said('the master has another file system');
    await metalogger.reached(story.last);
    expectEqualStates();
  });

  test('goes on collecting when a change does not fit, and makes the state anew from the next image', async () => {
    await metalogger.start();
    await metalogger.reached(story.last);
    const wrong = { version: story.last + 1, text: '1795211300|UNLINK(1,nothing):77' };
    master.push(wrong.version, wrong.text);
    await metalogger.said(`change ${wrong.version} does not fit`);
    expect(metalogger.running.status.shadow).toBe('none');
    story.go(1);
    story.lines[story.lines.length - 1]!.text = wrong.text;
    go(3);
    await metalogger.until('more changes', () => metalogger.running.status.lastVersion === story.last);
    await metalogger.kill();
    // The files do not give a state, but they are continued; the image of later does.
    save();
    master.changelogs = [Buffer.alloc(0), Buffer.alloc(0)];
    await metalogger.start();
    expect(metalogger.running.status).toMatchObject({ shadow: 'none', lastVersion: story.last });
    await metalogger.until('an image that helps', () => metalogger.running.status.shadow === 'live');
    go(1);
    await metalogger.reached(story.last);
    expectEqualStates();
    expect(metalogger.read('changelog_ml.0.mfs')).toContain('UNLINK(1,nothing):77');
  });

  test('is content with a master that closes the connection when asked for its version', async () => {
    master.refusesVersion = true;
    await metalogger.start();
    await metalogger.reached(story.last);
    expectEqualStates();
  });

  test('waits for an image, collecting what comes, and keeps an empty file system too', async () => {
    master.image = undefined;
    await metalogger.start();
    await metalogger.said('the master has no image');
    go(2);
    master.image = Buffer.from('MFSM NEW');
    master.changelogs = [story.changelog(1), Buffer.alloc(0)];
    await metalogger.reached(story.last);
    await metalogger.said('metadata written from the received changes');
    const newest = metalogger.read('metadata_ml.mfs.back');
    expect(newest.startsWith('MFSM 2.0')).toBe(true);
  });
});
