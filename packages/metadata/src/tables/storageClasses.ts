/** Storage classes 1..9 are predefined ("goals"); own classes have 10..255 (spec 50, section 3.2). */
export const FIRST_OWN_CLASS = 10;
export const MAX_CLASS = 255;
/** Label masks per copy. */
export const MASKS_PER_COPY = 4;
export const MAX_COPIES = 9;

export interface StorageClass {
  name: Buffer;
  adminonly: number;
  /** 0 loose, 1 standard, 2 strict. */
  mode: number;
  /** Days; 0 = never archived automatically. */
  archdelay: number;
  /** Per copy MASKS_PER_COPY label masks (bit 0 = label A), so the number of copies is length / 4. */
  createMasks: readonly number[];
  keepMasks: readonly number[];
  archMasks: readonly number[];
}

/** Storage class definitions by id, and the number of files and directories that have them. */
export class StorageClassTable {
  private readonly classes: (StorageClass | undefined)[] = Array.from({ length: MAX_CLASS + 1 }, () => undefined);
  /** max(keep copies, archive copies) by id; 0 for undefined classes. */
  private readonly copiesById = new Uint8Array(MAX_CLASS + 1);
  /** Files (trash and sustained included) and directories by class id; also of undefined classes. */
  readonly files = new Float64Array(MAX_CLASS + 1);
  readonly directories = new Float64Array(MAX_CLASS + 1);

  constructor() {
    for (let id = 1; id < FIRST_OWN_CLASS; id++) {
      this.set(id, predefined(id));
    }
  }

  get(id: number): StorageClass | undefined {
    return this.classes[id];
  }

  set(id: number, definition: StorageClass): void {
    this.classes[id] = definition;
    this.copiesById[id] = Math.max(definition.keepMasks.length, definition.archMasks.length) / MASKS_PER_COPY;
  }

  remove(id: number): void {
    this.classes[id] = undefined;
    this.copiesById[id] = 0;
  }

  /** Copies counted in the real size of a file of this class: max(keep, archive); 0 for an undefined class. */
  copies(id: number): number {
    return this.copiesById[id];
  }

  /** Id of the class with this name, 0 = none. */
  find(name: Uint8Array): number {
    const id = this.classes.findIndex((definition) => definition?.name.equals(name));
    return Math.max(id, 0);
  }

  /** Lowest unused id for an own class, 0 = none left. */
  lowestFree(): number {
    for (let id = FIRST_OWN_CLASS; id <= MAX_CLASS; id++) {
      if (this.classes[id] === undefined) {
        return id;
      }
    }
    return 0;
  }

  /** Defined classes by ascending id. */
  *entries(): IterableIterator<[number, StorageClass]> {
    for (let id = 1; id <= MAX_CLASS; id++) {
      const definition = this.classes[id];
      if (definition !== undefined) {
        yield [id, definition];
      }
    }
  }
}

/** Definition of the predefined class `id`: that many copies on any server. */
export function predefined(id: number): StorageClass {
  const anyServer = new Array<number>(id * MASKS_PER_COPY).fill(0);
  return {
    name: Buffer.from(String(id)),
    adminonly: 0,
    mode: 1,
    archdelay: 0,
    createMasks: anyServer,
    keepMasks: anyServer,
    archMasks: anyServer,
  };
}
