/** What is added to a node's VRRP priority, through the file that keepalived tracks. */
export const WEIGHTS = {
  /** keepalived takes a node with this weight out of the election. */
  unfit: -254,
  /** Lags behind the leader: better than nothing. */
  outdated: -60,
  fit: 0,
  /** Leads: the VIP belongs here. */
  leading: 30,
} as const;

/** VRRP priority of the first node; each further one has a little less. Even a leading last node stays below 255, which is reserved. */
export const FIRST_PRIORITY = 220;
const PRIORITY_STEP = 2;

/** The VRRP priority of the node at a place in NODES. High ones shorten VRRP's wait for a vanished peer: ((256 - priority) / 256) adverts. */
export function priorityOf(place: number): number {
  return FIRST_PRIORITY - PRIORITY_STEP * place;
}
