/**
 * Compiles a declaration into three straight-line functions: decode, size and write. The source text they are made from
 * comes from the catalogue only; nothing that was received ever gets into it.
 */
import { decodeAttr, encodeAttr } from './attr.ts';
import { DecodeError, EncodeError } from './errors.ts';
import * as integers from './integers.ts';
import type { Condition, FieldMap, Node, Width } from './schema.ts';
import { fixedSize, minSize } from './sizes.ts';

/** The compiled form of one layout. `Fields` is the decoded record. */
export interface Codec<Fields> {
  /** Decodes a whole payload; throws DecodeError. */
  decode(payload: Buffer): Fields;
  /** Payload bytes that `write` will write. */
  size(fields: Fields): number;
  /** Writes the payload at `offset`; the caller has made sure that there is room. Returns the end. */
  write(target: Buffer, offset: number, fields: Fields): number;
  /** As `write`, without the bytes of the last field; undefined if the last field is no byte string. */
  writeHead: ((target: Buffer, offset: number, fields: Fields) => number) | undefined;
  /** Name of the last field if it is a byte string. */
  readonly tail: string | undefined;
}

const READERS = { u16: 'readU16', u32: 'readU32', u64n: 'readU64n' } as const;
const WRITERS = {
  u8: 'writeU8',
  u16: 'writeU16',
  u32: 'writeU32',
  i32: 'writeI32',
  u64: 'writeU64',
  u64n: 'writeU64n',
} as const;
const UNSIGNED = { 1: 'u8', 2: 'u16', 4: 'u32' } as const;

/** Helper functions and constant values that generated code refers to. */
function runtimeFor(name: string): Record<string, unknown> {
  return {
    ...integers,
    decodeAttr,
    encodeAttr,
    fail: (reason: string): never => {
      throw new DecodeError(name, reason);
    },
    refuse: (reason: string): never => {
      throw new EncodeError(`${name}: ${reason}`);
    },
    copy: (target: Buffer, offset: number, source: Buffer): number => {
      target.set(source, offset);
      return offset + source.length;
    },
  };
}

/** Names visible to generated code: fields of the record being worked on and of those around it. */
type Scope = { readonly names: Map<string, string>; readonly outer: Scope | undefined };

function lookUp(scope: Scope | undefined, name: string): string {
  for (let s = scope; s !== undefined; s = s.outer) {
    const variable = s.names.get(name);
    if (variable !== undefined) return variable;
  }
  throw new Error(`declaration refers to the unknown field ${name}`);
}

class Generator {
  readonly lines: string[] = [];
  readonly constants: unknown[] = [];
  #variables = 0;

  emit(line: string): void {
    this.lines.push(line);
  }

  variable(): string {
    return `v${this.#variables++}`;
  }

  constant(value: unknown): string {
    this.constants.push(value);
    return `constants[${this.constants.length - 1}]`;
  }
}

function readInteger(kind: 'u8' | 'u16' | 'u32' | 'i32' | 'u64n', at: string): string {
  if (kind === 'u8') return `b[${at}]`;
  if (kind === 'i32') return `(readU32(b, ${at}) | 0)`;
  return `${READERS[kind]}(b, ${at})`;
}

function readWidth(width: Width, at: string): string {
  return readInteger(UNSIGNED[width], at);
}

function testOf(condition: Condition, scope: Scope): string {
  const value = lookUp(scope, condition.field);
  if ('equals' in condition) return `${value} === ${condition.equals}`;
  if ('atLeast' in condition) return `${value} >= ${condition.atLeast}`;
  return `(${value} & ${condition.hasBits}) === ${condition.hasBits}`;
}

function testOfRest(whenLeft: readonly number[] | undefined): string {
  return whenLeft === undefined ? 'p < end' : whenLeft.map((left) => `end - p === ${left}`).join(' || ');
}

/** Emits code reading a field of fixed size at the expression `at`, whose bytes are known to be there; the value's variable. */
function readFixed(g: Generator, node: Node, at: string, scope: Scope): string {
  const v = g.variable();
  switch (node.kind) {
    case 'u64':
      g.emit(`const ${v} = readU64(b, ${at}); if (${v} > ${Number.MAX_SAFE_INTEGER}) fail('number above 2^53-1');`);
      return v;
    case 'bytes':
      g.emit(`const ${v} = b.subarray(${at}, ${at} + ${node.length});`);
      return v;
    case 'attr':
      g.emit(`const ${v} = decodeAttr(b, ${at}, ${node.length});`);
      return v;
    case 'count':
      g.emit(`const ${v} = ${readWidth(node.width, at)};`);
      return v;
    case 'constant':
      g.emit(`if (${readWidth(node.width, at)} !== ${node.value}) fail('a fixed field is not ${node.value}');`);
      return v;
    case 'array': {
      const i = g.variable();
      g.emit(`const ${v} = []; for (let ${i} = 0; ${i} < ${node.length}; ${i}++) {`);
      const e = readFixed(g, node.element, `${at} + ${i} * ${fixedSize(node.element)}`, scope);
      g.emit(`${v}.push(${e}); }`);
      return v;
    }
    case 'literal':
      g.emit(
        `if (${g.constant(node.bytes)}.compare(b, ${at}, ${at} + ${node.bytes.length}) !== 0) fail('wrong literal');`,
      );
      return v;
    case 'gid':
      g.emit(`const ${v} = [readU32(b, ${at})];`);
      return v;
    case 'record':
      return readRecord(g, node.fields, scope, true, v);
    case 'u8':
    case 'u16':
    case 'u32':
    case 'i32':
    case 'u64n':
      g.emit(`const ${v} = ${readInteger(node.kind, at)};`);
      return v;
    default:
      throw new Error(`${node.kind} has no fixed size`);
  }
}

/** Emits `v = [...]` for `count` elements (or up to `end` if undefined). */
function readElements(g: Generator, element: Node, scope: Scope, v: string, count: string | undefined): void {
  const size = fixedSize(element);
  const least = minSize(element);
  if (least === 0) throw new Error('list elements must take at least one byte');
  if (count !== undefined) {
    g.emit(`if (${count} * ${least} > end - p) fail('count exceeds the payload');`);
  } else if (size !== undefined) {
    g.emit(`if ((end - p) % ${size} !== 0) fail('list is cut');`);
  }
  const i = g.variable();
  g.emit(`const ${v} = [];`);
  g.emit(count === undefined ? 'while (p < end) {' : `for (let ${i} = 0; ${i} < ${count}; ${i}++) {`);
  g.emit(`${v}.push(${readValue(g, element, scope, size !== undefined, 0)});`);
  g.emit('}');
}

/** Emits code reading one value at p and moving p behind it. `checked`: its bytes are known to be there. */
function readValue(g: Generator, node: Node, scope: Scope, checked: boolean, fixedAfter: number | undefined): string {
  const size = fixedSize(node);
  if (size !== undefined) {
    if (node.kind === 'record') return readRecord(g, node.fields, scope, checked, g.variable());
    if (!checked) g.emit(`if (end - p < ${size}) fail('too short');`);
    const v = readFixed(g, node, 'p', scope);
    g.emit(`p += ${size};`);
    return v;
  }
  const v = g.variable();
  switch (node.kind) {
    case 'lbytes': {
      const n = readLength(g, node.prefix);
      g.emit(`if (end - p < ${n}) fail('too short'); const ${v} = b.subarray(p, p + ${n}); p += ${n};`);
      return v;
    }
    case 'rest':
      g.emit(`const ${v} = b.subarray(p, end); p = end;`);
      return v;
    case 'restZero':
      g.emit(`if (p >= end || b[end - 1] !== 0) fail('no zero byte at the end');`);
      g.emit(`const ${v} = b.subarray(p, end - 1); p = end;`);
      return v;
    case 'bytesOf': {
      const n = lookUp(scope, node.count);
      g.emit(`if (end - p < ${n}) fail('too short'); const ${v} = b.subarray(p, p + ${n}); p += ${n};`);
      return v;
    }
    case 'list': {
      const n = readLength(g, node.prefix);
      readElements(g, node.element, scope, v, n);
      return v;
    }
    case 'listRest':
      readElements(g, node.element, scope, v, undefined);
      return v;
    case 'listOf':
      readElements(g, node.element, scope, v, lookUp(scope, node.count));
      return v;
    case 'record':
      return readRecord(g, node.fields, scope, false, v);
    case 'sized': {
      const n = readLength(g, node.prefix);
      const outerEnd = g.variable();
      g.emit(`if (end - p < ${n}) fail('too short'); const ${outerEnd} = end; end = p + ${n};`);
      const inner = readValue(g, node.element, scope, false, 0);
      g.emit(`if (p !== end) fail('bytes after a sized field'); end = ${outerEnd};`);
      return inner;
    }
    case 'optional':
      return readIf(g, node.element, scope, v, testOfRest(node.whenLeft));
    case 'when':
      return readIf(g, node.element, scope, v, testOf(node.condition, scope));
    case 'gids':
      readGids(g, v, node.form === 'either', fixedAfter);
      return v;
    default:
      throw new Error(`${node.kind} is no variable field`);
  }
}

function readLength(g: Generator, width: Width): string {
  const n = g.variable();
  g.emit(`if (end - p < ${width}) fail('too short'); const ${n} = ${readWidth(width, 'p')}; p += ${width};`);
  return n;
}

function readIf(g: Generator, element: Node, scope: Scope, v: string, test: string): string {
  g.emit(`let ${v}; if (${test}) {`);
  g.emit(`${v} = ${readValue(g, element, scope, false, undefined)};`);
  g.emit('}');
  return v;
}

function readGids(g: Generator, v: string, single: boolean, fixedAfter: number | undefined): void {
  if (fixedAfter === undefined) throw new Error('what follows gids must have a fixed size');
  const n = g.variable();
  g.emit(`if (end - p < 4) fail('too short'); const ${n} = readU32(b, p); p += 4; let ${v};`);
  g.emit(single ? `if (end - p === ${fixedAfter}) ${v} = [${n}];` : `if (${n} === 0) fail('no group');`);
  g.emit(`${single ? 'else ' : ''}{ if (${n} * 4 > end - p) fail('count exceeds the payload'); ${v} = [];`);
  g.emit(`for (let i = 0; i < ${n}; i++) { ${v}.push(readU32(b, p)); p += 4; } }`);
}

/** Emits code reading the fields of a record; the expression of the record. `prefix` goes before its own members. */
function readRecord(
  g: Generator,
  fields: FieldMap,
  outer: Scope | undefined,
  checked: boolean,
  v: string,
  prefix = '',
): string {
  const scope: Scope = { names: new Map(), outer };
  const entries = Object.entries(fields);
  const members: string[] = prefix === '' ? [] : [prefix];
  for (let i = 0; i < entries.length; ) {
    const run = fixedRun(entries, i);
    if (run.length > 0 && !checked) g.emit(`if (end - p < ${run.bytes}) fail('too short');`);
    let offset = 0;
    for (const [name, { node, presence }] of entries.slice(i, i + run.length)) {
      const variable = readFixed(g, node, offset === 0 ? 'p' : `p + ${offset}`, scope);
      scope.names.set(name, variable);
      if (presence !== 'hidden') members.push(`${name}: ${variable}`);
      offset += fixedSize(node)!;
    }
    if (run.bytes > 0) g.emit(`p += ${run.bytes};`);
    i += run.length;
    if (i === entries.length) break;
    const [name, { node, presence }] = entries[i++];
    const variable = readValue(g, node, scope, checked, sumFixed(entries.slice(i).map((e) => e[1].node)));
    scope.names.set(name, variable);
    if (presence !== 'hidden') members.push(`${name}: ${variable}`);
  }
  g.emit(`const ${v} = { ${members.join(', ')} };`);
  return v;
}

/** The fields from `start` on whose bytes can be checked for at once: of fixed size and not nested. */
function fixedRun(entries: [string, { node: Node }][], start: number): { length: number; bytes: number } {
  let length = 0;
  let bytes = 0;
  for (const [, { node }] of entries.slice(start)) {
    const size = fixedSize(node);
    if (size === undefined || node.kind === 'record') break;
    length++;
    bytes += size;
  }
  return { length, bytes };
}

function sumFixed(nodes: Node[]): number | undefined {
  return nodes.reduce<number | undefined>((sum, node) => {
    const size = fixedSize(node);
    return sum === undefined || size === undefined ? undefined : sum + size;
  }, 0);
}

/** Emits code adding the bytes of value `f` to n. */
function addSize(g: Generator, node: Node, f: string): void {
  const size = fixedSize(node);
  if (size !== undefined) {
    g.emit(`n += ${size};`);
    return;
  }
  switch (node.kind) {
    case 'lbytes':
      g.emit(`n += ${node.prefix} + ${f}.length;`);
      return;
    case 'rest':
    case 'bytesOf':
      g.emit(`n += ${f}.length;`);
      return;
    case 'restZero':
      g.emit(`n += ${f}.length + 1;`);
      return;
    case 'gids':
      g.emit(`n += 4 + 4 * ${f}.length;`);
      return;
    case 'list':
      g.emit(`n += ${node.prefix};`);
      addElementSizes(g, node.element, f);
      return;
    case 'listRest':
    case 'listOf':
      addElementSizes(g, node.element, f);
      return;
    case 'sized':
      g.emit(`n += ${node.prefix};`);
      addSize(g, node.element, f);
      return;
    case 'record':
      addRecordSize(g, node.fields, f);
      return;
    case 'optional':
    case 'when':
      g.emit(`if (${f} !== undefined) {`);
      addSize(g, node.element, f);
      g.emit('}');
      return;
    default:
      throw new Error(`${node.kind} is no variable field`);
  }
}

function addElementSizes(g: Generator, element: Node, f: string): void {
  const size = fixedSize(element);
  if (size !== undefined) {
    g.emit(`n += ${size} * ${f}.length;`);
    return;
  }
  const e = g.variable();
  g.emit(`for (const ${e} of ${f}) {`);
  addSize(g, element, e);
  g.emit('}');
}

function addRecordSize(g: Generator, fields: FieldMap, f: string): void {
  let fixed = 0;
  for (const [name, { node }] of Object.entries(fields)) {
    const size = fixedSize(node);
    if (size !== undefined) fixed += size;
    else addSize(g, node, `${f}.${name}`);
  }
  if (fixed > 0) g.emit(`n += ${fixed};`);
}

/** Emits code writing value `f` at p and moving p behind it. */
function writeValue(g: Generator, node: Node, f: string, scope: Scope): void {
  switch (node.kind) {
    case 'bytes':
      g.emit(`if (${f}.length !== ${node.length}) refuse('wrong length of a fixed byte field'); p = copy(b, p, ${f});`);
      return;
    case 'lbytes':
      g.emit(`${WRITERS[UNSIGNED[node.prefix]]}(b, p, ${f}.length); p = copy(b, p + ${node.prefix}, ${f});`);
      return;
    case 'rest':
    case 'bytesOf':
      g.emit(`p = copy(b, p, ${f});`);
      return;
    case 'restZero':
      g.emit(`p = copy(b, p, ${f}); b[p++] = 0;`);
      return;
    case 'array':
      g.emit(`if (${f}.length !== ${node.length}) refuse('wrong length of an array');`);
      writeElements(g, node.element, f, scope);
      return;
    case 'list':
      g.emit(`${WRITERS[UNSIGNED[node.prefix]]}(b, p, ${f}.length); p += ${node.prefix};`);
      writeElements(g, node.element, f, scope);
      return;
    case 'listOf':
      g.emit(`if (${f}.length !== ${lookUp(scope, node.count)}) refuse('list and its count differ');`);
      writeElements(g, node.element, f, scope);
      return;
    case 'listRest':
      writeElements(g, node.element, f, scope);
      return;
    case 'constant':
      g.emit(`${WRITERS[UNSIGNED[node.width]]}(b, p, ${node.value}); p += ${node.width};`);
      return;
    case 'literal':
      g.emit(`p = copy(b, p, ${g.constant(node.bytes)});`);
      return;
    case 'record':
      writeRecord(g, node.fields, f, scope);
      return;
    case 'sized': {
      const start = g.variable();
      g.emit(`const ${start} = p; p += ${node.prefix};`);
      writeValue(g, node.element, f, scope);
      g.emit(`${WRITERS[UNSIGNED[node.prefix]]}(b, ${start}, p - ${start} - ${node.prefix});`);
      return;
    }
    case 'optional':
      g.emit(`if (${f} !== undefined) {`);
      writeValue(g, node.element, f, scope);
      g.emit('}');
      return;
    case 'when':
      g.emit(
        `if ((${testOf(node.condition, scope)}) !== (${f} !== undefined)) refuse('conditional field and its condition differ');`,
      );
      g.emit(`if (${f} !== undefined) {`);
      writeValue(g, node.element, f, scope);
      g.emit('}');
      return;
    case 'gids':
      g.emit(`if (${f}.length === 0) refuse('no group'); writeU32(b, p, ${f}.length); p += 4;`);
      g.emit(`for (let i = 0; i < ${f}.length; i++) { writeU32(b, p, ${f}[i]); p += 4; }`);
      return;
    case 'gid':
      g.emit(`if (${f}.length !== 1) refuse('not one group'); writeU32(b, p, ${f}[0]); p += 4;`);
      return;
    case 'attr':
      g.emit(`p = encodeAttr(${f}, b, p, ${node.length});`);
      return;
    case 'count':
      throw new Error('a count stands in a record');
    default:
      g.emit(`${WRITERS[node.kind]}(b, p, ${f}); p += ${fixedSize(node)};`);
  }
}

function writeElements(g: Generator, element: Node, f: string, scope: Scope): void {
  const e = g.variable();
  g.emit(`for (const ${e} of ${f}) {`);
  writeValue(g, element, e, scope);
  g.emit('}');
}

function writeRecord(g: Generator, fields: FieldMap, f: string, outer: Scope | undefined, skip?: string): void {
  const scope: Scope = { names: new Map(), outer };
  for (const [name, { node }] of Object.entries(fields)) {
    const value = node.kind === 'count' ? `${f}.${node.of}.length` : `${f}.${name}`;
    scope.names.set(name, value);
    if (node.kind === 'count') g.emit(`${WRITERS[UNSIGNED[node.width]]}(b, p, ${value}); p += ${node.width};`);
    else if (name !== skip) writeValue(g, node, value, scope);
    else if (node.kind === 'lbytes')
      g.emit(`${WRITERS[UNSIGNED[node.prefix]]}(b, p, ${value}.length); p += ${node.prefix};`);
  }
}

function build(g: Generator, parameters: string, runtime: Record<string, unknown>): (...values: never[]) => unknown {
  const names = Object.keys(runtime);
  const body = `"use strict";\nreturn (${parameters}) => {\n${g.lines.join('\n')}\n};`;
  return new Function(...names, 'constants', body)(...Object.values(runtime), g.constants);
}

/** Compiles one layout. `layout` is put into the decoded records as their discriminant. */
export function compile<Fields>(name: string, layout: string | undefined, fields: FieldMap): Codec<Fields> {
  const runtime = runtimeFor(layout === undefined ? name : `${name}/${layout}`);

  const reader = new Generator();
  reader.emit('let p = 0; let end = b.length;');
  const prefix = layout === undefined ? '' : `layout: ${JSON.stringify(layout)}`;
  const result = readRecord(reader, fields, undefined, false, 'result', prefix);
  reader.emit(`if (p !== end) fail('bytes after the last field'); return ${result};`);

  const sizer = new Generator();
  sizer.emit('let n = 0;');
  addRecordSize(sizer, fields, 'f');
  sizer.emit('return n;');

  const tail = byteStringTail(fields);
  return {
    decode: build(reader, 'b', runtime) as Codec<Fields>['decode'],
    size: build(sizer, 'f', runtime) as Codec<Fields>['size'],
    write: buildWriter<Fields>(fields, undefined, runtime),
    writeHead: tail === undefined ? undefined : buildWriter<Fields>(fields, tail, runtime),
    tail,
  };
}

function buildWriter<Fields>(
  fields: FieldMap,
  skip: string | undefined,
  runtime: Record<string, unknown>,
): Codec<Fields>['write'] {
  const writer = new Generator();
  writeRecord(writer, fields, 'f', undefined, skip);
  writer.emit('return p;');
  return build(writer, 'b, p, f', runtime) as Codec<Fields>['write'];
}

const BYTE_STRINGS: ReadonlySet<Node['kind']> = new Set(['rest', 'lbytes', 'bytesOf']);

function byteStringTail(fields: FieldMap): string | undefined {
  const last = Object.entries(fields).at(-1);
  return last !== undefined && BYTE_STRINGS.has(last[1].node.kind) ? last[0] : undefined;
}
