/** Source text of encoders: generated code has the value in `f`, the target in `b` and the place in it in `p`. */
import type { FieldMap, Node } from '../schema.ts';
import { type Generator, lookUp, type Scope, testOf, UNSIGNED } from './generator.ts';
import { fixedSize } from './sizes.ts';

const WRITERS = {
  u8: 'writeU8',
  u16: 'writeU16',
  u32: 'writeU32',
  u64: 'writeU64',
  u64cap: 'writeU64',
  u64n: 'writeU64n',
} as const;

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

export function writeRecord(g: Generator, fields: FieldMap, f: string, outer: Scope | undefined, skip?: string): void {
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
