/**
 * Compiles a declaration into straight-line functions: decode, size and write. The source text they are made from comes
 * from the catalogue only; nothing that was received ever gets into it.
 */
import { decodeAttr, encodeAttr } from '../attr.ts';
import { DecodeError, EncodeError } from '../errors.ts';
import * as integers from '../integers.ts';
import type { FieldMap, Node } from '../schema.ts';
import { Generator } from './generator.ts';
import { addRecordSize } from './measure.ts';
import { readRecord } from './read.ts';
import { writeRecord } from './write.ts';

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
