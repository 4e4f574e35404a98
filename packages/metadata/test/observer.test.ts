import { expect, test } from 'vitest';
import { apply, type Observer, type State, silentObserver } from '../src/index.ts';
import { OperationSource } from './support/operations.ts';
import { Dice } from './support/random.ts';
import { emptyState, RANDOM_RUN_START } from './support/run.ts';

interface SeenChunk {
  version: number;
  lockedTo: number;
  archive: number;
}

/** What one would believe who only heard the observer. */
class Hearsay {
  readonly nodes = new Set([1]);
  readonly entries = new Map<string, number>();
  readonly open = new Set<string>();
  readonly sessions = new Set<number>();
  readonly chunks = new Map<number, SeenChunk>();
  /** Nodes and chunks about which something was told since the last operation began. */
  readonly touched = new Set<string>();

  observe(state: State): Observer {
    const key = (parent: number, name: Buffer): string => `${parent}/${name.toString('latin1')}`;
    return {
      ...silentObserver,
      nodeCreated: (_row, inode) => this.nodes.add(inode),
      nodeRemoved: (_row, inode) => this.nodes.delete(inode),
      nodeChanged: (_row, inode) => this.touched.add(`node ${inode}`),
      entryAdded: (parent, name, child) => this.entries.set(key(parent, name), child),
      entryRemoved: (parent, name) => this.entries.delete(key(parent, name)),
      openChanged: (session, inode, open) => {
        this.open[open ? 'add' : 'delete'](`${session} ${inode}`);
      },
      sessionChanged: (id, change) => {
        this.sessions[change === 'removed' ? 'delete' : 'add'](id);
      },
      chunkCreated: (row, id) =>
        this.chunks.set(id, {
          version: state.chunks.version.get(row),
          lockedTo: state.chunks.lockedTo.get(row),
          archive: 0,
        }),
      chunkRemoved: (_row, id) => this.chunks.delete(id),
      chunkVersionChanged: (_row, id, version) => this.update(id, { version }),
      chunkLockChanged: (_row, id, lockedTo) => this.update(id, { lockedTo }),
      chunkArchiveChanged: (_row, id, archive) => this.update(id, { archive }),
      chunkReferencesChanged: (_row, id) => this.touched.add(`chunk ${id}`),
    };
  }

  private update(id: number, change: Partial<SeenChunk>): void {
    const chunk = this.chunks.get(id);
    if (chunk === undefined) {
      throw new Error(`chunk ${id} was not announced`);
    }
    Object.assign(chunk, change);
  }
}

function referenceCounts(state: State): Map<number, string> {
  const counts = new Map<number, string>();
  for (let row = 1; row < state.chunks.rowLimit; row++) {
    if (state.chunks.id.get(row) !== 0) {
      counts.set(state.chunks.id.get(row), JSON.stringify(state.chunks.classCounts(row)));
    }
  }
  return counts;
}

/** Attributes of all nodes that clients may keep in caches. */
function attributes(state: State): Map<number, string> {
  const { nodes } = state;
  const found = new Map<number, string>();
  for (let row = 1; row < nodes.rowLimit; row++) {
    if (nodes.type.get(row) !== 0) {
      const columns = [
        nodes.type,
        nodes.mode,
        nodes.uid,
        nodes.gid,
        nodes.atime,
        nodes.mtime,
        nodes.ctime,
        nodes.length,
      ];
      found.set(nodes.inode.get(row), [...columns, nodes.eattr, nodes.winattr].map((column) => column.get(row)).join());
    }
  }
  return found;
}

test.each([61, 62, 63])(
  'whoever listens knows names, chunks, sessions and open files, and what changed (%i)',
  (seed) => {
    const state = emptyState();
    const hearsay = new Hearsay();
    state.observer = hearsay.observe(state);
    const source = new OperationSource(state, new Dice(seed), RANDOM_RUN_START);
    let references = referenceCounts(state);
    let before = attributes(state);
    for (let i = 0; i < 1500; i++) {
      hearsay.touched.clear();
      const operation = source.next();
      if (apply(state, source.now, operation, 'live') !== 0) {
        continue;
      }
      const now = referenceCounts(state);
      for (const [id, counts] of now) {
        const isTold = hearsay.touched.has(`chunk ${id}`) || references.get(id) === undefined;
        expect(isTold || references.get(id) === counts, `${operation.op}, chunk ${id}`).toBe(true);
      }
      references = now;
      const after = attributes(state);
      for (const [inode, text] of after) {
        const isTold = hearsay.touched.has(`node ${inode}`) || !before.has(inode);
        expect(isTold || before.get(inode) === text, `${operation.op}, inode ${inode}`).toBe(true);
      }
      before = after;
    }
    compare(state, hearsay);
  },
);

function compare(state: State, hearsay: Hearsay): void {
  const { nodes, edges, chunks } = state;
  let named = 0;
  for (let edge = 1; edge < edges.rowLimit; edge++) {
    if (edges.child.get(edge) !== 0 && edges.parent.get(edge) !== 0) {
      named++;
      const key = `${nodes.inode.get(edges.parent.get(edge))}/${edges.name(edge).toString('latin1')}`;
      expect(hearsay.entries.get(key)).toBe(nodes.inode.get(edges.child.get(edge)));
    }
  }
  expect(hearsay.entries.size).toBe(named);
  expect(hearsay.nodes.size).toBe(nodes.count);
  expect([...hearsay.sessions].sort()).toEqual([...state.sessions.keys()].sort());
  expect([...hearsay.open].sort()).toEqual([...state.openFiles.pairs()].map((p) => `${p.session} ${p.inode}`).sort());
  expect(hearsay.chunks.size).toBe(chunks.count);
  for (const [id, seen] of hearsay.chunks) {
    const row = chunks.find(id);
    const real = {
      version: chunks.version.get(row),
      lockedTo: chunks.lockedTo.get(row),
      archive: chunks.archive.get(row),
    };
    expect(seen).toEqual(real);
  }
}
