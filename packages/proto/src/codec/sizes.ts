/** What a declaration tells about the number of bytes a field takes. */
import type { FieldMap, Node } from '../schema.ts';

const INTEGER_BYTES = { u8: 1, u16: 2, u32: 4, u64: 8, u64cap: 8, u64n: 8 } as const;

/** Bytes a node takes if that is the same for every value, else undefined. */
export function fixedSize(node: Node): number | undefined {
  switch (node.kind) {
    case 'u8':
    case 'u16':
    case 'u32':
    case 'u64':
    case 'u64cap':
    case 'u64n':
      return INTEGER_BYTES[node.kind];
    case 'bytes':
    case 'attr':
      return node.length;
    case 'count':
    case 'constant':
      return node.width;
    case 'gid':
      return 4;
    case 'array':
      return node.length * fixedSize(node.element)!;
    case 'literal':
      return node.bytes.length;
    case 'record':
      return fixedSizeOfFields(node.fields);
    default:
      return undefined;
  }
}

export function fixedSizeOfFields(fields: FieldMap): number | undefined {
  let total = 0;
  for (const { node } of Object.values(fields)) {
    const size = fixedSize(node);
    if (size === undefined) return undefined;
    total += size;
  }
  return total;
}

/** The fewest bytes a node can take. */
export function minSize(node: Node): number {
  switch (node.kind) {
    case 'restZero':
      return 1;
    case 'lbytes':
    case 'list':
      return node.prefix;
    case 'sized':
      return node.prefix + minSize(node.element);
    case 'rest':
    case 'bytesOf':
    case 'listRest':
    case 'listOf':
    case 'optional':
    case 'when':
      return 0;
    case 'gids':
      return node.form === 'either' ? 4 : 8;
    case 'record':
      return minSizeOfFields(node.fields);
    default:
      return fixedSize(node)!;
  }
}

export function minSizeOfFields(fields: FieldMap): number {
  return Object.values(fields).reduce((total, { node }) => total + minSize(node), 0);
}

/** The most bytes a node can take, possibly Infinity. */
export function maxSize(node: Node): number {
  switch (node.kind) {
    case 'lbytes':
      return node.prefix === 4 ? Number.POSITIVE_INFINITY : node.prefix + 256 ** node.prefix - 1;
    case 'optional':
    case 'when':
      return maxSize(node.element);
    case 'record':
      return maxSizeOfFields(node.fields);
    default:
      return fixedSize(node) ?? Number.POSITIVE_INFINITY;
  }
}

export function maxSizeOfFields(fields: FieldMap): number {
  return Object.values(fields).reduce((total, { node }) => total + maxSize(node), 0);
}
