/**
 * Source text of decoders. Generated code has the payload in `b`, the place in it in `p` and the end of what may be read
 * in `end`; every read is preceded by a check, one for each run of fixed-size fields.
 */
import type { FieldMap, Node, Width } from '../schema.ts';
import { type Generator, lookUp, type Scope, testOf, UNSIGNED } from './generator.ts';
import { fixedSize, minSize } from './sizes.ts';

const READERS = { u16: 'readU16', u32: 'readU32', u64cap: 'readU64cap', u64n: 'readU64n' } as const;

function readInteger(kind: 'u8' | 'u16' | 'u32' | 'u64cap' | 'u64n', at: string): string {
  if (kind === 'u8') return `b[${at}]`;
  return `${READERS[kind]}(b, ${at})`;
}

function readWidth(width: Width, at: string): string {
  return readInteger(UNSIGNED[width], at);
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
    case 'u8':
    case 'u16':
    case 'u32':
    case 'u64cap':
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
export function readRecord(
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
