import { ImageError } from './errors.ts';
import {
  END_MARKER,
  parseSignature,
  SECTION_HEADER_BYTES,
  SECTIONS,
  type SectionHeader,
  type SectionKind,
  sectionKind,
  UNKNOWN_LENGTH,
} from './format.ts';
import type { ImageInput, Resumable } from './input.ts';
import type { ImageSink, SectionContext } from './records.ts';
import { parseAcls, parseQuotas, parseXattrs } from './sections/attributes.ts';
import { parseChunks, parseChunkservers, parseStorageClasses } from './sections/cluster.ts';
import { parseFlocks, parseOpenFiles, parsePosixLocks, parseSessions } from './sections/sessions.ts';
import { parseEdges, parseFreed, parseNodes } from './sections/tree.ts';

const FORMAT_WITH_METAID = 0x20;
const FORMAT_WITH_SECTIONS = 0x16;
const OLDEST_SECTION_VERSION = 0x10;
/** A section unknown to 3.0.117 is kept in memory; more than this is refused. */
const LARGEST_CARRIED_SECTION_BYTES = 64 * 1024 * 1024;

/** A section that this program does not know; it is written back as it was read. */
export interface CarriedSection {
  title: string;
  payload: Buffer;
}

/** What stands in front of the sections. */
export interface ImageHeader {
  /** 0x20 is `MFSM 2.0`; `NEW`: an empty file system without anything behind the signature. */
  format: number | 'NEW';
  metaversion: number;
  /** 0: not chosen yet. */
  metaid: bigint;
  /** Formats before 2.0 only. */
  nextSessionId: number | undefined;
  maxInode: number | undefined;
}

export interface ParseOptions {
  /** Leave damaged records out instead of failing (`-i`). */
  ignoreErrors?: boolean;
  /** Told about damage that was ignored, one line each. */
  notice?: (text: string) => void;
  /** Called when the header is known, before anything else. */
  headerRead?: (header: ImageHeader) => void;
  /** Which sections to parse; others are skipped by their length (if it is unknown: parsed all the same). */
  wanted?: (header: SectionHeader) => boolean;
  /** A section that this program does not know. */
  unknownSection?: (header: SectionHeader, payload: Buffer) => void;
  /** A section begins; its payload follows. */
  sectionBegins?: (kind: SectionKind, header: SectionHeader) => void;
  sectionEnds?: (kind: SectionKind, header: SectionHeader) => void;
}

export interface ParsedImage {
  header: ImageHeader;
  carried: CarriedSection[];
}

type SectionParser = (input: ImageInput, context: SectionContext, maxInode: number | undefined) => Resumable<void>;

const PARSERS: Record<SectionKind['tag'], SectionParser> = {
  SESS: parseSessions,
  SCLA: parseStorageClasses,
  NODE: parseNodes,
  EDGE: parseEdges,
  FREE: parseFreed,
  QUOT: parseQuotas,
  XATR: parseXattrs,
  PACL: parseAcls,
  OPEN: parseOpenFiles,
  FLCK: parseFlocks,
  PLCK: parsePosixLocks,
  CSDB: parseChunkservers,
  CHNK: parseChunks,
};

/** Reads a u64 that must be a safe integer. */
function readSafe(input: ImageInput, at: number, what: string): number {
  const value = Number(input.view.getBigUint64(at));
  if (!Number.isSafeInteger(value)) input.fail(`${what} beyond 2^53`);
  return value;
}

/** Reads signature and header (spec 50 §2; formats 1.x §4). `maxInode` is in the header of 1.x only. */
export function* parseHeader(input: ImageInput): Resumable<ImageHeader> {
  if (input.totalBytes < 8) input.fail('the file is too short for an image');
  yield* input.demand(8);
  const format = parseSignature(input.bytes.subarray(input.position, input.position + 8));
  if (format === undefined) input.fail('wrong signature, this is no metadata image');
  input.position += 8;
  if (format === 'NEW') return { format, metaversion: 1, metaid: 0n, nextSessionId: undefined, maxInode: undefined };
  yield* input.demand(16);
  const { view, position } = input;
  input.position += 16;
  if (format >= FORMAT_WITH_METAID) {
    const metaversion = readSafe(input, position, 'metadata version');
    return {
      format,
      metaversion,
      metaid: view.getBigUint64(position + 8),
      nextSessionId: undefined,
      maxInode: undefined,
    };
  }
  return {
    format,
    metaversion: readSafe(input, position + 4, 'metadata version'),
    metaid: 0n,
    nextSessionId: view.getUint32(position + 12),
    maxInode: view.getUint32(position),
  };
}

function readSectionHeader(input: ImageInput): SectionHeader {
  const { bytes, position } = input;
  const title = bytes.toString('latin1', position, position + 8);
  const length = input.view.getBigUint64(position + 8);
  const version = ((bytes[position + 5] - 0x30) << 4) | ((bytes[position + 7] - 0x30) & 15);
  if (length !== UNKNOWN_LENGTH && length > BigInt(Number.MAX_SAFE_INTEGER)) {
    input.fail(`section ${title.slice(0, 4)} claims ${length} bytes`);
  }
  return {
    title,
    tag: title.slice(0, 4),
    version,
    lengthBytes: length === UNKNOWN_LENGTH ? undefined : Number(length),
  };
}

function isWellFormedTitle(title: string): boolean {
  return /^[\x20-\x7e]{4} [0-9:;<=>?][.][0-9:;<=>?]$/.test(title);
}

class ImageParser {
  readonly #input: ImageInput;
  readonly #sink: ImageSink;
  readonly #options: ParseOptions;
  readonly #seen = new Set<string>();
  readonly carried: CarriedSection[] = [];
  maxInode: number | undefined;

  constructor(input: ImageInput, sink: ImageSink, options: ParseOptions) {
    this.#input = input;
    this.#sink = sink;
    this.#options = options;
  }

  /** All sections and the end marker behind them. */
  *sections(): Resumable<void> {
    const input: ImageInput = this.#input;
    for (;;) {
      input.section = 'structure';
      yield* input.demand(SECTION_HEADER_BYTES);
      if (input.bytes.compare(END_MARKER, 0, 16, input.position, input.position + 16) === 0) break;
      const header = readSectionHeader(input);
      const kind = sectionKind(header.tag);
      if (header.lengthBytes !== undefined && this.#options.wanted?.(header) === false) {
        yield* input.skip(SECTION_HEADER_BYTES + header.lengthBytes);
      } else if (kind === undefined) yield* this.#carry(header);
      else yield* this.#section(kind, header);
    }
    input.position += SECTION_HEADER_BYTES;
    if (input.offset !== input.totalBytes) input.fail('data behind the end marker');
    this.#checkCarried();
  }

  /** The four parts of a file older than 1.6, without headers. */
  *headless(): Resumable<void> {
    const input: ImageInput = this.#input;
    for (const tag of ['NODE', 'EDGE', 'FREE', 'CHNK']) {
      const kind = sectionKind(tag)!;
      const header = { title: `${tag} 1.0`, tag, version: OLDEST_SECTION_VERSION, lengthBytes: undefined };
      yield* this.#payload(kind, header);
    }
    if (input.offset !== input.totalBytes) input.fail('data behind the last chunk');
  }

  *#section(kind: SectionKind, header: SectionHeader): Resumable<void> {
    const input: ImageInput = this.#input;
    input.section = header.tag;
    if (!isWellFormedTitle(header.title)) input.fail(`malformed section header '${header.title}'`);
    input.position += SECTION_HEADER_BYTES;
    const start = input.offset;
    yield* this.#payload(kind, header);
    if (header.lengthBytes === undefined || input.offset === start + header.lengthBytes) return;
    this.#tolerate(
      `not all section has been read - file corrupted (${input.offset - start} of ${header.lengthBytes} bytes)`,
      start,
    );
    yield* input.skip(Math.max(0, start + header.lengthBytes - input.offset));
  }

  *#payload(kind: SectionKind, header: SectionHeader): Resumable<void> {
    this.#input.section = header.tag;
    this.#seen.add(kind.tag);
    this.#options.sectionBegins?.(kind, header);
    if (header.version > kind.version) {
      this.#input.fail(
        `error reading metadata (${kind.name}) - metadata in file have been stored by newer version of MFS !!!`,
      );
    }
    const context: SectionContext = {
      version: header.version,
      sink: this.#sink,
      tolerate: (reason, offset) => this.#tolerate(reason, offset),
    };
    yield* PARSERS[kind.tag](this.#input, context, this.maxInode);
    this.#options.sectionEnds?.(kind, header);
  }

  *#carry(header: SectionHeader): Resumable<void> {
    const input: ImageInput = this.#input;
    const { lengthBytes } = header;
    if (!isWellFormedTitle(header.title)) input.fail(`malformed section header '${header.title}'`);
    if (lengthBytes === undefined || lengthBytes > LARGEST_CARRIED_SECTION_BYTES) {
      input.fail(`unknown section found (leng:${lengthBytes ?? 'unknown'},name:${header.title})`);
    }
    input.position += SECTION_HEADER_BYTES;
    yield* input.demand(lengthBytes);
    const payload = Buffer.from(input.bytes.subarray(input.position, input.position + lengthBytes));
    input.position += lengthBytes;
    this.carried.push({ title: header.title, payload });
    this.#options.unknownSection?.(header, payload);
    this.#options.notice?.(
      `unknown section found (leng:${lengthBytes},name:${header.title}) - carried along unchanged`,
    );
  }

  /** A writer that has sections of its own has all the known ones too: else the unknown one is a known one with a damaged name. */
  #checkCarried(): void {
    const missing = SECTIONS.find((kind) => !this.#seen.has(kind.tag));
    if (this.carried.length === 0 || missing === undefined) return;
    this.#tolerate(
      `unknown section found (name:${this.carried[0].title}), and no section ${missing.tag}`,
      this.#input.offset,
    );
  }

  #tolerate(reason: string, offset: number): void {
    const error = new ImageError(this.#input.section, offset, reason);
    if (this.#options.ignoreErrors !== true) throw error;
    this.#options.notice?.(`${error.message} - ignored`);
  }
}

/**
 * Parses an image of any readable format into a sink (spec 50 §2-§5).
 * @throws ImageError when the file is truncated, damaged, or of a newer version
 */
export function* parseImage(input: ImageInput, sink: ImageSink, options: ParseOptions = {}): Resumable<ParsedImage> {
  const header = yield* parseHeader(input);
  options.headerRead?.(header);
  const parser = new ImageParser(input, sink, options);
  if (header.format === 'NEW') return { header, carried: [] };
  parser.maxInode = header.maxInode;
  if (header.nextSessionId !== undefined) sink.sessions(header.nextSessionId, 0);
  yield* header.format < FORMAT_WITH_SECTIONS ? parser.headless() : parser.sections();
  return { header, carried: parser.carried };
}
