export {
  type HaConfig,
  HaConfigError,
  haConfig,
  haConfigFile,
  parseNodes,
  readHaConfig,
  readSecret,
} from './config.ts';
export { ask } from './control/client.ts';
export type { ControlAnswer, ControlRequest, HistoryEvent, NodeReport } from './control/types.ts';
export { HaNode, type HaNodeOptions } from './node/haNode.ts';
export { type HostedNode, type HostedNodeOptions, startHostedNode } from './node/hostedNode.ts';
export * from './vip/index.ts';
