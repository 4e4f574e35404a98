/**
 * The declaration language of the catalogue. A message is a record of fields in wire order; every field carries the type
 * that its decoded value has, so that encoders, decoders and their types come from one declaration.
 */
import type { Attr } from './attr.ts';

/** Width in bytes of an integer, or of the count or length before a list or a byte string. */
export type Width = 1 | 2 | 4;

/** A test on a field decoded earlier in the same record, deciding whether a later one is there. */
export type Condition =
  | { readonly field: string; readonly equals: number }
  | { readonly field: string; readonly hasBits: number };

/** What the codec compiler, the generators of test data and the reference page see of a field. */
export type Node =
  | { readonly kind: 'u8' | 'u16' | 'u32' | 'u64' | 'u64cap' | 'u64n' }
  | { readonly kind: 'bytes'; readonly length: number }
  | { readonly kind: 'lbytes'; readonly prefix: Width }
  | { readonly kind: 'rest' }
  | { readonly kind: 'restZero' }
  | { readonly kind: 'bytesOf'; readonly count: string }
  | { readonly kind: 'array'; readonly length: number; readonly element: Node }
  | { readonly kind: 'list'; readonly prefix: Width; readonly element: Node }
  | { readonly kind: 'listRest'; readonly element: Node }
  | { readonly kind: 'listOf'; readonly count: string; readonly element: Node }
  | { readonly kind: 'count'; readonly width: Width; readonly of: string }
  | { readonly kind: 'constant'; readonly width: Width; readonly value: number }
  | { readonly kind: 'literal'; readonly bytes: Buffer }
  | { readonly kind: 'record'; readonly fields: FieldMap }
  | { readonly kind: 'sized'; readonly prefix: Width; readonly element: Node }
  | { readonly kind: 'optional'; readonly element: Node; readonly whenLeft?: readonly number[] }
  | { readonly kind: 'when'; readonly condition: Condition; readonly element: Node }
  | { readonly kind: 'gids'; readonly form: 'list' | 'either' }
  | { readonly kind: 'gid' }
  | { readonly kind: 'attr'; readonly length: 35 | 36 };

/** A field whose decoded value has the type T. */
export interface Field<T> {
  readonly node: Node;
  readonly presence: 'required';
  /** Carries the type only; never set. */
  readonly type?: T;
}

/** A field that may be missing from the wire; its value is then undefined. */
export interface OptionalField<T> {
  readonly node: Node;
  readonly presence: 'optional';
  readonly type?: T;
}

/** A field that is on the wire but not in the decoded record: a count derived from a list, or a fixed value. */
export interface HiddenField {
  readonly node: Node;
  readonly presence: 'hidden';
}

export type AnyField = Field<unknown> | OptionalField<unknown> | HiddenField;
export type FieldMap = { readonly [name: string]: AnyField };

type RequiredKeys<F> = { [K in keyof F]: F[K] extends { presence: 'required' } ? K : never }[keyof F];
type OptionalKeys<F> = { [K in keyof F]: F[K] extends { presence: 'optional' } ? K : never }[keyof F];
type TypeOf<F> = F extends { type?: infer T } ? Exclude<T, undefined> : never;
type Flat<T> = { [K in keyof T]: T[K] };

/** The record that a field map decodes to. */
export type Shape<F extends FieldMap> = Flat<
  { [K in RequiredKeys<F>]: TypeOf<F[K]> } & { [K in OptionalKeys<F>]?: TypeOf<F[K]> | undefined }
>;

function field<T>(node: Node): Field<T> {
  return { node, presence: 'required' };
}

function hidden(node: Node): HiddenField {
  return { node, presence: 'hidden' };
}

export const u8 = field<number>({ kind: 'u8' });
export const u16 = field<number>({ kind: 'u16' });
export const u32 = field<number>({ kind: 'u32' });
/** An unsigned 64-bit id, offset or time as a number; above 2^53-1 decoding fails. */
export const u64 = field<number>({ kind: 'u64' });
/**
 * An unsigned 64-bit amount as a number; above 2^53-1 it reads as 2^53-1. For lengths, sizes and sums, which a legal peer may
 * make greater (sparse files, generous quotas), and for reported ids, which a stray file name must not turn into an error.
 */
export const u64cap = field<number>({ kind: 'u64cap' });
/** An unsigned 64-bit value of which all bits count. */
export const u64n = field<bigint>({ kind: 'u64n' });
/** Bytes after a one-byte length. */
export const bytes8 = field<Buffer>({ kind: 'lbytes', prefix: 1 });
/** Bytes after a two-byte length. */
export const bytes16 = field<Buffer>({ kind: 'lbytes', prefix: 2 });
/** Bytes after a four-byte length. */
export const bytes32 = field<Buffer>({ kind: 'lbytes', prefix: 4 });
/** All bytes up to the end of the payload. */
export const rest = field<Buffer>({ kind: 'rest' });
/** All bytes up to the end of the payload but the last, which is zero and not part of the value. */
export const restZero = field<Buffer>({ kind: 'restZero' });
/** The attribute record of clients >= 3.0.93 (spec 00 §2.3). */
export const attr = field<Attr>({ kind: 'attr', length: 36 });
/** The attribute record of clients 1.7.32 .. 3.0.92: without winattr, which decodes as 0. */
export const attr35 = field<Attr>({ kind: 'attr', length: 35 });
/**
 * `gcnt:u32, gcnt x gid:u32`. The form of clients before 2.0, a single `gid:u32` recognised by the payload's length, is
 * decoded as a list of one (so a count of 0 reads as group 0, as the stock master does; spec 10 §2.1).
 */
export const gids = field<number[]>({ kind: 'gids', form: 'either' });
/** As `gids` in messages that have no single-gid form of that length: an empty list is refused. */
export const gidsOnly = field<number[]>({ kind: 'gids', form: 'list' });
/** The single group of clients before 2.0, as a list of one. */
export const oneGid = field<number[]>({ kind: 'gid' });

/** Exactly `length` bytes. */
export function bytes(length: number): Field<Buffer> {
  return field({ kind: 'bytes', length });
}

export function record<F extends FieldMap>(fields: F): Field<Shape<F>> {
  return field({ kind: 'record', fields });
}

/** Exactly `length` elements of fixed size. */
export function array<T>(length: number, element: Field<T>): Field<T[]> {
  return field({ kind: 'array', length, element: element.node });
}

function counted<T>(prefix: Width, element: Field<T>): Field<T[]> {
  return field({ kind: 'list', prefix, element: element.node });
}

/** Elements after a one-byte count. */
export function list8<T>(element: Field<T>): Field<T[]> {
  return counted(1, element);
}

/** Elements after a two-byte count. */
export function list16<T>(element: Field<T>): Field<T[]> {
  return counted(2, element);
}

/** Elements after a four-byte count. */
export function list32<T>(element: Field<T>): Field<T[]> {
  return counted(4, element);
}

/** Elements up to the end of the payload (or of the enclosing `sized` field). */
export function listRest<T>(element: Field<T>): Field<T[]> {
  return field({ kind: 'listRest', element: element.node });
}

/** Elements whose number stands in an earlier field `count` (a `count*` field, or a visible number). */
export function listOf<T>(count: string, element: Field<T>): Field<T[]> {
  return field({ kind: 'listOf', count, element: element.node });
}

/** Bytes whose number stands in an earlier `count*` field, but not directly before them. */
export function bytesOf(count: string): Field<Buffer> {
  return field({ kind: 'bytesOf', count });
}

/** One-byte number of elements of the list or byte field `of`, which follows later. */
export function count8(of: string): HiddenField {
  return hidden({ kind: 'count', width: 1, of });
}

/** Two-byte number of elements of the list or byte field `of`, which follows later. */
export function count16(of: string): HiddenField {
  return hidden({ kind: 'count', width: 2, of });
}

/** Four-byte number of elements of the list or byte field `of`, which follows later. */
export function count32(of: string): HiddenField {
  return hidden({ kind: 'count', width: 4, of });
}

/** An integer that always has this value; another one is a decode error, or selects another layout. */
export function constant(width: Width, value: number): HiddenField {
  return hidden({ kind: 'constant', width, value });
}

/** Bytes that always have this value. */
export function literal(value: Buffer): HiddenField {
  return hidden({ kind: 'literal', bytes: value });
}

/** An element preceded by its two-byte length in bytes, which it must fill exactly. */
export function sized16<T>(element: Field<T>): Field<T> {
  return field({ kind: 'sized', prefix: 2, element: element.node });
}

/** An element preceded by its four-byte length in bytes, which it must fill exactly. */
export function sized32<T>(element: Field<T>): Field<T> {
  return field({ kind: 'sized', prefix: 4, element: element.node });
}

/** Present if any bytes are left. Only at the end of a layout. */
export function optional<T>(element: Field<T>): OptionalField<T> {
  return { node: { kind: 'optional', element: element.node }, presence: 'optional' };
}

/**
 * Present if the number of bytes left, its own included, is one of `left`. For parts that only the payload's length
 * announces; the encoder trusts its caller to give a combination that exists.
 */
export function whenLeft<T>(left: readonly number[], element: Field<T>): OptionalField<T> {
  return { node: { kind: 'optional', element: element.node, whenLeft: left }, presence: 'optional' };
}

/** Present if the condition on an earlier field of the same record holds. */
export function when<T>(condition: Condition, element: Field<T>): OptionalField<T> {
  return { node: { kind: 'when', condition, element: element.node }, presence: 'optional' };
}
