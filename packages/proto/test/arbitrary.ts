/** Generates values of a layout from its declaration. */
import fc from 'fast-check';
import { fixedSize } from '../src/codec/sizes.ts';
import type { Attr } from '../src/index.ts';
import type { Condition, FieldMap, Node } from '../src/schema.ts';

type Pick = fc.GeneratorValue;
type Values = Record<string, unknown>;

/** Values of the fields around a record, for lists that are counted there. */
interface Scope {
  readonly values: Values;
  readonly outer: Scope | undefined;
}

const U64_MAX = (1n << 64n) - 1n;
const MAX_ELEMENTS = 4;

function pickBytes(pick: Pick, length: number): Buffer {
  return Buffer.from(pick(fc.uint8Array, { minLength: length, maxLength: length }));
}

function pickBytesUpTo(pick: Pick, maxLength: number): Buffer {
  return Buffer.from(pick(fc.uint8Array, { maxLength }));
}

function pickAttr(pick: Pick, length: number): Attr {
  const u32 = () => pick(fc.nat, { max: 0xffff_ffff });
  const type = pick(fc.nat, { max: 7 });
  const isDevice = type === 5 || type === 6;
  return {
    flags: pick(fc.nat, { max: 63 }),
    type,
    mode: pick(fc.nat, { max: 0o7777 }),
    uid: u32(),
    gid: u32(),
    atime: u32(),
    mtime: u32(),
    ctime: u32(),
    nlink: u32(),
    length: isDevice ? 0 : pick(fc.maxSafeNat),
    rdev: isDevice ? u32() : 0,
    winattr: length === 36 ? pick(fc.nat, { max: 255 }) : 0,
  };
}

function pickElements(pick: Pick, element: Node, scope: Scope, count: number): unknown[] {
  return Array.from({ length: count }, () => pickValue(pick, element, scope));
}

function countIn(scope: Scope | undefined, name: string): number | undefined {
  for (let s = scope; s !== undefined; s = s.outer) {
    if (name in s.values) return s.values[name] as number;
  }
  return undefined;
}

function pickValue(pick: Pick, node: Node, scope: Scope): unknown {
  switch (node.kind) {
    case 'u8':
      return pick(fc.nat, { max: 0xff });
    case 'u16':
      return pick(fc.nat, { max: 0xffff });
    case 'u32':
      return pick(fc.nat, { max: 0xffff_ffff });
    case 'u64':
    case 'u64cap':
      return pick(fc.maxSafeNat);
    case 'u64n':
      return pick(fc.bigInt, { min: 0n, max: U64_MAX });
    case 'bytes':
      return pickBytes(pick, node.length);
    case 'lbytes':
      return pickBytesUpTo(pick, node.prefix === 1 ? 255 : 300);
    case 'rest':
    case 'restZero':
    case 'bytesOf':
      return pickBytesUpTo(pick, 300);
    case 'array':
      return pickElements(pick, node.element, scope, node.length);
    case 'list':
    case 'listRest':
      return pickElements(pick, node.element, scope, pick(fc.nat, { max: MAX_ELEMENTS }));
    case 'listOf': {
      const count = countIn(scope, node.count) ?? pick(fc.nat, { max: MAX_ELEMENTS });
      return pickElements(pick, node.element, scope, count);
    }
    case 'record':
      return pickFields(pick, node.fields, scope);
    case 'sized':
    case 'optional':
    case 'when':
      return pickValue(pick, node.element, scope);
    case 'gids':
      return Array.from({ length: 1 + pick(fc.nat, { max: 3 }) }, () => pick(fc.nat, { max: 0xffff_ffff }));
    case 'gid':
      return [pick(fc.nat, { max: 0xffff_ffff })];
    case 'attr':
      return pickAttr(pick, node.length);
    default:
      throw new Error(`${node.kind} has no value`);
  }
}

function holds(condition: Condition, values: Values): boolean {
  const value = values[condition.field] as number;
  return 'equals' in condition ? value === condition.equals : (value & condition.hasBits) === condition.hasBits;
}

/** For numbers that decide about other fields or count elements: few values, the deciding one among them. */
function decidingNumber(pick: Pick, fields: FieldMap, name: string): number | undefined {
  for (const { node } of Object.values(fields)) {
    if (node.kind === 'when' && node.condition.field === name) {
      const special = 'equals' in node.condition ? node.condition.equals : node.condition.hasBits;
      return pick(fc.constantFrom<number[]>, special, special ^ 1, 0);
    }
  }
  return name === 'stats' ? pick(fc.nat, { max: 3 }) : undefined;
}

type Optional = Extract<Node, { kind: 'optional' }>;

/** All ways to have or lack the optional fields such that the decoder, seeing only the bytes left, finds the same. */
function possiblePresences(fields: FieldMap): ReadonlySet<string>[] {
  const names = Object.keys(fields).filter((name) => fields[name].node.kind === 'optional');
  const all = Array.from({ length: 1 << names.length }, (_, bits) => new Set(names.filter((_n, i) => bits & (1 << i))));
  return all.filter((present) => names.every((name) => isFound(fields, name, present)));
}

function isFound(fields: FieldMap, name: string, present: ReadonlySet<string>): boolean {
  const node = fields[name].node as Optional;
  const keys = Object.keys(fields);
  let left = 0;
  for (const key of keys.slice(keys.indexOf(name))) {
    const later = fields[key].node;
    if (later.kind !== 'optional') left += fixedSize(later)!;
    else if (present.has(key)) left += fixedSize(later.element) ?? 1;
  }
  const found = node.whenLeft === undefined ? left > 0 : node.whenLeft.includes(left);
  return found === present.has(name);
}

function pickFields(pick: Pick, fields: FieldMap, outer: Scope | undefined): Values {
  const values: Values = {};
  const scope: Scope = { values, outer };
  const present = pick(fc.constantFrom<ReadonlySet<string>[]>, ...possiblePresences(fields));
  for (const [name, { node, presence }] of Object.entries(fields)) {
    if (presence === 'hidden') continue;
    const isAbsent =
      (node.kind === 'optional' && !present.has(name)) || (node.kind === 'when' && !holds(node.condition, values));
    values[name] = isAbsent ? undefined : (decidingNumber(pick, fields, name) ?? pickValue(pick, node, scope));
  }
  return values;
}

/** Values that the layout's encoder accepts and its decoder gives back. */
export function valuesOf(fields: FieldMap): fc.Arbitrary<Values> {
  return fc.gen().map((pick) => pickFields(pick, fields, undefined));
}
