import { crc32 } from '@alces/proto';
import type { Disk } from '@alces/runtime';
import type { PersistentState } from '../core/effects.ts';
import { type EpochRecord, MAX_HISTORY } from '../history.ts';

const HEADING = 'alces epochs 1';

/** What the file says: the node's state, and an image whose installation was begun. */
export interface EpochFileContent {
  state: PersistentState;
  installing: { version: number; image: number } | undefined;
}

export const INITIAL_STATE: PersistentState = { promised: 0, promisedTo: '', joined: false, commit: 0, history: [] };

/** The file does not say what a node must know to keep its promises. */
export class EpochFileDamaged extends Error {
  override readonly name = 'EpochFileDamaged';
}

const word = (text: string) => (text === '' ? '-' : text);
const unword = (text: string) => (text === '-' ? '' : text);

function recordLine({ epoch, first, leader, id, members, startedMs }: EpochRecord): string {
  return `epoch ${epoch} ${first} ${word(leader)} ${word(id)} ${word(members.join(','))} ${Math.round(startedMs)}`;
}

/** The text of the file: one fact per line, for people too, and its CRC-32 at the end. */
export function formatEpochFile({ state, installing }: EpochFileContent): string {
  const lines = [HEADING, `promised ${state.promised} ${word(state.promisedTo)}`, `joined ${state.joined ? 1 : 0}`];
  lines.push(`committed ${state.commit}`);
  if (installing !== undefined) lines.push(`installing ${installing.version} ${installing.image}`);
  lines.push(...state.history.map(recordLine));
  const text = `${lines.join('\n')}\n`;
  return `${text}crc ${crc32(Buffer.from(text)).toString(16).padStart(8, '0')}\n`;
}

function number(text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value))
    throw new EpochFileDamaged(`'${text}' is not a number`);
  return value;
}

function parseRecord(words: string[]): EpochRecord {
  const [epoch, first, leader, id, members, startedMs] = words;
  if (words.length !== 6) throw new EpochFileDamaged(`an epoch of ${words.length} words`);
  return {
    epoch: number(epoch),
    first: number(first),
    leader: unword(leader),
    id: unword(id),
    members: unword(members).split(',').filter(Boolean),
    startedMs: number(startedMs),
  };
}

/** Throws EpochFileDamaged for anything that `formatEpochFile` does not write. */
export function parseEpochFile(text: string): EpochFileContent {
  const end = text.lastIndexOf('crc ');
  const body = text.slice(0, Math.max(end, 0));
  if (text.slice(end) !== `crc ${crc32(Buffer.from(body)).toString(16).padStart(8, '0')}\n`)
    throw new EpochFileDamaged('the checksum is wrong');
  const [heading, ...lines] = body.trimEnd().split('\n');
  if (heading !== HEADING) throw new EpochFileDamaged(`it begins with '${heading}'`);
  const history: EpochRecord[] = [];
  const state = { ...INITIAL_STATE, history };
  let installing: EpochFileContent['installing'];
  for (const line of lines) {
    const [name, ...words] = line.split(' ');
    if (name === 'promised') {
      state.promised = number(words[0]);
      state.promisedTo = unword(words[1] ?? '-');
    } else if (name === 'joined') state.joined = number(words[0]) === 1;
    else if (name === 'committed') state.commit = number(words[0]);
    else if (name === 'installing') installing = { version: number(words[0]), image: number(words[1]) };
    else if (name === 'epoch' && history.length < MAX_HISTORY) history.push(parseRecord(words));
    else throw new EpochFileDamaged(`unknown line '${line}'`);
  }
  return { state, installing };
}

/** In the folder of every node that has ever promised anything. */
export const EPOCHS_FILE = 'epochs.alces';

/** The file `epochs.alces`: promise and history of a node, replaced as a whole. */
export class EpochFile {
  readonly #disk: Disk;
  readonly path: string;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.path = `${folder}/${EPOCHS_FILE}`;
  }

  /** What the file says; that of a new node when there is none. Throws EpochFileDamaged. */
  async load(): Promise<EpochFileContent> {
    if (!(await this.#disk.exists(this.path))) return { state: INITIAL_STATE, installing: undefined };
    try {
      return parseEpochFile((await this.#disk.readFile(this.path)).toString());
    } catch (error) {
      if (error instanceof EpochFileDamaged) throw new EpochFileDamaged(`${this.path}: ${error.message}`);
      throw error;
    }
  }

  /** Durable when it resolves. */
  save(content: EpochFileContent): Promise<void> {
    return this.#disk.replaceFile(this.path, Buffer.from(formatEpochFile(content)));
  }
}
