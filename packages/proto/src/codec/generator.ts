/** Source text under construction, and the names that it may use. */
import type { Condition } from '../schema.ts';

/** Name of the unsigned integer of a width. */
export const UNSIGNED = { 1: 'u8', 2: 'u16', 4: 'u32' } as const;

/** Names visible to generated code: fields of the record being worked on and of those around it. */
export type Scope = { readonly names: Map<string, string>; readonly outer: Scope | undefined };

export function lookUp(scope: Scope | undefined, name: string): string {
  for (let s = scope; s !== undefined; s = s.outer) {
    const variable = s.names.get(name);
    if (variable !== undefined) return variable;
  }
  throw new Error(`declaration refers to the unknown field ${name}`);
}

export class Generator {
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

export function testOf(condition: Condition, scope: Scope): string {
  const value = lookUp(scope, condition.field);
  if ('equals' in condition) return `${value} === ${condition.equals}`;
  return `(${value} & ${condition.hasBits}) === ${condition.hasBits}`;
}
