/** Source text of the functions that tell how many bytes a value will take; they add up in `n`. */
import type { FieldMap, Node } from '../schema.ts';
import type { Generator } from './generator.ts';
import { fixedSize } from './sizes.ts';

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

export function addRecordSize(g: Generator, fields: FieldMap, f: string): void {
  let fixed = 0;
  for (const [name, { node }] of Object.entries(fields)) {
    const size = fixedSize(node);
    if (size !== undefined) fixed += size;
    else addSize(g, node, `${f}.${name}`);
  }
  if (fixed > 0) g.emit(`n += ${fixed};`);
}
