/** Writes the reference page of all messages, `docs/reference/messages.md`, from the catalogue. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MESSAGES } from './catalogue.ts';
import type { Layout } from './layout.ts';
import type { Direction, Link, Message } from './message.ts';
import type { Condition, FieldMap, Node } from './schema.ts';

export const REFERENCE_FILE = fileURLToPath(new URL('../../../docs/reference/messages.md', import.meta.url));

const LINKS: readonly (readonly [link: Link, title: string, ends: Readonly<Record<Direction, string>>])[] = [
  ['CL', 'Client - master (port 9421)', { request: 'to the master', reply: 'from the master' }],
  ['DATA', 'Data port of the chunkserver (9422)', { request: 'to the chunkserver', reply: 'from the chunkserver' }],
  ['CS', 'Chunkserver - master (port 9420)', { request: 'to the master', reply: 'from the master' }],
  ['ML', 'Metalogger - master (port 9419)', { request: 'to the master', reply: 'from the master' }],
];

const INTRODUCTION = `# Messages

Made from the catalogue in \`packages/proto\` by \`node packages/proto/src/reference.ts\`; do not edit.

A frame is \`type:u32 length:u32 payload\`; below are the payloads. Integers are big-endian. \`name:u8+bytes\` is a length of
one byte and that many bytes. \`N x (...)\` repeats to the end of the payload, \`name x (...)\` as often as the field
\`name\` says. \`[field]\` is there only if bytes are left, or in the case said behind it. \`GIDS\` is \`gcnt:u32, gcnt x
(gid:u32)\`; \`ATTR\` is the attribute record (36 bytes; \`ATTR35\`: without its last field). Messages with several layouts
have one line for each, the name of the layout first; forms marked "older" are understood, never sent.
`;

const PREFIX_NAMES = { 1: 'u8', 2: 'u16', 4: 'u32' } as const;

function conditionText(condition: Condition): string {
  if ('equals' in condition) return `if ${condition.field} = ${condition.equals}`;
  return `if ${condition.field} has bits ${condition.hasBits}`;
}

/** The notation of an element without a name of its own. */
function elementText(node: Node): string {
  return node.kind === 'record' ? fieldsText(node.fields) : fieldText('', node).replace(/^:/, '');
}

function fieldText(name: string, node: Node): string {
  switch (node.kind) {
    case 'u64cap':
    case 'u64n':
      return `${name}:u64`;
    case 'bytes':
      return `${name}:${node.length} bytes`;
    case 'lbytes':
      return `${name}:${PREFIX_NAMES[node.prefix]}+bytes`;
    case 'rest':
      return `${name}:rest`;
    case 'restZero':
      return `${name}:rest without its final zero`;
    case 'bytesOf':
      return `${name}:${node.count} bytes`;
    case 'array':
      return `${name}:${node.length} x (${elementText(node.element)})`;
    case 'list':
      return `${name}:${PREFIX_NAMES[node.prefix]}+N x (${elementText(node.element)})`;
    case 'listRest':
      return `${name}:N x (${elementText(node.element)})`;
    case 'listOf':
      return `${name}:${node.count} x (${elementText(node.element)})`;
    case 'count':
      return `${name}:${PREFIX_NAMES[node.width]}`;
    case 'constant':
      return `${name}:${PREFIX_NAMES[node.width]}=${node.value}`;
    case 'literal':
      return `${name}:${node.bytes.length} fixed bytes`;
    case 'record':
      return `${name}:(${fieldsText(node.fields)})`;
    case 'sized':
      return `${name}:${PREFIX_NAMES[node.prefix]}+bytes of (${elementText(node.element)})`;
    case 'optional': {
      const left = node.whenLeft === undefined ? '' : ` if ${node.whenLeft.join(' or ')} bytes are left`;
      return `[${fieldText(name, node.element)}${left}]`;
    }
    case 'when':
      return `[${fieldText(name, node.element)} ${conditionText(node.condition)}]`;
    case 'gids':
      return 'GIDS';
    case 'gid':
      return 'gid:u32';
    case 'attr':
      return node.length === 36 ? 'ATTR' : 'ATTR35';
    default:
      return `${name}:${node.kind}`;
  }
}

function fieldsText(fields: FieldMap): string {
  return Object.entries(fields)
    .map(([name, { node }]) => fieldText(name, node))
    .join(' ');
}

function layoutLine({ name, fields, fill, note }: Layout): string {
  const label = fill === undefined ? name : 'older';
  const text = `${label === undefined ? '' : `${label}: `}${fieldsText(fields) || 'empty'}`;
  return note === undefined ? text : `${text}    // ${note}`;
}

function messageText(message: Message<unknown>): string {
  const current = message.layouts.filter((l) => l.fill === undefined);
  const older = message.layouts.filter((l) => l.fill !== undefined);
  const lines = [...current, ...older].map(layoutLine);
  return `**${message.number} ${message.name}**: ${message.purpose}\n\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n`;
}

/** The whole page. */
export function renderReference(): string {
  const sections = LINKS.flatMap(([link, title, ends]) =>
    (['request', 'reply'] as const).map((direction) => {
      const messages = MESSAGES.filter((m) => m.routes.some((r) => r.link === link && r.direction === direction));
      return `## ${title}: ${ends[direction]}\n\n${messages.map(messageText).join('\n')}`;
    }),
  );
  return `${INTRODUCTION}\n${sections.join('\n')}`;
}

if (import.meta.main) writeFileSync(REFERENCE_FILE, renderReference());
