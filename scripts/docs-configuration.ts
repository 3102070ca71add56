/** The page about the configuration file, from its JSON Schema: one table per mapping, one section per kind. */
import { table } from './docs-table.ts';

export interface JsonSchema {
  readonly $schema?: string;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly additionalProperties?: JsonSchema | boolean;
}

export const linkerdTcpIntro = `# Configuration of linkerd-tcp

One file, YAML or JSON. Every key is listed here; an unknown key is an error. \`linkerd-tcp --check FILE\` reports all problems
with their line and column and starts nothing. The [JSON Schema](linkerd-tcp.schema.json) makes editors check while you type:
\`# yaml-language-server: $schema=…/linkerd-tcp.schema.json\`. There is no interpolation of the environment.

- Relative paths start from the directory of the configuration file. (linkerd-tcp 0.1 used the working directory; a configuration from
  standard input still does.)
- Durations say their unit in the name of the key and may be as long as you like.
- A file of linkerd-tcp 0.0.x is recognised: \`linkerd-tcp --check old.yml > new.yml\` reports how each key was translated and writes
  the translated file.
- \`SIGHUP\` and \`POST /reload\` read the file again. A file with a problem changes nothing.

`;

export const namerdIntro = `# Configuration of namerd

One file, YAML or JSON, with the keys of Linkerd 1.x's Namerd. Every key is listed here; an unknown key is an error.
\`namerd --check FILE\` reports all problems with their line and column and starts nothing. The
[JSON Schema](namerd.schema.json) makes editors check while you type.

- Relative paths start from the directory of the configuration file.
- Prefixes of namers must not overlap: a bound id leads to one namer.
- Namers and storage are followed live; a change of this file takes effect with a restart. \`SIGHUP\` checks it.

`;

/** A mapping that gets a section of its own. */
interface Section {
  readonly path: string;
  readonly schema: JsonSchema;
}

/** @param intro what stands above the tables, with the title */
export function configurationPage(root: JsonSchema, intro: string): string {
  const sections = [...within({ path: '', schema: root })];
  // Transformers may stand wherever something is bound: they are described once, at the end.
  const once = new Map(sections.map(section => [titleOf(section), section]));
  const inOrder = [...once.values()].sort((a, b) => Number(isTransformer(a)) - Number(isTransformer(b)));
  return intro + inOrder.map(sectionText).join('\n');
}

/** The section and those of the mappings inside it, depth first: near the one that mentions them. */
function* within(section: Section): Generator<Section> {
  yield section;
  for (const [key, value] of Object.entries(section.schema.properties ?? {})) {
    const path = key === 'transformers' || section.path === '' ? key : `${section.path}.${key}`;
    // The same mappings as those of io.l5d.global, just described.
    if (section.path.endsWith('.client.configs[]')) continue;
    for (const inner of mappingsIn(path, value)) yield* within(inner);
  }
}

const isTransformer = ({ path }: Section): boolean => path.startsWith('transformers[]');

function mappingsIn(path: string, schema: JsonSchema): Section[] {
  if (schema.items) return mappingsIn(`${path}[]`, schema.items);
  const options = schema.oneOf ?? schema.anyOf;
  if (options) return options.flatMap(option => mappingsIn(path, option));
  if (schema.properties) return [{ path, schema }];
  return typeof schema.additionalProperties === 'object' ? mappingsIn(`${path}.*`, schema.additionalProperties) : [];
}

function titleOf({ path, schema }: Section): string {
  const kind = schema.properties?.kind?.const;
  return path === '' ? 'Top level' : `\`${path}\`${kind === undefined ? '' : ` with \`kind: ${kind}\``}`;
}

function sectionText(section: Section): string {
  const { properties = {}, required = [], description } = section.schema;
  const rows = Object.entries(properties).map(([key, value]) => [
    `\`${key}\``,
    typeOf(value),
    defaultOf(value, required.includes(key)),
    value.description ?? '',
  ]);
  const about = description === undefined || section.path === '' ? '' : `${capitalise(description)}.\n\n`;
  return `## ${titleOf(section)}\n\n${about}${table(['Key', 'Type', 'Default', 'Meaning'], rows)}`;
}

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum) return schema.enum.map(value => `\`${value}\``).join(' or ');
  if (schema.items) return `list of ${plural(typeOf(schema.items))}`;
  const options = schema.oneOf ?? schema.anyOf;
  if (options?.every(option => option.properties?.kind)) return 'mapping, by `kind`';
  if (options) return [...new Set(options.map(typeOf))].join(' or ');
  return names[schema.type ?? ''] ?? 'anything';
}

const names: Readonly<Record<string, string>> = {
  string: 'string',
  integer: 'whole number',
  number: 'number',
  boolean: 'boolean',
  object: 'mapping',
};

const plural = (noun: string): string => noun.replace(/^(mapping|string|number|whole number)/, '$1s');

function defaultOf(schema: JsonSchema, required: boolean): string {
  if (required) return 'required';
  if (schema.default === undefined) return '';
  const text = JSON.stringify(schema.default);
  return text === '{}' ? '' : `\`${text}\``;
}

const capitalise = (text: string): string => text[0].toUpperCase() + text.slice(1);
