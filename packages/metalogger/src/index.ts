export { type MetaloggerConfig, metaloggerConfig } from './config.ts';
export type { DigestVerdict } from './follow/digestExchange.ts';
export { main, metaloggerDaemon } from './main.ts';
export { Metalogger, type MetaloggerOptions, type MetaloggerStatus } from './metalogger.ts';
export { Shadow } from './shadow/shadow.ts';
