export { type DumpOptions, dumpImage } from './dump.ts';
