/** Layouts of messages: what they are declared with, when a payload has one, and their compiled codecs. */
import { type Codec, compile } from './codec/compile.ts';
import { fixedSize, fixedSizeOfFields, minSizeOfFields } from './codec/sizes.ts';
import type { FieldMap } from './schema.ts';

/** What a decoder may need to know beside the payload. */
export interface DecodeContext {
  /** Wire version of the sender, where layouts of the same length depend on it. */
  readonly peerVersion?: number;
  /** The layout to use, when the decoder's caller knows it (e.g. because it asked for it). */
  readonly layout?: string;
}

/** Says whether a payload has this layout; asked after the lengths and fixed values of the declaration were compared. */
export type Match = (payload: Buffer, context: DecodeContext) => boolean;

export interface LayoutDeclaration {
  readonly fields: FieldMap;
  readonly match?: Match;
  /** One line for the reference page. */
  readonly note?: string;
}

/** A form that only old peers send: decoded to the fields of a current layout, with `fill` for those it lacks. */
export interface OlderForm extends LayoutDeclaration {
  readonly fill: Readonly<Record<string, number | string | bigint | Buffer>>;
  readonly note: string;
}

/** One layout as the reference page, the dumper and the tests see it. */
export interface Layout {
  readonly name: string | undefined;
  readonly fields: FieldMap;
  readonly note: string | undefined;
  /** Values given to fields that this form lacks; such a layout is decoded only. */
  readonly fill: OlderForm['fill'] | undefined;
}

export interface CompiledLayout extends Layout {
  /** Compiled at first use. */
  codec(): Codec<never>;
  readonly accepts: Match;
}

export function compileLayout(
  name: string,
  layout: string | undefined,
  declaration: LayoutDeclaration | OlderForm,
): CompiledLayout {
  const { fields, match, note } = declaration;
  let codec: Codec<never> | undefined;
  return {
    name: layout,
    fields,
    note,
    fill: 'fill' in declaration ? declaration.fill : undefined,
    codec: () => {
      codec ??= compile<never>(name, layout, fields);
      return codec;
    },
    accepts: acceptance(fields, match),
  };
}

/** The test for a layout: its exact or least length, its fixed values at fixed offsets, then its own `match`. */
function acceptance(fields: FieldMap, match: Match | undefined): Match {
  const exact = fixedSizeOfFields(fields);
  const least = exact ?? minSizeOfFields(fields);
  const fixed = fixedValues(fields);
  return (payload, context) => {
    if (exact === undefined ? payload.length < least : payload.length !== exact) return false;
    for (const { offset, bytes } of fixed) {
      if (bytes.compare(payload, offset, offset + bytes.length) !== 0) return false;
    }
    return match === undefined || match(payload, context);
  };
}

function fixedValues(fields: FieldMap): { offset: number; bytes: Buffer }[] {
  const found: { offset: number; bytes: Buffer }[] = [];
  let offset = 0;
  for (const { node } of Object.values(fields)) {
    if (node.kind === 'literal') found.push({ offset, bytes: node.bytes });
    if (node.kind === 'constant') {
      const bytes = Buffer.alloc(node.width);
      bytes.writeUIntBE(node.value, 0, node.width);
      found.push({ offset, bytes });
    }
    const size = fixedSize(node);
    if (size === undefined) break;
    offset += size;
  }
  return found;
}
