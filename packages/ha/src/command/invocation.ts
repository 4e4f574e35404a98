import { type CommandOptions, UsageError } from './arguments.ts';

/** A command with what stands behind it. */
export interface Invocation {
  options: CommandOptions;
  operands: readonly string[];
}

export function noOperands({ operands }: Invocation): void {
  if (operands.length > 0) throw new UsageError(`'${operands[0]}' is one word too many`);
}
