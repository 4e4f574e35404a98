import { describe, expect, it } from 'vitest';
import { type Folder, makeFolder } from '../src/disks/folder.ts';
import { parseHddConfig } from '../src/disks/hddConfig.ts';
import { chooseFolder } from '../src/disks/placement.ts';
import { planRebalance } from '../src/disks/rebalance.ts';
import { ManualClock } from './support/clock.ts';

const GB = 1_000_000_000;

/** A working folder of 100 GB, as a line of `mfshdd.cfg` and how full it is. */
function folder(line: string, used: number, chunks = 100, totalBytes = 100 * GB): Folder {
  const [parsed] = parseHddConfig(line, () => {});
  const lock = { device: 1, inode: 1, release: () => {} };
  const made = makeFolder({ number: 0, root: parsed.path, line: parsed, readOnly: false, lock, nowSeconds: 0 });
  made.phase = 'working';
  made.chunks = chunks;
  made.space = { totalBytes, availableBytes: Math.round(totalBytes * (1 - used)) };
  return made;
}

function plan(folders: Folder[], running = false): string {
  const { sources, destinations } = planRebalance(folders, running);
  const names = (of: Folder[]) => of.map((one) => one.path.replaceAll('/', '')).join('+');
  return `${names(sources)} > ${names(destinations)}`;
}

describe('the plan of the local rebalance', () => {
  it('is nothing between folders that are equally full', () => {
    expect(plan([folder('/a', 0.5), folder('/b', 0.515)])).toBe(' > ');
    expect(plan([folder('/a', 0.5)])).toBe(' > ');
  });

  it('goes from the fullest to the emptiest, and further once begun', () => {
    expect(plan([folder('/a', 0.5), folder('/b', 0.6)])).toBe('b > a');
    expect(plan([folder('/a', 0.5), folder('/b', 0.515)], true)).toBe('b > a');
    expect(plan([folder('/a', 0.5), folder('/b', 0.6), folder('/c', 0.55)])).toBe('b > a');
  });

  it('takes all others when only one side sticks out', () => {
    expect(plan([folder('/a', 0.1), folder('/b', 0.405), folder('/c', 0.4), folder('/d', 0.4)])).toBe('b+c+d > a');
  });

  it('leaves out small, marked, damaged and unfinished folders', () => {
    const damaged = folder('/d', 0.1);
    damaged.damaged = true;
    const scanning = folder('/e', 0.1);
    scanning.phase = 'scanning';
    expect(plan([folder('/a', 0.9), folder('/b', 0.1, 1, GB), folder('*/c', 0.1), damaged, scanning])).toBe(' > ');
  });

  it('is forced by < and >', () => {
    expect(plan([folder('</a', 0.1), folder('/b', 0.5)])).toBe('a > b');
    expect(plan([folder('>/a', 0.5), folder('/b', 0.1), folder('/c', 0.1)])).toBe('b+c > a');
    expect(plan([folder('</a', 0.1), folder('>/b', 0.5), folder('/c', 0)])).toBe('a > b');
    expect(plan([folder('</a', 0.1, 0), folder('/b', 0.5), folder('/c', 0.5)])).toBe(' > ');
    expect(plan([folder('</a', 0.1), folder('/b', 0.995)])).toBe(' > ');
    const busy = folder('>/a', 0.5);
    busy.duplicates.push({ chunkId: 1, version: 1, subfolder: 0 });
    expect(plan([busy, folder('/b', 0.5)])).toBe(' > ');
  });
});

describe('the choice of a folder for a new chunk', () => {
  const clock = new ManualClock();

  function shares(folders: Folder[], chunks: number): number[] {
    const counts = new Map<Folder, number>(folders.map((one) => [one, 0]));
    for (let index = 0; index < chunks; index++) {
      const chosen = chooseFolder(folders, clock);
      if (chosen) counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    return folders.map((one) => counts.get(one) ?? 0);
  }

  it('follows the sizes', () => {
    expect(shares([folder('/a', 0.2, 1, 300 * GB), folder('/b', 0.9, 1, 100 * GB)], 400)).toEqual([300, 100]);
  });

  it('avoids full ones while there are others', () => {
    expect(shares([folder('/a', 0.9995), folder('/b', 0.5)], 10)).toEqual([0, 10]);
    expect(shares([folder('/a', 0.9995), folder('/b', 1)], 10)).toEqual([10, 0]);
    expect(shares([folder('/a', 1)], 3)).toEqual([0]);
  });

  it('never takes marked ones, sources and those that are not working', () => {
    const removing = folder('/c', 0);
    removing.removing = true;
    expect(shares([folder('*/a', 0), folder('</b', 0), removing, folder('>/d', 0.5)], 5)).toEqual([0, 0, 0, 5]);
  });

  it('lets a folder rest that received a moved chunk, if enough others remain', () => {
    const three = [folder('/a', 0), folder('/b', 0), folder('/c', 0)];
    three[0].movedInAtMs = clock.monotonicMs();
    expect(shares(three, 10)[0]).toBe(0);
    const two = [folder('/a', 0), folder('/b', 0)];
    two[0].movedInAtMs = clock.monotonicMs();
    expect(shares(two, 10)).toEqual([5, 5]);
  });
});
