/** Keys of Linkerd 1.x's Namerd that this one does not have, and their replacements. */
import type { ValuePath } from '../../config/document.ts';
import type { Vocabulary } from '../../config/explain.ts';

const network = 'not supported; keep the admin address on a network you trust';
const notNeeded = 'not needed; remove it';

/** By place, without indices. */
const keys: Readonly<Record<string, string>> = {
  routers: 'this belongs in a configuration of linkerd-tcp',
  dtab: 'dtabs are stored: create one with namerctl, or PUT /api/1/dtabs/<namespace>',
  'admin.security': network,
  'admin.tls': network,
  'admin.workerThreads': notNeeded,
  'admin.socketOptions': notNeeded,
  'admin.graceSecs': 'write shutdownGraceMs, in milliseconds',
  'interfaces.socketOptions': notNeeded,
  'interfaces.cache': 'not needed: bound names stay cached while they are used',
  'interfaces.tls.protocols': 'not supported; TLS 1.2 and 1.3 are always offered',
};

export const namerdVocabulary: Vocabulary = {
  key: (parent, key) => own(keys, [...shape(parent), key].join('.')),
};

const shape = (path: ValuePath): readonly string[] => path.filter(part => typeof part === 'string');

const own = (words: Readonly<Record<string, string>>, word: string): string | undefined =>
  Object.hasOwn(words, word) ? words[word] : undefined;
