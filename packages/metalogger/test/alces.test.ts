import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { imageBytes, type State } from '@alces/metadata';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dumpLines } from '../../metadata/test/support/replay.ts';
import { TestMetalogger } from './support/folder.ts';
import { LiveMaster, withWrite } from './support/liveMaster.ts';

const ALCES_DATA = 0x414d_0004;
const OFTEN = 'METADATA_DIGEST_PERIOD=1\n';

let master: LiveMaster;
let metalogger: TestMetalogger;

beforeEach(async () => {
  master = await new LiveMaster(4711).start();
  metalogger = new TestMetalogger(() => master.port);
});

afterEach(async () => {
  await metalogger.destroy();
  await master.stop();
});

function dump(state: State): string[] {
  return dumpLines(imageBytes(state, { now: 0 }).image).sort();
}

/** Waits for a comparison at this version or later. */
function compared(version: number) {
  return metalogger.until('a comparison', () => {
    const { verdict } = metalogger.running.status;
    return verdict !== undefined && verdict.version >= version && verdict;
  });
}

function masterLog(): string {
  return readFileSync(join(master.folder, 'log'), 'utf8');
}

describe('a metalogger under a master of ours', () => {
  test('has the same state after a mixed workload, by digest and by dump, and both sides say so', async () => {
    master.work(2000);
    await metalogger.start(OFTEN);
    expect(await compared(1)).toMatchObject({ differing: [] });
    for (let round = 0; round < 5; round++) {
      master.work(1000);
      if (round % 2 === 1) await master.rotate();
      // Compared in the middle of the stream.
      await compared(master.last - 500);
    }
    await metalogger.reached(master.last);
    expect(await compared(master.last + 1)).toMatchObject({ version: master.last + 1, differing: [] });
    expect(dump(metalogger.running.shadow!.state)).toEqual(dump(master.state));
    expect(metalogger.report.has("state equals the master's at version")).toBe(true);
    await metalogger.until('the master to know', () => masterLog().includes('its state equals ours'));
    expect(metalogger.report.errors).toEqual([]);
  });

  test('has the same state after its own image was saved and loaded', async () => {
    master.work(3000);
    await metalogger.start();
    await metalogger.reached(master.last);
    await metalogger.stop();
    master.work(1000);
    await metalogger.start(OFTEN);
    await metalogger.reached(master.last);
    expect(await compared(master.last + 1)).toMatchObject({ differing: [] });
    expect(dump(metalogger.running.shadow!.state)).toEqual(dump(master.state));
  });

  test.each([
    ['nodes', (state: State) => state.nodes.uid.set(state.nodes.find(1), 7), ['nodes']],
    ['chunks', (state: State) => state.chunks.insert(987_654_321, 1, 0, 0), ['chunks']],
    ['counters', (state: State) => Object.assign(state, { nextsessionid: 555 }), ['counters']],
    ['quotas', (state: State) => state.quotas.clear(), ['quotas']],
  ])('finds a difference in %s', async (_what, change, tables) => {
    master.work(1500);
    await metalogger.start(OFTEN);
    await metalogger.reached(master.last);
    change(metalogger.running.shadow!.state);
    master.work(10);
    await metalogger.said(`STATE DIFFERS FROM THE MASTER'S at version`);
    expect(metalogger.report.errors[0]).toContain(`in: ${tables.join(', ')}`);
    await metalogger.until('the master to know', () => masterLog().includes('ITS STATE DIFFERS FROM OURS'));
    // Everything is fetched anew, and right afterwards.
    await metalogger.said('downloading everything');
    await metalogger.until('an equal state', () => metalogger.running.status.verdict?.differing.length === 0);
    expect(dump(metalogger.running.shadow!.state)).toEqual(dump(master.state));
    expect(metalogger.exists('ml_discarded.1/metadata_ml.mfs.back')).toBe(true);
  });

  test('does not mind other times of a root that nobody logged', async () => {
    master.work(1500);
    await metalogger.start(OFTEN);
    await metalogger.reached(master.last);
    const { state } = metalogger.running.shadow!;
    state.nodes.mtime.set(state.nodes.find(1), 7);
    const { last } = master;
    master.work(10);
    expect(await compared(last + 2)).toMatchObject({ differing: [] });
  });

  test('fetches images compressed', async () => {
    master.work(30_000);
    master.save();
    const { size } = statSync(join(master.folder, 'metadata.mfs.back'));
    const before = master.sentBytes;
    await metalogger.start();
    await metalogger.until('the image', () => metalogger.exists('metadata_ml.mfs.back'));
    await metalogger.said('metadata downloaded');
    const fetched = metalogger.report.lines.find((line) => line.startsWith('metadata downloaded'));
    expect(fetched).toContain(`${size}B`);
    await metalogger.reached(master.last);
    const logs = statSync(join(master.folder, 'changelog.0.mfs')).size;
    expect(master.sentBytes - before).toBeLessThan((size + logs) * 0.7);
  });

  test('goes on with a download where the connection broke', async () => {
    master.grow(40_000);
    master.save();
    const { size } = statSync(join(master.folder, 'metadata.mfs.back'));
    expect(size).toBeGreaterThan(2_000_000);
    const offsets: number[] = [];
    let breaks = 2;
    master.wrap = (connection) =>
      withWrite(connection, (bytes) => {
        if (bytes.readUInt32BE(0) === ALCES_DATA) {
          const offset = Number(bytes.readBigUInt64BE(8));
          offsets.push(offset);
          if (offset >= 1_000_000 && breaks-- > 0) {
            connection.destroy();
            return false;
          }
        }
        return connection.write(bytes);
      });
    await metalogger.start();
    await metalogger.reached(master.last);
    const pieces = offsets.filter((offset) => offset % 1_000_000 === 0);
    expect(pieces.filter((offset) => offset === 1_000_000).length).toBeGreaterThanOrEqual(3);
    expect(readFileSync(metalogger.file('metadata_ml.mfs.back'))).toEqual(
      readFileSync(join(master.folder, 'metadata.mfs.back')),
    );
  });

  test('gets its missed changes from any of the change logs that the master still has', async () => {
    master.work(100);
    await metalogger.start();
    await metalogger.reached(master.last);
    await metalogger.stop();
    // Another master on the same files does not have the changes in memory.
    for (let file = 0; file < 4; file++) {
      master.work(200);
      await master.rotate();
    }
    const { last } = master;
    await master.restart();
    await metalogger.start(OFTEN);
    await metalogger.reached(last);
    expect(metalogger.report.has('missed changes')).toBe(true);
    expect(await compared(last + 1)).toMatchObject({ differing: [] });
  });
});
