/**
 * Preferred labels (`mfspreflabels`, spec 60 §5.2): up to nine expressions separated by `;`, best first. An expression is
 * alternatives joined by `+` of label letters that a server must all have; brackets group.
 */

const MAX_EXPRESSIONS = 9;

class LabelParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get #next(): string {
    while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\t') this.#at += 1;
    return this.#text[this.#at] ?? '';
  }

  /** Masks of the alternatives of one expression. */
  alternatives(): number[] {
    const all = this.#product();
    while (this.#next === '+' || this.#next === '|') {
      this.#at += 1;
      all.push(...this.#product());
    }
    return [...new Set(all)];
  }

  /** Letters and groups side by side: every combination of their alternatives. */
  #product(): number[] {
    let masks = this.#factor();
    while (/[A-Za-z([*&]/.test(this.#next)) {
      if (this.#next === '*' || this.#next === '&') this.#at += 1;
      const more = this.#factor();
      masks = masks.flatMap((mask) => more.map((other) => (mask | other) >>> 0));
    }
    return masks;
  }

  #factor(): number[] {
    const next = this.#next;
    this.#at += 1;
    if (/^[A-Za-z]$/.test(next)) return [(1 << (next.toUpperCase().charCodeAt(0) - 65)) >>> 0];
    const close = next === '(' ? ')' : next === '[' ? ']' : undefined;
    if (close === undefined) throw new Error(`unexpected '${next}'`);
    const inner = this.alternatives();
    if (this.#next !== close) throw new Error(`missing '${close}'`);
    this.#at += 1;
    return inner;
  }

  end(): void {
    if (this.#next !== '') throw new Error(`unexpected '${this.#next}'`);
  }
}

/** Label masks in order of preference; undefined: not an expression. Alternatives of one expression are equally good. */
export function parsePreferredLabels(text: string): number[][] | undefined {
  try {
    const expressions = text
      .split(';')
      .filter((part) => part.trim() !== '')
      .map((part) => {
        const parser = new LabelParser(part);
        const masks = parser.alternatives();
        parser.end();
        return masks;
      });
    return expressions.length <= MAX_EXPRESSIONS ? expressions : undefined;
  } catch {
    return undefined;
  }
}
