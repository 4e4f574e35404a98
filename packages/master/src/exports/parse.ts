import type { Accounts } from './accounts.ts';
import { parseNetwork } from './network.ts';
import { applyOptions } from './options.ts';
import { BUILT_IN_OPTIONS, type ExportOptions, type ExportRecord } from './record.ts';

export interface ParsedExports {
  /** In file order, the records that DEFAULTS lines leave behind included. */
  records: ExportRecord[];
  warnings: string[];
}

const LINE_LIMIT = 9999;

/** The lines as the stock daemon reads them: a longer one is cut, and each piece counts as a line. */
function* linesOf(text: string): Generator<string> {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const line of lines)
    for (let at = 0; at === 0 || at < line.length; at += LINE_LIMIT) yield line.slice(at, at + LINE_LIMIT);
}

const stripSlashes = (path: string) => path.replace(/^\/+/, '').replace(/\/+$/, '');

/** What a meta line inherits: everything, but root stays root unless a `maproot=` is in force. */
function metaDefaults(defaults: ExportOptions): ExportOptions {
  return defaults.maprootGiven ? { ...defaults } : { ...defaults, rootUid: 0, rootGid: 0 };
}

class ExportsParser {
  readonly result: ParsedExports = { records: [], warnings: [] };
  readonly #accounts: Accounts;
  #defaults: ExportOptions = { ...BUILT_IN_OPTIONS };

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  line(text: string, line: number): void {
    const content = text.replace(/[\r\n\t ]+$/, '').replace(/^[\t ]+/, '');
    if (content === '' || content.startsWith('#')) return;
    const [, first, rest] = /^([^\t ]+)[\t ]*(.*)$/s.exec(content)!;
    if (rest === '') this.#warn(`mfsexports: incomplete definition in line: ${line}`);
    else if (first!.toUpperCase() === 'DEFAULTS') this.#defaultsLine(rest!, line);
    else this.#exportLine(first!, rest!, line);
  }

  #warn(message: string): void {
    this.result.warnings.push(message);
  }

  #apply(options: ExportOptions, text: string, line: number, meta: boolean): boolean {
    return applyOptions(options, text, {
      line,
      meta,
      accounts: this.#accounts,
      warn: (message) => this.#warn(message),
    });
  }

  #defaultsLine(text: string, line: number): void {
    const options = { ...this.#defaults };
    if (!this.#apply(options, text, line, false)) return;
    this.#defaults = options;
    // The stock daemon keeps a record of every DEFAULTS line, and its checksum counts them.
    this.result.records.push({ ...options, fromIp: 0, toIp: 0, meta: false, path: Buffer.alloc(0) });
  }

  #exportLine(network: string, rest: string, line: number): void {
    const range = parseNetwork(network);
    if (!range) {
      this.#warn(`mfsexports: incorrect ip/network definition in line: ${line}`);
      return;
    }
    const [, path, optionsText] = /^([^\t ]+)[\t ]*(.*)$/s.exec(rest)!;
    const meta = path === '.';
    const options = meta ? metaDefaults(this.#defaults) : { ...this.#defaults };
    if (optionsText !== '' && !this.#apply(options, optionsText!, line, meta)) return;
    const bytes = Buffer.from(meta ? '' : stripSlashes(path!), 'latin1');
    this.result.records.push({ ...options, fromIp: range.from, toIp: range.to, meta, path: bytes });
  }
}

/** Parses mfsexports.cfg (spec 00 §5.2-5.6). Erroneous lines are left out with a warning; this never throws. */
export function parseExports(content: Buffer, accounts: Accounts): ParsedExports {
  const parser = new ExportsParser(accounts);
  let line = 0;
  for (const text of linesOf(content.toString('latin1'))) parser.line(text, ++line);
  return parser.result;
}
