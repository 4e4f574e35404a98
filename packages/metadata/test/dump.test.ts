import { describe, expect, it } from 'vitest';
import { imageBytes } from '../src/index.ts';
import {
  oldChunks,
  oldChunkservers,
  oldClasses,
  oldEdges,
  oldNodes,
  oldQuotas,
  oldSessions,
} from './imageOldVersions.ts';
import { assemble, dump, edit, fixture, load, NOW, type Section, split, stockDump } from './imageSupport.ts';

const image2 = fixture('image-2/metadata.mfs');

/** The image with one section in an older form. */
function older(tag: string, convert: (section: Section) => Section): Buffer {
  return edit(image2, (section) => (section.tag === tag ? convert(section) : section));
}

const OLD_IMAGES: [string, Buffer][] = [
  ...[0x10, 0x11, 0x12, 0x13].map((version): [string, Buffer] => [
    `NODE 0x${version.toString(16)}`,
    older('NODE', (section) => oldNodes(section, version)),
  ]),
  ['EDGE 0x10', older('EDGE', oldEdges)],
  ['QUOT 0x10', older('QUOT', oldQuotas)],
  ...([0x10, 0x11, 0x12] as const).map((version): [string, Buffer] => [
    `CSDB 0x${version.toString(16)}`,
    older('CSDB', (section) => oldChunkservers(section, version)),
  ]),
  ['CHNK 0x10', older('CHNK', oldChunks)],
  ...[0x10, 0x11, 0x12, 0x13, 0x14].map((version): [string, Buffer] => [
    `SESS 0x${version.toString(16)}`,
    older('SESS', (section) => oldSessions(section, version)),
  ]),
  ...[0x10, 0x11, 0x12, 0x13, 0x14].flatMap((version): [string, Buffer][] => [
    [`LABS 0x${version.toString(16)}`, older('SCLA', (section) => oldClasses(section, 'LABS', version))],
    [`SCLA 0x${version.toString(16)}`, older('SCLA', (section) => oldClasses(section, 'SCLA', version))],
  ]),
  ['PACL 0x10', older('PACL', (section) => ({ ...section, version: 0x10 }))],
  ['MFSM 1.5', oldFile(0x15)],
  ['MFSM 1.7', oldFile(0x17)],
];

/** The four sections that a file of 1.x has. */
function oldFile(format: 0x15 | 0x17): Buffer {
  const { sections } = split(image2);
  const find = (tag: string) => sections.find((section) => section.tag === tag)!;
  const nodes = oldNodes(find('NODE'), format === 0x15 ? 0x10 : 0x13);
  const header = Buffer.alloc(24);
  header.write(`MFSM 1.${format & 15}`, 'latin1');
  find('NODE').payload.copy(header, 8, 0, 4);
  header.writeBigUInt64BE(174n, 12);
  header.writeUInt32BE(7, 20);
  const headless = { ...nodes, payload: nodes.payload.subarray(format === 0x15 ? 4 : 8) };
  const parts = [headless, oldEdges(find('EDGE')), find('FREE'), oldChunks(find('CHNK'))];
  if (format === 0x15) return Buffer.concat([header, ...parts.map(({ payload }) => payload)]);
  return assemble(header, parts);
}

describe('the dump', () => {
  it.each(['image-1', 'image-2'])('of %s is that of the stock tool', (name) => {
    const expected = fixture(`${name}/mfsmetadump.txt`).toString('latin1');
    const { status, lines } = dump(fixture(`${name}/metadata.mfs`));
    expect(`${lines.join('\n')}\n`).toBe(expected);
    expect(status).toBe(0);
  });

  it.each(OLD_IMAGES)('of a file with %s is that of the stock tool', (_name, image) => {
    expect(dump(image)).toMatchObject(stockDump(image));
  });

  it('of single sections is that of the stock tool', () => {
    for (const only of ['HEAD', 'LABS', ...split(image2).sections.map(({ tag }) => tag)]) {
      expect([only, dump(image2, { only }).lines]).toEqual([only, stockDump(image2, ['-s', only]).lines]);
    }
  });

  it('shows dots for bytes that cannot be printed', () => {
    const { state } = load(image2);
    const row = state.edges.find(state.nodes.find(2), Buffer.from('small.txt'));
    const list = state.nodes.aux.get(state.nodes.find(2));
    const child = state.edges.child.get(row);
    state.edges.remove(row, list);
    state.edges.insertLast(state.nodes.find(2), child, 2n ** 63n - 2n, Buffer.from([1, 200, 127, 65, 31, 255]));
    const { image } = imageBytes(state, { now: NOW });
    expect(dump(image, { dots: true }).lines).toEqual(stockDump(image, ['-d']).lines);
    expect(dump(image).lines).toEqual(stockDump(image).lines);
  });

  it('of an unknown section is that of the stock tool', () => {
    const { head, sections } = split(image2);
    const payload = Buffer.from('hello, this is \x01 an unknown payload of more than one line\xff', 'latin1');
    const image = assemble(head, [...sections, { tag: 'ZZZZ', version: 0x12, payload }]);
    expect(dump(image)).toMatchObject(stockDump(image));
  });

  it('of locks shows their owners as the stock tool does', () => {
    const { state } = load(image2);
    state.flocks.set(5, [{ session: 3, owner: 0xb664_af53_ff47_b9e2n, exclusive: true }]);
    const ranges = [{ start: 4n, end: 2n ** 64n - 1n, write: true }];
    state.posixLocks.set(5, [{ session: 3, owner: 0xf758_e764_707c_555an, pid: 2300, ranges }]);
    const { image } = imageBytes(state, { now: NOW });
    expect(dump(image).lines).toEqual(stockDump(image).lines);
  });

  it('of an empty file system and of what is no image says so', () => {
    for (const image of ['MFSM NEW', 'no image at all', 'MFSM', image2.subarray(0, 30), image2.subarray(0, 300)]) {
      const bytes = Buffer.from(image);
      expect(dump(bytes)).toMatchObject(stockDump(bytes));
    }
  });
});

describe('older forms', () => {
  /** Everything that the older form cannot hold is left out of the comparison. */
  const comparable = (image: Buffer, tag: string): string[] => {
    const saved = imageBytes(load(image).state, { now: NOW }).image;
    const prefix = {
      NODE: 'NODE|',
      CHNK: 'CHUNK|',
      EDGE: 'EDGE|',
      QUOT: 'QUOTA|',
      CSDB: 'CHUNKSERVER|',
      SESS: 'SESSION|',
    }[tag];
    return dump(saved).lines.filter((line) => prefix === undefined || line.startsWith(prefix));
  };

  it.each([
    ['NODE', 0x12],
    ['NODE', 0x13],
  ])('%s %i loads like the present one', (tag, version) => {
    expect(
      comparable(
        older(tag, (section) => oldNodes(section, version)),
        tag,
      ),
    ).toEqual(comparable(image2, tag));
  });

  it.each([0x10, 0x11])('NODE %i loads with four bits of extra attributes', (version) => {
    const withoutSnapshotBit = (line: string) => line.replace('|e:0x10|', '|e:0x00|');
    const image = older('NODE', (section) => oldNodes(section, version));
    expect(comparable(image, 'NODE')).toEqual(comparable(image2, 'NODE').map(withoutSnapshotBit));
  });

  it('CHNK 0x10 loads without archive flags', () => {
    expect(comparable(older('CHNK', oldChunks), 'CHNK')).toEqual(comparable(image2, 'CHNK'));
  });

  it('EDGE 0x10 loads in the same order and asks for edge ids', () => {
    const withoutId = (line: string) => line.replace(/i:0x[0-9A-F]{16}/, '');
    const image = older('EDGE', oldEdges);
    expect(comparable(image, 'EDGE').map(withoutId)).toEqual(comparable(image2, 'EDGE').map(withoutId));
    expect(load(image).renumberEdges).toBe(true);
  });

  it('QUOT 0x10 loads with the default grace period', () => {
    const expected = comparable(image2, 'QUOT').map((line) => line.replace(/g:[0-9]+/, 'g:604800'));
    expect(comparable(older('QUOT', oldQuotas), 'QUOT')).toEqual(expected);
  });

  it('CSDB 0x12 loads like the present one', () => {
    const image = older('CSDB', (section) => oldChunkservers(section, 0x12));
    expect(comparable(image, 'CSDB')).toEqual(comparable(image2, 'CSDB'));
  });

  it('SESS 0x14 loads like the present one', () => {
    const image = older('SESS', (section) => oldSessions(section, 0x14));
    expect(comparable(image, 'SESS')).toEqual(comparable(image2, 'SESS'));
  });

  it('SESS 0x10 takes sessions for disconnected now', () => {
    const { state } = load(older('SESS', (section) => oldSessions(section, 0x10)));
    expect(state.sessions.get(3)?.disconnected).toBe(NOW);
    expect(state.sessions.get(3)?.info.toString()).toBe('/mnt/cap');
  });

  it.each(['LABS', 'SCLA'] as const)('%s 0x15 loads own classes under a made-up name', (tag) => {
    const { state } = load(older('SCLA', (section) => oldClasses(section, tag, 0x15)));
    const { name: _name, ...present } = load(image2).state.storageClasses.get(10)!;
    expect(state.storageClasses.get(10)).toMatchObject(present);
    expect(state.storageClasses.get(10)?.name.toString()).toBe('sclass_1');
    expect(state.storageClasses.get(9)?.keepMasks.length).toBe(36);
  });

  it.each([0x10, 0x11, 0x12, 0x13])('LABS %i has one list for all three', (version) => {
    const { state } = load(older('SCLA', (section) => oldClasses(section, 'LABS', version)));
    const { createMasks, keepMasks, archMasks } = state.storageClasses.get(10)!;
    expect(createMasks).toEqual([1, 0, 0, 0, 2, 0, 0, 0]);
    expect([keepMasks, archMasks]).toEqual([createMasks, createMasks]);
  });

  it('MFSM 1.5 loads', () => {
    const { state, renumberEdges } = load(oldFile(0x15));
    expect([state.metaversion, state.metaid, state.nextsessionid, renumberEdges]).toEqual([174, 0n, 7, true]);
    expect(state.nodes.count).toBe(30);
  });

  it('MFSM 1.7 loads', () => {
    expect(load(oldFile(0x17)).state.nodes.count).toBe(30);
  });
});
