import { ImageError } from '../image/errors.ts';
import { parseSignature, type SectionHeader, UNKNOWN_LENGTH } from '../image/format.ts';
import type { ImageInput, Resumable } from '../image/input.ts';
import { type ImageHeader, parseImage } from '../image/parse.ts';
import type { ImageSink } from '../image/records.ts';
import * as lines from './records.ts';
import { hex, hexBytes, right, withDots } from './text.ts';

const RULE = `# ${'-'.repeat(67)}`;
const HEX_DUMP_BYTES = 32;
const FORMAT_WITH_METAID = 0x20;
const FORMAT_WITH_SECTIONS = 0x16;
/** Last byte that is printable in names, and in headers. */
const LAST_IN_NAMES = 127;
const LAST_IN_HEADERS = 126;

export interface DumpOptions {
  /** Print bytes that cannot be printed as dots (`-d`). */
  dots?: boolean;
  /** Print only this part: `HEAD` or the tag of a section (`-s`). */
  only?: string;
  /** Receives the lines, without newline, one character per byte. */
  line: (text: string) => void;
  /** Receives what goes to the error output. */
  error: (text: string) => void;
}

function hexDump(payload: Buffer, dots: boolean, line: (text: string) => void): void {
  for (let at = 0; at < payload.length; at += HEX_DUMP_BYTES) {
    const row = payload.subarray(at, at + HEX_DUMP_BYTES);
    const numbers = Array.from(row, (byte) => hex(byte, 2)).join(' ');
    const text = dots ? withDots(row.toString('latin1'), LAST_IN_HEADERS) : row.toString('latin1');
    line(`${numbers.padEnd(HEX_DUMP_BYTES * 3)} |${text.padEnd(HEX_DUMP_BYTES)}|`);
  }
}

/** Prints records as they come; `version` is that of the present section, 0 in files without section headers. */
class DumpSink implements ImageSink {
  version = 0;
  /** In formats 1.x the counters are in the file's header. */
  countersInHeader = false;
  readonly #line: (text: string) => void;
  readonly #name: lines.NameText;

  constructor(options: DumpOptions) {
    this.#line = options.line;
    this.#name =
      options.dots === true
        ? (bytes) => withDots(bytes.toString('latin1'), LAST_IN_NAMES)
        : (bytes) => bytes.toString('latin1');
  }

  sessions(nextSessionId: number, countersStored: number): void {
    if (this.countersInHeader) return;
    const dver = this.version <= 0x11 ? `dver: ${this.version - 0xf} ; ` : '';
    this.#line(`# ${dver}nextsessionid: ${nextSessionId} ; statscount: ${countersStored}`);
  }

  session(record: Parameters<ImageSink['session']>[0]): void {
    this.#line(lines.sessionLine(record, this.version, this.#name));
  }

  labelDescription(label: number, text: Buffer): void {
    this.#line(`LABELDESC|l:${String.fromCharCode(65 + label)}|n:${this.#name(text)}`);
  }

  storageClass(record: Parameters<ImageSink['storageClass']>[0]): void {
    this.#line(lines.classLine(record, this.version, this.#name));
  }

  nodes(maxInode: number, nodeCount: number): void {
    if (this.countersInHeader) return;
    this.#line(`# maxinode: ${maxInode}${this.version > 0x10 ? ` ; hashelements: ${nodeCount}` : ''}`);
  }

  node(record: Parameters<ImageSink['node']>[0]): void {
    this.#line(lines.nodeLine(record, this.version, this.#name));
  }

  edges(nextEdgeId: bigint): void {
    if (this.version > 0x10) this.#line(`# nextedgeid: ${hex(nextEdgeId, 16)}`);
  }

  edge(record: Parameters<ImageSink['edge']>[0]): void {
    this.#line(lines.edgeLine(record, this.#name));
  }

  freedInodes(count: number): void {
    this.#line(`# free nodes: ${count}`);
  }

  freedInode(inode: number, freedAt: number): void {
    this.#line(`FREEID|i:${right(inode, 10)}|f:${right(freedAt, 10)}`);
  }

  quotas(count: number): void {
    this.#line(`# quota nodes: ${count}`);
  }

  quota(record: Parameters<ImageSink['quota']>[0]): void {
    this.#line(lines.quotaLine(record));
  }

  xattr(record: Parameters<ImageSink['xattr']>[0]): void {
    this.#line(lines.xattrLine(record, this.#name));
  }

  acl(record: Parameters<ImageSink['acl']>[0]): void {
    this.#line(lines.aclLine(record));
  }

  openFile(sessionId: number, inode: number): void {
    this.#line(lines.openLine(sessionId, inode));
  }

  flock(record: Parameters<ImageSink['flock']>[0]): void {
    this.#line(lines.flockLine(record));
  }

  posixLock(record: Parameters<ImageSink['posixLock']>[0]): void {
    this.#line(lines.posixLockLine(record));
  }

  chunkservers(count: number): void {
    this.#line(`# chunk servers: ${count}`);
  }

  chunkserver(record: Parameters<ImageSink['chunkserver']>[0]): void {
    this.#line(lines.chunkserverLine(record, this.version));
  }

  chunks(nextChunkId: number): void {
    this.#line(`# nextchunkid: ${hex(nextChunkId, 16)}`);
  }

  chunk(record: Parameters<ImageSink['chunk']>[0]): void {
    this.#line(lines.chunkLine(record));
  }
}

function signatureLine(signature: Buffer): string {
  return `# header: ${signature.toString('latin1')} (${hexBytes(signature)})`;
}

function headerLine(header: ImageHeader): string {
  if (header.format === 'NEW') return 'empty file';
  if (header.format >= FORMAT_WITH_METAID)
    return `# version: ${header.metaversion} ; fileid: 0x${hex(header.metaid, 1)}`;
  return `# maxnodeid: ${header.maxInode} ; version: ${header.metaversion} ; nextsessionid: ${header.nextSessionId}`;
}

/** What the stock tool says instead of a dump that cannot be continued. */
function failure(error: ImageError): string {
  if (error.section === 'header') return "can't read metadata header";
  if (error.section === 'structure') return "can't read section header";
  return `error reading metadata (${error.section})`;
}

/** Files before 1.6 have no section headers: nothing but a rule stands between their parts. */
function isHeadless(header: ImageHeader): boolean {
  return header.format !== 'NEW' && header.format < FORMAT_WITH_SECTIONS;
}

/** Prints the parts of an image around the records. */
class DumpFrame {
  readonly #options: DumpOptions;
  readonly #sink: DumpSink;
  #header: ImageHeader | undefined;

  constructor(options: DumpOptions, sink: DumpSink) {
    this.#options = options;
    this.#sink = sink;
  }

  wants(part: string): boolean {
    return this.#options.only === undefined || this.#options.only === part;
  }

  header(header: ImageHeader, signature: Buffer): void {
    const { line } = this.#options;
    this.#header = header;
    this.#sink.countersInHeader = header.format !== 'NEW' && header.format < FORMAT_WITH_METAID;
    if (this.wants('HEAD')) line(signatureLine(signature));
    if (this.wants('HEAD') || header.format === 'NEW') line(headerLine(header));
  }

  section(section: SectionHeader): void {
    const { line, dots } = this.#options;
    this.#sink.version = section.version;
    line(RULE);
    if (this.#header !== undefined && isHeadless(this.#header)) return;
    const title = dots === true ? withDots(section.title, LAST_IN_HEADERS) : section.title;
    const length = section.lengthBytes ?? UNKNOWN_LENGTH;
    line(`# section header: ${title} (${hexBytes(Buffer.from(section.title, 'latin1'))}) ; length: ${length}`);
    line(`# section type: ${section.tag} ; version: 0x${hex(section.version, 2)}`);
  }

  unknownSection(section: SectionHeader, payload: Buffer): void {
    this.section(section);
    this.#options.line('unknown file part');
    hexDump(payload, this.#options.dots === true, this.#options.line);
  }

  end(header: ImageHeader): void {
    const { line, only } = this.#options;
    if (only !== undefined || header.format === 'NEW' || isHeadless(header)) return;
    for (const text of [RULE, '# MFS END OF FILE MARKER', RULE]) line(text);
  }
}

/**
 * Prints an image as text, as the stock mfsmetadump does (spec 50 §9.1). A damaged image is printed as far as it can be read.
 * Returns the exit status.
 */
export function* dumpImage(input: ImageInput, options: DumpOptions): Resumable<number> {
  const sink = new DumpSink(options);
  const frame = new DumpFrame(options, sink);
  try {
    if (input.totalBytes >= 8) yield* input.demand(8);
    const signature = Buffer.from(input.bytes.subarray(0, 8));
    if (signature.length === 8 && parseSignature(signature) === undefined) {
      if (frame.wants('HEAD')) options.line(signatureLine(signature));
      options.line('wrong metadata header (old version ?)');
      return 1;
    }
    const { header } = yield* parseImage(input, sink, {
      ignoreErrors: true,
      notice: options.error,
      headerRead: (read) => frame.header(read, signature),
      wanted: (section) => frame.wants(section.tag),
      unknownSection: (section, payload) => frame.unknownSection(section, payload),
      sectionBegins: (_kind, section) => frame.section(section),
    });
    frame.end(header);
    return 0;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    options.line(failure(error));
    options.error(error.message);
    return 1;
  }
}
