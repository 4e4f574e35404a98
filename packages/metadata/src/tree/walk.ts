import type { State } from '../state.ts';
import { TYPE_DIRECTORY } from '../tables/constants.ts';

/**
 * Visits a node and, if it is a directory, everything below it, once per name, each directory before its content. The visitor
 * must not change names.
 */
export function forEachBelow(state: State, top: number, visit: (row: number) => void): void {
  const { nodes, edges } = state;
  visit(top);
  if (nodes.type.get(top) !== TYPE_DIRECTORY) {
    return;
  }
  const pending = [top];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (let edge = edges.firstChild(directory); edge !== 0; edge = edges.nextSibling.get(edge)) {
      const child = edges.child.get(edge);
      visit(child);
      if (nodes.type.get(child) === TYPE_DIRECTORY) {
        pending.push(child);
      }
    }
  }
}
