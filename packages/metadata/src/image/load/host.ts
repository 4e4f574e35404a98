/** What the parts of the loader share. */
export interface LoadHost {
  /** Throws an ImageError with the present place, unless damage is to be ignored (`-i`); then the caller repairs or drops. */
  tolerate(reason: string): void;
  /** Throws an ImageError in any case. */
  fail(reason: string): never;
  notice(text: string): void;
  /** Version of the section being read. */
  sectionVersion(): number;
  /** How many records of at least so many bytes the section being read can hold, whatever a damaged image says. */
  mostRecords(lengthBytes: number): number;
  /** Unix time of loading. */
  now: number;
  /** Grace period of quotas from sections that have none, seconds. */
  defaultQuotaGrace: number;
}
