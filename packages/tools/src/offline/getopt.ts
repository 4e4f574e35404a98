/** Command line in the manner of the C library's getopt, without reordering. */
export interface ParsedOptions {
  /** Options in the order given; `value` for those that take one. */
  options: { letter: string; value: string }[];
  operands: string[];
  /** What getopt would say about a wrong option. */
  problem: string | undefined;
}

/**
 * @param letters option letters; a colon behind a letter: it takes a value
 * @param program name in messages
 */
export function getopt(program: string, letters: string, args: readonly string[]): ParsedOptions {
  const parsed: ParsedOptions = { options: [], operands: [], problem: undefined };
  let index = 0;
  for (; index < args.length; index++) {
    const argument = args[index];
    if (argument === '--') {
      index++;
      break;
    }
    if (!argument.startsWith('-') || argument === '-') break;
    for (let at = 1; at < argument.length; at++) {
      const letter = argument[at];
      const place = letters.indexOf(letter);
      if (place < 0 || letter === ':') {
        return { ...parsed, problem: `${program}: invalid option -- '${letter}'` };
      }
      if (letters[place + 1] !== ':') {
        parsed.options.push({ letter, value: '' });
        continue;
      }
      const rest = argument.slice(at + 1);
      const value = rest === '' ? args[++index] : rest;
      if (value === undefined) return { ...parsed, problem: `${program}: option requires an argument -- '${letter}'` };
      parsed.options.push({ letter, value });
      break;
    }
  }
  parsed.operands.push(...args.slice(index));
  return parsed;
}
