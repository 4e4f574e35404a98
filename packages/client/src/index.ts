export type * from './contracts.ts';
export type * from './types.ts';
