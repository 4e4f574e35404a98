import { readHistory, recover, startMetadata, storeAtStop, storeImage } from '@alces/journal';
import { apply, createState, initializeNewFilesystem, type Operation, type State } from '@alces/metadata';
import { describe, expect, it } from 'vitest';
import { StockMaster } from './stockMaster.ts';
import {
  dumpLines,
  environment,
  type Folder,
  fixture,
  inFolder,
  openJournal,
  Report,
  recordsOf,
  startOptions,
} from './support.ts';

const NOW = 1_795_211_200;

function storeOptions(folder: Folder) {
  const { clock, disk } = environment;
  return { clock, disk, folder: folder.path, keepPrevious: 1, emergencyFolders: [], carried: [], report: new Report() };
}

/** Makes a small tree, each change going to the journal as a master's does. */
async function serve(folder: Folder, state: State): Promise<void> {
  const journal = await openJournal(folder, { nextVersion: state.metaversion });
  const perform = (operation: Operation) => {
    const version = state.metaversion;
    expect([operation.op, apply(state, NOW, operation, 'live')]).toEqual([operation.op, 0]);
    journal.append(version, { timestamp: NOW, operation });
    return operation;
  };
  const create = (parent: number, name: string, type: number) => {
    const made = perform({
      op: 'CREATE',
      parent,
      name: Buffer.from(name),
      type,
      mode: 0o666,
      cumask: 0o22,
      uid: 7,
      gid: 8,
      rdev: 0,
      inode: 0,
    });
    return made.op === 'CREATE' ? made.inode : 0;
  };
  perform({ op: 'SETMETAID', id: 0x6b00_bfbb_9d61_89d0n });
  const directory = create(1, 'dir, with (all) the 100% troubles\x01\xff', 2);
  for (let i = 0; i < 200; i++) {
    const inode = create(directory, `file ${i}`, 1);
    const write = perform({ op: 'WRITE', inode, index: i % 3, opflag: 1, chtime: 1, chunkid: 0 });
    perform({ op: 'LENGTH', inode, length: 1000 * i, chtime: 0 });
    if (write.op === 'WRITE') perform({ op: 'UNLOCK', chunkid: write.chunkid });
    if (i % 5 === 0)
      perform({ op: 'SETXATTR', inode, name: Buffer.from('user.x'), value: Buffer.from([i, 0, 255]), mode: 0 });
    if (i % 7 === 0) perform({ op: 'UNLINK', parent: directory, name: Buffer.from(`file ${i}`), inode: 0 });
    if (i === 100) await journal.rotate();
  }
  perform({
    op: 'SNAPSHOT',
    src: directory,
    parent: 1,
    name: Buffer.from('copy'),
    smode: 0,
    sesflags: 72,
    uid: 7,
    gids: [8, 1234],
    cumask: 0o22,
    xor: 0,
    removed: 0,
    same: 0,
    existing: 0,
    hardlinks: 0,
    new: 0,
  });
  await journal.close();
}

describe('the stock master', () => {
  it.each(['image-1/metadata.mfs', 'image-2/metadata.mfs'])('starts with -a on %s as we store it', (name) =>
    inFolder(async (folder) => {
      folder.copy(name, 'metadata.mfs');
      const { state } = await startMetadata(startOptions(folder));
      await storeImage(state, storeOptions(folder));
      expect(folder.list()).toEqual(['metadata.crc', 'metadata.mfs.back', 'metadata.mfs.back.1']);
      const master = new StockMaster(folder);
      try {
        const { status, output } = master.run('-a', 'start');
        expect([status, output]).toEqual([0, expect.stringContaining('daemon initialized properly')]);
        expect(output).toContain(`all inodes: ${state.nodes.count}`);
        expect(master.info()).toContain('master info:');
        expect(master.run('stop').status).toBe(0);
        const known = (line: string) => !line.startsWith('# version');
        expect(dumpLines(folder.bytes('metadata.mfs')).filter(known)).toEqual(recordsOf(state).filter(known));
      } finally {
        master.remove();
      }
    }),
  );

  it('replays our change logs to the same state', () =>
    inFolder(async (folder) => {
      folder.write('metadata.mfs.back', 'MFSM NEW');
      const state = createState();
      initializeNewFilesystem(state, NOW);
      await serve(folder, state);
      const master = new StockMaster(folder);
      try {
        const { status, output } = master.run('restore');
        expect([status, output]).toEqual([0, expect.stringContaining('metadata have been cleaned')]);
      } finally {
        master.remove();
      }
      // The root of a new file system has the time of loading until it is changed.
      const withoutRootTime = (line: string) => line.replace(/(i: {9}1\|.*\|a:)[0-9]+/, '$1');
      expect(dumpLines(folder.bytes('metadata.mfs')).map(withoutRootTime)).toEqual(
        recordsOf(state).map(withoutRootTime),
      );
    }));

  it('killed, is continued by us and goes on from what we stored', () =>
    inFolder(async (folder) => {
      folder.copy('image-2/metadata.mfs', 'metadata.mfs');
      const master = new StockMaster(folder);
      try {
        expect(master.run('start').status).toBe(0);
        master.kill();
        const { state, source } = await startMetadata(startOptions(folder));
        expect(source).toBe('metadata.mfs.back');
        expect(state.metaversion).toBeGreaterThanOrEqual(187);
        const stored = await storeAtStop(state, storeOptions(folder));
        expect(stored.path).toBe(folder.file('metadata.mfs'));
        expect(master.run('start')).toEqual({ status: 0, output: expect.stringContaining('initialized properly') });
      } finally {
        master.remove();
      }
    }));
});

describe('our recovery', () => {
  it('gives what was served, after the loss of the process', () =>
    inFolder(async (folder) => {
      folder.write('metadata.mfs.back', 'MFSM NEW');
      const state = createState();
      initializeNewFilesystem(state, NOW);
      await serve(folder, state);
      const { state: recovered } = await startMetadata(startOptions(folder));
      const withoutRootTime = (line: string) => line.replace(/(i: {9}1\|.*\|a:)[0-9]+/, '$1');
      expect(recordsOf(recovered).map(withoutRootTime)).toEqual(recordsOf(state).map(withoutRootTime));
    }));

  it('says what it used', () =>
    inFolder(async (folder) => {
      folder.copy('image-1/metadata.mfs', 'image').copy('image-2/changelog.0.mfs', 'changelog.0.mfs');
      const report = new Report();
      const { disk } = environment;
      const history = await readHistory({ disk, paths: [folder.file('changelog.0.mfs')], version: 155, report });
      const clockMs = () => 0;
      const options = { disk, now: NOW, clockMs, ignoreErrors: false, useBest: false, report };
      const { applied, used, problem, loaded } = await recover(folder.file('image'), history, options);
      expect([applied, [...used], problem]).toEqual([32, [['changelog.0.mfs', 32]], undefined]);
      expect(recordsOf(loaded.state)).toEqual(dumpLines(fixture('image-2/metadata.mfs')));
    }));
});

describe('storing', () => {
  it('keeps previous images as the stock master does', () =>
    inFolder(async (folder) => {
      const state = createState();
      initializeNewFilesystem(state, NOW);
      for (let version = 1; version <= 5; version++) {
        state.metaversion = version;
        await storeImage(state, { ...storeOptions(folder), keepPrevious: 2 });
      }
      const version = (name: string) => Number(folder.bytes(name).readBigUInt64BE(8));
      expect(folder.list()).toEqual([
        'metadata.crc',
        'metadata.mfs.back',
        'metadata.mfs.back.1',
        'metadata.mfs.back.2',
      ]);
      expect(['', '.1', '.2'].map((suffix) => version(`metadata.mfs.back${suffix}`))).toEqual([5, 4, 3]);
      await storeImage(state, { ...storeOptions(folder), keepPrevious: 0 });
      expect(folder.list().length).toBe(4);
      const { path } = await storeAtStop(state, storeOptions(folder));
      expect(path).toBe(folder.file('metadata.mfs'));
      expect(folder.list()).toEqual(['metadata.crc', 'metadata.mfs', 'metadata.mfs.back.1', 'metadata.mfs.back.2']);
    }));
});
