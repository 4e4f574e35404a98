import { parseCFloat, parseCInteger, parseSize } from './numbers.ts';

/** A line that a configuration parser could not use; the daemon warns and goes on without it. */
export interface ConfigWarning {
  file: string;
  line: number;
  message: string;
}

export interface NumberRange {
  min: number;
  max: number;
}

/** Receives the complaints about values out of range and, with `-u`, about defaults in use. */
export type ConfigReport = (message: string) => void;

const PIECE_BYTES = 998;

type LineResult = { key: string; value: string } | 'nothing' | 'bad';

const isBlank = (byte: number) => byte === 0x20 || byte === 0x09;
const isLineEnd = (byte: number) => Number.isNaN(byte) || byte === 0x0a || byte === 0x0d;

/** Splits one line into key and value by the rules of spec 60 §1.2. `line` is latin1 text, one character a byte. */
function parseLine(line: string): LineResult {
  if (line.startsWith('#')) return 'nothing';
  let at = 0;
  while (isBlank(line.charCodeAt(at))) at++;
  const keyStart = at;
  while (line.charCodeAt(at) >= 33 && line.charCodeAt(at) <= 126 && line[at] !== '=') at++;
  const key = line.slice(keyStart, at);
  if (isLineEnd(line.charCodeAt(at))) return 'nothing';
  while (isBlank(line.charCodeAt(at))) at++;
  if (key === '' || line[at] !== '=') return 'bad';
  at++;
  while (isBlank(line.charCodeAt(at))) at++;
  const valueStart = at;
  while (line.charCodeAt(at) >= 32 && line.charCodeAt(at) < 128) at++;
  const value = line.slice(valueStart, at).replace(/ +$/, '');
  while (isBlank(line.charCodeAt(at))) at++;
  if (!isLineEnd(line.charCodeAt(at)) && line[at] !== '#') return 'bad';
  return { key, value };
}

function* pieces(text: string): Generator<{ line: number; text: string }> {
  let line = 0;
  for (const whole of text.split('\n')) {
    line++;
    for (let at = 0; at === 0 || at < whole.length; at += PIECE_BYTES)
      yield { line, text: whole.slice(at, at + PIECE_BYTES) };
  }
}

/**
 * The values of a `KEY = VALUE` configuration file (mfsmaster.cfg, mfschunkserver.cfg, mfsmetalogger.cfg; spec 60 §1).
 * Getters apply the default and the limits of a key and report what they had to change.
 */
export class Config {
  readonly file: string;
  readonly warnings: readonly ConfigWarning[];
  readonly #values: ReadonlyMap<string, string>;
  readonly #report: ConfigReport;
  readonly #tellDefaults: boolean;

  constructor(
    file: string,
    values: ReadonlyMap<string, string>,
    warnings: readonly ConfigWarning[] = [],
    report: ConfigReport = () => {},
    tellDefaults = false,
  ) {
    this.file = file;
    this.#values = values;
    this.warnings = warnings;
    this.#report = report;
    this.#tellDefaults = tellDefaults;
  }

  /** The keys that the file defines. */
  get keys(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** Whether the file defines the key. */
  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** The text as written in the file, undefined when the file does not define the key. */
  raw(key: string): string | undefined {
    return this.#values.get(key);
  }

  string(key: string, fallback: string): string {
    return this.#values.get(key) ?? this.#default(key, fallback);
  }

  /** An unsigned number; like the stock daemons cut to `bits`, then clamped to the range. */
  number(key: string, fallback: number, range?: Partial<NumberRange>, bits: 8 | 16 | 32 = 32): number {
    const text = this.#values.get(key);
    const value =
      text === undefined
        ? Number(this.#default(key, String(fallback)))
        : Number(BigInt.asUintN(bits, parseCInteger(text)));
    return this.#clamp(key, value, range);
  }

  /** A signed 32-bit number. */
  signed(key: string, fallback: number): number {
    const text = this.#values.get(key);
    return text === undefined
      ? Number(this.#default(key, String(fallback)))
      : Number(BigInt.asIntN(32, parseCInteger(text)));
  }

  float(key: string, fallback: number, range?: Partial<NumberRange>): number {
    const text = this.#values.get(key);
    return this.#clamp(
      key,
      text === undefined ? Number(this.#default(key, String(fallback))) : parseCFloat(text),
      range,
    );
  }

  /** Booleans are numbers: anything but 0 is on, and a word such as `yes` is 0. */
  boolean(key: string, fallback: boolean): boolean {
    return this.number(key, fallback ? 1 : 0) !== 0;
  }

  /** A size in bytes; a malformed one is reported and the fallback used. */
  size(key: string, fallback: string): number {
    const text = this.string(key, fallback);
    const value = parseSize(text);
    if (value !== undefined) return value;
    this.#report(`${this.file}: ${key}: '${text}' is not a size - using '${fallback}'`);
    return parseSize(fallback) ?? 0;
  }

  #default(key: string, value: string): string {
    if (this.#tellDefaults) this.#report(`config: using default value for option '${key}' - '${value}'`);
    return value;
  }

  #clamp(key: string, value: number, range: Partial<NumberRange> | undefined): number {
    const clamped = Math.min(Math.max(value, range?.min ?? -Infinity), range?.max ?? Infinity);
    if (clamped !== value) this.#report(`${this.file}: ${key} = ${value} is out of range - using ${clamped}`);
    return clamped;
  }
}

export interface ParseConfigOptions {
  /** Where complaints about values go. */
  report?: ConfigReport;
  /** Report each default that is used (`-u`). */
  tellDefaults?: boolean;
}

/** Parses the text of a configuration file. Bad lines become `warnings` and are left out; this never throws. */
export function parseConfig(content: Buffer | string, file: string, options: ParseConfigOptions = {}): Config {
  const text = typeof content === 'string' ? content : content.toString('latin1');
  const values = new Map<string, string>();
  const warnings: ConfigWarning[] = [];
  for (const piece of pieces(text)) {
    const result = parseLine(piece.text);
    if (result === 'bad') {
      warnings.push({ file, line: piece.line, message: `bad definition in config file '${file}': ${piece.text}` });
    } else if (result !== 'nothing') {
      values.set(result.key, result.value);
    }
  }
  return new Config(file, values, warnings, options.report, options.tellDefaults);
}
