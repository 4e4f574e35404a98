import { afterAll, beforeAll } from 'vitest';
import { Site, type SiteNode, type SiteOptions } from './site.ts';

/** A site for all tests of a describe, which build on each other. */
export function siteFor(options: SiteOptions): () => Site {
  let site: Site | undefined;
  beforeAll(async () => {
    site = await Site.start(options);
  });
  afterAll(() => site?.destroy());
  return () => {
    if (site === undefined) throw new Error('the site did not start');
    return site;
  };
}

/** Another node that can lead. */
export function other(site: Site, node: SiteNode): SiteNode {
  const found = site.nodes.find((candidate) => candidate !== node && site.canLead(candidate));
  if (found === undefined) throw new Error('there is no other node');
  return found;
}

export function kill(node: SiteNode): void {
  const pid = node.pid();
  if (pid === undefined) throw new Error(`${node.name} does not run`);
  process.kill(pid, 'SIGKILL');
}

/** What `mfsha` on a node's host says; an exit status other than 0 is an error. */
export async function mfsha(node: SiteNode, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await node.mfsha(...args);
  if (status !== 0) throw new Error(`mfsha ${args.join(' ')} on ${node.name}: ${status}\n${stdout}${stderr}`);
  return stdout;
}
