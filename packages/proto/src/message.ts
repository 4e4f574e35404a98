/** Declares messages: joins the compiled layouts of a message, and picks among them when decoding. */
import type { Codec } from './codec/compile.ts';
import { maxSizeOfFields } from './codec/sizes.ts';
import { DecodeError, EncodeError } from './errors.ts';
import { FRAME_HEADER_BYTES, writeFrameHeader } from './framing.ts';
import {
  type CompiledLayout,
  compileLayout,
  type DecodeContext,
  type Layout,
  type LayoutDeclaration,
  type OlderForm,
} from './layout.ts';
import type { FieldMap, Shape } from './schema.ts';

/** A TCP link (spec 00 §1.1): ML metalogger-master, CS chunkserver-master, CL client-master, DATA chunkserver's port. */
export type Link = 'ML' | 'CS' | 'CL' | 'DATA';

/** `request` goes to the listening side of the link, `reply` comes from it, whether it was asked for or not. */
export type Direction = 'request' | 'reply';

/** One way that a message travels. */
export interface Route {
  readonly link: Link;
  readonly direction: Direction;
}

interface Identity {
  readonly number: number;
  readonly name: string;
  readonly link: Link | readonly Link[];
  readonly direction: Direction | 'both';
  /** Further ways the message travels, where the other side of a link sends it. */
  readonly also?: readonly Route[];
  /** What the message is for, one line. */
  readonly purpose: string;
  /** Greatest payload in bytes, where the declaration's fields would allow more. */
  readonly limit?: number;
  readonly older?: readonly OlderForm[];
  /** Layouts differ by what was asked for only: without a layout in the context the first that fits exactly is taken. */
  readonly ambiguous?: boolean;
}

/** A message of the catalogue. `Fields` is its decoded form. */
export interface Message<Fields> {
  readonly number: number;
  readonly name: string;
  readonly routes: readonly Route[];
  readonly purpose: string;
  /** Greatest payload in bytes that can be this message, possibly Infinity. */
  readonly limit: number;
  readonly layouts: readonly Layout[];
  /** Payload bytes of the encoded message. */
  size(fields: Fields): number;
  /** A whole frame: 8-byte header and payload. Throws EncodeError when a value does not fit its field. */
  encode(fields: Fields): Buffer;
  /** Writes a whole frame at `offset` and returns the offset after it. Throws RangeError when there is no room. */
  encodeInto(target: Buffer, offset: number, fields: Fields): number;
  /**
   * The frame without the bytes of its last field (a byte string, counted in the lengths), so that header and bulk data
   * can be written by one writev without a copy.
   */
  encodeHead(fields: Fields): Buffer;
  /** Decodes a payload. Byte fields are views of it. Throws DecodeError, also for bytes after the last field. */
  decode(payload: Buffer, context?: DecodeContext): Fields;
}

/** The decoded form of a message: `FieldsOf<typeof CLTOMA_FUSE_LOOKUP>`. */
export type FieldsOf<M> = M extends Message<infer Fields> ? Fields : never;

type LayoutsOf<L extends Record<string, LayoutDeclaration>> = {
  [K in keyof L]: { layout: K } & Shape<L[K]['fields']>;
}[keyof L];

const NO_CONTEXT: DecodeContext = {};

/** Declares a message with one layout. */
export function message<const F extends FieldMap>(declaration: Identity & { fields: F }): Message<Shape<F>>;
/** Declares a message with several layouts, told apart by length, fixed values and `match`, in this order. */
export function message<const L extends Record<string, LayoutDeclaration>>(
  declaration: Identity & { layouts: L },
): Message<LayoutsOf<L>>;
export function message(
  declaration: Identity & { fields?: FieldMap; layouts?: Record<string, LayoutDeclaration> },
): Message<never> {
  const { number, name, purpose, limit, older = [] } = declaration;
  const current =
    declaration.fields === undefined
      ? Object.entries(declaration.layouts!).map(([layout, l]) => compileLayout(name, layout, l))
      : [compileLayout(name, undefined, { fields: declaration.fields })];
  // Older forms come first: they are recognised by exact lengths, which the current form would swallow.
  const all = [...older.map((form) => compileLayout(name, undefined, form)), ...current];
  const byName = new Map(current.map((l) => [l.name, l]));
  const single = current.length === 1 ? current[0] : undefined;
  const codecOf = (fields: { layout?: string }): Codec<never> => {
    if (single !== undefined) return single.codec();
    const layout = byName.get(fields.layout);
    if (layout === undefined) throw new EncodeError(`${name}: no layout ${fields.layout}`);
    return layout.codec();
  };
  return {
    number,
    name,
    routes: routesOf(declaration),
    purpose,
    limit: limit ?? Math.max(...all.map((l) => maxSizeOfFields(l.fields))),
    layouts: all,
    size: (fields) => codecOf(fields).size(fields),
    encode(fields) {
      const codec = codecOf(fields);
      const length = codec.size(fields);
      const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
      codec.write(frame, writeFrameHeader(frame, 0, number, length), fields);
      return frame;
    },
    encodeInto(target, offset, fields) {
      const codec = codecOf(fields);
      const length = codec.size(fields);
      if (target.length - offset < FRAME_HEADER_BYTES + length) throw new RangeError(`${name}: no room for the frame`);
      return codec.write(target, writeFrameHeader(target, offset, number, length), fields);
    },
    encodeHead(fields) {
      const codec = codecOf(fields);
      if (codec.writeHead === undefined) throw new EncodeError(`${name} does not end with a byte string`);
      const length = codec.size(fields);
      const head = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length - (fields[codec.tail!] as Buffer).length);
      codec.writeHead(head, writeFrameHeader(head, 0, number, length), fields);
      return head;
    },
    decode: all.length === 1 ? (payload) => all[0].codec().decode(payload) : decoderOf(declaration, all, byName),
  };
}

function routesOf({ link, direction, also = [] }: Identity): Route[] {
  const links = typeof link === 'string' ? [link] : link;
  const directions: readonly Direction[] = direction === 'both' ? ['request', 'reply'] : [direction];
  return [...links.flatMap((l) => directions.map((d) => ({ link: l, direction: d }))), ...also];
}

function decoderOf(
  { name, ambiguous = false }: Identity,
  all: readonly CompiledLayout[],
  byName: ReadonlyMap<string | undefined, CompiledLayout>,
): Message<never>['decode'] {
  const decodeFirst = ambiguous ? decodeFirstThatFits : decodeAccepted;
  return (payload, context = NO_CONTEXT) => {
    if (context.layout !== undefined) {
      const layout = byName.get(context.layout);
      if (layout === undefined) throw new RangeError(`${name} has no layout ${context.layout}`);
      return layout.codec().decode(payload);
    }
    const fields = decodeFirst(all, payload, context);
    if (fields === undefined) throw new DecodeError(name, `no layout for these ${payload.length} bytes`);
    return fields;
  };
}

function decodeAccepted(all: readonly CompiledLayout[], payload: Buffer, context: DecodeContext): never | undefined {
  for (const layout of all) {
    if (!layout.accepts(payload, context)) continue;
    const fields = layout.codec().decode(payload);
    return layout.fill === undefined ? fields : (Object.assign(fields, layout.fill) as never);
  }
  return undefined;
}

function decodeFirstThatFits(
  all: readonly CompiledLayout[],
  payload: Buffer,
  context: DecodeContext,
): never | undefined {
  for (const layout of all) {
    if (!layout.accepts(payload, context)) continue;
    try {
      return layout.codec().decode(payload);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return undefined;
}
