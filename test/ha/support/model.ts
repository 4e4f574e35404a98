/** One change that a worker of the load asks the file system for. Names are relative to the worker's folder. */
export type Operation =
  | { op: 'create' | 'mkdir' | 'unlink' | 'rmdir'; name: string }
  | { op: 'symlink'; name: string; target: string }
  | { op: 'rename' | 'link'; name: string; to: string }
  | { op: 'write'; name: string; record: number; version: number }
  | { op: 'truncate'; name: string; records: number }
  | { op: 'chmod'; name: string; mode: number };

export interface FileModel {
  kind: 'file';
  /** Tells files apart in the content of their records. */
  id: number;
  mode: number;
  links: number;
  /** Version of each record; a file is that many records long. */
  records: number[];
}

export type Thing = FileModel | { kind: 'folder' } | { kind: 'symlink'; target: string };

export const RECORD_BYTES = 4096;

/** The content of one record: every eight bytes say whose they are. Version 0: a hole. */
export function recordContent(id: number, record: number, version: number): Buffer {
  const content = Buffer.alloc(RECORD_BYTES);
  if (version === 0) return content;
  content.writeUInt32LE(id, 0);
  content.writeUInt16LE(record, 4);
  content.writeUInt16LE(version & 0xffff, 6);
  return content.fill(content.subarray(0, 8));
}

/** What a worker's folder must look like after the operations that were acknowledged. */
export class Model {
  readonly things = new Map<string, Thing>();
  #files = 0;

  file(name: string): FileModel {
    const thing = this.things.get(name);
    if (thing?.kind !== 'file') throw new Error(`${name} is no file in the model`);
    return thing;
  }

  apply(operation: Operation): void {
    const { things } = this;
    switch (operation.op) {
      case 'create':
        things.set(operation.name, { kind: 'file', id: ++this.#files, mode: 0o644, links: 1, records: [] });
        break;
      case 'mkdir':
        things.set(operation.name, { kind: 'folder' });
        break;
      case 'symlink':
        things.set(operation.name, { kind: 'symlink', target: operation.target });
        break;
      case 'unlink':
      case 'rmdir':
        this.#remove(operation.name);
        break;
      case 'rename':
        this.#rename(operation.name, operation.to);
        break;
      case 'link': {
        const file = this.file(operation.name);
        file.links++;
        things.set(operation.to, file);
        break;
      }
      case 'write':
        this.#write(this.file(operation.name), operation.record, operation.version);
        break;
      case 'truncate':
        this.#truncate(this.file(operation.name), operation.records);
        break;
      case 'chmod':
        this.file(operation.name).mode = operation.mode;
        break;
    }
  }

  #remove(name: string): void {
    const thing = this.things.get(name);
    if (thing?.kind === 'file') thing.links--;
    this.things.delete(name);
  }

  #rename(from: string, to: string): void {
    const thing = this.things.get(from);
    if (thing === undefined) throw new Error(`${from} is not in the model`);
    this.#remove(to);
    this.things.delete(from);
    this.things.set(to, thing);
  }

  #write(file: FileModel, record: number, version: number): void {
    while (file.records.length < record) file.records.push(0);
    file.records[record] = version;
  }

  #truncate(file: FileModel, records: number): void {
    file.records.length = Math.min(file.records.length, records);
    while (file.records.length < records) file.records.push(0);
  }
}

/** The content of a file in the model. */
export function fileContent(file: FileModel): Buffer {
  return Buffer.concat(file.records.map((version, record) => recordContent(file.id, record, version)));
}
