import {
  apply,
  formatChange,
  imageBytes,
  loadImageFrom,
  type Operation,
  type OperationName,
  type State,
} from '../../src/index.ts';
import { OperationSource } from './operations.ts';
import { Dice } from './random.ts';

/** Later than any clock, so that chunk locks are not yet over when an image is saved by a stock program. */
export const RANDOM_RUN_START = 2_000_000_000;

/** An empty file system, and what random operations made of it. */
export interface RandomRun {
  state: State;
  /** Image before the first operation. */
  start: Buffer;
  /** Lines of the operations that succeeded, and their text. */
  log: Buffer;
  failures: { operation: Operation; status: number }[];
}

/** A state with nothing but a root. */
export function emptyState(): State {
  return loadImageFrom(Buffer.from('MFSM NEW'), { now: RANDOM_RUN_START }).state;
}

/** Applies random operations in live mode. Left out is what masters never write and the stock replayer cannot stand. */
export function randomRun(
  seed: number,
  steps: number,
  after: (state: State) => void = () => undefined,
  without: OperationName[] = [],
): RandomRun {
  const state = emptyState();
  const start = imageBytes(state, { now: RANDOM_RUN_START }).image;
  const source = new OperationSource(state, new Dice(seed), RANDOM_RUN_START);
  const lines: string[] = [];
  const failures: RandomRun['failures'] = [];
  for (let i = 0; i < steps; i++) {
    const operation = source.next();
    if (isUnnatural(state, operation) || without.includes(operation.op)) {
      continue;
    }
    const version = state.metaversion;
    const status = apply(state, source.now, operation, 'live');
    if (status === 0) {
      const text = formatChange({ timestamp: source.now, operation }).toString('latin1');
      lines.push(`${version}: ${text}\n`);
      after(state);
    } else {
      failures.push({ operation, status });
    }
  }
  return { state, start, log: Buffer.from(lines.join(''), 'latin1'), failures };
}

/** Operations that no master writes (spec 51, sections 3.4, 7.4, 7.8). */
export function isUnnatural(state: State, op: Operation): boolean {
  const flocksOf = (inode: number): { session: number; owner: bigint }[] => state.flocks.get(inode) ?? [];
  switch (op.op) {
    case 'FLOCK': {
      const own = flocksOf(op.inode).filter((lock) => lock.session === op.sessionid && lock.owner === op.owner);
      return op.sessionid === 0 || own.length !== (op.c === 'U' ? 1 : 0);
    }
    case 'RELEASE':
      return op.sessionid === 0 || flocksOf(op.inode).some((lock) => lock.session === op.sessionid);
    case 'SESDEL':
      return [...state.flocks.values()].flat().some((lock) => lock.session === op.sessionid);
    case 'POSIXLOCK':
    case 'ACQUIRE':
      return op.sessionid === 0;
    case 'MOVE':
      return op.parentSrc === op.parentDst && op.nameSrc.equals(op.nameDst);
    case 'SETSCLASS':
      return state.storageClasses.get(op.dstClass) === undefined;
    case 'SETFILECHUNK':
    case 'ROLLBACK': {
      // An entry without chunk is not repaired; at the end of a table an image does not have it (section 3.3).
      const row = state.nodes.find(op.inode);
      return row !== 0 && op.index < state.nodes.slots.get(row) && state.nodes.chunkAt(row, op.index) === 0;
    }
    default:
      return false;
  }
}
