const WORD_BITS = 5;
const PAGE_WORDS = 1024;
const PAGE_BITS = 15;
const FULL_WORD = 0xffff_ffff;

/** One page of the bitmap: 32768 numbers, with the count of those in use. */
interface Page {
  readonly words: Uint32Array;
  used: number;
}

/** The set of inode numbers in use; gives out the lowest free one (spec 51, section 5). Number 0 is never given out. */
export class InodeNumbers {
  private readonly pages: (Page | undefined)[] = [];
  /** All pages below this one are full. */
  private firstOpenPage = 0;
  /** All words of that page below this one are full. */
  private firstOpenWord = 0;

  constructor() {
    this.markUsed(0);
  }

  isUsed(number: number): boolean {
    const page = this.pages[number >>> PAGE_BITS];
    return page !== undefined && (page.words[wordOf(number)] & bitOf(number)) !== 0;
  }

  /** Marks a number as used (also if it is already). */
  markUsed(number: number): void {
    const page = this.page(number >>> PAGE_BITS);
    if ((page.words[wordOf(number)] & bitOf(number)) === 0) {
      page.words[wordOf(number)] |= bitOf(number);
      page.used++;
    }
  }

  /** Takes the lowest free number. */
  take(): number {
    const number = this.lowestFree();
    this.markUsed(number);
    return number;
  }

  /** The number that `take` would return. */
  lowestFree(): number {
    while (this.pages[this.firstOpenPage]?.used === 1 << PAGE_BITS) {
      this.firstOpenPage++;
      this.firstOpenWord = 0;
    }
    const page = this.pages[this.firstOpenPage];
    const base = this.firstOpenPage << PAGE_BITS;
    if (page === undefined) {
      return base >>> 0;
    }
    let word = this.firstOpenWord;
    while (page.words[word] === FULL_WORD) {
      word++;
    }
    this.firstOpenWord = word;
    const bit = 31 - Math.clz32(~page.words[word] & -~page.words[word]);
    return (base + (word << WORD_BITS) + bit) >>> 0;
  }

  release(number: number): void {
    const page = this.page(number >>> PAGE_BITS);
    if ((page.words[wordOf(number)] & bitOf(number)) !== 0) {
      page.words[wordOf(number)] &= ~bitOf(number);
      page.used--;
      this.reopen(number >>> PAGE_BITS, wordOf(number));
    }
  }

  /** A number in this word became free. */
  private reopen(page: number, word: number): void {
    if (page < this.firstOpenPage) {
      this.firstOpenPage = page;
      this.firstOpenWord = word;
    } else if (page === this.firstOpenPage) {
      this.firstOpenWord = Math.min(this.firstOpenWord, word);
    }
  }

  private page(number: number): Page {
    let page = this.pages[number];
    if (page === undefined) {
      page = { words: new Uint32Array(PAGE_WORDS), used: 0 };
      this.pages[number] = page;
    }
    return page;
  }
}

function wordOf(number: number): number {
  return (number >>> WORD_BITS) & (PAGE_WORDS - 1);
}

function bitOf(number: number): number {
  return 1 << (number & 31);
}
